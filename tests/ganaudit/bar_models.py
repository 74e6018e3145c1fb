"""Factories that audits of the tests name as `bar_models:…`: a bright bar whose place a latent decides, as far as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganaudit.datasets.protocol import Image
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.random import normals

SIDE = 16
MIDDLE = (SIDE - 1) / 2
WIDTH = 4.0


class BarParser:
    """bright (class 2) where a pixel is light, and nothing else; nobody ever sees class 3."""

    classes = (ClassInfo(1, "dark"), ClassInfo(2, "bright"), ClassInfo(3, "never"))
    resolution = SIDE

    def parse(self, images: Tensor) -> Labels:
        grey = images.mean(dim=1)
        return Labels(1 + (grey > 0.0).long(), grey.abs().clamp(0.0, 1.0))


class Bars(nn.Module):
    """A bar at 7.5 + reach · tanh(z0) pixels from the left, as light as z1 says. nan_beyond: z0 beyond which there is none."""

    resolution = SIDE
    layers = ("draw",)

    def __init__(self, reach: float = 4.0, nan_beyond: float = 1e9) -> None:
        super().__init__()
        self.register_buffer("reach", torch.tensor(reach))
        self.register_buffer("beyond", torch.tensor(nan_beyond))

    def latents(self, seed: int, indices: Tensor) -> Mapping[str, Tensor]:
        return {"z": 0.3 * torch.from_numpy(normals(seed, "latent z", indices.numpy(), 2))}

    def run(self, state: Mapping[str, Tensor], after: str | None = None, upto: str | None = None) -> Mapping[str, Tensor]:
        z = state["z"]
        place = MIDDLE + self.reach * torch.tanh(z[:, 0])
        away = (torch.arange(SIDE)[None] - place[:, None]) / WIDTH
        light = 0.9 + 0.05 * torch.tanh(z[:, 1:])
        row = -0.9 + (0.9 + light) * torch.exp(-(away**2))
        image = row[:, None, None, :].expand(-1, 3, SIDE, SIDE)
        return {**state, "image": torch.where((z[:, 0] > self.beyond)[:, None, None, None], torch.nan, image)}


class PairedBars(Bars):
    """Two after each other are not independent, as if they had one prompt."""

    def clusters(self, seed: int, indices: Tensor) -> list[str]:
        return [f"prompt {index // 2}" for index in indices.tolist()]


class FrozenBars(Bars):
    """The same, as if it came from a format that computes forwards only."""

    not_inverted = "it has no gradients"


class RealBars:
    """Bars anywhere from `low` to `high` pixels from the left."""

    def __init__(self, images: int = 64, seed: int = 0, low: float = 3.0, high: float = 12.0) -> None:
        self.images, self.seed, self.low, self.high = images, seed, low, high

    def __len__(self) -> int:
        return self.images

    def image(self, index: int) -> Image:
        place = np.random.default_rng([self.seed, index]).uniform(self.low, self.high)
        row = -0.9 + 1.8 * np.exp(-(((np.arange(SIDE) - place) / WIDTH) ** 2))
        pixels = np.rint((row + 1.0) * 127.5).astype(np.uint8)
        return Image(np.broadcast_to(pixels[None, :, None], (SIDE, SIDE, 3)).copy(), f"bar {index}")

    def recipe(self) -> Mapping[str, Any]:
        return {"kind": "bars", "images": self.images, "seed": self.seed, "low": self.low, "high": self.high}
