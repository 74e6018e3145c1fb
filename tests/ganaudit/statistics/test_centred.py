"""Centred sums against plain numpy on the rows, whichever numbers hold them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaudit.errors import RequestError
from ganaudit.statistics.centred import centred, spread
from ganaudit.statistics.moments import group_moments

light = settings(max_examples=30, deadline=None, database=None)

PIXELS = {"64-bit floats": 900, "64-bit integers": 2**28, "integers of any size": 2**31}
"""A label map's pixels for which sums take each route: 4·n·pixels² below 2⁵³, below 2⁶³, and beyond."""


def rows_of(seed: int, n: int, pixels: int) -> np.ndarray:
    shares = np.random.default_rng(seed).dirichlet(np.full(4, 0.6), n)
    return np.floor(shares * pixels).astype(np.int64)


@pytest.mark.parametrize("kind", PIXELS)
@light
@given(seed=st.integers(0, 2**32), groups=st.integers(1, 4))
def test_sums_around_the_centre_are_those_of_the_rows_in_percent(kind, seed, groups):
    pixels = PIXELS[kind]
    sides = [rows_of(seed, 12, pixels), rows_of(seed + 1, 9, pixels)]
    numbers = [np.arange(len(rows)) % groups for rows in sides]
    states = [group_moments(rows, number, pixels, groups) for rows, number in zip(sides, numbers, strict=True)]
    # a whole number of pixels close to the common mean
    centre = np.concatenate(sides).sum(axis=0) // 21
    for rows, number, result in zip(sides, numbers, centred(*states), strict=True):
        percent = (rows - centre) * (100 / pixels)
        for g in range(groups):
            own = percent[number == g]
            assert result.n[g] == len(own)
            np.testing.assert_allclose(result.first[g], own.sum(axis=0), rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(result.second[g], own.T @ own, rtol=1e-9, atol=1e-8)
        mean, covariance = spread(*result.total())
        np.testing.assert_allclose(mean, percent.mean(axis=0), rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(covariance, np.cov(percent, rowvar=False), rtol=1e-8, atol=1e-8)


@light
@given(st.integers(0, 2**32))
def test_choices_of_groups_are_sums_over_them(seed):
    rng = np.random.default_rng(seed)
    (state,) = centred(group_moments(rows_of(seed, 20, 900), np.arange(20) % 5, 900, 5))
    members = rng.integers(0, 2, (6, 5))
    n, first, second = state.of(members.astype(float))
    for row, *sums in zip(members, n, first, second, strict=True):
        kept = state.some(np.flatnonzero(row))
        assert len(kept) == row.sum()
        for told, expected in zip(sums, kept.total(), strict=True):
            np.testing.assert_allclose(told, expected, atol=1e-8)


def test_classes_without_a_pixel_anywhere_are_left_out():
    rows = np.insert(rows_of(3, 12, 900), [0, 4], 0, axis=1)
    other = rows.copy()
    other[:, 0], other[:, 5] = [0] * 11 + [1], 0
    result, two = centred(*(group_moments(some, np.arange(12) % 3, 900, 3) for some in (rows, other)))
    assert result.first.shape == two.first.shape == (3, 5)
    (alone,) = centred(group_moments(rows, np.arange(12) % 3, 900, 3))
    assert alone.second.shape == (3, 4, 4)


def test_no_digit_is_lost_where_areas_hardly_vary():
    """The variance of areas that differ by one pixel of 2²⁸, where squares are 17 digits away from it."""
    pixels = 2**28
    rows = np.array([[pixels - 5, 5], [pixels - 6, 6]] * 10, np.int64)
    (state,) = centred(group_moments(rows, np.arange(20) % 5, pixels, 5))
    _, covariance = spread(*state.total())
    assert covariance[0, 0] == pytest.approx(0.25 * 20 / 19 * (100 / pixels) ** 2, rel=1e-12)


def test_label_maps_of_two_sizes_cannot_be_compared():
    a, b = (group_moments(rows_of(0, 6, pixels), np.arange(6) % 2, pixels, 2) for pixels in (900, 901))
    with pytest.raises(RequestError, match="different sizes"):
        centred(a, b)
