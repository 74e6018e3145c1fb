"""Is a class really missing? One verdict for each class and measure, with the share of wrong ones under control.

Each class is tested against a minimum effect, not against `no difference at all`, which at thousands of images is never
true. `reduced`: the hypothesis that the ratio is lines.reduced or more is rejected; `dropped`: so is, by a test of its own,
lines.dropped or more. `increased` is the mirror image; `equivalent` are two one-sided tests that the ratio lies between the
lines. Each word is adjusted over all rows of a table (Benjamini and Hochberg, 1995), at half of alpha: about a class at a
line two words can be wrong, `reduced` and `equivalent` at one, and both together are so in alpha of audits at most. Which
classes are testable is settled by the real counts and both numbers of images alone: those whose total loss would be found
out at the worst level that the adjustment can arrive at. The others are `not testable`, never fine; `invented` where the
generated images are sure to hold more than the real ones can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from ganaudit.statistics import areas, proportions
from ganaudit.statistics.class_counts import ClassCounts
from ganaudit.statistics.proportions import Floats

MEASURES = ("presence", "area", "count")
"""Images that hold a class; pixels of it; connected regions of it in the images that hold it, where they were counted."""
DROPPED, REDUCED, INCREASED, EQUIVALENT = "dropped", "reduced", "increased", "equivalent"
WORDS = (DROPPED, REDUCED, INCREASED, EQUIVALENT)
WORDS_AT_A_LINE = 2
"""Words that can be wrong about a class at a line."""
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
    """The worst level that a testable row may have to pass: half of alpha divided by the number of testable rows."""


@dataclass(frozen=True, eq=False)
class _Tests:
    """One-sided p-values of one measure, each small where its word is beyond doubt."""

    dropped: Floats
    reduced: Floats
    increased: Floats
    equivalent: Floats


def measures_of(*sides: ClassCounts) -> tuple[str, ...]:
    """The measures that all sides have."""
    return MEASURES if all(side.parts is not None for side in sides) else MEASURES[:2]


def decide(real: ClassCounts, generated: ClassCounts, lines: Lines) -> dict[str, Verdicts]:
    """The verdicts on every class, by measure; each word is adjusted over all measures together."""
    measures = measures_of(real, generated)
    losses = loss_p_values(real, generated.n, lines)
    chosen, level = testable(np.stack([losses[measure] for measure in measures]), lines.alpha)
    tests = [_tests(real, generated, measure, lines) for measure in measures]
    words = {name: np.stack([getattr(test, name) for test in tests]) for name in WORDS}
    q, is_said = adjusted_words(words, chosen, lines.alpha)
    by_measure = {}
    for place, measure in enumerate(measures):
        said = np.select([*(is_said[word][place] for word in WORDS), chosen[place]], [*WORDS, INCONCLUSIVE], NOT_TESTABLE)
        said = np.where(~chosen[place] & _invented(real, generated, measure, ~chosen[place], lines.alpha), INVENTED, said)
        ratio, low, high = estimate(real, generated, measure, lines.alpha)
        p = np.where(chosen[place], words[REDUCED][place], np.nan)
        by_measure[measure] = Verdicts(said, ratio, low, high, p, q[REDUCED][place], chosen[place], level)
    return by_measure


def adjusted_words(
    p: Mapping[str, Floats], chosen: NDArray[np.bool_], alpha: float
) -> tuple[dict[str, Floats], dict[str, NDArray[np.bool_]]]:
    """q-values of every word about the chosen rows (NaN elsewhere), and which are said; `dropped` only of what is reduced.

    p: by word, of any one shape. A q-value is twice that of Benjamini and Hochberg: it is held against alpha.
    """
    q = {word: adjusted(values, chosen) for word, values in p.items()}
    said = {word: values <= alpha for word, values in q.items()}
    said[DROPPED] = said[DROPPED] & said[REDUCED]
    return q, said


def estimate(real: ClassCounts, generated: ClassCounts, measure: str, alpha: float) -> tuple[Floats, Floats, Floats]:
    """(C,) ratio of a measure, generated over real, and the ends of its interval; NaN where nothing is known."""
    if measure == "presence":
        x, n, y, m = effective(real, generated)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(x > 0, (y / m) / (x / n), np.nan)
        low, high = proportions.interval(x, n, y, m, alpha)
        some = (x > 0) | (y > 0)
    else:
        a, b = real.amounts(measure), generated.amounts(measure)
        ratio = areas.ratio(a, b)
        low, high = areas.interval(a, b, alpha)
        some = (a.holding > 0) | (b.holding > 0)
    return ratio, np.where(some, low, np.nan), np.where(some, high, np.nan)


def loss_p_values(real: ClassCounts, n_generated: float, lines: Lines) -> dict[str, Floats]:
    """(C,) by measure: the p-value against lines.reduced that a generator which makes none of a class would get."""
    none = real.scaled(n_generated, 0.0)
    return {measure: special.ndtr(score(real, none, measure, lines.reduced)) for measure in measures_of(real)}


def testable(losses: Floats, alpha: float) -> tuple[NDArray[np.bool_], float]:
    """The largest set of rows each of which would be rejected at alpha over twice their number, and that level; any shape.

    Rows with equal losses are in it together or not at all.
    """
    ordered = np.sort(losses, axis=None)
    numbers = WORDS_AT_A_LINE * np.searchsorted(ordered, ordered, side="right")  # of rows with this loss or less
    enough = np.flatnonzero(ordered <= alpha / np.maximum(numbers, 1))
    if not len(enough):
        return np.zeros(losses.shape, bool), alpha
    last = enough[-1]
    return losses <= ordered[last], alpha / int(numbers[last])


def adjusted(p: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Of one word: twice the q-values of Benjamini and Hochberg over what is chosen; NaN elsewhere."""
    q = np.full(p.shape, np.nan)
    if chosen.any():
        q[chosen] = np.minimum(WORDS_AT_A_LINE * stats.false_discovery_control(p[chosen], method="bh"), 1.0)
    return q


