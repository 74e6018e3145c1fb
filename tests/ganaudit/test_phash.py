"""The perceptual hash beside the library that it follows, and beside images that were altered."""

from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from PIL import Image as pillow

from ganaudit import images
from ganaudit.phash import phashes, thumbnail
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence


@pytest.fixture(scope="module")
def scenes():
    return render(Prevalence(), 3, range(60))[0]


def hashed(pictures):
    return phashes([thumbnail(picture) for picture in pictures])


def library(picture):
    return int(str(imagehash.phash(pillow.fromarray(picture))), 16)


def apart(a, b):
    return [(one ^ other).bit_count() for one, other in zip(a, b, strict=True)]


def test_of_32_pixels_a_side_it_is_the_librarys_to_the_bit(scenes):
    small = [images.resize(scene, (32, 32)) for scene in scenes]
    assert hashed(small) == [library(scene) for scene in small]


@pytest.mark.parametrize("side", [48, 64, 100, 256])
def test_of_other_sizes_it_is_the_librarys_but_for_the_resizing(scenes, side):
    sized = [images.resize(scene, (side, side)) for scene in scenes]
    bits = apart(hashed(sized), map(library, sized))
    assert np.mean(bits) < 3 and max(bits) <= 8


def test_it_hardly_changes_with_what_leaves_an_image_as_it_is(scenes):
    def jpeg(scene):
        file = io.BytesIO()
        pillow.fromarray(scene).save(file, "JPEG", quality=50)
        return np.asarray(pillow.open(file).convert("RGB"))

    alterations = (
        jpeg,
        lambda scene: images.resize(scene, (32, 32)),
        lambda scene: images.resize(scene, (150, 150)),
        lambda scene: (scene * 0.8).astype(np.uint8),
    )
    for alter in alterations:
        assert np.mean(np.array(apart(hashed(scenes), hashed(map(alter, scenes)))) <= 4) > 0.95


def test_other_images_have_other_hashes(scenes):
    hashes = hashed(scenes)
    assert min((a ^ b).bit_count() for place, a in enumerate(hashes) for b in hashes[:place]) > 4


def test_what_shows_nothing_has_none():
    rng = np.random.default_rng(0)
    flat = np.full((64, 64, 3), 200, np.uint8)
    noisy = (flat + rng.integers(-3, 4, flat.shape)).astype(np.uint8)
    half = flat.copy()
    half[:32] = 190
    assert [each is None for each in hashed([flat, noisy, half])] == [True, True, False]
    assert phashes([None, thumbnail(half)]) == [None, *hashed([half])] and phashes([]) == []


def test_of_a_symmetric_image_no_bit_is_left_to_rounding():
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (64, 64, 3))
    (hashed_ramp, mirrored) = hashed([ramp, ramp[:, ::-1]])
    assert hashed_ramp == mirrored and hashed_ramp & 0x7F7F7F7F7F7F7F7F == 0  # it has frequencies in its first column alone


def test_an_image_is_the_same_alone_and_in_any_batch(scenes):
    assert hashed(scenes) == [hashed([scene])[0] for scene in scenes]
