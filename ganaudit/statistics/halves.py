"""How far two halves of one source are apart: noise alone, since their true distance is 0.

What the distance of real from generated images owes to the numbers of images shows here without any model of it: how large
the plain distance is where nothing differs, how much it varies, and what the jackknife leaves of its bias where images are few
for the classes. All from sums over groups of images, which are dealt into halves at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganaudit.statistics import jackknife
from ganaudit.statistics.centred import Centred, spread
from ganaudit.statistics.frechet import Floats, quick_each

SPLITS = 12
"""Random halvings, for the size of the noise and how much it varies."""
CORRECTED_SPLITS = 2
"""Of these, how many the jackknife is tried on: each takes as many distances as there are groups."""
LEAST_POWER = 0.25
"""No distance of images falls more slowly with their number."""


@dataclass(frozen=True)
class Halves:
    """One source of n images. All distances in (percent of pixels)².

    level, noise: mean and standard deviation of the plain distance of two halves, per (1/n₁ + 1/n₂), of which both are about
    multiples; power: with which it falls with the images, from halves and quarters, 1 where images are many.
    bias: what the jackknife leaves of the bias of the distance of n images from n others.
    support: images that make the variance, weighed by what they add to it: few where rare images are most of it.
    independent: how many independent images they are worth: n, and fewer where they come in clusters.
    """

    n: float
    level: float
    noise: float
    power: float
    bias: float
    support: float
    independent: float

    def floor(self, n: float) -> float:
        """What one side of n such images adds to the plain distance, about, where nothing differs."""
        half = self.n / 2
        return float(self.level / half * (half / n) ** self.power)


def halves(side: Centred, seed: int, independent: float | None = None) -> Halves | None:
    """Halves of a source; None where it has too few groups or images for a jackknife of each half.

    independent: how many independent images it is worth; as many as it has where that is None.
    """
    groups = len(side)
    half, quarter = groups // 2, groups // 4
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(groups) for _ in range(SPLITS)]
    parts = [(side.some(order[:half]), side.some(order[half:])) for order in orders]
    fewer = [(side.some(order[:quarter]), side.some(order[half : half + quarter])) for order in orders]
    corrected = [jackknife.estimate(*pair) for pair in parts[:CORRECTED_SPLITS]]
    left = [estimate.value for estimate in corrected if estimate is not None]
    if not left or not quarter or min(float(part.n.sum()) for pair in fewer for part in pair) < 2:
        return None
    plain, units = _distances(parts)
    plain_of_quarters, units_of_quarters = _distances(fewer)
    level = float((plain / units).mean())
    rise = float(plain_of_quarters.mean() / plain.mean()) if level > 0 else 0.0
    power = np.log(rise) / np.log(units_of_quarters.mean() / units.mean()) if rise > 0 else 1.0
    noise, bias = float((plain / units).std(ddof=1)), float(np.mean(left)) / 2
    n = float(side.n.sum())
    worth = n if independent is None else independent
    return Halves(n, level, noise, float(np.clip(power, LEAST_POWER, 1.0)), bias, support(side), worth)


def support(side: Centred) -> float:
    """How many images make the variance: G / (squared coefficient of variation of the G groups' own).

    With N images whose squared distances from the mean vary by c (a coefficient of variation), groups of N / G vary by
    c / √(N / G), so that this is N / c².
    """
    n, first, _ = side.total()
    mean = first / n
    own = (np.trace(side.second, axis1=1, axis2=2) - 2 * side.first @ mean) / side.n + mean @ mean
    spread_of_groups = float(own.std(ddof=1) / own.mean()) if own.mean() > 0 else 0.0
    return len(side) / spread_of_groups**2 if spread_of_groups > 0 else float("inf")


def _distances(pairs: Sequence[tuple[Centred, Centred]]) -> tuple[Floats, Floats]:
    """The plain distance of each pair, and 1/n₁ + 1/n₂ of its images."""
    shapes = []
    for a, b in pairs:
        (mean_a, covariance_a), (mean_b, covariance_b) = spread(*a.total()), spread(*b.total())
        shapes.append((mean_a - mean_b, covariance_a, covariance_b))
    return np.maximum(quick_each(shapes), 0.0), np.array([1 / float(a.n.sum()) + 1 / float(b.n.sum()) for a, b in pairs])
