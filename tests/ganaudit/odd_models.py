"""Factories that audits of the tests name as `odd_models:…`: high class ids, coarse label maps, photos that are not square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaudit.datasets.protocol import Image
from ganaudit.parsers.protocol import ClassInfo, Labels


class Coarse:
    """Dark, middle or bright, in cells of `cell` pixels a side; class ids from `first` on; parses at `size`."""

    def __init__(self, first: int = 1, cell: int = 1, size: tuple[int, int] = (12, 18)) -> None:
        self.first, self.cell, self.resolution = first, cell, tuple(size)
        self.classes = tuple(ClassInfo(first + step, name) for step, name in enumerate(("dark", "middle", "bright")))

    def parse(self, images: Tensor) -> Labels:
        grey = torch.nn.functional.avg_pool2d((images.mean(dim=1, keepdim=True) + 1.0) / 2.0, self.cell)[:, 0]
        maps = self.first + (grey > 0.4).long() + (grey > 0.6).long()
        return Labels(maps, (0.5 + (grey - 0.5).abs()).clamp(0.0, 1.0))


class Wide:
    """Middle grey with a dark and a bright bar, wherever they fall."""

    def __init__(self, images: int, seed: int = 0, size: tuple[int, int] = (24, 36)) -> None:
        self.images, self.seed, self.size = images, seed, tuple(size)

    def __len__(self) -> int:
        return self.images

    def image(self, index: int) -> Image:
        draws = np.random.default_rng([self.seed, index])
        pixels = draws.integers(115, 140, (*self.size, 3))
        for low in (10, 220):
            left = int(draws.integers(0, self.size[1] - 8))
            pixels[:, left : left + 8] = low
        return Image(pixels.astype(np.uint8), f"wide {index}")

    def recipe(self) -> Mapping[str, Any]:
        return {"kind": "wide", "images": self.images, "seed": self.seed, "size": list(self.size)}
