"""Ratios of two mean areas, most of whose images hold nothing of the class: presence times size, each with its own doubt.

A mean area is the share of images that hold a pixel of the class times its mean size in those. The ratio of shares has the
limits of `proportions`; the ratio of mean sizes is log-normal with a t distribution. Limits of their product follow from
the distances of each limit from its estimate, added as squares (method of variance estimates recovery: Zou and Donner,
2008), which keeps the asymmetry that rare classes have. Where the generated images hold no pixel of a class at all, nothing
is known of its size there; it is then taken to be the real one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ganaudit.statistics import proportions
from ganaudit.statistics.proportions import LARGEST, Floats

_FARTHEST = 37.0
"""Standard deviations: beyond them a normal tail is 0 in 64 bits."""


@dataclass(frozen=True, eq=False)
class Areas:
    """Counts of C classes over n images: holding (C,) images with a pixel of it, total and squares (C,) of its pixels.

    design: (C,) by how much clusters widen the variance, 1 where images are independent.
    """

    n: Any
    holding: NDArray[np.float64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]
    design: NDArray[np.float64]

    def size(self) -> tuple[Floats, Floats, Floats]:
        """(C,) mean pixels where it is, the squared coefficient of variation of that mean, and its degrees of freedom."""
        holding = np.maximum(self.holding, 1.0)
        mean = self.total / holding
        spread = np.maximum(self.squares / holding - mean**2, 0.0) * holding / np.maximum(holding - 1, 1.0)
        effective = np.maximum(self.holding / self.design, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(self.holding > 1, spread / mean**2 / effective, 1.0)
        return mean, np.where(self.holding > 0, relative, 0.0), np.maximum(effective - 1, 1.0)


def ratio(real: Areas, generated: Areas) -> Floats:
    """(C,) mean area generated over real; NaN where the real images hold none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: Floats = (generated.total / generated.n) / (real.total / real.n)
    return np.where(real.total > 0, quotient, np.nan)


def interval(real: Areas, generated: Areas, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """(C,) ends of the interval of the ratio at 1 - alpha; 0 and infinity where nothing bounds it."""
    z = -float(special.ndtri(alpha / 2))
    return limit(real, generated, -z), limit(real, generated, z)


def limit(real: Areas, generated: Areas, deviate: ArrayLike) -> Floats:
    """(C,) limit of the ratio `deviate` standard deviations up (or down, where that is negative)."""
    pair = _LogRatios.of(real, generated)
    d = np.broadcast_to(np.asarray(deviate, np.float64), real.holding.shape)
    shares = proportions.limit(pair.x, pair.n, pair.y, pair.m, d)
    half_width = pair.wide(d)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.hypot(np.log(shares) - pair.presence, half_width)
        bound = np.exp(pair.presence + pair.sizes + np.sign(d) * half)
    # Nothing generated: the limit of the shares, widened by what the real size is unsure.
    bound = np.where(pair.y > 0, bound, np.where(d > 0, shares * np.exp(np.minimum(half_width, _FARTHEST)), 0.0))
    return np.where(pair.x > 0, np.minimum(bound, LARGEST), np.where(d > 0, np.inf, 0.0))


def p_below(real: Areas, generated: Areas, bound: float) -> Floats:
    """(C,) one-sided p-value of `the true ratio is `bound` or more`: that of the limit which reaches the bound."""
    p: Floats = special.ndtr(deviate(real, generated, bound))
    return p


def p_above(real: Areas, generated: Areas, bound: float) -> Floats:
    """(C,) one-sided p-value of `the true ratio is `bound` or less`."""
    p: Floats = special.ndtr(-deviate(real, generated, bound))
    return p


def deviate(real: Areas, generated: Areas, bound: float | Floats) -> Floats:
    """(C,) standard deviations from the bound to the ratio, negative where the ratio is smaller: `limit` turned round."""
    pair = _LogRatios.of(real, generated)
    none = pair.y == 0
    with np.errstate(invalid="ignore"):
        needed = np.log(bound) - pair.sizes - np.where(none, 0.0, pair.presence)
    side = np.where(none, 1.0, np.sign(needed))
    start = np.where(none, -_FARTHEST, 0.0)

    def beyond(x: Floats) -> Floats:
        z = pair.score(np.where(none, x, pair.presence + side * x))
        return np.where(none, x + pair.wide(z) - needed, np.hypot(x, pair.wide(z)) - np.abs(needed))

    place = proportions.crossing(beyond, start, np.where(none, needed, np.abs(needed)), halvings=5)
    deviates = pair.score(np.where(none, place, pair.presence + side * place))
    return np.where(pair.x > 0, np.clip(deviates, -_FARTHEST, _FARTHEST), 0.0)


@dataclass(frozen=True, eq=False)
class _LogRatios:
    """Effective counts of both sides, and the two log ratios whose sum is the log ratio of areas."""

    x: Floats
    n: Floats
    y: Floats
    m: Floats
    presence: Floats
    sizes: Floats
    variance: Floats
    degrees: Floats

    @classmethod
    def of(cls, real: Areas, generated: Areas) -> _LogRatios:
        x, n = real.holding / real.design, real.n / real.design
        y, m = generated.holding / generated.design, generated.n / generated.design
        size_real, spread_real, df_real = real.size()
        size_generated, spread_generated, df_generated = generated.size()
        both, some = (x > 0) & (y > 0), y > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes = np.where(both, np.log(size_generated / size_real), 0.0)
            presence = np.where(both, np.log((y / m) / (x / n)), 0.0)
        of_generated = np.where(some, spread_generated, 0.0)
        variance = spread_real + of_generated
        parts = spread_real**2 / df_real + of_generated**2 / df_generated
        degrees = np.where(parts > 0, variance**2 / np.where(parts > 0, parts, 1.0), 1e9)
        return cls(x, n, y, m, presence, sizes, variance, degrees)

    def wide(self, z: Floats) -> Floats:
        """(C,) half width of the log ratio of sizes at the level of a normal deviate."""
        t = -special.stdtrit(self.degrees, special.ndtr(-np.minimum(np.abs(z), _FARTHEST)))
        half: Floats = np.minimum(t, LARGEST) * np.sqrt(self.variance)
        return half

    def score(self, log_ratio: Floats) -> Floats:
        return proportions.score(self.x, self.n, self.y, self.m, np.exp(np.clip(log_ratio, -_FARTHEST, _FARTHEST)))
