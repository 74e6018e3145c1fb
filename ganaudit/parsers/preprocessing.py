"""From images in [-1, 1] to what a segmentation network was trained on: one way, every step of it in the parser's key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Filter = Literal["area", "bilinear", "bicubic"]


@dataclass(frozen=True)
class Preprocessing:
    """order: of the channels. white: what the brightest pixel is, the darkest being 0. mean, std: of the channels, in that
    order and range. sizes: (height, width) at which the network sees each image, one after another; none: as it comes. filter:
    area is the mean over equal bins, the others are antialiased.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    white: float = 1.0
    order: Literal["rgb", "bgr"] = "rgb"
    sizes: tuple[tuple[int, int], ...] = ()
    filter: Filter = "bilinear"

    def recipe(self) -> dict[str, Any]:
        """What enters a key."""
        return asdict(self)

    def __call__(self, images: Tensor) -> Iterator[Tensor]:
        """Images (N, 3, H, W) in [-1, 1] -> the network's input in float32, at each size."""
        x = (images.float() + 1.0) * (self.white / 2)
        x = x.flip(1) if self.order == "bgr" else x
        mean, std = (torch.tensor(value, device=x.device).view(3, 1, 1) for value in (self.mean, self.std))
        x = (x - mean) / std
        comes = (int(x.shape[2]), int(x.shape[3]))
        for size in self.sizes or (comes,):
            yield x if size == comes else self._resized(x, size)

    def _resized(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        if self.filter == "area":
            return F.adaptive_avg_pool2d(x, size)
        return F.interpolate(x, size=size, mode=self.filter, align_corners=False, antialias=True)
