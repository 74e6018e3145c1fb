"""PrRoI pooling: exactly the mean of the interpolating surface over each bin, and not an average of samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganaudit.parsers.networks.prroi import bins, prroi_pool


def surface(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Bilinear interpolation at points (y, x), samples at whole coordinates, 0 beyond the samples' neighbours."""
    padded = np.pad(values, 1)
    low_y, low_x = np.floor(y).astype(int), np.floor(x).astype(int)
    a, b = (y - low_y)[:, None], (x - low_x)[None]
    corner = [[padded[np.ix_(low_y + 1 + i, low_x + 1 + j)] for j in (0, 1)] for i in (0, 1)]
    return (corner[0][0] * (1 - b) + corner[0][1] * b) * (1 - a) + (corner[1][0] * (1 - b) + corner[1][1] * b) * a


@pytest.mark.parametrize("height, width, side", [(8, 8, 6), (7, 5, 3), (9, 11, 2), (3, 13, 6), (1, 1, 1), (2, 5, 6)])
def test_it_is_the_integral_over_each_bin(height, width, side):
    values = np.random.default_rng(height * width).normal(size=(height, width))
    steps = 60 * side  # midpoints of pieces between whose ends the surface has no kink
    y, x = ((np.arange(length * steps) + 0.5) / steps for length in (height, width))
    fine = surface(values, y, x)
    expected = fine.reshape(side, fine.shape[0] // side, side, fine.shape[1] // side).mean(axis=(1, 3))
    pooled = prroi_pool(torch.from_numpy(values)[None, None], side)[0, 0].numpy()
    assert pooled == pytest.approx(expected, abs=2e-6)


def test_the_weights_of_eight_samples_are_those_of_the_kernel():
    assert bins(8, 1)[0].tolist() == [0.0625, *[0.125] * 7]
    assert bins(8, 2).sum(dim=1).tolist() == [1.0, 0.875]
    assert bins(8, 3)[0].tolist() == pytest.approx([0.1875, 0.375, 17 / 48, 1 / 12, 0, 0, 0, 0])
    assert bins(8, 6).sum(dim=1).tolist() == pytest.approx([1, 1, 1, 1, 1, 0.625])


def test_adaptive_averages_are_something_else_and_the_precision_is_kept():
    x = torch.rand(2, 3, 8, 8)
    assert (prroi_pool(x, 3) - F.adaptive_avg_pool2d(x, 3)).abs().max() > 0.05
    for dtype in (torch.float32, torch.bfloat16):
        assert prroi_pool(x.to(dtype), 3).dtype == dtype
    assert prroi_pool(x.bfloat16(), 3).float() == pytest.approx(prroi_pool(x, 3), abs=0.01)
