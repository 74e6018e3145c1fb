"""Ratios of two mean areas, most of whose images hold nothing of the class: presence times size, each with its own doubt.

A mean area is the share of images that hold a pixel of the class times its mean size in those. The ratio of shares has the
limits of `proportions`; the logarithm of the ratio of mean sizes has a t distribution, corrected for skewness: the few large
regions that make a mean are mostly missing from a small sample, whose mean and spread are then both too small. Limits of
their product follow from the distances of each limit from its estimate, added as squares (method of variance estimates
recovery: Zou and Donner, 2008), which keeps the asymmetry that rare classes have. Where the generated images hold no pixel of
a class at all, nothing is known of its size there; it is then taken to be the real one.

Neither side is taken to vary less, or to be less skewed, than the other shows: what few images do not show, they may lack by
chance, and of a generator that makes large regions seldom the few that were seen need not have one.

The correction: a side's log mean size is off by δ - δ²/2, where δ has the variance v and the third cumulant κ, and its
estimated variance is off by a share of (κ/v² - 2) δ on average: the larger a mean, the larger its spread. So T = log ratio /
its standard error is z + A z² + B to the order of 1/√images (Edgeworth), with A = (Δv²/2 - Δκ/3) / V^1.5, B = -Δκ/6 / V^1.5,
Δ generated minus real and V the sum of both variances. The cubic that agrees with it and always rises turns T into z (Hall,
On the removal of skewness by transformation, J. R. Stat. Soc. B, 1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from ganaudit.statistics import proportions
from ganaudit.statistics.proportions import LARGEST, Floats

_FARTHEST = 37.0
"""Standard deviations: beyond them a normal tail is 0 in 64 bits."""
_STRAIGHT = 1e-6
"""A bend below it is none."""
PRIOR = 4.0
"""Images of the usual variation that the sizes of each side count as if they had been seen."""
TAILS = 0.15
"""By how much of the squared skewness a variance has fewer degrees of freedom: few large regions make it."""
LEAST_DEGREES = 3.0
"""Of freedom, that skewness leaves to a variance."""


@dataclass(frozen=True, eq=False)
class Areas:
    """Counts of C classes over n images: holding (C,) images with a pixel of it; total, squares and cubes (C,) of its pixels.

    design: (C,) by how much clusters widen the variance, 1 where images are independent.
    """

    n: Any
    holding: Floats
    total: Floats
    squares: Floats
    cubes: Floats
    design: Floats

    def scaled(self, n: Floats | float, by: Floats) -> Areas:
        """The counts that n images would have, where each class stands in `by` times as many and is as large as here."""
        return Areas(n, self.holding * by, self.total * by, self.squares * by, self.cubes * by, self.design)

    @property
    def effective(self) -> Floats:
        """(C,) how many independent images that hold it these are worth."""
        return self.holding / self.design

    def size(self) -> Sizes:
        """The sizes of each class where it is."""
        holding = np.maximum(self.holding, 1.0)
        mean = self.total / holding
        with np.errstate(divide="ignore", invalid="ignore"):
            second, third = self.squares / holding / mean**2, self.cubes / holding / mean**3
            variation = np.where(self.holding > 1, np.maximum(second - 1.0, 0.0) * holding / np.maximum(holding - 1, 1.0), 1.0)
            skewness = np.where(self.holding > 2, (third - 3 * second + 2.0) / np.maximum(second - 1.0, _STRAIGHT) ** 1.5, 0.0)
        return Sizes(mean, variation, skewness, np.maximum(self.holding / self.design, np.minimum(self.holding, 1.0)))


@dataclass(frozen=True, eq=False)
class Sizes:
    """Of C classes, (C,) each: mean pixels where it is; squared coefficient of variation and skewness of the sizes; how many
    independent images they are worth, 0 where no image holds the class."""

    mean: Floats
    variation: Floats
    skewness: Floats
    holding: Floats


def ratio(real: Areas, generated: Areas) -> Floats:
    """(C,) mean area generated over real; NaN where the real images hold none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: Floats = (generated.total / generated.n) / (real.total / real.n)
    return np.where(real.total > 0, quotient, np.nan)


