"""Batches of images in another size, on the device that they are on: what is sampled is resized as a file would be.

Pillow's resampling is arithmetic of whole numbers: weights of 22 bits, one side after the other, rounded to 8 bits after each.
The same numbers are added here, tap by tap. Images whose sides are alike are equal to Pillow's; of long and narrow ones
Pillow 13 takes the height first, and single values differ by one step of 255.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import images

BITS = 22
"""Fractional bits of a weight: with 8 of a pixel and 2 to spare, an int32 holds the sum."""


def resized(pixels: Tensor, size: tuple[int, int], how: images.Fit = "crop") -> Tensor:
    """(N, h, w, 3) uint8 => (N, H, W, 3) uint8 on the same device, with size = (H, W), as `images.resize` does it."""
    if tuple(pixels.shape[1:3]) == tuple(size):
        return pixels
    if pixels.device.type == "cpu":  # where Pillow is, and faster
        return torch.from_numpy(np.stack([images.resize(each, size, how) for each in pixels.numpy()]))
    return resampled(pixels, size, how)


def resampled(pixels: Tensor, size: tuple[int, int], how: images.Fit) -> Tensor:
    """`resized`, in integers of the device."""
    cut = images.cut_of((pixels.shape[1], pixels.shape[2]), size, how)
    for axis in (1, 0):
        pixels = _along(1 + axis, pixels, cut, axis, size[axis])
    return pixels


def _along(dimension: int, pixels: Tensor, cut: images.Cut, axis: int, side: int) -> Tensor:
    shown = slice(cut.corner[axis], cut.corner[axis] + side)
    taps = _taps(pixels.shape[dimension], *cut.span(axis))
    places, weights = (torch.from_numpy(each[:, shown]).to(pixels.device) for each in taps)
    broad = [-1 if each == dimension else 1 for each in range(4)]
    values = pixels.to(torch.int32)
    total = torch.full_like(values.narrow(dimension, 0, 1), 1 << (BITS - 1))
    for place, weight in zip(places, weights, strict=True):
        total = total + values.index_select(dimension, place) * weight.view(broad)
    return (total >> BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(64)
def _taps(have: int, begin: float, end: float, to: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Which pixels of a side each of `to` new ones is made of, and their weights: (taps, to) each. The new side shows
    begin … end of the old one; a triangle as wide as a new pixel, at least as an old one, is laid over it."""
    scale = float(np.float32(end) - np.float32(begin)) / to
    reach = max(scale, 1.0)
    center = begin + (np.arange(to) + 0.5) * scale
    first = np.maximum((center - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((center + reach + 0.5).astype(np.int64), have)
    places = first + np.arange((last - first).max())[:, None]
    heights = np.maximum(1.0 - np.abs((places - center + 0.5) * (1.0 / reach)), 0.0) * (places < last)
    weights = heights / heights.sum(axis=0) * (1 << BITS)
    return np.minimum(places, have - 1), (weights + 0.5).astype(np.int32)
