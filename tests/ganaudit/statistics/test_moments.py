"""Moments are exact, whatever the order in which they are merged and however wide the images are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from ganaudit.statistics import moments as module
from ganaudit.statistics.moments import empty, group_moments, merge, moments, summed_groups, without

light = settings(max_examples=40, deadline=None, database=None)


@st.composite
def blocks(draw: st.DrawFn) -> list[np.ndarray]:
    """Blocks of (N, 3) counts, up to the pixels of an 8192² label map."""
    count = st.integers(0, draw(st.sampled_from([9, 4096, 8192**2])))
    row = st.lists(count, min_size=3, max_size=3)
    result = draw(st.lists(st.lists(row, max_size=4), min_size=1, max_size=4))
    return [np.array(block, np.int32).reshape(-1, 3) for block in result]


def by_hand(rows: np.ndarray) -> tuple[list[int], list[list[int]]]:
    exact = [[int(value) for value in row] for row in rows]
    total = [sum(row[i] for row in exact) for i in range(3)]
    return total, [[sum(row[i] * row[j] for row in exact) for j in range(3)] for i in range(3)]


@light
@given(blocks(), st.randoms(use_true_random=False))
def test_merging_in_any_order_gives_the_sums_of_a_plain_loop(found, random):
    parts = [moments(block, 64) for block in found]
    random.shuffle(parts)
    state = empty(3, 64)
    for part in parts:
        state = merge(state, part)
    rows = np.concatenate(found)
    total, product = by_hand(rows)
    assert (state.n, state.total.tolist(), state.product.tolist()) == (len(rows), total, product)
    assert state == moments(rows, 64)


@light
@given(blocks())
def test_taking_a_part_away_is_the_reverse_of_merging(found):
    part, rest = moments(found[0], 64), moments(np.concatenate(found[1:] or [found[0][:0]]), 64)
    assert without(merge(part, rest), part) == rest


def test_wide_images_go_beyond_64_bits_and_stay_exact():
    counts = np.full((3, 1), 2**31 - 1, np.int64) * 2
    state = moments(counts, 2**32)
    assert state.product.tolist() == [[3 * (2**32 - 2) ** 2]]
    assert state.product.dtype == object
    assert state.covariance().tolist() == [[0.0]]


def test_more_rows_than_float64_can_sum_are_summed_in_steps():
    counts = np.array([[4096**2 - 1, 1], [4096**2 - 3, 3]] * 40, np.int32)
    exact = counts.astype(object)
    assert np.array_equal(moments(counts, 4096**2).product, exact.T @ exact)


def test_mean_and_covariance_are_numpys_in_percent_of_pixels():
    counts = np.random.default_rng(0).multinomial(400, [0.5, 0.3, 0.2], 30)
    state = moments(counts, 400)
    percent = counts / 4
    np.testing.assert_allclose(state.mean(), percent.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(state.covariance(), np.cov(percent, rowvar=False), rtol=1e-10, atol=1e-12)


def test_nothing_cancels_where_areas_hardly_vary():
    counts = np.array([[10**9, 0], [10**9 + 1, 0]] * 2, np.int64)
    assert moments(counts, 10**9).covariance()[0, 0] == pytest.approx(1e-14 / 3, rel=1e-12)


def test_label_maps_of_two_sizes_cannot_be_merged():
    with pytest.raises(ValueError, match="64 and of 65"):
        merge(empty(2, 64), empty(2, 65))


def test_the_tally_of_one_label_map():
    label_map = np.array([[0, 1, 1], [335, 5, 5]])
    counts = np.bincount(label_map.ravel(), minlength=336)[None]
    mean = moments(counts, label_map.size).mean()
    assert mean.shape == (336,)
    assert {int(i): mean[i] for i in np.flatnonzero(mean)} == pytest.approx({0: 100 / 6, 1: 200 / 6, 5: 200 / 6, 335: 100 / 6})
    assert mean.sum() == pytest.approx(100)


def test_the_step_never_reaches_zero():
    assert module._FLOAT64 // (2**27) ** 2 == 0
    assert moments(np.full((2, 1), 2**27, np.int64), 2**27).product.tolist() == [[2 * 2**54]]


@light
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 6), st.sampled_from([9, 4096, 2**26]))
def test_groups_are_a_plain_loop_over_their_images_dense_or_sparse(seed, n, number, largest):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, largest + 1, (n, 3)) * rng.integers(0, 2, (n, 3))
    groups = rng.integers(0, number, n)
    result = group_moments(rows, groups, 2**26, number)
    assert result == group_moments(csr_array(rows), groups, 2**26, number)
    assert len(result) == number
    for g in range(number):
        total, product = by_hand(rows[groups == g])
        assert (result.n[g], result.total[g].tolist(), result.product[g].tolist()) == ((groups == g).sum(), total, product)
        assert result.group(g) == moments(rows[groups == g], 2**26)
        assert result.leave_out(g) == moments(rows[groups != g], 2**26)
    assert result.all() == moments(rows, 2**26)


@light
@given(st.integers(0, 2**32), st.lists(st.booleans(), min_size=4, max_size=4))
def test_some_classes_of_groups_by_number_or_by_yes_and_no(seed, chosen):
    rng = np.random.default_rng(seed)
    rows, groups = rng.integers(0, 50, (12, 4)), rng.integers(0, 3, 12)
    kept = np.array(chosen)
    of_all = group_moments(rows, groups, 200, 3)
    expected = group_moments(rows[:, kept], groups, 200, 3)
    assert of_all.columns(kept) == expected
    assert of_all.columns(np.flatnonzero(kept)) == expected


def test_groups_beyond_64_bits_stay_exact():
    """Each group fits in 64 bits, their sum does not; and groups that do not fit themselves."""
    for largest in (2**31 - 1, 2**32 - 1):
        rows = np.array([[largest, 1], [largest - 2, 5]] * 4, np.int64)
        result = group_moments(rows, np.arange(8) % 4, 2**32, 4)
        exact = rows.astype(object)
        assert result.all().product.tolist() == (exact.T @ exact).tolist()
        assert result.all().product.dtype == object
        kept = exact[np.arange(8) % 4 != 1]
        assert result.leave_out(1).product.tolist() == (kept.T @ kept).tolist()


@light
@given(blocks(), st.integers(0, 2**32), st.sampled_from([1, 3, 7]))
def test_groups_summed_piece_by_piece_are_those_of_all_images(found, seed, number):
    """However wide the images are; an image of no group counts in none."""
    rows = np.concatenate(found)
    groups = np.random.default_rng(seed).integers(-1, number, len(rows))
    bounds = np.cumsum([0, *map(len, found)])
    parts = ((csr_array(block), groups[first : first + len(block)]) for block, first in zip(found, bounds, strict=False))
    state = summed_groups(parts, 3, 64, number)
    assert state == group_moments(rows[groups >= 0], groups[groups >= 0], 64, number)


def test_sums_that_64_bits_cannot_be_sure_to_hold_are_exact(monkeypatch):
    rows = np.array([[8192**2, 5], [8192**2 - 1, 0]], np.int32)
    monkeypatch.setattr(module, "_INT64", 8192**4 + 10)  # of one image at a time
    parts = [(csr_array(rows[place : place + 1]), np.array([0])) for place in (0, 1, 0, 1)]
    whole = summed_groups([*parts, (csr_array(rows), np.array([0, 0]))], 2, 8192**2, 1).all()
    total, product = [[int(value) for value in row] for row in rows], [[0, 0], [0, 0]]
    for row in total * 3:
        product = [[product[a][b] + row[a] * row[b] for b in (0, 1)] for a in (0, 1)]
    assert (whole.n, whole.product.tolist()) == (6, product)
