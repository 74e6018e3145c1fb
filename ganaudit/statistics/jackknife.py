"""The Fréchet distance without its first-order bias, and its standard error: the delete-group jackknife of both sides.

The plain distance is too large by about b₁/n₁ + b₂/n₂ (Chong and Forsyth, CVPR 2020). Leaving out each group of images in
turn shows both terms and the spread (Quenouille, 1956; Tukey, 1958; two samples: Arvesen, 1969; groups of unequal size:
Busing, Meijer and van der Leeden, 1999). Only sums over groups are needed, no image is read again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ganaudit.statistics.centred import Centred, centred, spread
from ganaudit.statistics.frechet import Floats, quick_each
from ganaudit.statistics.moments import GroupMoments


@dataclass(frozen=True)
class Estimate:
    """A corrected value with its standard error and interval; plain is the value before. Two-sided p_value of 0.

    skewness: of the corrected value, by the groups' own: that of a sum of as many.
    """

    value: float
    se: float
    low: float
    high: float
    degrees: float
    plain: float
    p_value: float
    skewness: float = 0.0

    def moved(self, value: float, se: float, alpha: float) -> Estimate:
        """Another value and standard error, with the same degrees of freedom."""
        return _t_interval(value, se, self.degrees, self.plain, alpha)


Shape = tuple[Floats, Floats]
"""(C,) mean from the common centre, (C, C) covariance."""


@dataclass(frozen=True, eq=False)
class _Side:
    """One source: mean and covariance, whole and with each group left out."""

    n: Floats
    whole: Shape
    without: list[Shape]


def estimate(real: Centred, generated: Centred, alpha: float = 0.05) -> Estimate | None:
    """The distance of two sources, around one centre, without its first-order bias; None with too few images for groups."""
    if not (_enough(real) and _enough(generated)):
        return None
    a, b = _side(real), _side(generated)
    plain, (left_a, left_b) = _leave_outs(a, b)
    return _estimate(plain, [(left_a, a.n), (left_b, b.n)], alpha)


def difference(real: GroupMoments, a: GroupMoments, b: GroupMoments, alpha: float = 0.05) -> Estimate | None:
    """The distance of `a` from the real images minus that of `b`, both without their first-order bias.

    The same real group is left out of both: what the two distances share with the real images cancels. None as above.
    """
    sides = centred(real, a, b)
    if not all(map(_enough, sides)):
        return None
    common, first, other = map(_side, sides)
    plain_a, (real_a, left_a) = _leave_outs(common, first)
    plain_b, (real_b, left_b) = _leave_outs(common, other)
    parts = [(real_a - real_b, common.n), (left_a - plain_b, first.n), (plain_a - left_b, other.n)]
    return _estimate(plain_a - plain_b, parts, alpha)


def _enough(state: Centred) -> bool:
    return len(state) >= 2 and float(state.n.min()) >= 1 and float(state.n.sum() - state.n.max()) >= 2


def _side(state: Centred) -> _Side:
    n, first, second = state.total()
    without = [spread(n - state.n[g], first - state.first[g], second - state.second[g]) for g in range(len(state))]
    return _Side(state.n, spread(n, first, second), without)


def _leave_outs(a: _Side, b: _Side) -> tuple[float, tuple[Floats, Floats]]:
    """The plain distance, and that with each group of `a`, then of `b`, left out."""
    pairs = [(a.whole, b.whole), *((b.whole, state) for state in a.without), *((a.whole, state) for state in b.without)]
    distances = quick_each([(one[0] - other[0], one[1], other[1]) for one, other in pairs])
    plain, without_a, without_b = np.split(distances, [1, 1 + len(a.without)])
    return float(plain[0]), (without_a, without_b)


def _estimate(plain: float, parts: list[tuple[Floats, Floats]], alpha: float) -> Estimate:
    value, variances, thirds = plain, [], []
    for left, sizes in parts:
        groups = len(left)
        h = sizes.sum() / sizes
        jackknifed = groups * plain - float(((1 - 1 / h) * left).sum())
        pseudo = h * plain - (h - 1) * left
        variances.append((float(((pseudo - jackknifed) ** 2 / (h - 1)).sum()) / groups, groups - 1))
        thirds.append(float(((pseudo - pseudo.mean()) ** 3).mean()) / groups**2)
        value += jackknifed - plain
    variance = sum(v for v, _ in variances)
    if variance <= 0:
        return _t_interval(value, 0.0, float("inf"), plain, alpha)
    degrees = variance**2 / sum(v**2 / df for v, df in variances)
    return replace(_t_interval(value, variance**0.5, degrees, plain, alpha), skewness=sum(thirds) / variance**1.5)


def _t_interval(value: float, se: float, degrees: float, plain: float, alpha: float) -> Estimate:
    if se == 0:
        return Estimate(value, 0.0, value, value, degrees, plain, 1.0 if value == 0 else 0.0)
    half = float(stats.t.ppf(1 - alpha / 2, degrees)) * se
    return Estimate(value, se, value - half, value + half, degrees, plain, float(2 * stats.t.sf(abs(value) / se, degrees)))
