"""Verdicts on hand-made cases whose answer is obvious, and on the sprite village, whose range is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from ganaudit.studies.inversion.verdicts import (
    ClassInPhoto,
    ControlCase,
    Rules,
    class_verdict,
    confusion,
    contrast_of,
    control,
    photo_verdict,
    proportion,
    seen,
)


def test_the_confusion_counts_every_pixel_once():
    target, result = np.array([[1, 1, 2], [3, 3, 3]]), np.array([[1, 2, 2], [1, 3, 4]])
    rows = confusion(target, result)
    assert rows == [(1, 1, 1), (1, 2, 1), (2, 2, 1), (3, 1, 1), (3, 3, 1), (3, 4, 1)]
    assert seen(rows) == {1: ClassInPhoto(2, 1, 2), 2: ClassInPhoto(1, 1, 2), 3: ClassInPhoto(3, 1, 1)}
    draws = np.random.default_rng(0).integers(0, 5, (2, 20, 30))
    table = np.zeros((5, 5), dtype=int)
    for a, b in zip(draws[0].ravel(), draws[1].ravel(), strict=True):
        table[a, b] += 1
    assert {(a, b): n for a, b, n in confusion(*draws)} == {
        (a, b): table[a, b] for a in range(5) for b in range(5) if table[a, b]
    }
    with pytest.raises(ValueError, match="one shape"):
        confusion(draws[0], draws[1][:5])


@pytest.mark.parametrize(
    ("one", "passes", "failed", "verdict"),
    [
        (ClassInPhoto(100, 50, 60), True, False, "recovered"),
        (ClassInPhoto(100, 90, 95), False, False, "recovered"),  # a find is a find
        (ClassInPhoto(100, 90, 95), None, False, "recovered"),
        (ClassInPhoto(100, 10, 12), True, False, "omitted"),
        (ClassInPhoto(100, 0, 25), True, False, "distorted"),  # it stands elsewhere
        (ClassInPhoto(100, 40, 300), True, False, "distorted"),
        (ClassInPhoto(100, 0, 0), False, False, "search inconclusive"),
        (ClassInPhoto(100, 0, 0), None, False, "not testable"),
        (ClassInPhoto(100, 0, 0), True, True, "search inconclusive"),
        (ClassInPhoto(11, 0, 0), True, False, "not testable"),
    ],
)
def test_verdicts_on_a_photo(one, passes, failed, verdict):
    assert photo_verdict(one, passes, failed) == verdict


@settings(max_examples=100, deadline=None, database=None)
@given(st.integers(1, 5000).flatmap(lambda cases: st.tuples(st.integers(0, cases), st.just(cases))))
def test_proportions_have_the_interval_of_wilson(hits_and_cases):
    hits, cases = hits_and_cases
    result, (low, high) = proportion(hits, cases), proportion_confint(hits, cases, method="wilson")
    assert (result.value, result.low, result.high) == pytest.approx((hits / cases, low, high), abs=1e-12)
    assert result.images == cases


def test_no_cases_have_no_proportion():
    assert math.isnan(proportion(0, 0).value) and math.isnan(proportion(0, 0).low) and proportion(0, 0).images == 0


def cases(n, recall, pixels=50, contrast=0.4):
    return [ControlCase(pixels, contrast, recall) for _ in range(n)]


def test_the_control_is_own_samples_of_like_area_and_contrast_else_other_classes_named_so():
    own = cases(25, 0.9) + cases(25, 0.0, pixels=500) + cases(25, 0.0, contrast=0.1)
    result = control(own, cases(90, 0.0), 60, 0.5)
    assert (result.kind, result.recovered.images, result.recovered.value, result.passes()) == ("own samples", 25, 1.0, True)
    result = control(cases(5, 0.0), cases(40, 0.9), 60, 0.5)
    assert (result.kind, result.recovered.images, result.passes()) == ("other classes", 40, True)
    assert control(cases(20, 0.0), cases(40, 0.9), 60, 0.5).passes() is False  # enough own samples: no stand-in
    few = control(cases(5, 0.9), cases(3, 0.9), 60, 0.5)
    assert few.passes() is None and few.recall == pytest.approx(0.9)
    assert control([], [], 60, 0.5).passes() is None


def test_a_sibling_that_draws_the_class_is_the_last_resort_and_named():
    siblings = {"other": cases(30, 0.9)}
    result = control(cases(5, 0.0), cases(5, 0.0), 60, 0.5, siblings=siblings)
    assert (result.kind, result.passes(), result.recovered.images) == ("sibling other", True, 30)
    failing = control(cases(5, 0.9), cases(20, 0.0), 60, 0.5, siblings=siblings)
    assert (failing.kind, failing.passes()) == ("other classes", False)  # what fails is not exchanged
    assert control([], [], 600, 0.5, siblings=siblings).passes() is None  # not alike in area


def test_what_the_parser_is_no_longer_sure_of_is_distorted_and_a_bound_recovers_nothing():
    kept, gone = ClassInPhoto(40, 30, 40), ClassInPhoto(40, 0, 0)
    assert photo_verdict(kept, True, collapsed=True) == "distorted"
    assert photo_verdict(kept, True, evidential=False) == "not testable"
    assert photo_verdict(gone, True, evidential=False) == "omitted"  # lost even with more freedom


def test_contrast_is_the_distance_from_the_ring_around():
    image, mask = np.zeros((9, 9, 3)), np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True
    image[4, 4] = (0.3, 0.4, 0.0)
    assert contrast_of(image, mask) == pytest.approx(0.5)
    assert math.isnan(contrast_of(image, ~np.zeros_like(mask))) and math.isnan(contrast_of(image, np.zeros_like(mask)))


@pytest.mark.parametrize(
    ("recalls", "dropped", "weighted", "evidential", "passes", "verdict"),
    [
        ([0.0] * 20, True, [0.1] * 20, True, True, "not made"),
        ([0.0] * 20, False, [0.1] * 20, True, True, "inconclusive"),  # samples hold it
        ([0.0] * 20, True, [0.9] * 3 + [0.1] * 17, True, True, "inconclusive"),  # weighted, it comes back
        ([0.0] * 20, True, [], True, True, "inconclusive"),  # nobody searched again
        ([0.0] * 20, True, [0.1] * 20, True, False, "inconclusive"),  # the search finds nothing at all
        ([0.0] * 20, True, [0.1] * 20, True, None, "not testable"),
        ([0.0] * 20, True, [0.1] * 20, False, True, "not testable"),  # an upper bound is no evidence
        ([0.0] * 19, True, [0.1] * 19, True, True, "not testable"),
        ([0.9] * 20, True, [0.9] * 20, True, None, "made"),
        ([0.9] * 4 + [0.0] * 16, True, [0.9] * 20, True, True, "made"),
        ([0.9] * 1 + [0.0] * 19, True, [0.0] * 20, True, True, "not made"),
    ],
)
def test_verdicts_on_a_class(recalls, dropped, weighted, evidential, passes, verdict):
    assert class_verdict(recalls, dropped, weighted, evidential, passes) == verdict


def test_the_least_that_can_be_not_made_is_twenty_photos_without_one_find():
    rules = Rules()
    assert proportion(0, rules.cases).high < rules.rest < proportion(1, rules.cases).high + 0.06
