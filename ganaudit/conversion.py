"""A foreign checkpoint as safetensors: every network in it a file of its own, its tensors equal to the bit, and a card."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ganaudit import weights
from ganaudit.errors import RequestError
from ganaudit.state_dicts import siblings, statistics_of

Part = tuple[str, dict[str, Tensor]]
MADE_WITH = ("init_kwargs", "static_kwargs")
"""What NVIDIA's pickles say of a network beside its tensors: it goes with them, into the metadata."""


def convert(name: str, to: Path, sha256: str | None = None) -> dict[str, Any]:
    """Writes NAME.safetensors for each mapping of names to tensors in a checkpoint (NAME.KEYS.safetensors where they lie under
    keys), and NAME.card.json: where it came from, its plain values, and what was left out. Returns the card.

    Raises RequestError for a file that cannot be read safely, one without tensors, and files that are there already.
    """
    file = weights.opened(name, sha256=sha256)
    parts, plain, left = _parted(file.content)
    if not parts:
        raise RequestError(f"weights {file.path} hold no tensors by name; there is nothing to convert")
    stem = file.path.name.removesuffix(file.path.suffix)
    files = {f"{stem}{f'.{_named(where)}' if where else ''}.safetensors": (where, tensors) for where, tensors in parts}
    if len(files) < len(parts):
        raise RequestError(f"weights {file.path} hold networks under keys that no two files can be called after")
    card: dict[str, Any] = {
        "converted_from": file.path.name, "sha256": file.sha256, "values": plain, "left_out": [*file.left_out, *left],
        "files": {each: {"keys": where, "tensors": len(tensors)} for each, (where, tensors) in files.items()},
    }  # fmt: skip
    card_name = f"{stem}.card.json"
    taken = next((each for each in (*files, card_name) if (to / each).exists()), None)
    if taken is not None:
        raise RequestError(f"{to / taken} is there already; name another folder with --to")
    try:
        to.mkdir(parents=True, exist_ok=True)
        for each, (where, tensors) in files.items():
            made_with = {key: json.dumps(value) for key, value in siblings(plain, where).items() if key in MADE_WITH}
            _written(to / each, _bytes(tensors, {"converted_from_sha256": file.sha256, **made_with}))
        _written(to / card_name, json.dumps(card, indent=2, ensure_ascii=False).encode(errors="replace"))
    except OSError as error:
        raise RequestError(f"{to} cannot be written to: {error.strerror}") from None
    return card


def _bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file's bytes. Tensors that share memory become their own."""
    from safetensors.torch import save

    whole: bytes = save({name: value.clone().contiguous() for name, value in tensors.items()}, dict(metadata))
    return whole


def _written(path: Path, content: bytes) -> None:
    """A file that is whole or not there."""
    torn = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torn.write_bytes(content)
        torn.replace(path)
    finally:
        torn.unlink(missing_ok=True)


def _named(where: str) -> str:
    """Keys as part of a file's name."""
    return re.sub(r"[^\w.-]+", "_", where).strip("._")[:100] or "_"


def _is_network(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(entry, Tensor) for entry in value.values())


def _parted(content: Any) -> tuple[list[Part], Any, list[str]]:
    """The mappings of names to tensors in a checkpoint with the keys that lead to them, the plain values around them, and the
    tensors that stand in lists, which have no names."""
    parts: list[Part] = []
    left: list[str] = []

    def plain(value: Any, where: str, beside: Mapping[str, Tensor] = MappingProxyType({})) -> Any:
        if isinstance(value, Tensor):
            left.append(f"{where or 'the whole'}: a tensor without a name, {tuple(value.shape)}")
            return None
        if isinstance(value, Mapping):
            tensors = {str(name): entry for name, entry in value.items() if isinstance(entry, Tensor)}
            rest = {str(name): entry for name, entry in value.items() if not isinstance(entry, Tensor)}
            theirs = {name: statistics_of(value, name) if _is_network(entry) else {} for name, entry in rest.items()}
            given = {name for statistics in theirs.values() for name in statistics}
            if tensors.keys() - given:
                parts.append((where, {**beside, **tensors}))
            return {name: plain(entry, f"{where}.{name}" if where else name, theirs[name]) for name, entry in rest.items()}
        if isinstance(value, list):
            return [plain(entry, f"{where}.{place}") for place, entry in enumerate(value)]
        if isinstance(value, float) and value - value != 0.0:
            return str(value)
        return value

    return parts, plain(content, ""), left
