"""The classes of a parser, as they were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ganaudit.parsers.protocol import ClassInfo
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASSES


@dataclass(frozen=True)
class Classes:
    """first_head: those whose areas add up to the image, with void first."""

    names: Mapping[int, str]
    heads: Mapping[int, str]
    first_head: tuple[int, ...]

    @property
    def infos(self) -> list[ClassInfo]:
        """As a parser has them, those of the first head before others."""
        order = sorted(self.names, key=lambda class_id: class_id not in self.first_head)
        return [ClassInfo(class_id, self.names[class_id], self.heads[class_id]) for class_id in order]


def classes_of(store: Store, parser_key: str) -> Classes:
    """Those of a parser's key."""
    rows = store.read(CLASSES, store.classes(parser_key)).to_pylist()
    heads = {row["class_id"]: row["head"] for row in rows}
    head = next((row["head"] for row in rows if row["class_id"] > 0), None)
    first = [row["class_id"] for row in rows if row["class_id"] == 0 or row["head"] == head]
    return Classes({row["class_id"]: row["name"] for row in rows}, heads, tuple(first))
