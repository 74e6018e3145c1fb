"""How near a reconstruction is: mean squared error, PSNR and SSIM of each image. Pixels are in [-1, 1]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2
"""Wang et al. (IEEE TIP 2004), with a dynamic range of 2."""


def mse(image: Tensor, target: Tensor) -> Tensor:
    """(N, 3, H, W) twice => (N,): mean squared difference on [-1, 1]; a quarter of that on [0, 1]."""
    return (image.float() - target.float()).square().flatten(1).mean(dim=1)


def psnr(image: Tensor, target: Tensor) -> Tensor:
    """(N,): 10 log10(4 / mse) in dB; the peak is 2. Infinite for equal images."""
    return 10.0 * torch.log10(4.0 / mse(image, target))


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """(N,): structural similarity, mean over channels and over the windows that lie inside the image.

    An 11x11 Gaussian window (sigma 1.5); smaller images get the largest odd window that fits.
    """
    side = min(WINDOW, *(length - 1 + length % 2 for length in image.shape[2:]))
    offsets = torch.arange(side, dtype=torch.float64, device=image.device) - side // 2
    row = torch.exp(-offsets.square() / (2.0 * SIGMA**2))
    row = row / row.sum()
    channels = image.shape[1]
    kernel = (row[:, None] * row[None, :]).expand(channels, 1, side, side)

    def local(x: Tensor) -> Tensor:
        return F.conv2d(x, kernel, groups=channels)

    a, b = image.double(), target.double()
    mean_a, mean_b = local(a), local(b)
    spread_a, spread_b = local(a * a) - mean_a * mean_a, local(b * b) - mean_b * mean_b
    together = local(a * b) - mean_a * mean_b
    score = (2 * mean_a * mean_b + C1) * (2 * together + C2)
    score = score / ((mean_a.square() + mean_b.square() + C1) * (spread_a + spread_b + C2))
    return score.flatten(1).mean(dim=1).float()
