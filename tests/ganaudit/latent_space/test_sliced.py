"""The sliced Wasserstein distance and the Fréchet distance of sets whose distance is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import gammaln

from ganaudit.errors import RequestError
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.latent_space.fidelity import feature_rows, set_fidelity
from ganaudit.latent_space.sliced import collapsed, patches, pyramid, sliced_wasserstein, standardised, swd
from ganaudit.statistics.frechet import frechet_from_rows


def scenes(count, seed, side=32):
    drawn = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=drawn)
    images = torch.nn.functional.interpolate(coarse, side, mode="bilinear") * 2 - 1
    return images + 0.1 * torch.randn(images.shape, generator=drawn)


def test_a_shift_along_one_axis_is_the_shift_times_the_mean_of_a_unit_vectors_first_number():
    rng, d, shift = np.random.default_rng(1), 16, 3.0
    a = rng.standard_normal((400, d))
    b = a.copy()
    b[:, 0] += shift
    mean = math.exp(gammaln(d / 2) - gammaln((d + 1) / 2)) / math.sqrt(math.pi)  # E|u₁| = Γ(d/2) / (√π Γ((d+1)/2))
    assert shift * mean == pytest.approx(0.6078, abs=1e-4)
    assert sliced_wasserstein(a, b) == pytest.approx(shift * mean, rel=0.08)  # 512 directions
    assert sliced_wasserstein(a, b, directions=8192) == pytest.approx(shift * mean, rel=0.02)


def test_a_set_and_its_permutation_are_at_0_and_twice_as_wide_a_normal_at_the_mean_of_its_absolute_value():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((3000, 4))
    assert sliced_wasserstein(a, a[rng.permutation(len(a))]) == pytest.approx(0.0, abs=1e-12)
    assert sliced_wasserstein(a, 2 * a) == pytest.approx(math.sqrt(2 / math.pi), rel=0.03)
    with pytest.raises(RequestError, match="one size"):
        sliced_wasserstein(a, a[:-1])


def test_a_pyramid_is_the_image_again():
    images = scenes(3, 1, 64).double()
    levels = pyramid(images)
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    assert torch.allclose(collapsed(levels), images, atol=1e-12)
    flat = pyramid(torch.full((1, 3, 64, 64), 0.3, dtype=torch.float64))
    assert all(level[:, :, 4:-4, 4:-4].abs().max() < 1e-12 for level in flat[:-1])  # what is flat is in the last level


def test_patches_are_windows_of_their_image():
    level = torch.arange(2 * 3 * 9 * 9, dtype=torch.float64).view(2, 3, 9, 9)
    rows = patches(level, 0, 0).reshape(2, 128, 3, 7, 7)
    for image in range(2):
        windows = {level[image, :, y : y + 7, x : x + 7].numpy().tobytes() for y in range(3) for x in range(3)}
        assert {rows[image, n].tobytes() for n in range(128)} == windows


def test_it_is_blind_to_one_change_of_all_colours_and_mse_is_not():
    photos = scenes(8, 3)
    gain = torch.tensor([0.5, 1.5, 0.8]).view(1, 3, 1, 1)
    changed = photos * gain + 0.3
    assert all(value == pytest.approx(0.0, abs=1e-3) for value in swd(photos, changed).values())
    seen = set_fidelity(photos, changed, open_perceptual("pyramid"))
    assert seen.swd == pytest.approx(0.0, abs=1e-3) and seen.mse.mean() > 0.05 and seen.fid > 0.1
    blurred = torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(photos, 4), 32)
    assert swd(photos, blurred)[32] > 50
    assert set_fidelity(photos, photos, open_perceptual("pyramid")).fid == pytest.approx(0.0, abs=1e-9)


def test_standardising_is_by_channel():
    rows = np.random.default_rng(4).normal(2.0, 3.0, (50, 2 * 49))
    split = standardised(rows, 2).reshape(50, 2, 49)
    assert split.mean(axis=(0, 2)) == pytest.approx([0, 0], abs=1e-12) and split.std(axis=(0, 2)) == pytest.approx([1, 1])
    assert not standardised(np.ones((5, 49)), 1).any()


def test_frechet_of_normal_sets_is_the_formula():
    rng = np.random.default_rng(5)
    white = rng.standard_normal((4000, 4))
    white = (white - white.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(white, rowvar=False))).T
    assert frechet_from_rows(white, white + 1.0).value == pytest.approx(4.0, rel=1e-6)  # means 0 and 1 in 4 dimensions
    assert frechet_from_rows(white, 2.0 * white).value == pytest.approx(4.0, rel=1e-6)  # I and 4 I: 4 + 16 - 2 * 8
    assert feature_rows(open_perceptual("pyramid"), scenes(2, 6)).shape == (2, 48)
