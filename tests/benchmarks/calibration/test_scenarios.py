"""The calibration in a small fast form: a few replicates, with tolerances that follow from how many they are.

A share measured over R replicates lies within four standard errors of what it should be in all but 1 of 10,000 cases; each
bound below is the wanted one and four standard errors. The full form is `ganaudit calibrate`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.calibration import distances
from benchmarks.calibration.cases import OpenedCase
from benchmarks.calibration.chunks import replicates_of
from benchmarks.calibration.pool import BLOCK, Pool, PoolSource, village_held
from benchmarks.calibration.scenarios import cases_of
from benchmarks.calibration.summary import properties
from benchmarks.calibration.worlds import PIXELS, heavy_tails
from ganaudit.errors import RequestError
from ganaudit.statistics import corrected

R = 60
SMALL = PoolSource(scenes=BLOCK)


def measured(pool, scenario, name, images, other=None):
    """Means of the properties of one case at other numbers of images."""
    case = next(case for case in cases_of(pool, SMALL, scenario) if name in case.name)
    case = replace(case, real_images=images, generated_images=images)
    found = pd.DataFrame(replicates_of(OpenedCase(case, pool, pool if other is None else other), range(R)))
    return {(result.statistic, result.name): float(result.values.mean()) for result in properties(case, found)}


def within(share):
    return 4 * (share * (1 - share) / R) ** 0.5


@pytest.mark.parametrize("name", ["zero", "mild", "strong"])
def test_the_interval_of_the_corrected_distance_holds_the_truth(village, name):
    result = measured(village, "distance", name, 1_000)
    assert result["corrected", "coverage"] >= 0.93 - within(0.93)
    assert abs(result["corrected", "bias"]) < result["plain", "bias"] / 2


def test_an_interval_that_is_too_short_is_found_out(village, monkeypatch):
    honest = corrected.estimate

    def short(*sides):
        result = honest(*sides)
        return replace(result, low=result.value - result.se / 2, high=result.value + result.se / 2)

    monkeypatch.setattr(distances.corrected, "estimate", short)
    assert measured(village, "distance", "zero", 1_000)["corrected", "coverage"] < 0.93 - within(0.93)


@pytest.fixture(scope="module")
def heavy():
    """A small heavy-tailed world of 40 classes."""
    return Pool("k2", heavy_tails(8_192, 40), tuple(f"class {number}" for number in range(40)), PIXELS)


@pytest.mark.parametrize("ratio", ["ratio 1", "ratio 0.5"])
def test_ratio_intervals_hold_the_truth(village, heavy, ratio):
    for pool in (village, heavy):
        for (measure, name), share in measured(pool, "ratios", ratio, 1_000).items():
            assert share >= 0.93 - within(0.93), (measure, name)


def test_the_permutation_test_keeps_its_size(village):
    assert measured(village, "permutation", "zero", 1_000)["p_value", "size"] <= 0.05 + within(0.05)


@pytest.mark.parametrize("name", ["no difference", "dropped", "reduced", "increased"])
def test_where_nothing_is_beyond_a_line_words_are_seldom_false(village, heavy, name):
    for pool in (village, heavy):
        for (measure, of), share in measured(pool, "boundary", name, 1_000).items():
            assert share <= 0.05 + within(0.05), (measure, of)


@pytest.mark.parametrize("name", ["ten times, no", "100 clusters of 20, no"])
def test_images_that_are_repeated_or_frames_of_a_scene_change_no_verdict(village, name):
    result = measured(village, "dependent", name, 2_000)
    assert result["verdicts", "any false word at all"] <= 0.05 + within(0.05)
    assert result["corrected", "coverage"] >= 0.93 - within(0.93)


def test_false_discoveries_are_few_and_true_ones_many(village):
    result = measured(village, "half reduced", "half", 2_000)
    assert result["verdicts", "false discovery proportion"] <= 0.05 + within(0.05)
    assert result["verdicts", "true omissions found"] > 0.9


def test_the_planner_keeps_its_word(village):
    result = measured(village, "planner", "one class", 2_000)
    for measure in ("presence", "area"):
        assert result[measure, "found at the planner's figure"] >= 0.87 - within(0.87)


def test_a_village_without_people_is_called_that(village):
    prevalence = {"person": 0.0, "fence": 0.0, "car": 0.0625, "lamp": 0.0625}
    other = replace(village, key="k1", held=village_held(prevalence, 11, 0, 4_096))
    result = measured(village, "village", "people", 3_000, other)
    assert result["verdicts", "every omission called by its word"] == 1
    assert result["verdicts", "any false verdict on another class"] <= 0.05 + within(0.05)


def test_two_generators_alike_are_not_told_apart(village):
    result = measured(village, "comparison", "mild against mild", 1_000)
    assert result["difference", "false nearer"] <= 0.05 + within(0.05)
    assert measured(village, "comparison", "strong against mild", 1_000)["difference", "true nearer"] == 1


def test_pairs_are_right(village):
    assert measured(village, "pairs", "no difference", 3_000)["pairs", "any false verdict"] <= 0.05 + within(0.05)
    assert measured(village, "pairs", "never together", 3_000)["pairs", "called dropped"] == 1


def test_a_pool_of_ever_the_same_classes_is_refused(tiny):
    pool = replace(tiny, held=tiny.some(np.array([0, 0])))
    with pytest.raises(RequestError, match="no difference can be planted"):
        cases_of(pool, PoolSource(run="r1"))


def test_a_pool_of_other_classes_has_its_own_pair_and_no_village(tiny):
    pool = replace(tiny, held=tiny.some(np.repeat(np.arange(6), 50)))
    names = [case.label for case in cases_of(pool, PoolSource(run="r1"))]
    assert any("tree and person never together" in name for name in names)
    assert not any("without" in name for name in names)
