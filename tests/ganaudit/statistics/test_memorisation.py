"""Held-out error against training error: closed forms, a brute-force AUC, and what is said of planted memorisation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ganaudit.statistics.memorisation import auc, difference, memorisation


def test_the_difference_has_welchs_interval():
    draws = np.random.default_rng(0)
    a, b = draws.gamma(3.0, 0.02, 60), draws.gamma(2.0, 0.02, 45)
    result, known = difference(a, b), stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (result.value, result.low, result.high) == pytest.approx((a.mean() - b.mean(), known.low, known.high))
    assert math.isnan(difference(a[:1], b).value) and difference(np.ones(3), np.ones(2)).high == 0.0


def test_the_auc_counts_pairs_and_ties_half():
    above, below = np.array([1.0, 2.0, 2.0, 5.0]), np.array([2.0, 0.5, 5.0])
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in above for b in below]
    assert auc(above, below) == pytest.approx(np.mean(pairs)) and math.isnan(auc(above, below[:0]))


def test_planted_memorisation_is_found_and_none_is_not_invented():
    draws = np.random.default_rng(2)
    held = draws.gamma(4.0, 0.01, 300)
    memorised = memorisation(0.6 * draws.gamma(4.0, 0.01, 300), held)
    assert memorised.verdict == "memorised" and memorised.difference.low > 0.0 and memorised.auc > 0.6 and memorised.ks_p < 0.01
    calls = [memorisation(draws.gamma(4.0, 0.01, 50), draws.gamma(4.0, 0.01, 50)).verdict for _ in range(400)]
    assert calls.count("memorised") <= 20  # one side of a 95 % interval: 10 expected
    assert memorisation(1.5 * held, held).verdict == "no sign of it"


def test_what_cannot_be_tested_says_so():
    draws = np.random.default_rng(3)
    held, train = draws.gamma(4.0, 0.01, 100), 0.5 * draws.gamma(4.0, 0.01, 100)
    assert memorisation(train, held, evidential=False).verdict == "not testable"
    assert memorisation(train[:19], held).verdict == "not testable"
    gaps = np.append(train[:19], np.full(10, np.nan))
    assert memorisation(gaps, held).verdict == "not testable"


def test_weights_stand_for_copies_of_an_image():
    draws = np.random.default_rng(7)
    train, held = draws.gamma(2.0, 0.1, 30), draws.gamma(2.5, 0.1, 28)
    times, other = draws.integers(1, 4, 30), draws.integers(1, 4, 28)
    memorised = memorisation(train, held, True, times.astype(float), other.astype(float))
    copies = np.repeat(train, times), np.repeat(held, other)
    assert memorised.difference.value == pytest.approx(copies[1].mean() - copies[0].mean())
    assert memorised.auc == pytest.approx(auc(copies[1], copies[0]))
    assert memorised.ks == pytest.approx(stats.ks_2samp(*copies).statistic)
    assert memorised.difference.low < memorised.difference.value < memorised.difference.high


def test_weighted_permutations_give_p_values_that_are_seldom_small_under_the_null():
    draws = np.random.default_rng(8)
    small = 0
    for _ in range(60):
        errors, weights = draws.gamma(2.0, 0.1, 50), draws.choice([1.0, 2.0], 50)
        small += memorisation(errors[:25], errors[25:], True, weights[:25], weights[25:]).ks_p <= 0.1
    assert small <= 15  # 6 expected
