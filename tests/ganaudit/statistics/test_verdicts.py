"""Verdicts: the adjustment is that of statsmodels, the testable set the largest there is, the words those of plain counts."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from ganaudit.statistics import verdicts
from ganaudit.statistics.class_counts import ClassCounts
from ganaudit.statistics.verdicts import Lines, adjusted, decide

light = settings(max_examples=60, deadline=None, database=None)
p_values = st.lists(st.one_of(st.floats(0, 1), st.floats(0, 0.02)), min_size=1, max_size=12)


def counts(n: int, present: list[int], pixels: float = 100.0) -> ClassCounts:
    """Images whose classes have sizes with a coefficient of variation of a half."""
    x = np.array(present, float)
    return ClassCounts(n, x, x, x * pixels, x * pixels**2 * 1.25, np.ones(len(x)), np.ones(len(x)))


@light
@given(p_values, st.data())
def test_the_adjustment_is_that_of_statsmodels_over_the_chosen(values, data):
    p = np.array(values)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(p), max_size=len(p))))
    q, rejected, level = adjusted(p, chosen, 0.05)
    assert np.isnan(q[~chosen]).all() and not rejected[~chosen].any()
    if chosen.any():
        with mock.patch("gc.collect"):  # statsmodels collects garbage at each call
            told, expected = multipletests(p[chosen], 0.05, "fdr_bh")[:2]
        np.testing.assert_allclose(q[chosen], expected, atol=1e-12)
        assert rejected[chosen].tolist() == told.tolist()
        assert level == pytest.approx(0.05 * told.sum() / chosen.sum())


@light
@given(p_values)
def test_the_testable_set_is_the_largest_that_passes_its_own_level(losses):
    result, level = verdicts.testable(np.array(losses), 0.05)
    # every set that a threshold can make, equal rows together
    sets = [[p <= most for p in losses] for most in losses]
    fair = [some for some in sets if all(p <= 0.05 / sum(some) for p, inside in zip(losses, some, strict=True) if inside)]
    best = max(fair, key=sum, default=[False] * len(losses))
    assert result.tolist() == best
    assert level == 0.05 / max(sum(best), 1)


def test_words_on_plain_counts():
    real = counts(10_000, [3000, 3000, 3000, 3000, 3, 0, 0])
    generated = counts(10_000, [0, 750, 3000, 6000, 0, 500, 1])
    for result in decide(real, generated, Lines()).values():
        expected = ["dropped", "reduced", "equivalent", "increased", "not testable", "invented", "not testable"]
        assert result.verdict.tolist() == expected
        np.testing.assert_allclose(result.ratio[:5], [0, 0.25, 1, 2, 0], atol=1e-12)
        assert np.isnan(result.ratio[5:]).all()
        inside = result.ratio[:5]
        assert (result.low[:5] <= inside).all() and (inside <= result.high[:5]).all()
        assert result.testable.tolist() == [True] * 4 + [False] * 3
        assert np.isnan(result.q_value[4:]).all()


def test_what_is_near_a_line_is_inconclusive():
    decided = decide(counts(10_000, [3000]), counts(10_000, [2400]), Lines())
    assert [result.verdict.tolist() for result in decided.values()] == [["inconclusive"]] * 2


def test_smaller_objects_are_a_loss_of_area_alone():
    decided = decide(counts(10_000, [3000]), counts(10_000, [3000], pixels=25), Lines())
    assert decided["presence"].verdict.tolist() == ["equivalent"]
    assert decided["area"].verdict.tolist() == ["reduced"]
    assert decided["area"].ratio[0] == pytest.approx(0.25)
