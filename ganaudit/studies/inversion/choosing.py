"""Which images are inverted: photos and own samples drawn from what the parser counted in them, own samples to be masked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaudit.keys import digest, source_key
from ganaudit.random import uniforms
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.sources.planned import Plan, PlannedSource
from ganaudit.sources.roles import SourceRole
from ganaudit.statistics.sampling import draw
from ganaudit.studies.inversion.models import Invertible
from ganaudit.studies.inversion.settings import HELDOUT, MASKED, OWN, TRAIN
from ganaudit.studies.inversion.verdicts import Rules

VERSION = 1
"""Enters the keys of targets: raised when the same images would give other records."""
POOL = 8
"""Own samples are chosen among so many times as many, so that rare classes are in enough of them."""
PATCH = 0.25
"""Side of the patch of a masked own sample, as a share of the image's."""

Patch = tuple[float, float, float, float]
"""Top, left, bottom, right of what is greyed out, as shares of the image."""


@dataclass(frozen=True)
class TargetList:
    """Images to be inverted, in the order of their indices; `batch` of them are one shard.

    sample: what kind of images. asked, source, source_key: where they come from. weights: one over each one's chance.
    """

    sample: str
    asked: SourceRole
    source: str
    source_key: str
    indices: tuple[int, ...]
    weights: tuple[float, ...]
    batch: int
    patches: tuple[Patch, ...] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def key(self) -> str:
        """Of their records: the same for all generators and methods that they are inverted by."""
        return source_key({
            "targets": VERSION, "source": self.source_key, "list": digest([list(self.indices), list(self.weights)]),
            "patches": None if self.patches is None else digest([list(patch) for patch in self.patches]), "batch": self.batch,
        })  # fmt: skip

    @property
    def batches(self) -> list[tuple[int, int]]:
        """(first, last) place of each batch."""
        return [(first, min(first + self.batch, len(self)) - 1) for first in range(0, len(self), self.batch)]

    def take(self, first: int, last: int) -> TargetList:
        """The images at these places, last included."""
        part = slice(first, last + 1)
        return TargetList(
            self.sample, self.asked, self.source, self.source_key, self.indices[part], self.weights[part], self.batch,
            None if self.patches is None else self.patches[part],
        )  # fmt: skip


def photo_lists(plan: Plan, store: Store) -> list[TargetList]:
    """Held-out and training photos: the same for every generator."""
    asked = plan.spec.invert
    assert asked is not None
    wanted = {HELDOUT: asked.images, TRAIN: asked.train_images}
    return [
        _drawn(plan, store, source, sample, count)
        for sample, count in wanted.items() for source in plan.sources if source.role == sample
    ]  # fmt: skip


def own_lists(plan: Plan, store: Store, which: Invertible) -> list[TargetList]:
    """Own samples of a generator, and those of them that are also inverted with a patch greyed out."""
    asked = plan.spec.invert
    assert asked is not None
    source = next(source for source in plan.sources if source.key == which.own_key and source.role == OWN)
    own = _drawn(plan, store, source, OWN, asked.own)
    return [own, masked(own, asked.masked, plan.spec.sample.seed)] if asked.masked else [own]


def masked(own: TargetList, count: int, seed: int) -> TargetList:
    """The first `count` own samples, each with the patch that follows from its index."""
    few = own.take(0, min(count, len(own)) - 1)
    corners = uniforms(seed, "masked patch", few.indices, 2) * (1.0 - PATCH)
    patches = np.concatenate([corners, corners + PATCH], axis=1).tolist()
    boxes = tuple((top, left, bottom, right) for top, left, bottom, right in patches)
    return TargetList(MASKED, few.asked, few.source, few.source_key, few.indices, few.weights, few.batch, boxes)


def _drawn(plan: Plan, store: Store, source: PlannedSource, sample: str, count: int) -> TargetList:
    """About `count` images of a source, and more where a class would be in too few."""
    assert plan.spec.invert is not None
    offered, present = counted(store, plan.run, source.name)
    chosen = draw(offered, present, count, plan.spec.sample.seed)
    return TargetList(
        sample, source.asked, source.name, source.key, tuple(offered[chosen.places].tolist()), tuple(chosen.weights.tolist()),
        plan.spec.invert.batch,
    )  # fmt: skip


def counted(store: Store, run: str, source: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The images of a source that could be read, in order, and whether each holds enough of each class that any holds."""
    with catalog.of_run(store, run) as connection:
        readable = "SELECT image FROM run_images(?) WHERE source = ? AND status = 'ok' ORDER BY image"
        offered = np.asarray(connection.execute(readable, [run, source]).fetchnumpy()["image"], dtype=np.int64)
        enough = "SELECT image, class_id FROM run_class_pixels(?) WHERE source = ? AND class_id > 0 AND pixels >= ?"
        holding = connection.execute(enough, [run, source, Rules().least_pixels]).fetchnumpy()
    classes, columns = np.unique(np.asarray(holding["class_id"], dtype=np.int64), return_inverse=True)
    present = np.zeros((len(offered), len(classes)), dtype=bool)
    present[np.searchsorted(offered, np.asarray(holding["image"], dtype=np.int64)), columns] = True
    return offered, present
