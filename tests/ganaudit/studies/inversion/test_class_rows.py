"""Rows of classes present in an inverted image, on images small enough to see."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.studies.inversion.class_rows import View, class_rows

CLASSES = np.array([[1, 1, 2, 2], [1, 1, 2, 2]])


def view(left, right, confidence):
    pixels = np.zeros((2, 4, 3), dtype=np.uint8)
    pixels[:, :2], pixels[:, 2:] = left, right
    return View(pixels, np.array([confidence[0]] * 2 + [confidence[1]] * 2)[None].repeat(2, axis=0))


def test_each_class_has_its_pixels_contrast_confidence_and_colours():
    rows = class_rows(
        {"image": 7}, CLASSES, view((255, 0, 0), (0, 51, 0), (0.9, 0.8)), view((0, 0, 102), (5, 6, 7), (0.4, 0.3))
    )
    assert [(row["image"], row["class_id"], row["target_pixels"]) for row in rows] == [(7, 1, 4), (7, 2, 4)]
    first = rows[0]
    assert first["contrast"] == pytest.approx(np.sqrt(1 + 0.2**2)) == pytest.approx(rows[1]["contrast"])
    assert (first["target_confidence"], first["confidence"]) == pytest.approx((0.9, 0.4))
    assert [first[f"target_{name}"] for name in ("red", "green", "blue")] == [255, 0, 0]
    assert [rows[1][name] for name in ("red", "green", "blue")] == [5, 6, 7]
    edge = abs(0.299 * 255 - 0.587 * 51)
    assert [row["target_sharpness"] for row in rows] == pytest.approx([edge / 2, edge / 2])


def test_of_a_search_that_was_set_aside_only_the_image_is_told():
    rows = class_rows({}, CLASSES, view((1, 1, 1), (2, 2, 2), (0.9, 0.8)), None)
    assert all({"confidence", "red", "sharpness"}.isdisjoint(row) for row in rows) and len(rows) == 2


def test_a_class_that_is_everywhere_has_no_contrast():
    (row,) = class_rows({}, np.ones((2, 4), dtype=np.int64), view((1, 1, 1), (2, 2, 2), (0.9, 0.8)), None)
    assert row["contrast"] is None


def test_coarser_label_maps_are_spread_over_the_image():
    target = View(view((9, 9, 9), (2, 2, 2), (0, 0)).pixels, np.array([[0.5, 0.6]]))
    left, right = class_rows({}, np.array([[1, 2]]), target, None)
    assert (left["target_red"], right["target_red"], right["target_confidence"]) == (9, 2, 0.6)
