"""A UNet (Ronneberger et al., MICCAI 2015): two 3x3 convolutions with batch norm a level, skip connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError


class UNetBlock(nn.Sequential):
    """Two 3x3 convolutions, (N, C, h, w) -> (N, width, h, w)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        )  # fmt: skip


class UNet(nn.Module):
    """Images (N, 3, H, W) in [-1, 1] -> logits (N, classes, H, W); H and W are multiples of 2 ** (len(widths) - 1)."""

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        chain = [3, *widths]
        self.down = nn.ModuleList(UNetBlock(a, b) for a, b in pairwise(chain))
        self.up = nn.ModuleList(UNetBlock(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for depth, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if depth else x)
            kept.append(x)
        for block in self.up:
            kept.pop()
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), kept[-1]], dim=1))
        logits: Tensor = self.head(x)
        return logits


def from_weights(tensors: Mapping[str, Tensor]) -> UNet:
    """The network whose sizes are those of `tensors` (its parameters are not filled yet)."""
    widths: list[int] = []
    try:
        while f"down.{len(widths)}.0.weight" in tensors:
            widths.append(int(tensors[f"down.{len(widths)}.0.weight"].shape[0]))
        classes = int(tensors["head.weight"].shape[0])
    except (KeyError, IndexError) as missing:
        raise RequestError(f"these are not the weights of a unet parser (no usable {missing})") from None
    if len(widths) < 2:
        raise RequestError("these are not the weights of a unet parser (no down.1.0.weight)")
    return UNet(widths, classes)
