"""Own samples that are masked, and what is searched for how often."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as pillow

from ganaudit.errors import AuditError
from ganaudit.parsers.opening import OpenParser
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.random import uniforms
from ganaudit.sources.roles import OWN, SourceRole
from ganaudit.spec import Invert
from ganaudit.studies.inversion.choosing import TargetList, masked
from ganaudit.studies.inversion.cost import searches
from ganaudit.studies.inversion.targets import GREY, greyed, inside, see, untouched


def own(count):
    return TargetList(OWN, SourceRole(OWN, 0), "a, own samples", "k1", tuple(range(count)), (2.0,) * count, 4)


def test_a_patch_is_grey_in_the_image_and_void_in_the_map_and_the_rest_is_as_it_was():
    clean, maps = torch.full((3, 16, 16, 3), 200, dtype=torch.uint8), np.full((3, 8, 8), 3)
    chosen = masked(own(5), 3, seed=4)
    assert (chosen.sample, chosen.indices, chosen.weights) == ("masked", (0, 1, 2), (2.0,) * 3)
    result, void = greyed(clean, maps, chosen.patches)
    patches = np.array(chosen.patches)
    grey = inside(patches, (16, 16))
    assert all(4 * 4 <= n <= 5 * 5 for n in grey.sum(axis=(1, 2)))
    assert (result.numpy()[grey] == GREY).all() and (result.numpy()[~grey] == 200).all()
    small = inside(patches, (8, 8))
    assert (void[small] == 0).all() and (void[~small] == 3).all()
    assert (clean == 200).all() and (maps == 3).all()
    assert masked(own(9), 3, seed=4).patches == chosen.patches  # follows from the index alone


def test_a_list_is_known_by_its_images_and_what_is_done_to_them():
    plain = own(5)
    others = [own(6), masked(plain, 5, 1), masked(plain, 5, 2), replace(plain, source_key="k2"), replace(plain, batch=5),
              replace(plain, weights=(2.0, 2.0, 2.0, 2.0, 3.0))]  # fmt: skip
    assert len({each.key for each in (plain, *others)}) == 7 and own(5).key == plain.key
    assert replace(plain, source="b").key == plain.key  # a name is in no key
    assert plain.batches == [(0, 3), (4, 4)] and plain.take(4, 4).indices == (4,)


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (7, 12)])
def test_a_patch_is_every_pixel_that_it_touches(size):
    draws = np.random.default_rng(3)
    corners = draws.random((40, 2)) * 0.75
    patches = np.concatenate([corners, corners + 0.25], axis=1)
    masks = inside(patches, size)
    height, width = size
    for mask, (top, left, bottom, right) in zip(masks, patches.tolist(), strict=True):
        for row in range(height):
            for column in range(width):
                overlap = min(bottom, (row + 1) / height) - max(top, row / height)
                beside = min(right, (column + 1) / width) - max(left, column / width)
                assert mask[row, column] == (overlap > 0 and beside > 0)


def test_patches_lie_anywhere_in_the_image_each_by_its_own_image_and_seed():
    patches = np.array(masked(own(200), 200, seed=4).patches)
    corners = patches[:, :2]
    assert np.allclose(patches[:, 2:], corners + 0.25)
    for index in (0, 7, 199):
        assert np.allclose(corners[index], 0.75 * uniforms(4, "masked patch", [index], 2)[0])
    for share in (0.25, 0.5, 0.75):  # uniform from 0 to 3/4 on either axis, the two not tied
        assert (corners < share * 0.75).mean(axis=0) == pytest.approx(share, abs=0.1)
    assert abs(np.corrcoef(corners.T)[0, 1]) < 0.2
    assert not np.allclose(masked(own(9), 9, seed=5).patches, patches[:9])


@pytest.mark.parametrize("at", [(8, 8), (16, 16), (32, 32), (4, 4)])
def test_what_a_patch_does_not_touch_is_what_is_the_same_with_any_patch(at):
    """Black and white patches on one image, resized: the pixels that are alike hold nothing of them."""
    corners = np.random.default_rng(3).random((12, 2)) * 0.75
    patches = np.concatenate([corners, corners + 0.25], axis=1)
    photo = np.random.default_rng(4).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for mask, (top, left, bottom, right) in zip(untouched(patches, (8, 8), at), patches.tolist(), strict=True):
        resized = []
        for grey in (0, 255):
            patched = photo.copy()
            patched[math.floor(8 * top) : math.ceil(8 * bottom), math.floor(8 * left) : math.ceil(8 * right)] = grey
            resized.append(np.asarray(pillow.fromarray(patched).resize(at[::-1], pillow.Resampling.BILINEAR)))
        assert np.array_equal(mask, (resized[0] == resized[1]).all(axis=2)) and mask.any() and not mask.all()


def test_no_more_are_masked_than_there_are():
    assert len(masked(own(2), 8, seed=0)) == 2


def test_searches_are_counted_as_they_are_made():
    asked = Invert(images=10, own=8, masked=2, methods=("encoder", "layerwise"), steps=30)
    result = searches(asked, {"heldout": 7}, ["encoder", "layerwise"])
    assert result.images == (7 + 8 + 2) + (7 * 3 + 8 * 3 + 2)
    penalty = 8 * (15 + 4 * 7)  # once half of the steps, and four times a quarter
    assert result.steps == 7 * 50 + 8 * 50 + 2 * 30 + penalty  # two thirds more for both other penalties
    assert result.weighted == 0  # seven photos say nothing of a class
    many = Invert(images=400, own=8, masked=2, methods=("encoder", "layerwise"), steps=30)
    assert searches(many, {"heldout": 45}, ["layerwise"]).weighted == 45 * (30 + 10 + 10)
    assert searches(many, {"heldout": 900}, ["layerwise"]).weighted == 100 * 50
    assert searches(many, {"heldout": 900}, ["encoder", "layerwise", "layered+latent"]).weighted == 100 * 50 + 100 * 4 * 30
    assert searches(asked, {"heldout": 7}, ["encoder"]).steps == 0
    latent = Invert(images=10, own=8, masked=0, methods=("latent",), steps=30, restarts=3)
    assert searches(latent, {"heldout": 10, "train": 4}, ["latent"]).steps == (10 + 8 + 4) * 90


class Odd:
    """A parser of two heads that answers as it is told."""

    classes = (ClassInfo(1, "one"), ClassInfo(2_000, "two"), ClassInfo(3, "three", "part"))

    def __init__(self, maps=lambda maps: maps, confidence=lambda confidence: confidence):
        self.maps, self.confidence, self.sizes = maps, confidence, []

    def parse(self, images):
        self.sizes.append(len(images))
        result = torch.where(images[:, :1, ::2, ::2] > 0, 2_000, 1)
        maps = torch.cat([result, torch.full_like(result, 3)], dim=1)
        return Labels(self.maps(maps), self.confidence(torch.full(maps.shape, 0.75)))


def test_the_first_head_is_asked_in_batches_of_one_size():
    pixels = torch.zeros((5, 4, 6, 3), dtype=torch.uint8)
    pixels[3] = 255
    parser = Odd()
    maps, sure = see(OpenParser(parser, {}, None), pixels, 4, "cpu")
    assert maps.shape == sure.shape == (5, 2, 3) and parser.sizes == [4, 4] and (sure == 0.75).all()
    assert [np.unique(label_map).tolist() for label_map in maps] == [[1], [1], [1], [2_000], [1]]


@pytest.mark.parametrize(
    ("maps", "confidence", "words"),
    [
        (lambda maps: maps - 2, lambda c: c, "class ids -1"), (lambda maps: maps + 2_000, lambda c: c, "class ids 2001"),
        (lambda maps: maps, lambda c: c / 0 - c / 0, "confidences"), (lambda maps: maps, lambda c: c * 4, "confidences"),
        (lambda maps: maps, lambda c: c - 1, "confidences"), (lambda maps: maps, lambda c: c[..., 1:], "confidences"),
        (lambda maps: maps, lambda c: 1 / 0, "ZeroDivisionError"), (lambda maps: None, lambda c: c, "AttributeError"),
    ],
)  # fmt: skip
def test_a_parser_that_is_at_fault_is_told(maps, confidence, words):
    with pytest.raises(AuditError, match=words):
        see(OpenParser(Odd(maps, confidence), {}, None), torch.zeros((2, 4, 6, 3), dtype=torch.uint8), 2, "cpu")
