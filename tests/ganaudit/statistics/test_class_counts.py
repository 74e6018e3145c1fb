"""What images hold, against plain loops; presence by the rule that the tables use."""

from pathlib import Path

import duckdb
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from ganaudit.statistics import class_counts as module
from ganaudit.statistics.class_counts import count_classes, least_pixels, pooled

light = settings(max_examples=40, deadline=None, database=None)


def rows_of(seed: int, n: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 12, (n, 4)) * rng.integers(0, 2, (n, 4))


@light
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.5, 0.7]))
def test_counts_are_those_of_a_plain_loop(seed, presence):
    rows = rows_of(seed)
    for form in (rows, csr_array(rows)):
        result = count_classes(form, 1000, presence)
        for c in range(4):
            column = [int(value) for value in rows[:, c]]
            assert result.present[c] == sum(v >= 4 and v * 100 >= presence * 1000 for v in column)
            assert result.touched[c] == sum(v > 0 for v in column)
            assert (result.total[c], result.squares[c]) == (sum(column), sum(v * v for v in column))
        assert (result.n, result.design.tolist(), result.area_design.tolist()) == (30, [1] * 4, [1] * 4)


@light
@given(st.integers(1, 2048**2), st.floats(0, 100))
def test_the_threshold_is_the_first_count_that_is_present_by_the_rule(pixels, presence):
    least = least_pixels(pixels, presence)
    present = [value >= 4 and value * 100.0 >= presence * pixels for value in (least - 1, least)]
    assert present == [False, True]


def test_the_threshold_is_that_of_the_tables():
    text = (Path(module.__file__).parents[1] / "sql" / "macros.sql").read_text()
    start = text.index("CREATE MACRO is_present")
    with duckdb.connect() as connection:
        connection.execute(text[start : text.index(";", start) + 1])
        for pixels in (64, 1000, 65536, 4096**2):
            for presence in (0.0, 0.1, 0.3, 1.7):
                least = least_pixels(pixels, presence)
                query = "SELECT is_present(?, ?, ?), is_present(?, ?, ?)"
                told = connection.execute(query, [least - 1, pixels, presence, least, pixels, presence]).fetchone()
                assert told == (False, True)


@light
@given(st.integers(0, 2**32))
def test_singletons_have_no_design_effect_and_copies_count_once(seed):
    rows = rows_of(seed)
    assert count_classes(rows, 1000, 0.0, np.random.default_rng(seed).permutation(30)).design.tolist() == [1] * 4
    copies = count_classes(np.repeat(rows, 3, axis=0), 1000, 0.0, np.repeat(np.arange(30), 3))
    # n/k but for the n - 1 and k - 1 below the two variances
    expected = 3 * (89 / 90) / (29 / 30)
    np.testing.assert_allclose(copies.design, expected, rtol=1e-9)
    np.testing.assert_allclose(copies.area_design, expected, rtol=1e-9)


def test_classes_that_never_vary_and_one_cluster_alone():
    rows = np.tile([9, 0], (12, 1))
    assert count_classes(rows, 100, 0.0, np.arange(12) // 3).design.tolist() == [3, 3]
    assert count_classes(rows, 100, 0.0, np.zeros(12, int)).design.tolist() == [12, 12]


@light
@given(st.integers(0, 2**32))
def test_groups_of_classes_are_added_up(seed):
    rows = rows_of(seed)
    result = pooled(rows, [[0, 2], [3], [1, 2, 3]]).toarray()
    assert np.array_equal(result, np.column_stack([rows[:, [0, 2]].sum(1), rows[:, 3], rows[:, 1:].sum(1)]))
