"""Verdicts: the adjustment is that of statsmodels, the testable set the largest there is, the words those of plain counts."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from ganaudit.statistics import verdicts
from ganaudit.statistics.areas import Areas
from ganaudit.statistics.class_counts import ClassCounts
from ganaudit.statistics.verdicts import Lines, adjusted, decide

light = settings(max_examples=60, deadline=None, database=None)
p_values = st.lists(st.one_of(st.floats(0, 1), st.floats(0, 0.02)), min_size=1, max_size=12)


def counts(n: int, present: list[int], pixels: float = 100.0) -> ClassCounts:
    """Images whose classes have sizes with a coefficient of variation of a half, and no skewness."""
    x, one = np.array(present, float), np.ones(len(present))
    return ClassCounts(n, x, one, Areas(n, x, x * pixels, x * pixels**2 * 1.25, x * pixels**3 * 1.75, one))


@light
@given(p_values, st.data())
def test_the_adjustment_is_that_of_statsmodels_over_the_chosen(values, data):
    p = np.array(values)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(p), max_size=len(p))))
    q = adjusted(p, chosen)
    assert np.isnan(q[~chosen]).all()
    if chosen.any():
        with mock.patch("gc.collect"):  # statsmodels collects garbage at each call
            rejected, expected = multipletests(p[chosen], 0.025, "fdr_bh")[:2]
        np.testing.assert_allclose(q[chosen], np.minimum(2 * expected, 1), atol=1e-12)
        assert (q[chosen] <= 0.05).tolist() == rejected.tolist()


@light
@given(p_values)
def test_the_testable_set_is_the_largest_that_passes_its_own_level(losses):
    result, level = verdicts.testable(np.array(losses), 0.05)
    # every set that a threshold can make, equal rows together, at half of alpha
    sets = [[p <= most for p in losses] for most in losses]
    fair = [some for some in sets if all(p <= 0.05 / (2 * sum(some)) for p, inside in zip(losses, some, strict=True) if inside)]
    best = max(fair, key=sum, default=[False] * len(losses))
    assert result.tolist() == best
    assert level == (0.05 / (2 * sum(best)) if any(best) else 0.05)


def test_of_all_that_is_said_of_classes_at_the_lines_little_is_wrong():
    """Every class at exactly a line: no word but `inconclusive` may be said there, and rarely is one, whichever it is."""
    rng, tries, n = np.random.default_rng(0), 2000, 4000
    shares = np.tile(np.geomspace(0.05, 0.9, 12), tries)
    chosen = np.ones((2, 12), bool)
    for line in (0.1, 0.8, 1.25):
        real = counts(n, rng.binomial(n, shares / max(line, 1)))
        generated = counts(n, rng.binomial(n, shares / max(line, 1) * line))
        tests = [verdicts._tests(real, generated, measure, Lines()) for measure in ("presence", "area")]
        p = {word: np.stack([getattr(test, word).reshape(tries, 12) for test in tests], axis=1) for word in verdicts.WORDS}
        allowed = {"reduced"} if line < 0.5 else set()
        wrong = 0
        for audit in range(tries):
            _, said = verdicts.adjusted_words({word: values[audit] for word, values in p.items()}, chosen, 0.05)
            wrong += any(said[word].any() for word in verdicts.WORDS if word not in allowed)
        assert wrong / tries <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / tries), line


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
