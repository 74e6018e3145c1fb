"""Counting against a loop over every pixel: counts, sums, boxes and confidences, with several heads, void and groups."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ganaudit import tally as module
from ganaudit.tally import Tally, confused, tally

COLUMNS = list(Tally.__dataclass_fields__)
STEPS = 65_535


def by_hand(maps, confidence) -> list[tuple]:
    """The rows of label maps (N, heads, h, w), pixel by pixel."""
    pixels = defaultdict(list)
    for (image, head, y, x), class_id in np.ndenumerate(maps):
        if head and not class_id:
            continue
        sure = 1.0 if confidence is None else round(float(np.float32(confidence[image, head, y, x]) * np.float32(STEPS)))
        pixels[image, int(class_id)].append((x, y, sure))
    rows = []
    for (image, class_id), seen in sorted(pixels.items()):
        xs, ys, sure = (list(values) for values in zip(*seen, strict=True))
        mean = 1.0 if confidence is None else sum(sure) / len(seen) / STEPS
        inside = [ndimage.label(head == class_id, np.ones((3, 3))) for head in maps[image]]
        first = int(class_id == 0)  # void counts in the first head alone
        sizes = [size for labels, _ in (inside[:1] if first else inside) for size in np.bincount(labels.ravel())[1:].tolist()]
        regions = (sum(size >= 4 for size in sizes), max(sizes))
        rows.append((image, class_id, len(seen), mean, sum(xs), sum(ys), min(xs), min(ys), max(xs), max(ys), *regions))
    return rows


def rows(found: Tally) -> list[tuple]:
    return list(zip(*(getattr(found, name).tolist() for name in COLUMNS), strict=True))


def agree(found: Tally, expected: list[tuple]) -> None:
    assert len(rows(found)) == len(expected)
    for row, wanted in zip(rows(found), expected, strict=True):
        assert row[:3] + row[4:] == wanted[:3] + wanted[4:]
        assert row[3] == pytest.approx(wanted[3], abs=1e-7)


@st.composite
def scenes(draw):
    n, heads, height, width, classes = (draw(st.integers(1, top)) for top in (4, 3, 6, 6, 7))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    maps = random.integers(0, draw(st.integers(1, classes)), (n, heads, height, width))
    return maps, random.random(maps.shape).astype(np.float32), classes


@settings(deadline=None, max_examples=80)
@given(scenes(), st.booleans(), st.sampled_from([torch.int64, torch.int32, torch.int16, torch.uint8]))
def test_every_number_is_that_of_a_loop_over_the_pixels(scene, sure, dtype):
    maps, confidence, classes = scene
    given_confidence = torch.from_numpy(confidence) if sure else None
    agree(tally(torch.from_numpy(maps).to(dtype), given_confidence, classes), by_hand(maps, confidence if sure else None))


@settings(deadline=None, max_examples=40)
@given(scenes(), st.integers(1, 40))
def test_counting_in_groups_changes_nothing(scene, cells):
    maps, confidence, classes = scene
    whole = rows(tally(torch.from_numpy(maps), torch.from_numpy(confidence), classes))
    before, module.CELLS = module.CELLS, cells
    try:
        assert rows(tally(torch.from_numpy(maps), torch.from_numpy(confidence), classes)) == whole
    finally:
        module.CELLS = before


@settings(deadline=None, max_examples=40)
@given(scenes(), st.randoms(use_true_random=False))
def test_an_image_has_the_same_rows_in_any_order_and_alone(scene, random):
    maps, confidence, classes = scene
    order = list(range(len(maps)))
    random.shuffle(order)
    whole = rows(tally(torch.from_numpy(maps), torch.from_numpy(confidence), classes))
    turned = rows(tally(torch.from_numpy(maps[order]), torch.from_numpy(confidence[order]), classes))
    assert sorted((order[row[0]], *row[1:]) for row in turned) == whole
    alone = rows(tally(torch.from_numpy(maps[:1]), torch.from_numpy(confidence[:1]), classes))
    assert alone == [row for row in whole if row[0] == 0]


@settings(deadline=None, max_examples=40)
@given(scenes())
def test_the_first_head_s_classes_with_void_fill_the_image(scene):
    maps, confidence, classes = scene
    result = tally(torch.from_numpy(maps[:, :1]), torch.from_numpy(confidence[:, :1]), classes)
    area = maps.shape[2] * maps.shape[3]
    assert np.bincount(result.image, result.pixels).tolist() == [area] * len(maps)
    assert (result.pixels > 0).all()
    assert ((result.x_max >= result.x_min) & (result.x_max < maps.shape[3]) & (result.y_max < maps.shape[2])).all()


def test_maps_with_and_without_a_dimension_of_heads_are_the_same():
    maps = torch.randint(0, 5, (3, 4, 6))
    assert rows(tally(maps, torch.rand(1, 1, 1).expand(3, 4, 6), 5))[0][:3] == rows(tally(maps[:, None], None, 5))[0][:3]
    assert rows(tally(maps, None, 5)) == rows(tally(maps[:, None], None, 5))


def test_row_12_of_the_reference_s_oracles():
    result = tally(torch.tensor([[[0, 1, 1], [335, 5, 5]]]), None, 336)
    areas = np.zeros(336)
    areas[result.class_id] = result.pixels / 6
    assert {int(i): areas[i] for i in np.flatnonzero(areas)} == {0: 1 / 6, 1: 2 / 6, 5: 2 / 6, 335: 1 / 6}
    assert areas.sum() == pytest.approx(1, abs=1e-12)


def test_void_of_later_heads_is_not_counted_whatever_type_the_ids_have():
    maps = torch.zeros(1, 2, 2, 2, dtype=torch.uint8)
    maps[0, 1, 0, 0] = 255
    assert [row[:3] for row in rows(tally(maps, None, 256))] == [(0, 0, 4), (0, 255, 1)]
    high = torch.zeros(1, 2, 1, 1, dtype=torch.int16)
    high[0, 1] = 32_767
    assert [row[:3] for row in rows(tally(high, None, 32_768))] == [(0, 0, 1), (0, 32_767, 1)]


def test_confidences_do_not_depend_on_the_order_of_their_sum():
    values = torch.rand(1, 64, 64)
    maps = torch.ones(1, 64, 64, dtype=torch.long)
    turned = tally(maps, values.flip(1).transpose(1, 2), 2)
    assert turned.confidence[0] == tally(maps, values, 2).confidence[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_confidences_of_any_precision_stay_within_0_and_1(dtype):
    maps = torch.ones(1, 4, 4, dtype=torch.long)
    assert tally(maps, torch.ones(1, 4, 4, dtype=dtype), 2).confidence.tolist() == [1.0]
    assert tally(maps, torch.full((1, 4, 4), 0.75, dtype=dtype), 2).confidence[0] == pytest.approx(0.75, abs=1e-5)


def test_no_image_is_no_row():
    assert rows(tally(torch.zeros(0, 4, 4, dtype=torch.long), None, 3)) == []


@pytest.mark.parametrize("truth_side", [(6, 8), (12, 4), (3, 5)])
def test_a_confusion_is_that_of_a_loop_over_the_parsed_pixels(truth_side):
    """The true label of a parsed pixel is that of the true pixel that holds its centre."""
    rng = np.random.default_rng(0)
    truth, maps = rng.integers(0, 5, (3, *truth_side)), rng.integers(0, 5, (3, 6, 4))
    expected: dict[tuple[int, int, int], int] = {}
    for image, y, x in np.ndindex(maps.shape):
        row, column = int((y + 0.5) / 6 * truth_side[0]), int((x + 0.5) / 4 * truth_side[1])
        pair = image, int(truth[image, row, column]), int(maps[image, y, x])
        expected[pair] = expected.get(pair, 0) + 1
    confusion = confused(truth, maps, 5)
    rows = list(zip(confusion.image.tolist(), confusion.true_class.tolist(), confusion.class_id.tolist(), strict=True))
    assert rows == sorted(expected) and confusion.pixels.tolist() == [expected[row] for row in rows]
