"""Two parsers that read the same images: which classes of the second stand for those of the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganaudit.parsers.protocol import ClassInfo


def spelled(name: str) -> str:
    """A class's name as two label sets share it: without case, and with spaces for other marks between words."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").replace(";", " ").split())


def matched(first: Mapping[int, str], second: Mapping[int, str]) -> dict[int, int]:
    """Class ids of the first parser with those of the second of the same name, void apart; each once."""
    by_name: dict[str, int] = {}
    for class_id, name in second.items():
        if class_id:
            by_name.setdefault(spelled(name), class_id)
    found = {class_id: by_name.pop(spelled(name), 0) for class_id, name in first.items() if class_id}
    return {class_id: other for class_id, other in found.items() if other}


def paired(first: Sequence[ClassInfo], second: Sequence[ClassInfo]) -> dict[int, int]:
    """Class ids of the first parser with those of the second of the same name, each once: those of both first heads, then of
    heads of one name, then of any heads."""
    inside = of_first_head(first), of_first_head(second)
    found = matched(*inside)
    for with_head in (True, False):
        left = ({
            info.id: f"{info.head} {info.name}" if with_head else info.name
            for info in sorted(classes, key=lambda info: info.id) if info.id and info.id not in used
        } for classes, used in ((first, set(found)), (second, set(found.values()))))  # fmt: skip
        found |= {a: b for a, b in matched(*left).items() if a not in inside[0] or b not in inside[1]}
    return found


def beyond_first_heads(first: Sequence[ClassInfo], second: Sequence[ClassInfo]) -> dict[int, int]:
    """Those of the pairs that are not of both first heads."""
    inside = matched(of_first_head(first), of_first_head(second))
    return {a: b for a, b in paired(first, second).items() if inside.get(a) != b}


def of_first_head(classes: Sequence[ClassInfo]) -> dict[int, str]:
    """Names by id of the classes of the first head, void apart."""
    head = next((info.head for info in classes if info.id), None)
    return {info.id: info.name for info in classes if info.id and info.head == head}
