"""Fidelity against closed forms and a window-by-window loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganaudit.inversion.fidelity import mse, psnr, ssim


def pair(side=16):
    draws = torch.Generator().manual_seed(0)
    a = torch.rand((2, 3, side, side), generator=draws) * 2.0 - 1.0
    return a, (a + 0.2 * torch.randn(a.shape, generator=draws)).clamp(-1.0, 1.0)


def test_a_constant_difference_has_the_closed_form():
    a = torch.zeros(1, 3, 4, 4)
    assert mse(a + 0.2, a).tolist() == pytest.approx([0.04]) and psnr(a + 0.2, a).tolist() == pytest.approx([20.0], abs=1e-4)
    assert psnr(a, a).tolist() == [float("inf")]


def test_ssim_is_the_mean_over_windows():
    a, b = pair()
    g = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    w = np.outer(g, g) / g.sum() ** 2
    c1, c2, scores = (0.01 * 2) ** 2, (0.03 * 2) ** 2, []
    for channel in range(3):
        for top in range(6):
            for left in range(6):
                x, y = (v[1, channel, top : top + 11, left : left + 11].double().numpy() for v in (a, b))
                mx, my = (w * x).sum(), (w * y).sum()
                vx, vy, cov = (w * (x - mx) ** 2).sum(), (w * (y - my) ** 2).sum(), (w * (x - mx) * (y - my)).sum()
                scores.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    assert ssim(a, b)[1].item() == pytest.approx(np.mean(scores), rel=1e-5)


def test_equal_images_have_ssim_one_and_small_ones_a_smaller_window():
    a, b = pair(6)
    assert ssim(a, a).tolist() == pytest.approx([1.0, 1.0]) and bool((ssim(a, b) < 1.0).all())
