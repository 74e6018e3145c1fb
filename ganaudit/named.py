"""A generator or a parser named on the command line rather than in an audit file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ganaudit import kinds, weights
from ganaudit.errors import RequestError
from ganaudit.kinds import Registry
from ganaudit.options import FACTORY


def options_named(registry: Registry, name: str, kind: str | None = None, folder: Path = Path()) -> Any:
    """The options of `builtin:NAME` (or NAME alone), a weights file, KIND:weights, or `module:factory` beside `folder`.

    kind: that of a weights file whose metadata do not say it. Raises RequestError for what is of no kind of this registry.
    """
    prefix, _, rest = name.partition(":")
    if name in weights.builtin_names():
        name = weights.BUILTIN + name
    elif (
        kind is None
        and prefix in kinds.names(registry)
        and (not re.match(FACTORY, name) or rest in weights.builtin_names() or (folder / rest).is_file())
    ):
        kind, name = prefix, weights.BUILTIN + rest if rest in weights.builtin_names() else rest
    elif kind is None and re.match(FACTORY, name) and not name.startswith(weights.BUILTIN) and not (folder / name).is_file():
        return _options(registry, name, {"kind": name})
    if kind is None:
        loaded = weights.opened(name, folder)
        kind = loaded.metadata.get("kind")
        if kind is None:
            valid = ", ".join(each for each in kinds.names(registry) if each != kinds.OWN)
            raise RequestError(f"weights {loaded.path} do not say their kind; give it before a colon, KIND:{name} ({valid})")
        if kind not in kinds.names(registry):
            others = [other for other in ("generators", "parsers") if other != registry and kind in kinds.names(other)]
            what = f"it is among the {others[0]}" if others else f"there are {', '.join(kinds.names(registry))}"
            raise RequestError(f"{name} is of kind {kind!r}, which is none of the {registry}; {what}")
    return _options(registry, name, {"kind": kind, "weights": name})


def _options(registry: Registry, name: str, said: dict[str, Any]) -> Any:
    model = kinds.find(registry, said["kind"]).options
    said |= {"name": name} if "name" in model.model_fields else {}
    try:
        return model.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"{name}: kind {said['kind']!r} needs more than weights ({key}: {first['msg']})") from None


def shipped(registry: Registry) -> list[str]:
    """The built-in weights that a kind of this registry opens."""
    cards = {name: weights.card(weights.locate(weights.BUILTIN + name)) for name in weights.builtin_names()}
    valid = kinds.names(registry)
    return [weights.BUILTIN + name for name, card in cards.items() if card.get("kind") in valid]
