"""Changes planted into a pool, whose truth is computed from the pool exactly.

`Thin` draws images that hold a class less often, as a generator would that avoids it; the scenes stay whole. `Erase` takes a
class out of an image, whose pixels become void, with the same chance wherever it stands: it works for all classes at once.
Both leave presence and area of the class at exactly the wanted share of the pool's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.pool import Counts, Pool
from ganaudit.random import uniforms

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
        holds = pool.counts[:, self.column] > 0
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
class Change:
    """What is planted into a side. keep: (C,) share of the images holding a class that keep it; void's is never less than 1."""

    keep: tuple[float, ...] = ()
    thin: Thin | None = None
    apart: Apart | None = None

    def draw(self, pool: Pool, n: int, seed: int, purpose: str, replicate: int) -> Counts:
        """(n, C) counts of n images drawn from the changed pool, with replacement; a function of the last three."""
        stream = [replicate]
        at = uniforms(seed, f"{purpose} image", stream, n)[0]
        if self.thin is None:
            chosen = (at * len(pool)).astype(np.int64)
        else:
            chosen = np.searchsorted(_cumulated(pool, self.thin), at, side="right")
        counts: Counts = pool.counts[np.minimum(chosen, len(pool) - 1)]
        some = [column for column, kept in enumerate(self.keep) if kept < 1]
        if some:
            kept = uniforms(seed, f"{purpose} erased", stream, n * len(some))[0].reshape(n, -1)
            counts = erased(counts, np.array(some), kept < np.array(self.keep)[some])
        if self.apart is not None:
            a, b = self.apart.columns
            both = (counts[:, a] > 0) & (counts[:, b] > 0)
            first = uniforms(seed, f"{purpose} apart", stream, n)[0] < 0.5
            counts = erased(counts, np.array([a, b]), np.column_stack([~both | first, ~both | ~first]))
        return counts


@lru_cache(maxsize=4)
def _cumulated(pool: Pool, thin: Thin) -> Floats:
    return np.cumsum(thin.weights(pool))


def erased(counts: Counts, columns: NDArray[np.int64], kept: NDArray[np.bool_]) -> Counts:
    """The counts with some classes taken out of some images: kept (N, K) says where each of K columns stays."""
    changed: Counts = counts.copy()
    changed[:, columns] *= kept
    changed[:, 0] += counts.sum(axis=1, dtype=np.int32) - changed.sum(axis=1, dtype=np.int32)
    return changed


def population(pool: Pool, change: Change | None = None) -> tuple[Floats, Floats]:
    """(C,) mean and (C, C) covariance (N below) of the areas in the changed pool, percent of pixels, exact.

    Classes are erased independently of each other and of everything: E[eᵢxᵢ eⱼxⱼ] = kᵢ kⱼ E[xᵢxⱼ], E[(eᵢxᵢ)²] = kᵢ E[xᵢ²];
    void is what is left of the image, which is counted in the first head and so adds up to all pixels.
    """
    change = change or Change()
    if change.apart is not None:
        raise ValueError("the truth of a pool whose classes are kept apart is not computed")
    weights = change.thin.weights(pool) if change.thin is not None else np.full(len(pool), 1 / len(pool))
    seen = pool.counts[:, 1:].astype(np.float64) * (100.0 / pool.pixels)
    keep = np.ones(seen.shape[1]) if not change.keep else np.array(change.keep[1:])
    first = (weights @ seen) * keep
    weighted = seen * weights[:, None]
    products = (weighted.T @ seen) * np.outer(keep, keep)
    np.fill_diagonal(products, np.diag(products) / np.where(keep > 0, keep, 1.0))
    # Void is what the kept classes leave: void = whole - sum of the others, a linear map.
    covariance = products - np.outer(first, first)
    onto = np.vstack([-np.ones(len(first)), np.eye(len(first))])
    whole = float((weights * pool.counts.sum(axis=1)).sum()) * 100.0 / pool.pixels
    return np.concatenate([[whole - first.sum()], first]), onto @ covariance @ onto.T


def distance(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> float:
    """The Fréchet distance of two populations by eigenvalues of Σ₁^½ Σ₂ Σ₁^½: another way than that of the audit itself."""
    (mean_a, covariance_a), (mean_b, covariance_b) = a, b
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance_b @ root), 0.0)).sum()
    apart = mean_a - mean_b
    return float(apart @ apart + np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap)


def present(pool: Pool, least: int) -> Floats:
    """(C,) share of the pool's images that hold at least `least` pixels of each class."""
    share: Floats = (pool.counts >= least).mean(axis=0)
    return share