def score(real: ClassCounts, generated: ClassCounts, measure: str, bound: float | Floats) -> Floats:
    """(C,) standard deviations from a bound to the ratio of a measure: negative where the ratio is smaller. bound: one for all
    classes, or for each; (B, 1) for B bounds at once, which gives (B, C)."""
    if measure == "presence":
        return proportions.score(*effective(real, generated), bound)
    return areas.deviate(real.amounts(measure), generated.amounts(measure), bound)


def room_below(real: ClassCounts, generated: ClassCounts, measure: str, bound: float | Floats, z: float) -> Floats:
    """(C,) 0 or more where `score` is -z or less: `z` standard deviations or more below the bound."""
    if measure == "presence":
        return -score(real, generated, measure, bound) - z
    return areas.room_below(real.amounts(measure), generated.amounts(measure), bound, z)


def effective(real: ClassCounts, generated: ClassCounts) -> tuple[Floats, Floats, Floats, Floats]:
    """(C,) each: images that hold a class and images in all, real and then generated, as if all were independent."""
    return (
        real.present / real.design, real.n / real.design, generated.present / generated.design, generated.n / generated.design
    )  # fmt: skip


def _tests(real: ClassCounts, generated: ClassCounts, measure: str, lines: Lines) -> _Tests:
    lines_at_once = np.array([[lines.reduced], [lines.dropped], [lines.increased]])
    reduced, dropped, increased = score(real, generated, measure, lines_at_once)
    equivalent = np.maximum(special.ndtr(-reduced), special.ndtr(increased))
    return _Tests(special.ndtr(dropped), special.ndtr(reduced), special.ndtr(-increased), equivalent)


def _invented(
    real: ClassCounts, generated: ClassCounts, measure: str, among: NDArray[np.bool_], alpha: float
) -> NDArray[np.bool_]:
    """Whether even the least that the generated images may hold is more than the most that the real ones may.

    Exact bounds, each at half of alpha over the number of rows asked.
    """
    tail = alpha / 2 / max(int(among.sum()), 1)
    if measure == "presence":
        x, n, y, m = effective(real, generated)
    else:  # where it is present: a crumb invents nothing
        a, b = real.amounts(measure), generated.amounts(measure)
        x, n, y, m = real.present / a.design, a.n / a.design, generated.present / b.design, b.n / b.design
    invented: NDArray[np.bool_] = proportions.exact(y, m, tail)[0] > proportions.exact(x, n, tail)[1]
    return invented
