"""The Fréchet distance without its bias, and how sure it is: the delete-group jackknife of both sides.

The plain distance is too large by about b₁/n₁ + b₂/n₂ (Chong and Forsyth, CVPR 2020). Leaving out each group of images in
turn shows both terms and the spread (Quenouille, 1956; Tukey, 1958; two samples: Arvesen, 1969; groups of unequal size:
Busing, Meijer and van der Leeden, 1999). Only sums over groups are needed, no image is read again.

Near zero the distance is skewed: a sample that comes out low also looks surer than it is. Its variance rises with the
distance by about κ = 4 ΔᵀV²Δ / ΔᵀVΔ (Δ the difference of means, V the covariance of that difference: the slope along the
distance's own uncertainty), and an interval on the scale that evens this out, ∫ dF/σ(F), is F - (tσ - κt²/4) to
F + (tσ + κt²/4), its lower half never below what noise alone would give, t √(2 tr V²). `ganaudit calibrate` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ganaudit.statistics.centred import Centred, centred, spread
from ganaudit.statistics.frechet import Floats, quick_factor
from ganaudit.statistics.moments import GroupMoments


@dataclass(frozen=True)
class Estimate:
    """A corrected value with its standard error and interval; plain is the value before. Two-sided p_value of 0."""

    value: float
    se: float
    low: float
    high: float
    degrees: float
    plain: float
    p_value: float


@dataclass(frozen=True, eq=False)
class _Side:
    """One source: its mean and a factor of its covariance, whole and with each group left out."""

    n: Floats
    whole: tuple[Floats, Floats, float]
    without: list[tuple[Floats, Floats, float]]


def corrected(real: GroupMoments, generated: GroupMoments, alpha: float = 0.05) -> Estimate | None:
    """The distance of two sources without its bias, (percent of pixels)²; None where there are too few images for groups."""
    if not (_enough(real) and _enough(generated)):
        return None
    sides = centred(real, generated)
    a, b = (_side(state) for state in sides)
    plain, (left_a, left_b) = _leave_outs(a, b)
    found = _estimate(plain, [(left_a, a.n), (left_b, b.n)], alpha)
    return _evened(found, *_slope_and_noise(*sides), alpha)


def difference(real: GroupMoments, a: GroupMoments, b: GroupMoments, alpha: float = 0.05) -> Estimate | None:
    """The corrected distance of `a` from the real images minus that of `b`.

    The same real group is left out of both: what the two distances share with the real images cancels. None as above.
    """
    if not (_enough(real) and _enough(a) and _enough(b)):
        return None
    common, one, other = (_side(state) for state in centred(real, a, b))
    plain_a, (real_a, left_a) = _leave_outs(common, one)
    plain_b, (real_b, left_b) = _leave_outs(common, other)
    parts = [(real_a - real_b, common.n), (left_a - plain_b, one.n), (plain_a - left_b, other.n)]
    return _estimate(plain_a - plain_b, parts, alpha)


def _slope_and_noise(a: Centred, b: Centred) -> tuple[float, float]:
    """κ, and the standard error that the distance would have at 0 from its mean part."""
    (mean_a, covariance_a), (mean_b, covariance_b) = spread(*a.total()), spread(*b.total())
    apart = mean_a - mean_b
    variance = covariance_a / a.n.sum() + covariance_b / b.n.sum()
    along = variance @ apart
    across = float(apart @ along)
    return 4 * float(along @ along) / across if across > 0 else 0.0, float((2 * (variance**2).sum()) ** 0.5)


def _evened(found: Estimate, slope: float, noise: float, alpha: float) -> Estimate:
    """The estimate with the interval on the scale that evens out its variance."""
    t, se = float(stats.t.ppf(1 - alpha / 2, found.degrees)), found.se
    below = t * se - slope * t * t / 4 if 2 * se > slope * t else se * se / slope
    return replace(found, low=found.value - max(below, t * noise), high=found.value + t * se + slope * t * t / 4)


def _enough(state: GroupMoments) -> bool:
    return len(state) >= 2 and int(state.n.min()) >= 1 and int(state.n.sum() - state.n.max()) >= 2


def _side(state: Centred) -> _Side:
    n, first, second = state.total()
    without = [_shape(n - state.n[g], first - state.first[g], second - state.second[g]) for g in range(len(state))]
    return _Side(state.n, _shape(n, first, second), without)


def _shape(n: float, first: Floats, second: Floats) -> tuple[Floats, Floats, float]:
    mean, covariance = spread(n, first, second)
    return mean, quick_factor(covariance), float(np.trace(covariance))


def _leave_outs(a: _Side, b: _Side) -> tuple[float, tuple[Floats, Floats]]:
    """The plain distance, and that with each group of `a`, then of `b`, left out."""
    without_a = np.array([_between(one, b.whole) for one in a.without])
    without_b = np.array([_between(a.whole, one) for one in b.without])
    return _between(a.whole, b.whole), (without_a, without_b)


def _between(a: tuple[Floats, Floats, float], b: tuple[Floats, Floats, float]) -> float:
    apart = a[0] - b[0]
    overlap = float(np.linalg.svd(a[1].T @ b[1], compute_uv=False).sum())
    return float(apart @ apart) + a[2] + b[2] - 2 * overlap


def _estimate(plain: float, parts: list[tuple[Floats, Floats]], alpha: float) -> Estimate:
    value, variances = plain, []
    for left, sizes in parts:
        groups = len(left)
        h = sizes.sum() / sizes
        jackknifed = groups * plain - float(((1 - 1 / h) * left).sum())
        pseudo = h * plain - (h - 1) * left
        variances.append((float(((pseudo - jackknifed) ** 2 / (h - 1)).sum()) / groups, groups - 1))
        value += jackknifed - plain
    variance = sum(v for v, _ in variances)
    if variance <= 0:
        return Estimate(value, 0.0, value, value, float("inf"), plain, 1.0 if value == 0 else 0.0)
    degrees = variance**2 / sum(v**2 / df for v, df in variances)
    se = variance**0.5
    half = float(stats.t.ppf(1 - alpha / 2, degrees)) * se
    return Estimate(value, se, value - half, value + half, degrees, plain, float(2 * stats.t.sf(abs(value) / se, degrees)))
