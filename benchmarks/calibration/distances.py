"""Scenarios about the distance: its interval and bias, the permutation test, and the comparison of two generators."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from benchmarks.calibration.cases import LINES, PERMUTATIONS, Case, OpenedCase, Row
from benchmarks.calibration.planting import Change, Thin, distance, population
from benchmarks.calibration.pool import Counts, Pool
from ganaudit.statistics import comparison, grouping, jackknife, permutation
from ganaudit.statistics.moments import GroupMoments, group_moments

COMMON = 0.9
"""Differences are planted by thinning the commonest class that no more than this share of the images holds."""
MILD, STRONG = 0.8, 0.2


def planted(pool: Pool) -> dict[str, Change]:
    """Truth zero, mild and strong."""
    share = (pool.counts[:, 1:] > 0).mean(axis=0)
    column = 1 + int(np.where(share <= COMMON, share, 0.0).argmax())
    return {"zero": Change(), "mild": Change(thin=Thin(column, MILD)), "strong": Change(thin=Thin(column, STRONG))}


def interval_cases(pool: Pool) -> list[Case]:
    return [Case("distance", name, n, n, generated=change) for n in (2_000, 10_000) for name, change in planted(pool).items()]


def interval(opened: OpenedCase, replicate: int) -> list[Row]:
    """The corrected and the plain distance of two samples, and the interval of the first."""
    estimate = jackknife.corrected(_groups(opened, opened.real(replicate)), _groups(opened, opened.generated(replicate)))
    if estimate is None:
        return []
    truth = truth_of(opened.pool, opened.case.real, opened.case.generated)
    ends = {"estimate_low": estimate.low, "estimate_high": estimate.high}
    return [
        {"statistic": "corrected", "truth": truth, "estimate": estimate.value, **ends},
        {"statistic": "plain", "truth": truth, "estimate": estimate.plain},
    ]


def permutation_cases(pool: Pool) -> list[Case]:
    cases = [Case("permutation", f"zero, {ratio}:1", 2_000 * ratio, 2_000) for ratio in (1, 2, 4)]
    return [*cases, Case("permutation", "mild, 1:1", 2_000, 2_000, generated=planted(pool)["mild"])]


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
    difference = jackknife.difference(real, first, other)
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
    """The distance between two changed pools; exactly 0 where the change is the same."""
    if generated is None or real == generated:
        return 0.0
    return distance(population(pool, real), population(pool, generated))


def _groups(opened: OpenedCase, counts: Counts) -> GroupMoments:
    """Images are drawn in no order: dealing them in turn is as good as by rank of digest."""
    groups = grouping.by_rank(np.arange(len(counts)))
    return group_moments(counts, groups, opened.pool.pixels, int(groups.max()) + 1)


def _blocks(opened: OpenedCase, counts: Counts, size: int, number: int) -> GroupMoments:
    used = size * number
    return group_moments(counts[:used], np.arange(used) // size, opened.pool.pixels, number)
