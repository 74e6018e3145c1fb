"""The choice of photos: rare classes come in, weights undo the choice, a photo's fate depends on nothing but itself."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.statistics.sampling import draw

COUNT = 4000


def world(seed=0):
    draws = np.random.default_rng(seed)
    rates = np.array([1.0, 0.3, 0.02, 0.0025])
    return np.arange(COUNT), draws.random((COUNT, 4)) < rates


def test_rare_classes_are_in_enough_photos_and_where_there_are_too_few_all_are_taken():
    indices, present = world()
    for seed in range(20):
        result = draw(indices, present, 200, seed)
        held = present[result.places].sum(axis=0)
        assert 150 < len(result.places) < 350 and held[1] > 20
        assert held[2] >= 15 and held[3] == present[:, 3].sum() < 20


def test_weights_undo_the_choice():
    indices, present = world()
    value = present[:, 2] * 5.0 + np.random.default_rng(1).normal(size=COUNT)
    totals = []
    for seed in range(300):
        result = draw(indices, present, 200, seed)
        totals.append((result.weights.sum(), (result.weights * value[result.places]).sum()))
    means, errors = np.mean(totals, axis=0), np.std(totals, axis=0) / np.sqrt(len(totals))
    assert abs(means[0] - COUNT) < 4 * errors[0] and abs(means[1] - value.sum()) < 4 * errors[1]


def test_few_photos_are_all_taken_with_weight_one():
    result = draw(np.arange(50), np.ones((50, 1), dtype=bool), 200, 1)
    assert result.places.tolist() == list(range(50)) and set(result.weights) == {1.0}
    assert len(draw(np.arange(0), np.zeros((0, 3), dtype=bool), 10, 1).places) == 0


def test_a_photos_draw_follows_from_its_index_alone():
    indices, present = world()
    whole = draw(indices, np.zeros_like(present), 1000, 7)
    turned = draw(indices[::-1], np.zeros_like(present), 1000, 7)
    assert set(indices[whole.places]) == set(indices[::-1][turned.places])
    with pytest.raises(ValueError, match="as many"):
        draw(indices, present[:5], 10, 1)
