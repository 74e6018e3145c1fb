"""The real images of an audit file as training data."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from ganaudit import factory, weights
from ganaudit.datasets.protocol import Dataset
from ganaudit.errors import RequestError
from ganaudit.registry import opener
from ganaudit.spec import AuditSpec, FolderSource, MasksParser, MasksSource, VillageSource, load
from ganaudit.training.data import Data
from ganaudit.village.classes import NAMES

SCENES = 30_000
"""Scenes of a village that does not say how many."""


def training_data(audit: Path) -> Data:
    """The first `count` real images of the audit file; those held out of them are never trained on. Raises RequestError."""
    spec = load(audit)
    images, real = _opened(spec), spec.real
    length = SCENES if isinstance(real, VillageSource) else len(images) - (real.heldout or 0)
    if real.count is not None and not isinstance(real, VillageSource) and real.count > length:
        raise RequestError(f"source {real.name!r} has {length:,} images to train on and {real.count:,} are asked for")
    return Data(images, real.count or length, _names(spec))


def _opened(spec: AuditSpec) -> Dataset:
    """As the audit opens it, but at its own size: a training resizes to what its model wants."""
    real, cache = spec.real, spec.path(spec.store) / "cache" / "digests.json"
    if isinstance(real, VillageSource):
        opened = opener("datasets", "village")(real.seed or 0, real.prevalence, real.style, real.artefact)
    elif isinstance(real, FolderSource):
        opened = opener("datasets", "folder")(spec.path(real.path), real.seed, cache=cache)
    elif isinstance(real, MasksSource):
        labels = None if real.labels is None else spec.path(real.labels)
        opened = opener("datasets", "masks")(
            spec.path(real.path), labels, suffix=real.suffix, void=real.void, size=real.size, seed=real.seed, cache=cache
        )
    else:
        given = {}
        if real.weights is not None:
            given = {"weights": str(weights.locate(real.weights, spec.folder))}
            weights.verified(Path(given["weights"]), real.sha256)
        opened = factory.call(real.kind, spec.folder, {**real.options, **given})
        if not isinstance(opened, Dataset):
            raise RequestError(f"{real.kind}: a dataset has __len__, image(index) and recipe()")
    return cast(Dataset, opened)


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
