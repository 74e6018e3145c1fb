"""The corrected distance against the formulas of the delete-group jackknife, written out as loops over leave-outs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ganaudit.statistics.centred import centred
from ganaudit.statistics.frechet import frechet
from ganaudit.statistics.jackknife import difference, estimate
from ganaudit.statistics.moments import GroupMoments, group_moments

light = settings(max_examples=15, deadline=None, database=None)


def corrected(a: GroupMoments, b: GroupMoments):
    return estimate(*centred(a, b))


def side(seed: int, sizes: list[int], weight: float = 0.8) -> GroupMoments:
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.multinomial(900, p) for p in rng.dirichlet([0.8, weight, 0.8, 0.8], sum(sizes))])
    return group_moments(rows, np.repeat(np.arange(len(sizes)), sizes), 900, len(sizes))


@light
@given(st.integers(0, 2**32))
def test_equal_groups_are_the_textbook_jackknife(seed):
    a, b = side(seed, [7] * 5), side(seed + 1, [6] * 4, 1.5)
    plain = frechet(a.all(), b.all()).value
    left_a = np.array([frechet(a.leave_out(g), b.all()).value for g in range(5)])
    left_b = np.array([frechet(a.all(), b.leave_out(g)).value for g in range(4)])
    estimate = corrected(a, b)
    assert estimate.plain == pytest.approx(plain, rel=1e-6)
    assert estimate.value == pytest.approx(
        plain - 4 * (left_a.mean() - plain) - 3 * (left_b.mean() - plain), rel=1e-5, abs=1e-3
    )
    variance = 4 / 5 * ((left_a - left_a.mean()) ** 2).sum() + 3 / 4 * ((left_b - left_b.mean()) ** 2).sum()
    assert estimate.se == pytest.approx(variance**0.5, rel=1e-5)


def busing(plain: float, left: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Estimate and variance of Busing, Meijer and van der Leeden (1999), equations for groups of unequal size."""
    n, groups = sizes.sum(), len(sizes)
    value = groups * plain - sum((1 - m / n) * result for m, result in zip(sizes, left, strict=True))
    variance = 0.0
    for m, result in zip(sizes, left, strict=True):
        h = n / m
        variance += (h * plain - (h - 1) * result - value) ** 2 / (h - 1) / groups
    return value, variance


@light
@given(st.integers(0, 2**32), st.lists(st.integers(2, 12), min_size=3, max_size=6))
def test_unequal_groups_are_the_formula_of_busing(seed, sizes):
    a, b = side(seed, sizes), side(seed + 1, [3, 9, 5, 6], 1.5)
    plain = frechet(a.all(), b.all()).value
    result = busing(plain, np.array([frechet(a.leave_out(g), b.all()).value for g in range(len(a))]), a.n)
    two = busing(plain, np.array([frechet(a.all(), b.leave_out(g)).value for g in range(4)]), b.n)
    estimate = corrected(a, b)
    assert estimate.value == pytest.approx(result[0] + two[0] - plain, rel=1e-5, abs=1e-2)
    assert estimate.se == pytest.approx((result[1] + two[1]) ** 0.5, rel=1e-5)
    degrees = (result[1] + two[1]) ** 2 / (result[1] ** 2 / (len(a) - 1) + two[1] ** 2 / 3)
    assert estimate.degrees == pytest.approx(degrees, rel=1e-4)
    assert estimate.p_value == pytest.approx(2 * stats.t.sf(abs(estimate.value) / estimate.se, degrees), rel=1e-3, abs=1e-9)


@light
@given(st.integers(0, 2**32))
def test_a_difference_is_that_of_the_corrected_values(seed):
    real, a, b = side(seed, [8] * 5), side(seed + 1, [6] * 4, 1.5), side(seed + 2, [7] * 6, 0.5)
    result, other = difference(real, a, b), difference(real, b, a)
    assert result.value == pytest.approx(corrected(real, a).value - corrected(real, b).value, rel=1e-5, abs=1e-2)
    opposite = (-other.value, other.se, -other.high, -other.low, other.p_value)
    assert (result.value, result.se, result.low, result.high, result.p_value) == pytest.approx(opposite, rel=1e-6, abs=1e-6)


def test_a_generator_does_not_differ_from_itself():
    """The value is zero; the two sides count as independent draws, so that doubt remains."""
    real, a = side(0, [8] * 5), side(1, [6] * 4, 1.5)
    result = difference(real, a, a)
    assert result.value == pytest.approx(0, abs=1e-9)
    assert result.p_value == pytest.approx(1)


def test_too_few_images_have_no_estimate():
    enough = side(0, [4] * 5)
    for few in (side(1, [9]), side(1, [1, 1]), side(1, [1, 9])):
        assert corrected(enough, few) is None
        assert corrected(few, enough) is None
        assert difference(enough, few, enough) is None
        assert difference(few, enough, enough) is None
    assert corrected(enough, side(1, [1, 1, 1])) is not None
