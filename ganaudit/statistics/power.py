"""What an audit of this size can find: the drop that would be found, and the number of images that a wanted drop needs.

Planned against the test's own hypothesis (a ratio of lines.reduced or more), at the worst level that the adjustment for
many classes can arrive at, with the very test that gives the verdict: the largest observed ratio that it would reject, and
from there the true ratio whose estimate stays below it with the wanted power.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import stats
from scipy.optimize import elementwise

from ganaudit.statistics.class_counts import ClassCounts
from ganaudit.statistics.proportions import Floats, crossing
from ganaudit.statistics.verdicts import Lines, measures_of, room_below

POWER = 0.9
OF_AMOUNTS = 0.5
"""How many of the drops that may be missed are planned for areas and counts: the test takes the larger of two variances."""
MOST_IMAGES = 1e9
_TOLERANCE = {"xatol": 5e-4}


def detectable(real: ClassCounts, n_generated: float, lines: Lines, level: float, power: float = POWER) -> dict[str, Floats]:
    """(C,) by measure: the largest true ratio that would be found reduced with this power; NaN where not even 0 would.

    real: counts of the real images that the audit has; level: the p-value that a row has to pass.
    """
    by_measure = {}
    for measure in measures_of(real):
        critical = _critical(real, n_generated, measure, lines, level)
        reached = _largest(real, partial(_room, real, n_generated, measure, power, critical))
        by_measure[measure] = np.where((real.holding(measure) > 0) & (critical > 0) & (reached > 0), reached, np.nan)
    return by_measure


def images_for(real: ClassCounts, ratio: float, lines: Lines, level: float, power: float = POWER) -> dict[str, Floats]:
    """(C,) by measure: the images on each side with which a true ratio would be found reduced; infinity beyond a billion.

    real: counts of images that say how frequent each class is. ratio: below lines.reduced.
    """
    by_measure = {}
    for measure in measures_of(real):
        room = partial(_room_of_plan, real, ratio, lines, level, measure, power)
        most = np.full(len(real.present), np.log(MOST_IMAGES))
        needed = np.ceil(np.exp(_crossing(room, np.full(len(real.present), np.log(2.0)), most)))
        by_measure[measure] = np.where((real.holding(measure) > 0) & (room(most) >= 0), needed, np.inf)
    return by_measure


def images_to_test(real: ClassCounts, lines: Lines, level: float) -> dict[str, Floats]:
    """(C,) by measure: the images on each side from which a class would be testable, a total loss of it found at the level.

    real: counts of images that say how frequent each class is. Infinity where no image holds it, or beyond a billion.
    """
    by_measure = {}
    z = float(stats.norm.isf(level))
    for measure in measures_of(real):

        def room(log_images: Floats, measure: str = measure) -> Floats:
            planned = real.scaled(np.exp(log_images))
            return room_below(planned, planned.scaled(planned.n, 0.0), measure, lines.reduced, z)

        few, most = np.full(len(real.present), np.log(2.0)), np.full(len(real.present), np.log(MOST_IMAGES))
        needed = np.ceil(np.exp(crossing(room, few, most, halvings=7)))
        by_measure[measure] = np.where((real.holding(measure) > 0) & (room(most) >= 0), needed, np.inf)
    return by_measure


def _critical(real: ClassCounts, n_generated: float | Floats, measure: str, lines: Lines, level: float) -> Floats:
    """(C,) the largest observed ratio that would be rejected at the level; -1 where not even 0 would."""
    z = float(stats.norm.isf(level))
    return _largest(real, lambda ratio: room_below(real, real.scaled(n_generated, ratio), measure, lines.reduced, z))


def _room(
    real: ClassCounts, n_generated: float | Floats, measure: str, power: float, critical: Floats, ratio: Floats
) -> Floats:
    """(C,) 0 or more where an estimate of a true ratio stays below the critical one with the wanted power."""
    generated = real.scaled(n_generated, ratio)
    missed = (1 - power) * (1.0 if measure == "presence" else OF_AMOUNTS)
    return room_below(real, generated, measure, np.maximum(critical, 1e-9), float(stats.norm.isf(missed)))


def _room_of_plan(
    real: ClassCounts, ratio: float, lines: Lines, level: float, measure: str, power: float, log_images: Floats
) -> Floats:
    """The same for (C,) numbers of images on each side."""
    n = np.exp(log_images)
    planned = real.scaled(n)
    critical = _critical(planned, n, measure, lines, level)
    return np.where(critical > 0, _room(planned, n, measure, power, critical, np.full(len(n), ratio)), -1.0)


def _largest(real: ClassCounts, room: Callable[[Floats], Floats]) -> Floats:
    """(C,) the largest ratio from 0 to 1 at which a falling function is 0 or more; -1 where it is not even at 0."""
    nothing, everything = np.zeros(len(real.present)), np.ones(len(real.present))
    return np.where(room(nothing) >= 0, _crossing(room, nothing, everything), -1.0)


def _crossing(function: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """(C,) where a monotone function crosses 0; an end where it does not (Chandrupatla's method, all at once)."""
    at_low, at_high = function(low), function(high)
    same = (at_low >= 0) == (at_high >= 0)
    places = np.flatnonzero(~same)
    roots = np.where(np.abs(at_low) < np.abs(at_high), low, high).astype(np.float64)
    if not len(places):
        return roots

    def some(x: Floats, which: Floats) -> Floats:
        full = low.astype(np.float64).copy()
        full[which.astype(np.int64)] = x
        return function(full)[which.astype(np.int64)]

    solve: Any = elementwise.find_root
    solved = solve(some, (low[places], high[places]), args=(places.astype(np.float64),), tolerances=_TOLERANCE)
    roots[places] = solved.x
    return roots
