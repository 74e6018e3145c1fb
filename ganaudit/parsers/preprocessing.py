"""From images in [-1, 1] to what a segmentation network was trained on: one way, every step of it in the parser's key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaudit.parsers.options import SeenParser
from ganaudit.parsers.tiling import Network, Tiling

Filter = Literal["area", "bilinear", "bicubic"]


@dataclass(frozen=True)
class Preprocessing:
    """order: of the channels. white: what the brightest pixel is, the darkest being 0. mean, std: of the channels, in that
    order and range. sizes: (height, width) at which the network sees each image, one after another; none: as it comes. filter:
    area is the mean over equal bins, the others are antialiased. tiling: of images larger than a tile.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    white: float = 1.0
    order: Literal["rgb", "bgr"] = "rgb"
    sizes: tuple[tuple[int, int], ...] = ()
    filter: Filter = "bilinear"
    tiling: Tiling | None = None

    @classmethod
    def of(cls, options: SeenParser, size: tuple[int, int], **training: Any) -> Preprocessing:
        """What the audit file asks for images of `size`; training: what the network's own training had, see above."""
        tiling = None if options.tiling is None else Tiling(*options.tiling)
        return cls(sizes=options.seen_at(size), filter=options.filter, tiling=tiling, **training)

    def recipe(self) -> dict[str, Any]:
        """What enters a key; without tiles, nothing of them."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def logits(self, images: Tensor, network: Network) -> list[Mapping[str, Tensor]]:
        """What a network gives for images (N, 3, H, W) in [-1, 1], by head, at each scale."""
        run = network if self.tiling is None else partial(self.tiling.over, network=network)
        return [run(x) for x in self(images)]

    def first(self, images: Tensor) -> Tensor:
        """What the network is given first of images (N, 3, H, W): all of them, or their first tile."""
        x = next(iter(self(images)))
        height, width = x.shape[2:] if self.tiling is None else self.tiling.tile
        return x[:, :, :height, :width]

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
