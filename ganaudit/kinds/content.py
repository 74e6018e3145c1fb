"""What a model is before it is opened, and its recipe when it is: how a process knows that it has it open already."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganaudit import factory, kinds, weights
from ganaudit.context import Context
from ganaudit.identity import content_digest
from ganaudit.keys import canonical
from ganaudit.kinds import Kind, Opened, Registry
from ganaudit.options import ParserPart, Source, chosen
from ganaudit.state import state_digest

SAID_ELSEWHERE = {
    "name", "count", "heldout", "step", "step_from", "training", "sha256", "bytes", "url", "resize", "how", "rounding",
}  # fmt: skip
"""Options that make no other model."""


def content(registry: Registry, options: Source | ParserPart, context: Context) -> str:
    """A text that is another one where the model would be: by its weights' bytes, its source, its options, its device.

    Raises RequestError for weights of another digest than `sha256`.
    """
    said: dict[str, Any] = options.model_dump(mode="json", exclude=SAID_ELSEWHERE)
    files = [weights.located(file, context.folder, key) for key in ("weights", "files") for file in _listed(said.get(key))]
    further = kinds.find(registry, options.kind).files if options.kind in kinds.names(registry) else None
    files += [] if further is None else further(options, context)
    said["content"] = [content_digest(file) for file in files]
    if said.get("weights") and files[0].is_file():  # a model that is open already is not read again, but is insisted on
        weights.insisted(files[0], said["content"][0], getattr(options, "sha256", None))
    elif said.get("weights"):
        said["sha256"] = getattr(options, "sha256", None)  # of a folder its kind asks
    if ":" in options.kind:
        said |= {"source": factory.source_digest(options.kind, context.folder), "paths": list(map(str, files))}
    return canonical([registry, said, str(context.folder.resolve()), context.device, context.precision])


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value if isinstance(value, list) else []


def normal(kind: Kind, options: Source | ParserPart, context: Context) -> Opened:
    """What a kind opens, with a recipe: where its opener says none, its options, weights, source and state.

    The options of its own that were set enter every recipe, the others never: a new option changes no key of before. Where a
    recipe says one itself, such as a file by what it holds, that counts.
    """
    opened = kind.open(options, context)
    if not isinstance(opened, Opened):
        file = getattr(options, "weights", None)
        path = weights.locate(file, context.folder) if isinstance(file, str) else None
        digests = {} if path is None else {"weights": weights.verified(path, getattr(options, "sha256", None))}
        source = hashlib.sha256((inspect.getsource(inspect.getmodule(kind.open) or kind.open)).encode()).hexdigest()
        said = {"kind": kind.name, **digests, "source": source, "state": state_digest(opened)}
        opened = Opened(opened, said, digests, path)
    own = chosen(options) if ":" not in options.kind else {}
    if isinstance(options, ParserPart) and "no images" in kind.offers:
        own.pop("classes", None)  # they are in every parser's recipe, and here no option says of which channel each is
    own = {name: value for name, value in own.items() if name not in opened.recipe}
    return replace(opened, recipe={**opened.recipe, **({"options": own} if own else {})})


def misnamed(options: Source | ParserPart, path: Path | None, digests: Mapping[str, str]) -> tuple[str, ...]:
    """What a person should know of a weights file whose name ends in another digest than it has, where the audit file does not
    settle which file is wanted; nothing for any other."""
    if path is None or getattr(options, "sha256", None) is not None:
        return ()
    said = weights.misnamed(path, digests.get("weights", ""))
    return () if said is None else (said,)
