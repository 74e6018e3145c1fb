"""Pairwise comparison, against scipy, statsmodels, and simulated generators without a difference."""

import math
from itertools import combinations
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ganaudit.statistics.comparison import A_NEARER, B_NEARER, NOT_TOLD_APART, Place, compare, holm

finite = st.floats(-50, 50)
errors = st.floats(0.01, 20)


def pairwise(values, spread):
    return {(a, b): (values[a] - values[b], spread(a, b)) for a, b in combinations(range(len(values)), 2)}


def test_one_pair_is_a_t_test_with_its_interval():
    """A paired t-test of scipy is the same question."""
    a, b = np.random.default_rng(1).normal([[0], [0.4]], 1, (2, 20))
    oracle = stats.ttest_rel(a, b)
    error = (a - b).std(ddof=1) / math.sqrt(20)
    (pair,), _ = compare([a.mean(), b.mean()], {(0, 1): ((a - b).mean(), error)}, degrees=19, alpha=0.1)
    assert pair.p_value == pytest.approx(oracle.pvalue)
    assert (pair.low, pair.high) == pytest.approx(tuple(oracle.confidence_interval(0.9)))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_is_that_of_statsmodels(p):
    with mock.patch("gc.collect"):  # statsmodels collects garbage at each call, which takes longer than this test
        expected = multipletests(p, method="holm")[1]
    assert holm(p) == pytest.approx(expected.tolist(), abs=1e-15)


@given(values=st.lists(finite, min_size=2, max_size=6), data=st.data(), degrees=st.sampled_from([3.0, 19.0, math.inf]))
def test_the_p_values_are_those_of_all_pairs(values, data, degrees):
    differences = pairwise(values, lambda a, b: data.draw(errors))
    pairs, _ = compare(values, differences, degrees)
    raw = [2 * stats.t.cdf(-abs(d / se), degrees) for d, se in differences.values()]
    assert [pair.p_value for pair in pairs] == pytest.approx(holm(raw), abs=1e-12)
    assert [(pair.a, pair.b) for pair in pairs] == list(differences)
    for pair in pairs:
        nearer = A_NEARER if pair.difference < 0 else B_NEARER
        assert pair.verdict == (nearer if pair.p_value <= 0.05 else NOT_TOLD_APART)


@given(values=st.lists(finite, min_size=1, max_size=6), data=st.data())
def test_a_place_lies_within_its_doubt_and_the_doubt_is_what_the_verdicts_leave(values, data):
    pairs, places = compare(values, pairwise(values, lambda a, b: data.draw(errors)), 19)
    for number, place in enumerate(places):
        assert 1 <= place.low <= place.rank <= place.high <= len(values)
        assert place.rank == 1 + sum(other < values[number] for other in values)
        better = sum((p.verdict, p.b) == (A_NEARER, number) or (p.verdict, p.a) == (B_NEARER, number) for p in pairs)
        assert place.low == 1 + better


@given(values=st.lists(finite, min_size=2, max_size=5, unique=True), data=st.data())
def test_the_order_of_the_generators_does_not_matter(values, data):
    order = data.draw(st.permutations(range(len(values))))
    spread = {pair: data.draw(errors) for pair in combinations(range(len(values)), 2)}
    _, places = compare(values, pairwise(values, lambda a, b: spread[a, b]), 19)
    moved = [values[result] for result in order]
    _, again = compare(moved, pairwise(moved, lambda a, b: spread[tuple(sorted((order[a], order[b])))]), 19)
    assert again == [places[result] for result in order]


def test_more_pairs_need_more_evidence():
    alone, _ = compare([0.0, 2.3], {(0, 1): (-2.3, 1.0)}, degrees=19)
    values = [0.0, 2.3, 2.3, 2.3]
    among, places = compare(values, pairwise(values, lambda a, b: 1.0), degrees=19)
    assert alone[0].verdict == A_NEARER
    assert {pair.verdict for pair in among} == {NOT_TOLD_APART}
    assert places == [Place(1, 1, 4), Place(2, 1, 4), Place(2, 1, 4), Place(2, 1, 4)]
    assert (among[0].low, among[0].high) == (alone[0].low, alone[0].high)


@given(values=st.lists(finite, min_size=2, max_size=4), data=st.data())
def test_each_pair_may_have_its_own_degrees(values, data):
    differences = pairwise(values, lambda a, b: data.draw(errors))
    degrees = {pair: data.draw(st.floats(2, 100)) for pair in differences}
    pairs, _ = compare(values, differences, degrees, alpha=0.2)
    raw = [2 * stats.t.sf(abs(d) / se, degrees[pair]) for pair, (d, se) in differences.items()]
    assert [pair.p_value for pair in pairs] == pytest.approx(holm(raw), abs=1e-12)
    for pair in pairs:
        d, se = differences[pair.a, pair.b]
        assert (pair.low, pair.high) == pytest.approx(stats.t.interval(0.8, degrees[pair.a, pair.b], d, se))


def test_two_that_cannot_be_told_apart_and_one_that_is_far():
    values = [5.0, 1.0, 1.2]
    pairs, places = compare(values, pairwise(values, lambda a, b: 0.5), degrees=19)
    assert [pair.verdict for pair in pairs] == [B_NEARER, B_NEARER, NOT_TOLD_APART]
    assert places == [Place(3, 3, 3), Place(1, 1, 2), Place(2, 1, 2)]


@pytest.mark.parametrize("unknown", [(None, None), (math.nan, 1.0), (-9.0, math.nan), (-9.0, None), (-9.0, 0.0), (0.0, 0.0)])
def test_what_is_not_known_is_never_a_verdict_nor_counted(unknown):
    values = [1.0, None if unknown[0] is None else 10.0, 30.0]
    pairs, places = compare(values, {(0, 1): unknown, (0, 2): (-29.0, 9.0)}, degrees=math.inf)
    assert (pairs[0].low, pairs[0].high, pairs[0].p_value, pairs[0].verdict) == (None, None, None, NOT_TOLD_APART)
    assert pairs[1].p_value == pytest.approx(2 * stats.norm.sf(29 / 9))
    assert (places[1] is None) == (values[1] is None)
    assert pairs[0].difference is None or math.isfinite(pairs[0].difference)


def test_nothing_to_compare():
    assert compare([], {}, 19) == ([], [])
    assert compare([3.0], {}, 19) == ([], [Place(1, 1, 1)])


def test_among_equal_generators_a_wrong_word_is_rare():
    """Six perfect generators against shared groups of images: some pair is told apart in at most 5 % of the audits."""
    rng = np.random.default_rng(3)
    audits, wrong = 600, 0
    for _ in range(audits):
        groups = rng.normal(size=(6, 20)) + rng.normal(size=20)  # what all share cancels
        values = groups.mean(axis=1).tolist()
        spread = {(a, b): (groups[a] - groups[b]).std(ddof=1) / math.sqrt(20) for a, b in combinations(range(6), 2)}
        pairs, _ = compare(values, pairwise(values, lambda a, b, spread=spread: spread[a, b]), degrees=19)
        wrong += any(pair.verdict != NOT_TOLD_APART for pair in pairs)
    assert wrong / audits <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / audits)
