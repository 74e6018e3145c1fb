"""A generator or a parser named on the command line rather than in an audit file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ganaudit import kinds, weights
from ganaudit.errors import RequestError
from ganaudit.kinds import Room
from ganaudit.options import FACTORY


def options_named(room: Room, name: str, kind: str | None = None, folder: Path = Path()) -> Any:
    """The options of `builtin:NAME` (or NAME alone), a weights file, KIND:weights, or `module:factory` beside `folder`.

    kind: that of a weights file whose metadata do not say it. Raises RequestError for what is of no kind of this room.
    """
    prefix, _, rest = name.partition(":")
    if name in weights.builtin_names():
        name = weights.BUILTIN + name
    elif (
        kind is None
        and prefix in kinds.names(room)
        and (not re.match(FACTORY, name) or rest in weights.builtin_names() or (folder / rest).is_file())
    ):
        kind, name = prefix, weights.BUILTIN + rest if rest in weights.builtin_names() else rest
    elif kind is None and re.match(FACTORY, name) and not name.startswith(weights.BUILTIN) and not (folder / name).is_file():
        return _options(room, name, {"kind": name})
    if kind is None:
        loaded = weights.load(name, folder)
        kind = loaded.metadata.get("kind")
        if kind is None:
            valid = ", ".join(each for each in kinds.names(room) if each != kinds.OWN)
            raise RequestError(f"weights {loaded.path} do not say their kind; give it before a colon, KIND:{name} ({valid})")
        if kind not in kinds.names(room):
            others = [other for other in ("generators", "parsers") if other != room and kind in kinds.names(other)]
            what = f"it is among the {others[0]}" if others else f"there are {', '.join(kinds.names(room))}"
            raise RequestError(f"{name} is of kind {kind!r}, which is none of the {room}; {what}")
    return _options(room, name, {"kind": kind, "weights": name})


def _options(room: Room, name: str, said: dict[str, Any]) -> Any:
    model = kinds.find(room, said["kind"]).options
    said |= {"name": name} if "name" in model.model_fields else {}
    try:
        return model.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"{name}: kind {said['kind']!r} needs more than weights ({key}: {first['msg']})") from None


def shipped(room: Room) -> list[str]:
    """The built-in weights that a kind of this room opens."""
    cards = {name: weights.card(weights.locate(weights.BUILTIN + name)) for name in weights.builtin_names()}
    valid = kinds.names(room)
    return [weights.BUILTIN + name for name, card in cards.items() if card.get("kind") in valid]
