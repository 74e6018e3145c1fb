"""Which of several estimates are told apart: pairwise differences, adjusted for their number, and ranks with their doubt.

Each difference is tested against 0 by Student's t, and the p-values are adjusted by Holm (Scandinavian Journal of
Statistics 6, 1979): the chance of even one wrong "a is nearer" is at most alpha, however the pairs depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeGuard

import numpy as np
from scipy.special import stdtr, stdtrit
from scipy.stats import rankdata

A_NEARER = "a is nearer"
B_NEARER = "b is nearer"
NOT_TOLD_APART = "cannot be told apart"


class Pair(NamedTuple):
    """The difference a − b of two estimates (their places in the sequence), with its interval at 1 − alpha.

    low and high belong to this pair alone, p_value and verdict to all pairs together: an interval may leave out 0 where
    the verdict is "cannot be told apart". All three numbers are None where the difference or its error is unknown.
    """

    a: int
    b: int
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    verdict: str


class Place(NamedTuple):
    """An estimate's place (1 is the smallest value, equal values share one) and the places it may have beyond doubt."""

    rank: int
    low: int
    high: int


def compare(
    values: Sequence[float | None],
    differences: Mapping[tuple[int, int], tuple[float | None, float | None]],
    degrees: float | Mapping[tuple[int, int], float],
    alpha: float = 0.05,
) -> tuple[list[Pair], list[Place | None]]:
    """(what each pair's difference says, in the order given; the place of each value).

    differences: (a, b) → (value of a − value of b, its standard error), at most once for two estimates. degrees: of
    Student's t, for all pairs or for each; infinite for the normal distribution. A value of None or NaN has no place. An
    error of 0 (no two groups of images ever differ) is no certainty: such a pair is not told apart.

    >>> pairs, places = compare([1.0, 9.0], {(0, 1): (-8.0, 1.0)}, degrees=19)
    >>> pairs[0].verdict, [place.rank for place in places]
    ('a is nearer', [1, 2])
    """
    tested = {
        pair: (float(difference), float(error))
        for pair, (difference, error) in differences.items()
        if _known(difference) and _known(error) and error > 0
    }
    of = degrees if isinstance(degrees, Mapping) else dict.fromkeys(tested, degrees)
    raw = [2 * float(stdtr(of[pair], -abs(difference) / error)) for pair, (difference, error) in tested.items()]
    adjusted = dict(zip(tested, holm(raw), strict=True))
    pairs = []
    for (a, b), (difference, _) in differences.items():
        if (a, b) not in tested:
            pairs.append(Pair(a, b, difference if _known(difference) else None, None, None, None, NOT_TOLD_APART))
            continue
        value, error = tested[a, b]
        quantile = float(stdtrit(of[a, b], 1 - alpha / 2))
        p = adjusted[a, b]
        verdict = NOT_TOLD_APART if p > alpha else A_NEARER if value < 0 else B_NEARER
        pairs.append(Pair(a, b, value, value - quantile * error, value + quantile * error, p, verdict))
    return pairs, _places(values, pairs)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number by Holm's step-down rule. (scipy has none; statsmodels is the tests' reference.)"""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in adjusted]


def _places(values: Sequence[float | None], pairs: Sequence[Pair]) -> list[Place | None]:
    ranked = {number: value for number, value in enumerate(values) if _known(value)}
    nearer, farther = dict.fromkeys(ranked, 0), dict.fromkeys(ranked, 0)
    for pair in pairs:
        if pair.verdict == NOT_TOLD_APART or pair.a not in nearer or pair.b not in nearer:
            continue
        near, far = (pair.a, pair.b) if pair.verdict == A_NEARER else (pair.b, pair.a)
        nearer[far] += 1
        farther[near] += 1
    ranks = rankdata(np.array(list(ranked.values())), method="min")
    places: list[Place | None] = [None] * len(values)
    for number, rank in zip(ranked, ranks, strict=True):
        places[number] = Place(int(rank), 1 + nearer[number], len(ranked) - farther[number])
    return places


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
