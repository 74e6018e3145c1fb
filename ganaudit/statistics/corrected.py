"""The Fréchet distance as it is reported: without its bias, with an interval, or with the reason why it has none.

The jackknife removes the bias that falls as one over the images (`jackknife`). Where images are few for the classes, more is
left: as much as it leaves between two halves of each source, whose true distance is 0, divided by two because bias falls at
least as fast as images grow (`halves`). It is removed too, and half of it widens the interval on either side.

The interval. Near 0 the distance is a sum of squares, of which a jackknife, which sees the slope of each square, finds twice
the variance: that of noise is taken off once, though no more than half of all. And a sample that comes out low looks surer
than it is: the variance rises with the distance by about κ, the larger of 4 ΔᵀV²Δ / ΔᵀVΔ (Δ the difference of means, V the
covariance of that difference) and of twice the noise's variance by its mean. An interval on the scale that evens this out,
∫ dF/σ(F), is F - (tσ - κt²/4) to F + (tσ + κt²/4). Where rare images make the distance, its skewness γ, by the groups, lifts
the upper end by γ(1 + 2t²)/6 standard errors, if that is more (Johnson, Modified t tests and confidence intervals for
asymmetrical populations, J. Am. Stat. Assoc., 1978). Neither half is shorter than a share of what noise alone gives, and the
upper end is no nearer to 0. The shares, and from where on an interval is withheld, were chosen on made-up populations;
`ganaudit calibrate` measures them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ganaudit.statistics import jackknife
from ganaudit.statistics.centred import Centred, centred, spread
from ganaudit.statistics.halves import Halves, halves
from ganaudit.statistics.jackknife import Estimate
from ganaudit.statistics.moments import GroupMoments

BELOW, ABOVE = 0.65, 0.8
"""Of what noise alone gives, how much the lower and the upper half of an interval have at least."""
LEAST_SUPPORT = 10.0
"""Images that make the variance of a source, from which there is an interval."""
MOST_BIAS = 3.0
"""Standard errors of second-order bias, up to which there is an interval."""
ALIKE = 1e-5
"""Chance of a distance as small, below which the two sides are not two samples."""
TOO_FEW = "too few images"
SEED = 0


@dataclass(frozen=True)
class Corrected:
    """A distance without its bias; both ends are None where doubt says why they cannot be known.

    value, se, low, high, degrees, plain: as in `Estimate`. second_order: what was removed beyond the jackknife's bias.
    """

    value: float
    se: float
    low: float | None
    high: float | None
    degrees: float
    plain: float
    second_order: float
    doubt: str | None


def distance(real: GroupMoments, generated: GroupMoments, alpha: float = 0.05) -> Corrected | None:
    """The distance of two sources without its bias, (percent of pixels)²; None where there are too few images for groups."""
    a, b = centred(real, generated)
    return estimate(a, b, (halves(a, SEED), halves(b, SEED)), alpha)


def estimate(
    real: Centred, generated: Centred, split: tuple[Halves | None, Halves | None], alpha: float = 0.05
) -> Corrected | None:
    """The same from sums around one centre. split: the halves of each side."""
    first_order = jackknife.estimate(real, generated, alpha)
    if first_order is None:
        return None
    of_real, of_generated = split
    if of_real is None or of_generated is None:
        value = first_order.value
        return Corrected(value, first_order.se, None, None, first_order.degrees, first_order.plain, 0.0, TOO_FEW)
    second_order = _second_order(of_real, of_generated)
    level, noise = (sum(getattr(side, name) / side.n for side in (of_real, of_generated)) for name in ("level", "noise"))
    slope = max(_slope(real, generated), 2 * noise**2 / level if level > 0 else 0.0)
    se = max(first_order.se**2 - noise**2, first_order.se**2 / 2, noise**2 / 2) ** 0.5
    t = float(stats.t.ppf(1 - alpha / 2, first_order.degrees))
    evened = t * se - slope * t * t / 4 if 2 * se >= slope * t else se * se / slope
    value = first_order.value - second_order
    low = value - max(evened, BELOW * t * noise) - second_order / 2
    lift = max(slope * t * t / 4, first_order.skewness * (1 + 2 * t * t) / 6 * se)
    high = max(value + max(t * se + lift, ABOVE * t * noise) + second_order / 2, BELOW * t * noise)
    doubt = _doubt(of_real, of_generated, second_order, max(se, noise)) or _alike(first_order.plain, level, noise)
    ends: tuple[float | None, float | None] = (max(0.0, low), high) if doubt is None else (None, None)
    return Corrected(value, se, ends[0], ends[1], first_order.degrees, first_order.plain, second_order, doubt)


def difference(
    real: GroupMoments, a: GroupMoments, b: GroupMoments, split: Sequence[Halves | None] | None = None, alpha: float = 0.05
) -> Estimate | None:
    """The corrected distance of `a` from the real images minus that of `b`; None where there are too few images for groups.

    split: the halves of the three sources, where they are known. Half of what the jackknife leaves of bias in either distance
    is added to the standard error.
    """
    first_order = jackknife.difference(real, a, b, alpha)
    if first_order is None:
        return None
    of_real, *of_both = [halves_of(state) for state in (real, a, b)] if split is None else split
    bias = [_second_order(of_real, other) for other in of_both]
    value = first_order.value - bias[0] + bias[1]
    return first_order.moved(value, float(np.hypot(first_order.se, sum(bias) / 2)), alpha)


def halves_of(state: GroupMoments, independent: float | None = None) -> Halves | None:
    """The halves of one source, which is worth so many independent images: as many as it has where that is None."""
    return halves(centred(state)[0], SEED, independent)


def _second_order(real: Halves | None, generated: Halves | None) -> float:
    """What the jackknife leaves of the bias of a distance; noise may make it negative, which it is not."""
    return 0.0 if real is None or generated is None else max(0.0, (real.bias + generated.bias) / 2)


def _slope(a: Centred, b: Centred) -> float:
    """κ of the difference of means."""
    (mean_a, covariance_a), (mean_b, covariance_b) = spread(*a.total()), spread(*b.total())
    apart = mean_a - mean_b
    along = (covariance_a / a.n.sum() + covariance_b / b.n.sum()) @ apart
    across = float(apart @ along)
    return 4 * float(along @ along) / across if across > 0 else 0.0


def _doubt(real: Halves, generated: Halves, second_order: float, se: float) -> str | None:
    for side, other, what in ((real, generated, "real"), (generated, real, "generated")):
        # as many as the other side's would be here
        support = min(side.support, other.support * side.independent / other.independent)
        if support < LEAST_SUPPORT:
            needed = _rounded(side.n * LEAST_SUPPORT / max(support, 0.5))
            alike = "" if side.independent == side.n else ", clustered as these are,"
            return f"a few rare images make most of the variance of the {what} ones; about {needed:,}{alike} would do"
    if second_order > MOST_BIAS * se:
        needed = _rounded(min(real.n, generated.n) * second_order / (MOST_BIAS * se))
        return (
            f"images are few for the classes: bias is {second_order / se:.1f} standard errors; about {needed:,} a side would do"
        )
    return None


def _alike(plain: float, level: float, noise: float) -> str | None:
    """Whether a distance is smaller than noise alone, taken as a χ² with its mean and variance, nearly ever is."""
    if noise <= 0:
        return None
    degrees = 2 * (level / noise) ** 2
    chance = stats.chi2.cdf(degrees * plain / level, degrees)
    return "the two sides are more alike than chance allows: do they share images?" if chance < ALIKE else None


def _rounded(images: float) -> int:
    """Up to two digits."""
    step = 10 ** max(0, int(np.log10(max(images, 1.0))) - 1)
    return int(np.ceil(images / step) * step)
