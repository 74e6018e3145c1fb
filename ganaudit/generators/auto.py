"""Kind `auto`: the kind is found from the weights file, by what it is or by the keys of its tensors, and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaudit import kinds
from ganaudit.context import Context
from ganaudit.kinds import Kind, Opened
from ganaudit.options import WeightsSource

if TYPE_CHECKING:
    from ganaudit.weights import File


class AutoSource(WeightsSource):
    """A generator of a family that its file tells; name the family to give options of its own."""


def open_auto(options: AutoSource, context: Context) -> Opened:
    """What the kind that the file is of opens: the same records as if it was named. Raises RequestError for no such file."""
    from ganaudit import weights
    from ganaudit.kinds.content import normal

    path = weights.located(options.weights, context.folder)
    certain = _certain(path)
    if certain is not None:
        kind, opened = certain, normal(certain, _named(options, certain), context)
    else:
        file = weights.opened(options.weights, context.folder, options.sha256)
        kind = family_of(file)
        with weights.held(file):
            opened = normal(kind, _named(options, kind), context)
    return replace(opened, notes=(f"{path.name} is of kind {kind.name!r}", *opened.notes))


def _named(options: AutoSource, kind: Kind) -> Any:
    said = options.model_dump(exclude={"heldout"}, exclude_none=True)
    return kind.options.model_validate(said | {"kind": kind.name})


def _certain(path: Path) -> Kind | None:
    """The kind that a file or folder is of whatever tensors it holds, such as a TorchScript program."""
    named = [kinds.find("generators", name) for name in kinds.names("generators") if name not in ("auto", kinds.OWN)]
    return next((kind for kind in named if kind.holds is not None and kind.holds(path)), None)


def further(options: AutoSource, context: Context) -> Sequence[Path]:
    """Further files that its kind reads."""
    from ganaudit import weights

    kind = _certain(weights.located(options.weights, context.folder))
    return () if kind is None or kind.files is None else kind.files(_named(options, kind), context)


def family_of(file: File) -> Kind:
    """The kind of generator whose layout a file has. Raises RequestError with the keys that the file holds."""
    from ganaudit.generators.layouts import found, unknown

    families = [kinds.find("generators", name) for name in kinds.names("generators") if name not in ("auto", kinds.OWN)]
    said = file.metadata.get("kind")
    for family in families:
        if family.name == said or (family.layouts is not None and found(file, family.layouts()) is not None):
            return family
    raise unknown(file, "a generator")


KIND = Kind("auto", AutoSource, open_auto, "the kind that the weights file tells, by the keys of its tensors", files=further)
