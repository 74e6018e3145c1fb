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

from ganaudit.studies.inversion.verdicts import Estimate

MEMORISED = "memorised"
NOT_FOUND = "no sign of it"
NOT_TESTABLE = "not testable"
Floats = NDArray[np.float64]
LEAST = 20
"""Images of each kind that a comparison needs."""


@dataclass(frozen=True)
class Memorisation:
    """difference: held-out minus training error, and its interval. ks, ks_p: Kolmogorov-Smirnov distance of the two kinds of
    errors, two-sided. auc: chance that a held-out image's error is above a training image's, 0.5 where they are alike."""

    difference: Estimate
    ks: float
    ks_p: float
    auc: float
    verdict: str


def difference(a: Floats, b: Floats, alpha: float = 0.05) -> Estimate:
    """mean(a) - mean(b) of independent images, with Welch's interval; NaN where either has fewer than two."""
    if min(len(a), len(b)) < 2:
        return Estimate(math.nan, math.nan, math.nan, len(a) + len(b))
    spread_a, spread_b = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    value, variance = float(a.mean() - b.mean()), float(spread_a + spread_b)
    if variance == 0.0:
        return Estimate(value, value, value, len(a) + len(b))
    degrees = variance**2 / (spread_a**2 / (len(a) - 1) + spread_b**2 / (len(b) - 1))
    half = float(stats.t.ppf(1.0 - alpha / 2.0, degrees)) * math.sqrt(variance)
    return Estimate(value, value - half, value + half, len(a) + len(b))


def auc(above: Floats, below: Floats) -> float:
    """Chance that a draw of `above` exceeds one of `below`, ties counted half (Mann and Whitney); NaN where either is empty."""
    if not len(above) or not len(below):
        return math.nan
    return float(stats.mannwhitneyu(above, below).statistic) / (len(above) * len(below))


def memorisation(
    train: Floats,
    heldout: Floats,
    evidential: bool = True,
    train_weights: Floats | None = None,
    heldout_weights: Floats | None = None,
) -> Memorisation:
    """Whether training images come back better than held-out ones.

    evidential: whether the held-out images were never trained on, and the searches started at random. weights: one over
    the chance that an image was chosen; without them, and where they are all equal, the interval is Welch's and p is exact
    or asymptotic, else both are by resampling and permuting images.
    """
    train_weights = np.ones(len(train)) if train_weights is None else train_weights
    heldout_weights = np.ones(len(heldout)) if heldout_weights is None else heldout_weights
    (train, train_weights), (heldout, heldout_weights) = _finite(train, train_weights), _finite(heldout, heldout_weights)
    plain = all(len(set(weights.tolist())) <= 1 for weights in (train_weights, heldout_weights))
    if plain or min(len(train), len(heldout)) < 2:
        gap, chance = difference(heldout, train), auc(heldout, train)
    else:
        gap, chance = (
            _weighted_difference(heldout, heldout_weights, train, train_weights),
            _weighted_auc(heldout, heldout_weights, train, train_weights),
        )
    if not evidential or min(len(train), len(heldout)) < LEAST:
        return Memorisation(gap, math.nan, math.nan, chance, NOT_TESTABLE)
    if plain:
        test = stats.ks_2samp(heldout, train)
        ks, p = float(test.statistic), float(test.pvalue)
    else:
        ks, p = _weighted_ks(heldout, heldout_weights, train, train_weights)
    return Memorisation(gap, ks, p, chance, MEMORISED if gap.low > 0.0 else NOT_FOUND)


def _finite(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    good = np.isfinite(values)
    return values[good], weights[good]


def _weighted_difference(a: Floats, a_weights: Floats, b: Floats, b_weights: Floats, seed: int = 0) -> Estimate:
    """Weighted mean of a less that of b; each side's images are resampled on their own."""
    draws = np.random.default_rng(seed)

    def resampled(values: Floats, weights: Floats) -> Floats:
        places = draws.integers(0, len(values), (2000, len(values)))
        means: Floats = (values[places] * weights[places]).sum(axis=1) / weights[places].sum(axis=1)
        return means

    low, high = np.quantile(resampled(a, a_weights) - resampled(b, b_weights), [0.025, 0.975])
    value = float(np.average(a, weights=a_weights) - np.average(b, weights=b_weights))
    return Estimate(value, float(low), float(high), len(a) + len(b))


def _weighted_auc(above: Floats, above_weights: Floats, below: Floats, below_weights: Floats) -> float:
    """The same chance where images stand for so many."""
    wins = (above[:, None] > below[None, :]) + 0.5 * (above[:, None] == below[None, :])
    return float(above_weights @ wins @ below_weights / (above_weights.sum() * below_weights.sum()))


def _weighted_ks(
    a: Floats, a_weights: Floats, b: Floats, b_weights: Floats, permutations: int = 999, seed: int = 0
) -> tuple[float, float]:
    """Largest distance of two weighted distribution functions, and its p-value by permuting images with their weights."""
    values, weights = np.concatenate([a, b]), np.concatenate([a_weights, b_weights])
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    last = np.append(values[1:] != values[:-1], True)
    first = order < len(a)

    def distance(chosen: NDArray[np.bool_]) -> float:
        first, other = np.where(chosen, weights, 0.0), np.where(chosen, 0.0, weights)
        apart = np.abs(np.cumsum(first) / first.sum() - np.cumsum(other) / other.sum())
        return float(apart[last].max())

    seen = distance(first)
    draws = np.random.default_rng(seed)
    as_far = sum(distance(draws.permutation(first)) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + as_far) / (1 + permutations)
