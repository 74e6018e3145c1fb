"""Weighted means and shares over images with their intervals: images are resampled, never pixels.

Of images that are not independent whole clusters are resampled (Davison and Hinkley, 1997, section 3.8).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
RESAMPLES = 2000
LEVEL = 0.95


def ratios(
    tops: Floats, bottoms: Floats, weights: Floats, seed: int = 0, clusters: Labels | None = None
) -> list[tuple[float | None, float | None, float | None]]:
    """For each of K columns: sum over images of weight x top, by that of weight x bottom, and its 95 % interval.

    tops, bottoms: (N, K); weights: (N,). The interval is that of 2,000 resamples of the N images, the same ones for all
    columns; clusters: (N,) the number of each image's cluster, which are resampled whole in their place. (None, None, None)
    where the bottom is 0; no ends where fewer than two images (or clusters) have a bottom: one says nothing of how much they
    differ.
    """
    count = len(weights)
    if tops.shape != bottoms.shape or tops.ndim != 2 or len(tops) != count:
        raise ValueError(f"tops {tops.shape}, bottoms {bottoms.shape} and {count} weights do not belong together")
    if count == 0:
        return [(None, None, None)] * tops.shape[1]
    above, below = (summed(weights[:, None] * each, clusters) for each in (tops, bottoms))
    times = _times(len(below), seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (times @ above) / (times @ below)
    estimates: list[tuple[float | None, float | None, float | None]] = []
    for column in range(tops.shape[1]):
        total = float(below[:, column].sum())
        if total == 0.0:
            estimates.append((None, None, None))
            continue
        value = float(above[:, column].sum()) / total
        if int((below[:, column] != 0).sum()) < 2:
            estimates.append((value, None, None))
            continue
        usable = resampled[np.isfinite(resampled[:, column]), column]
        low, high = np.quantile(usable, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        estimates.append((value, float(low), float(high)))
    return estimates


@lru_cache(maxsize=16)
def _times(count: int, seed: int) -> Floats:
    """How often each of so many images is in each resample, (RESAMPLES, count): the same for every finding."""
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    flat = (drawn + count * np.arange(RESAMPLES)[:, None]).ravel()
    return np.bincount(flat, minlength=RESAMPLES * count).reshape(RESAMPLES, count).astype(np.float64)


def summed(values: Floats, clusters: Labels | None) -> Floats:
    """Sums over each cluster, (G, K), of (N, K) values; the values themselves where every image stands for itself."""
    if clusters is None:
        return values
    number, place = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(number), values.shape[1]))
    np.add.at(sums, place, values)
    return sums


def independent(there: NDArray[np.bool_], clusters: Labels | None) -> NDArray[np.int64]:
    """(K,) how many images, or clusters of them, each column of (N, K) is there in."""
    counts: NDArray[np.int64] = (summed(there.astype(np.float64), clusters) > 0.0).sum(axis=0)
    return counts


def means(
    values: Floats, weights: Floats, seed: int = 0, clusters: Labels | None = None
) -> list[tuple[float | None, float | None, float | None]]:
    """Weighted means of the columns of (N, K) values; what is NaN is left out of its column."""
    there = np.isfinite(values)
    return ratios(np.where(there, values, 0.0), there.astype(np.float64), weights, seed, clusters)


def resampled_means(values: Floats, seed: int = 0, clusters: Labels | None = None) -> Floats:
    """(RESAMPLES, K) means of the columns of (N, K) values in each resample; what is NaN is left out of its column."""
    there = np.isfinite(values)
    above, below = (summed(each, clusters) for each in (np.where(there, values, 0.0), there.astype(np.float64)))
    times = _times(len(below), seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = (times @ above) / (times @ below)
    return means


def interval(name: str, bounds: tuple[float | None, float | None, float | None]) -> dict[str, float | None]:
    """The three columns of a finding."""
    return {name: bounds[0], f"{name}_low": bounds[1], f"{name}_high": bounds[2]}
