"""Which held-out photos are inverted: enough of every class, each photo with the weight that undoes the choice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaudit.random import uniforms

ENOUGH = 20
"""Photos of a class that a verdict needs."""
MARGIN = 1.25
"""More are expected than needed, so that chance seldom leaves too few."""


@dataclass(frozen=True)
class WeightedSample:
    """places: of the chosen photos among those offered, ascending. weights: one over the chance of being chosen."""

    places: NDArray[np.int64]
    weights: NDArray[np.float64]


def draw(
    indices: NDArray[np.int64], present: NDArray[np.bool_], images: int, seed: int, enough: int = ENOUGH
) -> WeightedSample:
    """Chooses about `images` photos, and more where a class would be in fewer than `enough` of them.

    indices: (N,), each photo's index, which its chance follows from: the same whatever else is offered. present: (N, C),
    whether a photo holds a class well enough to be tested. Each photo is chosen on its own (Poisson sampling) with the
    largest of images / N and, over its classes, MARGIN * enough / (photos of the class); all are chosen where N is small.
    """
    count = len(indices)
    if present.shape[0] != count:
        raise ValueError(f"{count} photos and {present.shape[0]} rows of classes: they must be as many")
    if count == 0:
        return WeightedSample(np.zeros(0, dtype=np.int64), np.zeros(0))
    holders = present.sum(axis=0)
    rare = np.where(holders > 0, np.minimum(1.0, MARGIN * enough / np.maximum(holders, 1)), 0.0)
    chance = np.minimum(1.0, np.maximum(images / count, np.where(present, rare, 0.0).max(axis=1, initial=0.0)))
    chosen = uniforms(seed, "photos to invert", indices, 1)[:, 0] < chance
    return WeightedSample(np.flatnonzero(chosen), 1.0 / chance[chosen])
