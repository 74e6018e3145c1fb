"""The convolution that fuses a pyramid's levels, without making the coarse levels large first: the same function, less work.

A 3x3 convolution and bilinear resizing are linear, one over channels and neighbours, the other along rows and columns. So the
channels are mixed where a level is coarse, once for each of the nine neighbours, and the rows and columns of the nine are
resized and shifted at once by one matrix product each. Of four levels at 64 × 64, 32 × 32 … that is a third of the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fused(levels: Sequence[Tensor], layer: nn.Module) -> Tensor:
    """`layer` of all levels (N, C, h, w) side by side, each resized bilinearly to the first one's size. It begins with a 3x3
    convolution of padding 1."""
    convolution, *after = layer.children()
    assert isinstance(convolution, nn.Conv2d)
    finest, *coarse = levels
    first, *others = torch.split(convolution.weight, [level.shape[1] for level in levels], dim=1)
    fusion = F.conv2d(finest, first, convolution.bias, padding=1)
    for level, weight in zip(coarse, others, strict=True):
        fusion = fusion + _convolved(level, weight, (finest.shape[2], finest.shape[3]))
    for step in after:
        fusion = step(fusion)
    return fusion


def _convolved(x: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
    """The 3x3 convolution of `x` (N, C, h, w), resized to `size`: (N, O, *size)."""
    n, _, height, width = x.shape
    channels = weight.shape[0]
    mixed = F.conv2d(x, weight.permute(2, 3, 0, 1).reshape(9 * channels, -1, 1, 1)).view(n, 3, 3, channels, height, width)
    rows, columns = (shifts(*each).to(x.device, x.dtype) for each in ((height, size[0]), (width, size[1])))
    wide = mixed.permute(0, 3, 1, 4, 2, 5).reshape(n, channels, 3 * height, 3 * width) @ columns.T
    return rows @ wide


@lru_cache(maxsize=64)
def shifts(length: int, to: int) -> Tensor:
    """What of `length` samples is in each of `to` that they are resized to, and in the one before it and after it; beyond the
    ends there is nothing. (to, 3 · length), the one before first."""
    resized = F.interpolate(torch.eye(length, dtype=torch.float64)[None], size=to, mode="linear", align_corners=False)[0].T
    nothing = resized.new_zeros(1, length)
    return torch.cat([torch.cat([nothing, resized[:-1]]), resized, torch.cat([resized[1:], nothing])], dim=1)
