"""The permutation test against every regrouping of tiny data, and what it says where nothing differs."""

from itertools import combinations
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ganaudit.errors import RequestError
from ganaudit.statistics.frechet import frechet
from ganaudit.statistics.moments import group_moments, moments
from ganaudit.statistics.permutation import adjusted, enough, least, p_value


def rows_of(rng: np.random.Generator, n: int, weight: float = 0.8) -> np.ndarray:
    return np.stack([rng.multinomial(900, p) for p in rng.dirichlet([0.8, weight, 0.8], n)])


def holm(p_values: list[float]) -> np.ndarray:
    """Adjusted by statsmodels."""
    with mock.patch("gc.collect"):  # statsmodels collects garbage at each call
        return multipletests(p_values, method="holm")[1]


def blocks(rows: np.ndarray, number: int):
    return group_moments(rows, np.arange(len(rows)) % number, 900, number)


@pytest.mark.parametrize("weight", [0.8, 1.3])
def test_the_p_value_is_the_share_of_all_regroupings_at_or_above(weight):
    rng = np.random.default_rng(4)
    a, b = rows_of(rng, 12), rows_of(rng, 12, weight)
    both = [rows[g::4] for rows in (a, b) for g in range(4)]
    distances = []
    for chosen in combinations(range(8), 4):
        sides = ([both[g] for g in range(8) if (g in chosen) == inside] for inside in (False, True))
        distances.append(frechet(*(moments(np.concatenate(side), 900) for side in sides)).value)
    exact = np.mean(np.array(distances) >= frechet(moments(a, 900), moments(b, 900)).value - 1e-6)
    result = p_value(blocks(a, 4), blocks(b, 4), 3999, seed=1)
    assert result == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 3999) ** 0.5 + 1 / 4000)


def test_blocks_of_unequal_size_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(RequestError, match="equally many images"):
        p_value(blocks(rows_of(rng, 12), 4), blocks(rows_of(rng, 16), 4), 9, seed=1)


def test_nothing_to_exchange_has_no_p_value():
    rng = np.random.default_rng(0)
    a, b = blocks(rows_of(rng, 12), 4), blocks(rows_of(rng, 3), 1)
    assert p_value(a, b, 9, seed=1) is None
    assert p_value(a, a, 0, seed=1) is None


def test_p_values_are_multiples_and_even_where_nothing_differs():
    rng, result = np.random.default_rng(11), []
    for seed in range(300):
        result.append(p_value(blocks(rows_of(rng, 20), 5), blocks(rows_of(rng, 20), 5), 19, seed))
    p = np.array(result)
    np.testing.assert_allclose(p * 20, np.rint(p * 20), atol=1e-12)
    assert p.min() >= 1 / 20
    for level in (0.05, 0.2, 0.5):
        assert (p <= level + 1e-9).sum() <= stats.binom.ppf(0.999, 300, level)
        assert (p <= level + 1e-9).sum() >= stats.binom.ppf(0.001, 300, level)


def test_a_plain_difference_has_the_least_p_value_whatever_the_seed():
    rng = np.random.default_rng(2)
    a, b = blocks(rows_of(rng, 60), 20), blocks(rows_of(rng, 60, 6.0), 20)
    assert {p_value(a, b, 99, seed) for seed in range(3)} == {0.01}


@given(st.lists(st.one_of(st.none(), st.sampled_from([0.01, 0.02, 0.3, 1.0])), max_size=8))
def test_p_values_are_adjusted_over_those_that_there_are_as_by_statsmodels(p_values):
    tested = [p for p in p_values if p is not None]
    result = adjusted(p_values)
    assert [q is None for q in result] == [p is None for p in p_values]
    if tested:
        assert [q for q in result if q is not None] == pytest.approx(holm(tested))
        assert min(q for q in result if q is not None) >= least(99, len(tested)) - 1e-12


@given(st.integers(1, 300), st.sampled_from([0.001, 0.01, 0.05, 0.1, 1 / 3]))
def test_enough_permutations_are_the_fewest_that_can_reach_alpha(tests, alpha):
    few = enough(tests, alpha)
    assert least(few, tests) <= alpha * (1 + 1e-9) and least(few - 1, tests) > alpha
    if few <= 120:  # by the rule itself: all generators are as far off as there can be
        assert holm([1 / (few + 1)] * tests).max() <= alpha * (1 + 1e-9)
