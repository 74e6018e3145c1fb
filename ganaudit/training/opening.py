"""The real images of an audit file as training data."""

from __future__ import annotations

from pathlib import Path

from ganaudit import kinds
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.parsers.masks import MasksParser
from ganaudit.spec import AuditSpec, load
from ganaudit.training.data import Data
from ganaudit.village.classes import NAMES
from ganaudit.village.scene import RESOLUTION

SCENES = 30_000
"""Scenes of a village that does not say how many."""


def training_data(audit: Path, side: int = RESOLUTION, labelled: bool = True) -> Data:
    """The first `count` real images of the audit file; those held out of them are never trained on.

    side: of the images, in pixels, as they will be trained on. labelled: a parser is trained, which needs the classes of their
    label maps. Raises RequestError.
    """
    spec = load(audit)
    real, cache = spec.real, spec.path(spec.store) / "cache"
    context = Context(spec.folder, size=(side, side), cache=cache)
    dataset = kinds.at("real", real.kind).open(real, context)
    endless = getattr(dataset, "endless", False)
    length = SCENES if endless else len(dataset) - (real.heldout or 0)
    if real.count is not None and not endless and real.count > length:
        raise RequestError(f"source {real.name!r} has {length:,} images to train on and {real.count:,} are asked for")
    return Data(dataset, real.count or length, _names(spec) if labelled else ())


def _names(spec: AuditSpec) -> tuple[str, ...]:
    """The classes of the label maps: those of the parser `masks`, whose ids are to be 1, 2, 3 …, or the village's."""
    if not isinstance(spec.parser, MasksParser):
        return NAMES
    classes = spec.parser.classes
    named = classes if isinstance(classes, dict) else dict(enumerate(classes, 1))
    if sorted(named) != list(range(1, len(named) + 1)):
        raise RequestError(
            f"a parser is trained on classes with ids from 1 on without gaps; the audit file has {sorted(named)}"
        )
    return tuple(named[number] for number in sorted(named))
