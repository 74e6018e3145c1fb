"""Changes planted into a pool, whose truth is computed from the pool exactly.

`Thin` draws images that hold a class less often, as a generator would that avoids it; the scenes stay whole. `keep` takes a
class out of an image, whose pixels become void, with the same chance wherever it stands: it works for all classes at once.
Both leave presence, area and count of the class at exactly the wanted share of the pool's. `Copies` and `Frames` make images
depend on each other, and leave each of them an image of the pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from benchmarks.calibration.pool import Pool
from ganaudit.random import uniforms
from ganaudit.statistics.class_counts import Held

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thin:
    """Images that hold class number `column` are drawn so much less often that `ratio` of its presence is left."""

    column: int
    ratio: float

    def weights(self, pool: Pool) -> Floats:
        """(N,) chance of each image of the pool to be drawn.

        With p the class's presence and w the weight of images that hold it, p w / (p w + 1 - p) = ratio p. Presence at any
        threshold, and area, fall by the same factor: all images that hold a pixel of the class weigh alike.
        """
        holds = np.zeros(len(pool), bool)
        holds[pool.held.image[pool.held.column == self.column]] = True
        p = float(holds.mean())
        if not 0 < p < 1:
            raise ValueError(f"class {pool.classes[self.column]} is in all images of the pool or in none: it cannot be thinned")
        weights = np.where(holds, self.ratio, (1 - self.ratio * p) / (1 - p))
        normed: Floats = weights / len(pool)
        return normed


@dataclass(frozen=True)
class Apart:
    """Images that hold both of two classes lose one of them, either with the same chance: they never stand together."""

    columns: tuple[int, int]


@dataclass(frozen=True)
class Copies:
    """Of the images drawn, the first `images` stand there `times` times."""

    images: int
    times: int


@dataclass(frozen=True)
class Frames:
    """Images come in clusters of `images`; with the chance `alike` each is its cluster's first, else an image of its own."""

    images: int
    alike: float


@dataclass(frozen=True, eq=False)
class Drawn:
    """n images: what they hold, and (n,) the number of each one's cluster, None where all are independent."""

    held: Held
    clusters: NDArray[np.int64] | None

    def __len__(self) -> int:
        return self.held.shape[0]


@dataclass(frozen=True)
class Change:
    """What is planted into a side. keep: (C,) share of the images holding a class that keep it."""

    keep: tuple[float, ...] = ()
    thin: Thin | None = None
    apart: Apart | None = None
    together: Copies | Frames | None = None

    def draw(self, pool: Pool, n: int, seed: int, purpose: str, replicate: int) -> Drawn:
        """n images drawn from the changed pool, with replacement; a function of the last three."""
        stream = [replicate]
        at = uniforms(seed, f"{purpose} image", stream, n)[0]
        if self.thin is None:
            chosen = (at * len(pool)).astype(np.int64)
        else:
            chosen = np.searchsorted(_cumulated(pool, self.thin), at, side="right")
        chosen, clusters = self._together(np.minimum(chosen, len(pool) - 1), seed, purpose, replicate)
        held = pool.some(chosen)
        if any(kept < 1 for kept in self.keep):
            kept = uniforms(seed, f"{purpose} erased", stream, len(held.column))[0] < np.array(self.keep)[held.column]
            held = held.of_entries(kept)
        if self.apart is not None:
            held = _kept_apart(held, self.apart.columns, uniforms(seed, f"{purpose} apart", stream, n)[0] < 0.5)
        return Drawn(held, clusters)

    def _together(
        self, chosen: NDArray[np.int64], seed: int, purpose: str, replicate: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        place = np.arange(len(chosen))
        if isinstance(self.together, Copies):
            repeated = self.together.images * (self.together.times - 1)
            place[len(chosen) - repeated :] = np.arange(repeated) % self.together.images
            return chosen[place], place
        if isinstance(self.together, Frames):
            cluster = place // self.together.images
            alike = uniforms(seed, f"{purpose} alike", [replicate], len(chosen))[0] < self.together.alike
            return np.where(alike, chosen[cluster * self.together.images], chosen), cluster
        return chosen, None


@lru_cache(maxsize=4)
def _cumulated(pool: Pool, thin: Thin) -> Floats:
    return np.cumsum(thin.weights(pool))


def _kept_apart(held: Held, columns: tuple[int, int], first_stays: NDArray[np.bool_]) -> Held:
    """Of images that hold both columns, only the first where it stays, and only the second elsewhere."""
    holds = [np.zeros(held.shape[0], bool) for _ in columns]
    for mask, column in zip(holds, columns, strict=True):
        mask[held.image[held.column == column]] = True
    both = (holds[0] & holds[1])[held.image]
    goes = np.where(first_stays[held.image], held.column == columns[1], held.column == columns[0])
    return held.of_entries(~(both & goes))


def population(pool: Pool, change: Change | None = None) -> tuple[Floats, Floats]:
    """(1 + C,) mean and covariance (N below) of the areas in the changed pool, void first, percent of pixels, exact.

    Classes are erased independently of each other and of everything: E[eᵢxᵢ eⱼxⱼ] = kᵢ kⱼ E[xᵢxⱼ], E[(eᵢxᵢ)²] = kᵢ E[xᵢ²];
    void is what is left of the image, so that all add up to it.
    """
    change = change or Change()
    if change.apart is not None:
        raise ValueError("the truth of a pool whose classes are kept apart is not computed")
    weights = change.thin.weights(pool) if change.thin is not None else np.full(len(pool), 1 / len(pool))
    held, classes = pool.held, len(pool.classes)
    seen = csr_array((held.pixels * (100.0 / pool.pixels), (held.image, held.column)), shape=held.shape)
    keep = np.array(change.keep) if change.keep else np.ones(classes)
    first: Floats = np.asarray(seen.T @ weights) * keep
    weighted = csr_array((seen.data * np.repeat(weights, np.diff(seen.indptr)), seen.indices, seen.indptr), shape=seen.shape)
    products = (weighted.T @ seen).toarray() * np.outer(keep, keep)
    np.fill_diagonal(products, np.diag(products) / np.where(keep > 0, keep, 1.0))
    # Void is what the kept classes leave: void = whole - sum of the others, a linear map.
    covariance = products - np.outer(first, first)
    onto = np.vstack([-np.ones(classes), np.eye(classes)])
    return np.concatenate([[100.0 - first.sum()], first]), onto @ covariance @ onto.T


def distance(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> float:
    """The Fréchet distance of two populations by eigenvalues of Σ₁^½ Σ₂ Σ₁^½: another way than that of the audit itself."""
    (mean_a, covariance_a), (mean_b, covariance_b) = a, b
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance_b @ root), 0.0)).sum()
    apart = mean_a - mean_b
    return float(apart @ apart + np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap)
