"""What is resized on a device is what Pillow makes of the same pixels as a file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ganaudit import images
from ganaudit.resizing import resampled, resized


def noise(height: int, width: int, levels: int = 256) -> NDArray[np.uint8]:
    draws = np.random.default_rng(height * width).integers(0, levels, (2, height, width, 3))
    return (draws * (255 // (levels - 1))).astype(np.uint8)


def scene(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth light, a hard edge and a fine pattern."""
    down, across = np.mgrid[:height, :width]
    light = 127.5 + 127.5 * np.sin(down / 7.3) * np.cos(across / 11.7)
    edge, pattern = np.where(across > 0.4 * width + down / 3, 255, 0), (down * across) % 256
    return np.stack([light, edge, pattern], axis=2).astype(np.uint8)[None]


def steps(pixels: NDArray[np.uint8], size: tuple[int, int], how: images.Fit) -> int:
    """By how many of 255 steps a value differs at most."""
    here = resampled(torch.from_numpy(pixels), size, how).numpy()
    file = np.stack([images.resize(each, size, how) for each in pixels])
    assert here.shape == file.shape and here.dtype == np.uint8
    return int(np.abs(here.astype(int) - file).max())


@pytest.mark.parametrize("how", images.FITS)
@pytest.mark.parametrize("sides", [(256, 128), (128, 256), (97, 64), (64, 97), (33, 32), (224, 1), (7, 224), (300, 299)])
def test_square_images_are_those_of_files_to_the_bit(sides, how):
    have, side = sides
    for pixels in (noise(have, have), noise(have, have, 2), scene(have, have)):
        assert steps(pixels, (side, side), how) == 0


@pytest.mark.parametrize("how", images.FITS)
def test_images_of_any_shape_differ_by_one_step_at_most(how):
    draw = np.random.default_rng(0)
    for _ in range(150):
        height, width, *size = map(int, draw.integers(1, 80, 4))
        assert steps(noise(height, width, int(draw.choice([2, 256]))), (size[0], size[1]), how) <= 1


@pytest.mark.parametrize("shape", [(1, 9000), (3000, 2), (2500, 7)])
def test_strips_of_which_only_the_middle_is_scaled(shape):
    assert steps(noise(*shape), (40, 31), "crop") <= 1


def test_on_a_processor_pillow_does_it_and_the_same_size_is_left_as_it_is():
    pixels = torch.from_numpy(noise(31, 40))
    assert resized(pixels, (31, 40)) is pixels
    expected = np.stack([images.resize(each, (20, 20)) for each in pixels.numpy()])
    assert (resized(pixels, (20, 20)).numpy() == expected).all()
