"""Rows and findings of steering, made by hand: colours of classes, classes that are lost, what edits ask for, causes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganaudit.statistics.responses import Changes
from ganaudit.studies.steering.asking import ASKED
from ganaudit.studies.steering.class_rows import (
    correlation_row,
    detection,
    deviation,
    disentanglement_row,
    moved_both_ways,
    verdict,
)
from ganaudit.studies.steering.findings import rows_of
from ganaudit.studies.steering.reading import Walked, steered_of
from ganaudit.studies.steering.rows import Seen, class_colours, recorded
from ganaudit.studies.steering.walk_measures import WalkMeasures

WALKED = Walked("gan", "shift-x", "z", "linear", "k0", 30, (-4.0, 0.0, 4.0), (8, 8))


def seen(alpha, moved=0, images=30, lost=(), clusters=None):
    """A bar of class 2 two pixels wide at the column of the image's number, moved; class 1 elsewhere."""
    maps = np.ones((images, 8, 8), np.int64)
    for image in range(images):
        if image not in lost:
            left = image % 3 + 1 + moved
            maps[image, :, left : left + 2] = 2
    pixels = np.where(maps[..., None] == 2, np.array([200, 100, 0]), 50).astype(np.uint8)
    some = {name: torch.full((images,), 0.25) for name in ("error", "error_still", "known")}
    return Seen(range(images), alpha, pixels, maps, np.full(maps.shape, 0.5, np.float32), [None] * images, some, clusters)


def measures(real_moved=(0,), **lost):
    walked = [seen(-4.0, 0), seen(0.0, 1), seen(4.0, 2, **lost)]
    made = recorded("k0", walked, 3)
    real = recorded("k1", [seen(None, real_moved[0])], 3)
    steered = steered_of(made["steering_images"], made["steering"], WALKED.alphas, 0.1)
    return WalkMeasures(WALKED, steered, steered_of(real["steering_images"], real["steering"], (None,), 0.1), {2: "bar"})


def test_colours_of_classes_are_those_of_a_loop_over_pixels_also_where_label_maps_are_smaller():
    rng = np.random.default_rng(0)
    pixels, maps = rng.integers(0, 256, (3, 8, 6, 3), np.uint8), rng.integers(0, 3, (3, 4, 3))
    found = class_colours(pixels, maps, 4)
    for image in range(3):
        large = np.repeat(np.repeat(maps[image], 2, axis=0), 2, axis=1)
        for class_id in range(4):
            inside = pixels[image][large == class_id]
            expected = inside.mean(axis=0) if len(inside) else np.full(3, np.nan)
            assert found[image, class_id] == pytest.approx(expected, nan_ok=True)


def test_a_class_that_is_lost_at_one_strength_is_a_row_without_pixels_and_counts_against_detection():
    lost = measures(lost=(4, 5, 6))
    (bar,) = [each for each in lost.classes if each.class_id == 2]
    assert bar.there.sum(axis=0).tolist() == [30, 30, 27] and np.isnan(bar.values[4, 0, 2])
    share, low, high = detection(bar, -1)
    assert share == pytest.approx(0.9) and low < 0.9 < high
    assert detection(bar, 0) == (1.0, 1.0, 1.0)


def test_places_colours_and_counts_are_those_of_what_was_drawn():
    (bar,) = [each for each in measures().classes if each.class_id == 2]
    names = dict(zip(bar.names, np.moveaxis(bar.values, 1, 0), strict=True))
    assert names["x"][0] == pytest.approx([2 / 8, 3 / 8, 4 / 8]) and names["y"][0] == pytest.approx([0.5] * 3)
    assert names["area"][0] == pytest.approx([-2.0] * 3) and names["count"][0].tolist() == [1, 1, 1]
    assert names["luminance"][0] == pytest.approx([0.299 * 200 + 0.587 * 100] * 3)
    assert bar.real[:, 0].std() == pytest.approx(np.std([2, 3, 4] * 10) / 8)
    assert moved_both_ways(bar.changes.mean[0], 1) == pytest.approx(1 / 8)


def test_how_far_something_moves_is_the_mean_over_the_ends_that_are_not_the_identity():
    assert moved_both_ways(np.array([0.0, 0.0, 1.0]), 1) == 0.5  # it does not move at one of them
    assert moved_both_ways(np.array([0.0, 0.5, 1.0]), 0) == moved_both_ways(np.array([-1.0, 0.5, 0.0]), 2) == 1.0
    assert np.isnan(moved_both_ways(np.array([np.nan, 0.0, 1.0]), 1))


def test_a_class_that_every_image_loses_at_an_end_does_not_hide_what_the_others_say():
    walked = [seen(-4.0, 0), seen(0.0, 1), seen(4.0, 2)]
    for strength, each in enumerate(walked):
        each.maps[:, 0, 0] = 3 if strength < 2 else 1  # a pixel of class 3, except at the upper end
    real = seen(None, 0)
    for image in range(30):
        real.maps[image, 0, image % 8] = 3
    made, of_real = recorded("k0", walked, 4), recorded("k1", [real], 4)
    steered = steered_of(made["steering_images"], made["steering"], WALKED.alphas, 0.1)
    alone = steered_of(of_real["steering_images"], of_real["steering"], (None,), 0.1)
    found = disentanglement_row(WalkMeasures(WALKED, steered, alone, {2: "bar", 3: "corner"}))
    assert found["classes"] == 2 and found["wanted"] > 0.0 and found["share"] is not None