def interval(real: Areas, generated: Areas, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """(C,) ends of the interval of the ratio at 1 - alpha; 0 and infinity where nothing bounds it."""
    z = -float(special.ndtri(alpha / 2))
    low, high = limit(real, generated, np.array([[-z], [z]]))
    return low, high


def limit(real: Areas, generated: Areas, deviate: ArrayLike) -> Floats:
    """(C,) limit of the ratio `deviate` standard deviations up (or down, where that is negative); (D, C) for (D, 1) of them."""
    pair = _LogRatios.of(real, generated)
    d = np.broadcast_to(deviate, np.broadcast_shapes(np.shape(deviate), real.holding.shape)).astype(np.float64)
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
    """(C,) standard deviations from the bound to the ratio, negative where the ratio is smaller: `limit` turned round. (B, C)
    for (B, 1) bounds."""
    pair = _LogRatios.of(real, generated)
    none = pair.y == 0
    with np.errstate(invalid="ignore"):
        needed = np.log(bound) - pair.sizes - np.where(none, 0.0, pair.presence)
    side = np.where(none, 1.0, np.sign(needed))
    start = np.where(none, -_FARTHEST, 0.0)

    def beyond(x: Floats) -> Floats:
        half_width = pair.wide(-pair.score(np.where(none, x, pair.presence + side * x)))
        return np.where(none, x + half_width - needed, np.hypot(x, half_width) - np.abs(needed))

    place = proportions.crossing(beyond, start, np.where(none, needed, np.abs(needed)), halvings=5)
    deviates = pair.score(np.where(none, place, pair.presence + side * place))
    return np.where(pair.x > 0, np.clip(deviates, -_FARTHEST, _FARTHEST), 0.0)


def room_below(real: Areas, generated: Areas, bound: float | Floats, z: float) -> Floats:
    """(C,) 0 or more where the ratio lies `z` standard deviations or more below the bound: `deviate` is -z or less. Rises as
    the ratio falls; a fifteenth of the work, because the deviation itself is not looked for."""
    pair = _LogRatios.of(real, generated)
    none = pair.y == 0
    half_width = pair.wide(np.full(pair.x.shape, z))
    with np.errstate(invalid="ignore"):
        needed = np.log(bound) - pair.sizes - np.where(none, 0.0, pair.presence)
    left = np.where(none, needed - half_width, np.sqrt(np.maximum(needed**2 - half_width**2, 0.0)))
    room = -pair.score(np.where(none, left, pair.presence + np.sign(needed) * left)) - z
    within = ~none & (half_width > np.abs(needed))  # the sizes' own doubt spans the bound
    return np.where(pair.x > 0, np.where(within, -z * (1.0 + half_width - np.abs(needed)), room), -z)


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
    bend: Floats
    shift: Floats

    @classmethod
    def of(cls, real: Areas, generated: Areas) -> _LogRatios:
        x, n = real.holding / real.design, real.n / real.design
        y, m = generated.holding / generated.design, generated.n / generated.design
        sizes = real.size(), generated.size()
        both = (x > 0) & (y > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_sizes = np.where(both, np.log(sizes[1].mean / sizes[0].mean), 0.0)
            presence = np.where(both, np.log((y / m) / (x / n)), 0.0)
        variances, thirds, of_both = _cumulants(*sizes)
        variance = variances[0] + variances[1]
        some = variance > 0
        parts = sum(part**2 / degrees for part, degrees in zip(variances, of_both, strict=True))
        degrees = np.where(some, variance**2 / np.where(some, parts, 1.0), 1e9)
        squared, third = variances[1] ** 2 - variances[0] ** 2, thirds[1] - thirds[0]
        scale = np.where(some, variance, 1.0) ** 1.5
        bend, shift = (squared / 2 - third / 3) / scale, -third / 6 / scale
        return cls(x, n, y, m, presence, log_sizes, variance, degrees, bend, shift)

    def wide(self, z: Floats) -> Floats:
        """(C,) how far the limit of the log ratio of sizes at a normal deviate lies from its estimate, on that side; >= 0."""
        t = -special.stdtrit(self.degrees, special.ndtr(-np.minimum(np.abs(z), _FARTHEST)))
        t = np.sign(z) * np.minimum(t, LARGEST)
        bent = np.abs(self.bend) > _STRAIGHT
        bend = np.where(bent, self.bend, 1.0)
        corrected = np.where(bent, (np.cbrt(1 + 3 * bend * t) - 1) / bend, t) - self.shift
        half: Floats = np.maximum(np.sign(z) * corrected, 0.0) * np.sqrt(self.variance)
        return half

    def score(self, log_ratio: Floats) -> Floats:
        return proportions.score(
            self.x, self.n, self.y, self.m, np.exp(np.minimum(np.maximum(log_ratio, -_FARTHEST), _FARTHEST))
        )


def _cumulants(*sides: Sizes) -> tuple[list[Floats], list[Floats], list[Floats]]:
    """(C,) variance and third cumulant, by side, of mean sizes in units of themselves; degrees of freedom of the variance.

    Both sides vary, and are skewed, as the one does that does so more; each variation counts PRIOR images more that vary as
    those of both sides do. Nor is it less than if one image more were twice as large: what never varies in n images may do so
    in the next. Where no image holds the class its size is taken to be the other side's, and varies by nothing.
    """
    held = [np.maximum(side.holding, 1.0) for side in sides]
    usual = sum(side.variation * side.holding for side in sides) / np.maximum(sum(side.holding for side in sides), 1.0)
    shown = []
    for side in sides:
        own = np.maximum(side.holding - 1, 0.0)
        shown.append(np.where(side.holding > 0, (side.variation * own + usual * PRIOR) / (own + PRIOR), 0.0))
    variation, skewness = np.maximum(*shown), np.maximum(*(side.skewness for side in sides))
    variances, thirds, degrees = [], [], []
    for side, number in zip(sides, held, strict=True):
        variances.append(np.where(side.holding > 0, np.maximum(variation, 1.0 / number) / number, 0.0))
        thirds.append(skewness * variances[-1] ** 1.5 / np.sqrt(number))
        degrees.append(_degrees(np.maximum(number - 1, 1.0), skewness))
    return variances, thirds, degrees


def _degrees(normal: Floats, skewness: Floats) -> Floats:
    """(C,) degrees of freedom of a variance that would have `normal` if sizes had no tail."""
    left: Floats = np.minimum(normal, np.maximum(normal / (1 + TAILS * skewness**2), LEAST_DEGREES))
    return left
