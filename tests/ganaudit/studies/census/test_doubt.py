"""Doubt by class against plain loops; a class is told of only where it stands out from the generator's others."""

from __future__ import annotations

import numpy as np
import pytest
from written import write_block

from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.studies.census.doubt import Doubt, doubts, falls


def write(store, key, held):
    """held: (image, class, pixels, confidence)"""
    images = [
        {"key": key, "image": i, "name": f"{i}", "digest": f"d{i}", "pixels": 100, "confidence": 0.5, "status": "ok"}
        for i in range(1 + max(row[0] for row in held))
    ]
    places = dict.fromkeys(("x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max"), 0)
    names = ("image", "class_id", "pixels", "confidence")
    rows = [{"key": key, **dict(zip(names, row, strict=True)), **places} for row in held]
    write_block(store, key, 0, len(images) - 1, IMAGES.from_rows(images), CLASS_PIXELS.from_rows(rows), {})


def test_mean_and_standard_error_are_those_of_a_loop(store, run):
    rng = np.random.default_rng(3)
    held = [(i, 1, int(rng.integers(1, 80)), float(np.float32(rng.uniform(0.5, 1)))) for i in range(40)]
    write(store, "ka", held)
    write(store, "kb", [(0, 1, 10, 0.5)])
    run(store, "r1", [("real", "photos", "ka", 0, 40), ("generated", "gan", "kb", 0, 1)])
    found = doubts(store, "r1")
    pixels = np.array([row[2] for row in held], float)
    doubt = 1 - np.array([row[3] for row in held])
    mean = (pixels * doubt).sum() / pixels.sum()
    result = found["photos", 1]
    assert result.value == pytest.approx(mean, rel=1e-6)
    without = [np.delete(pixels * doubt, i).sum() / np.delete(pixels, i).sum() for i in range(40)]  # the jackknife's error
    assert result.se == pytest.approx(np.sqrt(39 / 40 * ((without - np.mean(without)) ** 2).sum()), rel=0.15)
    assert found["gan", 1].value == pytest.approx(0.5) and found["gan", 1].se is None
    assert set(found) == {("photos", 1), ("gan", 1)}


def known(*generated, se=0.001):
    real = {("photos", result): Doubt(0.02, 0.0002) for result in range(len(generated))}
    return real | {("gan", result): Doubt(value, se) for result, value in enumerate(generated)}


def told(*generated, se=0.001):
    found = falls(known(*generated, se=se), "photos", "gan", list(range(len(generated))), 0.05)
    return [result for result, fell in found.items() if fell]


def test_a_class_that_alone_is_doubted_is_told_of():
    assert told(0.02, 0.021, 0.02, 0.08, 0.019) == [3]


def test_where_all_are_doubted_none_stands_out():
    assert told(0.08, 0.075, 0.09, 0.085, 0.1) == []
    assert told(0.08, 0.075, 0.3, 0.085, 0.1) == [2]


def test_noise_and_small_falls_are_no_fall():
    assert told(0.02, 0.021, 0.02, 0.08, 0.019, se=0.04) == []
    assert told(0.02, 0.02, 0.02, 0.035) == []


def test_what_is_not_known_is_none():
    assert falls({}, "photos", "gan", [1], 0.05) == {1: None}
