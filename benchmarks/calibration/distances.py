"""Scenarios about the distance: its interval, bias and floor, the permutation test, and the comparison of two generators."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from benchmarks.calibration.cases import LINES, NUMBERS, PERMUTATIONS, Case, OpenedCase, Row
from benchmarks.calibration.planting import Change, Drawn, Thin, distance, population
from benchmarks.calibration.pool import Pool, with_void
from ganaudit.statistics import comparison, corrected, grouping, permutation
from ganaudit.statistics.centred import centred
from ganaudit.statistics.halves import halves
from ganaudit.statistics.moments import GroupMoments, group_moments

COMMON = 0.9
"""Differences are planted by thinning the commonest class that no more than this share of the images holds."""
MILD, STRONG = 0.8, 0.2
MANY_CLASSES = 100
"""Classes beyond which a distance takes so long that the strong difference is left out."""
GIVEN, WITHHELD = "given", "withheld"


def planted(pool: Pool) -> dict[str, Change]:
    """Truth zero, mild and strong."""
    column = int(np.where(pool.share <= COMMON, pool.share, 0.0).argmax())
    return {"zero": Change(), "mild": Change(thin=Thin(column, MILD)), "strong": Change(thin=Thin(column, STRONG))}


def interval_cases(pool: Pool) -> list[Case]:
    changes = planted(pool)
    names = ("zero", "mild") if len(pool.classes) > MANY_CLASSES else changes
    return [Case("distance", name, *numbers, generated=changes[name]) for numbers in NUMBERS for name in names]


def interval(opened: OpenedCase, replicate: int) -> list[Row]:
    """The corrected and the plain distance of two samples, the interval of the first, and the floor that would be told."""
    drawn = opened.real(replicate), opened.generated(replicate)
    sides = [_groups(opened, side) for side in drawn]
    a, b = centred(*sides)
    of_real, of_generated = (
        halves(sums, corrected.SEED, None if side.clusters is None else grouping.effective(side.clusters))
        for sums, side in zip((a, b), drawn, strict=True)
    )
    estimate = corrected.estimate(a, b, (of_real, of_generated), LINES.alpha)
    if estimate is None or of_real is None:
        return []
    truth = truth_of(opened.pool, opened.case.real, opened.case.generated)
    ends = {"estimate_low": estimate.low, "estimate_high": estimate.high}
    told = GIVEN if estimate.doubt is None else WITHHELD
    floor = sum(of_real.floor(float(side.n.sum())) for side in sides)
    return [
        {"statistic": "corrected", "truth": truth, "estimate": estimate.value, **ends, "verdict": told},
        {"statistic": "plain", "truth": truth, "estimate": estimate.plain},
        {"statistic": "floor", "truth": truth, "estimate": floor},
    ]


def permutation_cases(pool: Pool) -> list[Case]:
    cases = [Case("permutation", "zero", *numbers) for numbers in NUMBERS]
    return [*cases, Case("permutation", "mild", 2_000, 2_000, generated=planted(pool)["mild"])]


def permute(opened: OpenedCase, replicate: int) -> list[Row]:
    """The p-value of no difference, from blocks of equally many images as in an audit."""
    real, generated = opened.real(replicate), opened.generated(replicate)
    size, few, many = grouping.blocks_of(grouping.GROUPS, len(real), len(generated))
    sides = (_blocks(opened, real, size, few), _blocks(opened, generated, size, many))
    p = permutation.p_value(*sides, PERMUTATIONS, replicate)
    truth = truth_of(opened.pool, opened.case.real, opened.case.generated)
    wrong = None if p is None or truth > 1e-6 else p <= LINES.alpha
    return [{"statistic": "p_value", "truth": truth, "p_value": p, "wrong": wrong}]


def comparison_cases(pool: Pool) -> list[Case]:
    changes = planted(pool)
    pairs = (("zero", "zero"), ("mild", "mild"), ("mild", "zero"), ("strong", "mild"))
    return [Case("comparison", f"{a} against {b}", 4_000, 4_000, generated=changes[a], second=changes[b]) for a, b in pairs]


def compare(opened: OpenedCase, replicate: int) -> list[Row]:
    """The difference of two generators' corrected distances from the same real images, and the word for it."""
    case = opened.case
    real, first = _groups(opened, opened.real(replicate)), _groups(opened, opened.generated(replicate))
    other = _groups(opened, opened.generated(replicate, case.second, "second generator"))
    difference = corrected.difference(real, first, other)
    if difference is None:
        return []
    truth = 0.0
    if case.second != case.generated:
        truth = truth_of(opened.pool, case.real, case.generated) - truth_of(opened.pool, case.real, case.second)
    pairs, _ = comparison.compare(
        [difference.value, 0.0], {(0, 1): (difference.value, difference.se)}, {(0, 1): difference.degrees}, LINES.alpha
    )
    verdict = pairs[0].verdict
    wrong = (verdict == comparison.A_NEARER and truth >= 0) or (verdict == comparison.B_NEARER and truth <= 0)
    return [{
        "statistic": "difference", "truth": truth, "estimate": difference.value, "estimate_low": difference.low,
        "estimate_high": difference.high, "p_value": pairs[0].p_value, "verdict": verdict, "wrong": wrong,
    }]  # fmt: skip


@lru_cache(maxsize=64)
def truth_of(pool: Pool, real: Change, generated: Change | None) -> float:
    """The distance between two changed pools; exactly 0 where the change is the same. Dependent images change nothing."""
    if generated is None or (real.keep, real.thin) == (generated.keep, generated.thin):
        return 0.0
    return distance(population(pool, real), population(pool, generated))


def _groups(opened: OpenedCase, drawn: Drawn) -> GroupMoments:
    """Images are drawn in no order: dealing them in turn is as good as by rank of digest."""
    groups = grouping.by_rank(np.arange(len(drawn)), drawn.clusters)
    return group_moments(with_void(drawn.held, opened.pool.pixels), groups, opened.pool.pixels, int(groups.max()) + 1)


def _blocks(opened: OpenedCase, drawn: Drawn, size: int, number: int) -> GroupMoments:
    counts = with_void(drawn.held, opened.pool.pixels)[: size * number]
    return group_moments(counts, np.arange(size * number) // size, opened.pool.pixels, number)
