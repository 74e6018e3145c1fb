"""Kappa beside the formula over single pixels, and intervals that hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.statistics.agreement import kappa


def counted(first, second):
    return first.sum(1), second.sum(1), (first & second).sum(1)


def of_pixels(first, second):
    """Cohen's (1960), from the table of all pixels."""
    a, b = first.ravel(), second.ravel()
    table = np.array([[np.mean(a & b), np.mean(a & ~b)], [np.mean(~a & b), np.mean(~a & ~b)]])
    chance = (table.sum(1) * table.sum(0)).sum()
    return (np.trace(table) - chance) / (1 - chance)


def drawn(rng, images, pixels, clustered=False):
    """Two readers of a class that is in half of the images; each errs in one pixel of ten, in some images in three of ten."""
    there = rng.random((images, 1)) < 0.5
    truth = there & (rng.random((images, pixels)) < 0.6)
    wrong = np.where(rng.random((images, 1)) < 0.2, 0.3, 0.05)
    first, second = (truth ^ (rng.random(truth.shape) < wrong) for _ in range(2))
    return (np.repeat(first, 3, axis=0), np.repeat(second, 3, axis=0)) if clustered else (first, second)


def test_the_value_is_that_of_all_pixels():
    first, second = drawn(np.random.default_rng(0), 30, 40)
    assert kappa(*counted(first, second), 40, None, 0.05).value == pytest.approx(of_pixels(first, second), abs=1e-12)
    assert kappa(*counted(first, ~first), 40, None, 0.05).value == pytest.approx(of_pixels(first, ~first), abs=1e-12)


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_hold_the_truth_as_often_as_they_say(clustered):
    rng = np.random.default_rng(1)
    truth = of_pixels(*drawn(np.random.default_rng(2), 40_000, 40))
    held = 0
    for _ in range(400):
        first, second = drawn(rng, 50, 40, clustered)
        cluster = np.repeat(np.arange(50), 3) if clustered else None
        found = kappa(*counted(first, second), 40, cluster, 0.1)
        held += found.low <= truth <= found.high
    assert 0.85 < held / 400 < 0.95


def test_where_all_are_alike_so_many_images_bound_it_and_where_there_is_nothing_there_is_none():
    first = np.arange(60).reshape(60, 1) % 2 == 0
    found = kappa(*counted(first, first), 1, None, 0.05)
    assert (found.value, found.high) == (1.0, 1.0) and found.low == pytest.approx(1 - (1 - 0.025 ** (1 / 60)) / 0.5)
    assert kappa(*counted(first, first), 1, np.arange(60) // 2, 0.05).low < found.low
    nothing = np.zeros((60, 1), bool)
    assert kappa(*counted(nothing, nothing), 1, None, 0.05) is None
    assert kappa(*counted(~nothing, ~nothing), 1, None, 0.05) is None
    assert kappa(*counted(first[:1], ~first[:1]), 1, None, 0.05).low is None
