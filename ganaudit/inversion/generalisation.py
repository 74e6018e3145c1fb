"""Creswell and Bharath's audits: whose held-out error is lower, and whether training images come back better than others.

Errors are mean squared differences on [-1, 1] of searches on z from random starts: a learned inverter may itself have seen
an image. A lower error on training images is memorisation, a higher one has other causes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ganaudit.inversion.verdicts import Share

MEMORISED = "memorised"
NOT_FOUND = "no sign of it"
NOT_TESTABLE = "not testable"
LEAST = 20
"""Images of each kind that a comparison needs."""


@dataclass(frozen=True)
class Memorisation:
    """difference: held-out minus training error, and its interval. ks, ks_p: Kolmogorov-Smirnov distance of the two kinds of
    errors, two-sided. auc: chance that a held-out image's error is above a training image's, 0.5 where they are alike."""

    difference: Share
    ks: float
    ks_p: float
    auc: float
    verdict: str


def difference(a: NDArray[np.float64], b: NDArray[np.float64], alpha: float = 0.05) -> Share:
    """mean(a) - mean(b) of independent images, with Welch's interval; NaN where either has fewer than two."""
    if min(len(a), len(b)) < 2:
        return Share(math.nan, math.nan, math.nan, len(a) + len(b))
    spread_a, spread_b = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    value, variance = float(a.mean() - b.mean()), float(spread_a + spread_b)
    if variance == 0.0:
        return Share(value, value, value, len(a) + len(b))
    degrees = variance**2 / (spread_a**2 / (len(a) - 1) + spread_b**2 / (len(b) - 1))
    half = float(stats.t.ppf(1.0 - alpha / 2.0, degrees)) * math.sqrt(variance)
    return Share(value, value - half, value + half, len(a) + len(b))


def paired_difference(a: NDArray[np.float64], b: NDArray[np.float64], weights: NDArray[np.float64], seed: int = 0) -> Share:
    """Weighted mean of a - b over the same photos in two generators; the interval resamples photos."""
    from ganaudit.inversion.verdicts import weighted_mean

    return weighted_mean(a - b, weights, seed)


def auc(above: NDArray[np.float64], below: NDArray[np.float64]) -> float:
    """Chance that a draw of `above` exceeds one of `below`, ties counted half (Mann and Whitney); NaN where either is empty."""
    if not len(above) or not len(below):
        return math.nan
    return float(stats.mannwhitneyu(above, below).statistic) / (len(above) * len(below))


def memorisation(train: NDArray[np.float64], held: NDArray[np.float64], evidential: bool = True) -> Memorisation:
    """Whether training images come back better than held-out ones.

    evidential: whether the held-out images were never trained on, and the searches started at random.
    """
    train, held = train[np.isfinite(train)], held[np.isfinite(held)]
    found = difference(held, train)
    if not evidential or min(len(train), len(held)) < LEAST:
        return Memorisation(found, math.nan, math.nan, auc(held, train), NOT_TESTABLE)
    test = stats.ks_2samp(held, train)
    verdict = MEMORISED if found.low > 0.0 else NOT_FOUND
    return Memorisation(found, float(test.statistic), float(test.pvalue), auc(held, train), verdict)
