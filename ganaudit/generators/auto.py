"""Kind `auto`: the family is found from the weights file's keys, and named."""

from __future__ import annotations

from dataclasses import replace
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
    """What the family that the file is of opens: the same records as if it was named. Raises RequestError for no such file."""
    from ganaudit import weights
    from ganaudit.kinds.content import normal

    file = weights.opened(options.weights, context.folder, options.sha256)
    family = family_of(file)
    said = options.model_dump(exclude={"heldout"}, exclude_none=True) | {"kind": family.name}
    named: Any = family.options.model_validate(said)
    with weights.held(file):
        opened = normal(family, named, context)
    return replace(opened, notes=(f"{file.path.name} is of kind {family.name!r}", *opened.notes))


def family_of(file: File) -> Kind:
    """The kind of generator whose layout a file has. Raises RequestError with the keys that the file holds."""
    from ganaudit.generators.layouts import found, unknown

    families = [kinds.find("generators", name) for name in kinds.names("generators") if name not in ("auto", kinds.OWN)]
    said = file.metadata.get("kind")
    for family in families:
        if family.name == said or (family.layouts is not None and found(file, family.layouts()) is not None):
            return family
    raise unknown(file, "a generator")


KIND = Kind("auto", AutoSource, open_auto, "the family that the keys in the weights file tell")
