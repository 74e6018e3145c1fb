"""Own samples that are masked, and what is searched for how often."""

from __future__ import annotations

import numpy as np
import torch

from ganaudit.auditing.inversion_cost import searches
from ganaudit.auditing.inversion_images import GREY, Sought, inside, masked_samples
from ganaudit.spec import Invert


def own(count, side=16, map_side=8):
    pixels = torch.full((count, side, side, 3), 200, dtype=torch.uint8)
    maps = np.full((count, map_side, map_side), 3, dtype=np.int16)
    return Sought("own", tuple(range(count)), (2.0,) * count, pixels, maps, np.ones(maps.shape, dtype=np.float32))


def test_a_patch_is_grey_in_the_image_and_void_in_the_map_and_the_rest_is_as_it_was():
    clean = own(5)
    masked = masked_samples(clean, 3, seed=4)
    assert (masked.sample, masked.indices, masked.weights) == ("masked", (0, 1, 2), (2.0,) * 3)
    grey = inside(masked.patches, (16, 16))
    assert all(4 * 4 <= n <= 5 * 5 for n in grey.sum(axis=(1, 2)))
    pixels = masked.pixels.numpy()
    assert (pixels[grey] == GREY).all() and (pixels[~grey] == 200).all()
    void = inside(masked.patches, (8, 8))
    assert (masked.maps[void] == 0).all() and (masked.maps[~void] == 3).all()
    assert (clean.pixels == 200).all() and (clean.maps == 3).all()
    again = masked_samples(own(9), 3, seed=4)
    assert np.array_equal(again.patches, masked.patches)  # follows from the index alone


def test_no_more_are_masked_than_there_are():
    assert len(masked_samples(own(2), 8, seed=0)) == 2


def test_searches_are_counted_as_they_are_made():
    asked = Invert(images=10, own=8, masked=2, methods=("encoder", "layerwise"), steps=30)
    found = searches(asked, {"heldout": 7}, ["encoder", "layerwise"])
    assert found.images == (7 + 8 + 2) + (7 * 3 + 8 * 3 + 2)
    assert found.steps == 7 * 50 + 8 * 50 + 2 * 30 + 8 * 30  # two thirds more for both other penalties; the penalty itself
    assert found.paid == 0  # seven photos say nothing of a class
    many = Invert(images=400, own=8, masked=2, methods=("encoder", "layerwise"), steps=30)
    assert searches(many, {"heldout": 45}, ["layerwise"]).paid == 45 * 30
    assert searches(many, {"heldout": 900}, ["layerwise"]).paid == 100 * 30
    assert searches(asked, {"heldout": 7}, ["encoder"]).steps == 0
    latent = Invert(images=10, own=8, masked=0, methods=("latent",), steps=30, restarts=3)
    assert searches(latent, {"heldout": 10, "train": 4}, ["latent"]).steps == (10 + 8 + 4) * 90
