"""Is a class really missing? One verdict for each class and measure, with the share of wrong ones under control.

Each class is tested against a minimum effect, not against `no difference at all`, which at thousands of images is never
true. `reduced`: the hypothesis that the ratio is lines.reduced or more is rejected, Benjamini-Hochberg (1995) over all rows;
`dropped`: inside that, and at the level that the adjustment arrived at, so is lines.dropped or more. `increased` is the
mirror image; `equivalent` are two one-sided tests that the ratio lies between the lines. Which classes are testable is
settled by the real counts and both numbers of images alone: those whose total loss would be found out at the worst level
that the adjustment can arrive at. The others are `not testable`, never fine; `invented` where the generated images are
sure to hold more than the real ones can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from ganaudit.statistics import areas, proportions
from ganaudit.statistics.class_counts import ClassCounts
from ganaudit.statistics.proportions import Floats

MEASURES = ("presence", "area")
DROPPED, REDUCED, INCREASED, EQUIVALENT = "dropped", "reduced", "increased", "equivalent"
INVENTED, INCONCLUSIVE, NOT_TESTABLE = "invented", "inconclusive", "not testable"


@dataclass(frozen=True)
class Lines:
    """Where verdicts draw their lines: the accepted share of wrong ones, and ratios of generated over real."""

    alpha: float = 0.05
    dropped: float = 0.1
    reduced: float = 0.8
    increased: float = 1.25


@dataclass(frozen=True, eq=False)
class Verdicts:
    """One entry for each class. NaN where there is no number; `high` may be infinite."""

    verdict: NDArray[np.str_]
    ratio: Floats
    low: Floats
    high: Floats
    p_value: Floats
    q_value: Floats
    testable: NDArray[np.bool_]
    level: float
    """The worst level that a testable row may have to pass: alpha divided by the number of testable rows of the table."""


@dataclass(frozen=True, eq=False)
class _Tests:
    """One-sided p-values of one measure, each small where its word is beyond doubt."""

    reduced: Floats
    dropped: Floats
    increased: Floats
    equivalent: Floats


def decide(real: ClassCounts, generated: ClassCounts, lines: Lines) -> dict[str, Verdicts]:
    """The verdicts on every class, by measure (`presence`, `area`), adjusted over both measures together."""
    losses = np.stack([loss_p_values(real, generated.n, lines)[measure] for measure in MEASURES])
    chosen, level = testable(losses, lines.alpha)
    tests = [_tests(real, generated, measure, lines) for measure in MEASURES]
    rows = {
        name: np.stack([getattr(test, name) for test in tests]) for name in ("reduced", "dropped", "increased", "equivalent")
    }
    q, is_reduced, reached = adjusted(rows["reduced"], chosen, lines.alpha)
    _, is_increased, _ = adjusted(rows["increased"], chosen, lines.alpha)
    _, is_equivalent, _ = adjusted(rows["equivalent"], chosen, lines.alpha)
    is_dropped = is_reduced & (rows["dropped"] <= reached)
    by_measure = {}
    for place, measure in enumerate(MEASURES):
        words = np.select(
            [is_dropped[place], is_reduced[place], is_increased[place], is_equivalent[place], chosen[place]],
            [DROPPED, REDUCED, INCREASED, EQUIVALENT, INCONCLUSIVE],
            NOT_TESTABLE,
        )
        words = np.where(~chosen[place] & _invented(real, generated, measure, ~chosen[place], lines.alpha), INVENTED, words)
        ratio, low, high = estimate(real, generated, measure, lines.alpha)
        p = np.where(chosen[place], rows["reduced"][place], np.nan)
        by_measure[measure] = Verdicts(words, ratio, low, high, p, q[place], chosen[place], level)
    return by_measure


def estimate(real: ClassCounts, generated: ClassCounts, measure: str, alpha: float) -> tuple[Floats, Floats, Floats]:
    """(C,) ratio of presences or areas, generated over real, and the ends of its interval; NaN where nothing is known."""
    if measure == "presence":
        x, n, y, m = effective(real, generated)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(x > 0, (y / m) / (x / n), np.nan)
        low, high = proportions.interval(x, n, y, m, alpha)
        some = (x > 0) | (y > 0)
    else:
        ratio = areas.ratio(real.areas, generated.areas)
        low, high = areas.interval(real.areas, generated.areas, alpha)
        some = (real.touched > 0) | (generated.touched > 0)
    return ratio, np.where(some, low, np.nan), np.where(some, high, np.nan)


def loss_p_values(real: ClassCounts, n_generated: float, lines: Lines) -> dict[str, Floats]:
    """(C,) by measure: the p-value against lines.reduced that a generator which makes none of a class would get."""
    none = real.scaled(n_generated, 0.0)
    return {measure: special.ndtr(score(real, none, measure, lines.reduced)) for measure in MEASURES}


def testable(losses: Floats, alpha: float) -> tuple[NDArray[np.bool_], float]:
    """The largest set of rows each of which would be rejected at alpha over their number, and that level; any shape.

    Rows with equal losses are in it together or not at all.
    """
    ordered = np.sort(losses, axis=None)
    numbers = np.searchsorted(ordered, ordered, side="right")  # of rows with this loss or less
    enough = np.flatnonzero(ordered <= alpha / np.maximum(numbers, 1))
    if not len(enough):
        return np.zeros(losses.shape, bool), alpha
    last = enough[-1]
    return losses <= ordered[last], alpha / int(numbers[last])


def adjusted(p: Floats, chosen: NDArray[np.bool_], alpha: float) -> tuple[Floats, NDArray[np.bool_], float]:
    """Benjamini-Hochberg over the chosen rows: q-values (NaN elsewhere), which are rejected, and the level arrived at."""
    q, rejected = np.full(p.shape, np.nan), np.zeros(p.shape, bool)
    if not chosen.any():
        return q, rejected, 0.0
    q[chosen] = stats.false_discovery_control(p[chosen], method="bh")
    rejected[chosen] = q[chosen] <= alpha
    return q, rejected, alpha * float(rejected.sum()) / float(chosen.sum())


def score(real: ClassCounts, generated: ClassCounts, measure: str, bound: float | Floats) -> Floats:
    """(C,) standard deviations from a bound to the ratio of a measure: negative where the ratio is smaller."""
    if measure == "presence":
        return proportions.score(*effective(real, generated), bound)
    return areas.deviate(real.areas, generated.areas, bound)


def effective(real: ClassCounts, generated: ClassCounts) -> tuple[Floats, Floats, Floats, Floats]:
    """(C,) each: images that hold a class and images in all, real and then generated, as if all were independent."""
    return (
        real.present / real.design, real.n / real.design, generated.present / generated.design, generated.n / generated.design
    )  # fmt: skip


def _tests(real: ClassCounts, generated: ClassCounts, measure: str, lines: Lines) -> _Tests:
    reduced, dropped, increased = (
        score(real, generated, measure, bound) for bound in (lines.reduced, lines.dropped, lines.increased)
    )
    equivalent = np.maximum(special.ndtr(-reduced), special.ndtr(increased))
    return _Tests(special.ndtr(reduced), special.ndtr(dropped), special.ndtr(-increased), equivalent)


def _invented(
    real: ClassCounts, generated: ClassCounts, measure: str, among: NDArray[np.bool_], alpha: float
) -> NDArray[np.bool_]:
    """Whether even the least that the generated images may hold is more than the most that the real ones may.

    Exact bounds, each at half of alpha over the number of rows asked.
    """
    tail = alpha / 2 / max(int(among.sum()), 1)
    if measure == "presence":
        x, n, y, m = effective(real, generated)
    else:
        x, n = real.touched / real.area_design, real.n / real.area_design
        y, m = generated.touched / generated.area_design, generated.n / generated.area_design
    invented: NDArray[np.bool_] = proportions.exact(y, m, tail)[0] > proportions.exact(x, n, tail)[1]
    return invented
