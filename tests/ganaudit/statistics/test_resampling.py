"""Weighted means over images: by loops, against the normal interval, and measured coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ganaudit.statistics.memorisation import difference
from ganaudit.statistics.resampling import RESAMPLES, interval, means, ratios, resampled_means


def test_the_value_is_a_ratio_of_weighted_sums_and_the_interval_that_of_resampled_images():
    draws = np.random.default_rng(0)
    tops, bottoms, weights = draws.random((12, 3)), draws.uniform(1, 2, (12, 3)), draws.uniform(1, 4, 12)
    for column, (value, low, high) in enumerate(ratios(tops, bottoms, weights, seed=5)):
        top, bottom = (sum(w * v for w, v in zip(weights, each[:, column], strict=True)) for each in (tops, bottoms))
        assert value == pytest.approx(top / bottom)
        again = []
        for places in np.random.default_rng(5).integers(0, 12, (2000, 12)):
            top, bottom = (sum(weights[i] * each[i, column] for i in places) for each in (tops, bottoms))
            again.append(top / bottom)
        assert (low, high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])))


def test_the_interval_is_about_the_normal_one():
    values = np.random.default_rng(1).normal(3.0, 2.0, (400, 1))
    [(value, low, high)] = means(values, np.ones(400))
    half = stats.norm.ppf(0.975) * values.std() / 20
    assert (value, low, high) == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), abs=0.04)


def test_it_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(2)
    held = 0
    for number in range(300):
        [(_, low, high)] = means(draws.normal(0.0, 1.0, (60, 1)), draws.choice([1.0, 3.0], 60), seed=number)
        held += low <= 0.0 <= high
    assert 0.89 <= held / 300 <= 0.98  # 94 % less what a bootstrap of 60 lacks, with three standard errors


def test_what_nothing_can_be_said_of_is_none():
    nothing = (None, None, None)
    assert means(np.empty((0, 2)), np.empty(0)) == [nothing, nothing]
    assert means(np.array([[np.nan], [np.nan]]), np.ones(2)) == [nothing]
    assert means(np.array([[2.0], [np.nan]]), np.ones(2)) == [(2.0, None, None)]
    assert interval("mse", (1.0, None, None)) == {"mse": 1.0, "mse_low": None, "mse_high": None}
    with pytest.raises(ValueError, match="do not belong together"):
        ratios(np.ones((2, 1)), np.ones((3, 1)), np.ones(2))


def test_the_interval_of_a_weighted_mean_is_that_of_the_linearised_ratio():
    draws = np.random.default_rng(0)
    values, weights = draws.normal(3.0, 2.0, 400), draws.uniform(0.5, 2.0, 400)
    value, low, high = means(values[:, None], weights)[0]
    mean = (values * weights).sum() / weights.sum()
    error = np.sqrt(((weights * (values - mean)) ** 2).sum()) / weights.sum()
    assert value == pytest.approx(mean)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.1)
    assert means(np.append(values, np.nan)[:, None], np.append(weights, 1.0))[0][0] == pytest.approx(mean)


def test_pairs_of_the_same_photos_need_fewer_of_them():
    draws = np.random.default_rng(1)
    photo = draws.gamma(2.0, 0.1, 100)
    a, b = photo + draws.normal(0.01, 0.005, 100), photo + draws.normal(0.0, 0.005, 100)
    (paired,) = means((a - b)[:, None], np.ones(100))
    assert paired[1] > 0.0 and paired[0] == pytest.approx((a - b).mean())
    assert difference(a, b).low < 0.0 < difference(a, b).high


def test_clusters_are_drawn_whole():
    draws = np.random.default_rng(3)
    values, weights, clusters = draws.random((9, 2)), draws.uniform(1, 4, 9), np.array([2, 0, 2, 5, 0, 2, 7, 7, 5])
    values[4, 1] = np.nan
    members = [np.flatnonzero(clusters == number) for number in (0, 2, 5, 7)]
    drawn = np.random.default_rng(0).integers(0, 4, (RESAMPLES, 4))
    for column, (value, low, high) in enumerate(means(values, weights, clusters=clusters)):
        again, plain = [], []
        for places in drawn:
            images = [image for place in places for image in members[place] if np.isfinite(values[image, column])]
            again.append(np.average(values[images, column], weights=weights[images]))
            plain.append(values[images, column].mean())
        assert value == pytest.approx(means(values, weights)[column][0])
        assert (low, high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])))
        assert resampled_means(values, clusters=clusters)[:, column] == pytest.approx(np.array(plain))
    assert means(values[:3], weights[:3], clusters=np.zeros(3, np.int64))[0][1:] == (None, None)  # one cluster