def test_what_edits_ask_for_is_in_the_unit_of_the_attribute():
    assert ASKED["zoom"].change(np.array([0.5, 1.0, 2.0]), (64, 64)).tolist() == [2.0, 0.0, -2.0]  # four times the area
    assert ASKED["shift-x"].change(np.array([16.0]), (32, 64)).tolist() == [0.25]
    assert ASKED["shift-y"].change(np.array([16.0]), (32, 64)).tolist() == [0.5]
    assert ASKED["luminance"].change(np.array([-1.0]), (64, 64)).tolist() == [-127.5]


def test_half_a_standard_deviation_everywhere_correlates_perfectly():
    causes = [{"sigma": sigma, "shift": 0.5 * sigma} for sigma in (0.1, 0.2, 0.4, 0.8)]
    row = correlation_row(measures(), causes)
    assert (row["classes"], row["correlation"]) == (4, pytest.approx(1.0, abs=1e-9))
    assert correlation_row(measures(), causes[:3])["classes"] == 3
    assert "correlation" not in correlation_row(measures(), [*causes[:3], {"sigma": None, "shift": 1.0}])


def test_verdicts_want_the_whole_interval_on_one_side():
    assert [verdict(each) for each in ((0.5, 0.2, 0.8), (0.05, 0.0, 0.09), (0.1, 0.0, 0.2), (None, None, None))] == [
        "follows", "does not follow", "inconclusive", "inconclusive",
    ]  # fmt: skip


def test_a_standard_deviation_has_the_interval_of_its_resamples():
    values = np.random.default_rng(0).normal(size=200) * 3.0
    value, low, high = deviation(values)
    assert value == pytest.approx(values.std(ddof=1)) and low < 3.0 < high
    assert deviation(values[:5]) == (None, None, None)


def test_the_moments_of_a_strength_are_those_of_its_label_maps():
    along = measures(lost=(4, 5, 6))
    found = along.steered.moments(2, (0, 1, 2)).all()
    areas = np.array([[0.0, 75.0, 25.0] if image not in (4, 5, 6) else [0.0, 100.0, 0.0] for image in range(30)])
    assert found.mean() == pytest.approx(areas.mean(axis=0)) and found.covariance() == pytest.approx(np.cov(areas.T))


def copied(times):
    """25 images that move by different lengths, each `times` times; copies are of one cluster, and the real ones alike."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, 3, (25, 3))

    def drawn(alpha, column):
        one = seen(alpha, images=25 * times, clusters=[f"scene {image % 25}" for image in range(25 * times)])
        one.maps[:] = 1
        for image in range(25 * times):
            left = int(places[image % 25, column]) + 2 * column
            if (image % 25) % 7 != 3 or column < 2:  # four are lost at the end
                one.maps[image, :, left : left + 2] = 2
        one.pixels[:] = np.where(one.maps[..., None] == 2, 200, 50)
        one.measured["error"] = torch.tensor([float(places[image % 25, column]) for image in range(25 * times)])
        return one

    tables = recorded("k0", [drawn(alpha, column) for column, alpha in enumerate(WALKED.alphas)], 3)
    real = recorded("k1", [drawn(None, 1)], 3)
    return WalkMeasures(
        WALKED, steered_of(tables["steering_images"], tables["steering"], WALKED.alphas, 0.1),
        steered_of(real["steering_images"], real["steering"], (None,), 0.1), {2: "bar"},
    )  # fmt: skip


def test_copies_of_an_image_that_are_one_cluster_add_nothing():
    """Each finding and its interval are those of the single images, but for how many they are."""
    alone, three = copied(1), copied(3)
    assert alone.steered.clusters.tolist() == list(range(25)) and three.steered.clusters.tolist() == 3 * list(range(25))
    assert alone.enough and [each.class_id for each in alone.enough] == [each.class_id for each in three.enough]
    of_real = [one.real.moments(0, (0, 1, 2)) for one in (alone, three)]
    found = [rows_of(one, real, (0, 1, 2), 2.0, 0.05) for one, real in zip((alone, three), of_real, strict=True)]
    for table, places in (("steerability", 1e-9), ("steering_curves", 1e-9), ("steering_side_effects", 0.015)):
        rows, again = ([row for row in each[table] if not row.get("measure", "").startswith("fsd")] for each in found)
        assert rows and len(rows) == len(again)
        for one, other in zip(rows, again, strict=True):  # standard deviations have N - 1 below
            same = [name for name, value in one.items() if name not in ("images", "real_sd") and not isinstance(value, str)]
            numbers = [np.array([each[name] for name in same], np.float64) for each in (other, one)]
            assert numbers[0] == pytest.approx(numbers[1], rel=places, abs=1e-9, nan_ok=True)
            assert one.get("verdict") == other.get("verdict")
    (one,), (other,) = (each["steering_reach"] for each in found)
    assert (one["followed_low"], one["followed_high"]) == pytest.approx((other["followed_low"], other["followed_high"]))
    assert three.steered.moments(0, (0, 1, 2)).n.sum() == 75
    assert (three.steered.moments(0, (0, 1, 2)).n % 3 == 0).all()  # no group holds a part of a cluster


def test_changes_are_against_each_image_itself():
    assert Changes.of(np.arange(120.0).reshape(20, 2, 3), 1).mean.tolist() == [[-1.0, 0.0, 1.0]] * 2
