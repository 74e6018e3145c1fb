"""How an attribute follows what was asked for along a grid of strengths, with doubt: images, or clusters, are resampled whole.

The slope is the change of the mean by the change asked for, from the strength before the identity to the one after it. The
response is saturated from the first strength on, outwards, from which the step to the next one has less than SATURATED of that
slope. All means are over the images that have the attribute both there and at the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaudit.statistics import resampling

Floats = NDArray[np.float64]
Estimate = tuple[float | None, float | None, float | None]
"""A number and the ends of its 95 % interval."""
SATURATED = 0.1
ENOUGH = 20
"""Images (or clusters of them) that have an attribute at the identity, and at another strength as well, from which on it is
looked at there."""


@dataclass(frozen=True, eq=False)
class Changes:
    """Mean changes from the identity at A strengths, of K attributes of a set of images. mean: (K, A); resampled: (R, K, A).
    NaN where fewer than ENOUGH images or clusters have the attribute: a single one that keeps it would seem to be sure."""

    mean: Floats
    resampled: Floats

    @classmethod
    def of(cls, values: Floats, origin: int, clusters: NDArray[np.int64] | None = None) -> Changes:
        """values: (N, K, A), NaN where an image lacks an attribute. origin: place of the identity. clusters: (N,) number of
        each image's cluster; None where each is independent of all."""
        changes = values - values[:, :, origin : origin + 1]
        flat = changes.reshape(len(values), -1)
        known = np.isfinite(flat).sum(axis=0)
        enough = resampling.independent(np.isfinite(flat), clusters) >= ENOUGH
        resampled = np.where(enough, resampling.resampled_means(flat, clusters=clusters), np.nan)
        mean = np.where(enough, np.nansum(flat, axis=0) / np.maximum(known, 1), np.nan)
        return cls(mean.reshape(values.shape[1:]), resampled.reshape(-1, *values.shape[1:]))

    @property
    def both(self) -> tuple[Floats, Floats]:
        """The means, and those of the resamples: what is computed of one is computed of the other."""
        return self.mean, self.resampled


def estimated(value: float, resampled: Floats, centred: bool = False) -> Estimate:
    """A number with its interval, from what it is in resamples; None for what is not finite. centred: their mean is moved to
    the number: of sizes (0 or more) resamples are too large, by noise."""
    if not np.isfinite(value):
        return None, None, None
    usable = resampled[np.isfinite(resampled)]
    if len(usable) < 2:
        return value, None, None
    if centred:
        usable = np.maximum(usable - usable.mean() + value, 0.0)
    tail = (1.0 - resampling.LEVEL) / 2.0
    low, high = np.quantile(usable, [tail, 1.0 - tail])
    return value, float(low), float(high)


def slope(changes: Floats, asked: Floats, origin: int) -> Floats:
    """changes: (…, A) => (…), about the identity; on one side alone where that is the end of the grid."""
    low, high = max(origin - 1, 0), min(origin + 1, len(asked) - 1)
    return np.asarray((changes[..., high] - changes[..., low]) / (asked[high] - asked[low]))


def saturation(changes: Floats, asked: Floats, origin: int, upwards: bool) -> Floats:
    """changes: (…, A) => (…), the place of the strength from which on the response is saturated; beyond the grid where it is
    not, NaN where the slope is not above 0."""
    steps = np.diff(changes, axis=-1) / np.diff(asked)
    outwards = steps[..., origin:] if upwards else steps[..., :origin][..., ::-1]
    about = slope(changes, asked, origin)
    if outwards.shape[-1] == 0:  # the identity is the end of the grid
        return np.where(about > 0.0, float(len(asked) if upwards else -1), np.nan)
    flat = outwards < SATURATED * about[..., None]
    first = np.where(flat.any(axis=-1), flat.argmax(axis=-1), outwards.shape[-1] + 1)
    place = origin + first if upwards else origin - first
    return np.where(about > 0.0, place, np.nan)


def saturation_estimate(
    changes: Changes, attribute: int, asked: Floats, origin: int, alphas: Floats, upwards: bool
) -> Estimate:
    """The strength from which on the response is saturated, None where that is beyond the grid: low and high are the least and
    the greatest of 95 % of the resamples."""
    place = float(saturation(changes.mean[attribute], asked, origin, upwards))
    resampled = saturation(changes.resampled[:, attribute], asked, origin, upwards)
    usable = resampled[np.isfinite(resampled)]
    if not np.isfinite(place) or not len(usable):
        return None, None, None
    tail = (1.0 - resampling.LEVEL) / 2.0
    low, high = np.quantile(usable, [tail, 1.0 - tail], method="closest_observation")
    at = [_strength(where, alphas) for where in (place, float(low), float(high))]
    return at[0], at[1], at[2]


def _strength(place: float, alphas: Floats) -> float | None:
    return float(alphas[int(place)]) if 0 <= place < len(alphas) else None
