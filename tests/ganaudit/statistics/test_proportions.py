"""Ratios of proportions, against statsmodels, their own definitions, and exact enumeration of what is wrongly rejected."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from ganaudit.statistics.proportions import LARGEST, exact, interval, limit, p_above, p_below, score

light = settings(max_examples=40, deadline=None, database=None)


LARGE = [(40_000, 100_000, 30_000, 90_000), (52_000, 100_000, 61_000, 100_000), (9_000, 80_000, 9_500, 80_000)]


@pytest.mark.parametrize("counts", LARGE)
def test_the_interval_is_the_score_interval_of_statsmodels_where_nothing_is_skewed(counts):
    x, n, y, m = counts
    expected = confint_proportions_2indep(y, m, x, n, method="score", compare="ratio", correction=True)
    result = interval(x, n, y, m)
    assert (float(result[0]), float(result[1])) == pytest.approx(expected, rel=2e-4)


@light
@given(st.integers(0, 60), st.integers(0, 90), st.integers(100, 3000), st.integers(100, 3000))
def test_the_score_falls_with_the_ratio_and_both_tails_add_up(x, y, n, m):
    thetas = np.geomspace(0.01, 100, 60)
    result = score(x, n, y, m, thetas)
    assert (np.diff(result) <= 1e-6).all()
    np.testing.assert_allclose(p_below(x, n, y, m, thetas) + p_above(x, n, y, m, thetas), 1)


@light
@given(st.integers(1, 60), st.integers(1, 90), st.integers(100, 3000), st.integers(100, 3000), st.floats(-4, 4))
def test_a_limit_is_the_ratio_with_that_score(x, y, n, m, deviate):
    theta = float(limit(x, n, y, m, deviate))
    if 1.01 / LARGEST < theta < LARGEST / 1.01:
        assert score(x, n, y, m, theta) == pytest.approx(-deviate, abs=2e-2)
    else:  # so few images that no ratio is as far as that
        end = float(score(x, n, y, m, theta))
        assert abs(end) <= abs(deviate) and end * deviate < 0


@light
@given(
    st.lists(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=9),
    st.floats(1e-4, 0.2),
)
def test_exact_bounds_are_those_of_statsmodels_and_of_their_definition(counts, tail):
    part, whole = np.array(counts).T
    low, high = exact(part, whole, tail)
    for bounds in zip(part, whole, low, high, strict=True):
        assert bounds[2:] == pytest.approx(proportion_confint(*bounds[:2], 2 * tail, "beta"), abs=1e-12)
    some = part > 0  # at the bound itself, what was counted or more is as probable as `tail`
    np.testing.assert_allclose(stats.binom.sf(part[some] - 1, whole[some], low[some]), tail, rtol=1e-6)
    np.testing.assert_allclose(stats.binom.cdf(part, whole, high)[part < whole], tail, rtol=1e-6)
    assert (low[~some] == 0).all() and (high[part == whole] == 1).all()
    assert [float(bound) for bound in exact(0, 0, tail)] == [0, 1]


@light
@given(st.integers(1, 60), st.integers(0, 90), st.integers(100, 3000), st.integers(100, 3000))
def test_the_interval_holds_the_estimate_and_zeros_leave_an_end_open(x, y, n, m):
    low, high = interval(x, n, y, m)
    assert low <= y / m / (x / n) <= high < np.inf
    assert (low == 0) == (y == 0)
    assert [float(end) for end in interval(0, n, 0, m)] == [0, np.inf]
    assert float(interval(0, n, y + 1, m)[1]) == np.inf
    assert float(interval(0, n, y + 1, m)[0]) > 0
    assert float(score(0, n, 0, m, 1.0)) == 0


@pytest.mark.parametrize("n, m, share", [(4000, 4000, 0.0075), (2000, 10_000, 0.01)])
@pytest.mark.parametrize("theta, tail", [(0.8, p_below), (1.25, p_above)])
@pytest.mark.parametrize("alpha", [0.05, 0.0017])
def test_no_more_is_wrongly_rejected_than_said(n, m, share, theta, tail, alpha):
    """Every pair of counts that matters, with its exact probability at the edge of the hypothesis."""
    x, y = np.arange(stats.binom.ppf(1 - 1e-10, n, share) + 1), np.arange(stats.binom.ppf(1 - 1e-10, m, share * theta) + 1)
    rejected = tail(x[:, None], n, y[None], m, theta) <= alpha
    error = stats.binom.pmf(x, n, share) @ rejected @ stats.binom.pmf(y, m, share * theta)
    assert 0.3 * alpha < error <= 1.1 * alpha
