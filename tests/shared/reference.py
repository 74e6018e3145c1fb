"""The reference's small ProGAN and its residual search, written plainly: what the library is compared with."""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZES = (16, 8, 8, 4)
SIDE = 2 ** len(SIZES)
LAYERS = tuple(f"layer{number}" for number in range(1, 2 * (len(SIZES) - 1) + 1))


def standard_sample(count: int, depth: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(count * depth).reshape(count, depth)).float()


def norm(x: Tensor) -> Tensor:
    return x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()


class TinyProGAN(nn.Module):
    """sizes [16, 8, 8, 4]: six layers and a 16-pixel image, filled from RandomState(7) in the order of the published keys."""

    resolution = SIDE
    layers = LAYERS

    def __init__(self) -> None:
        super().__init__()
        draws = np.random.RandomState(7)
        channels = [SIZES[0], *(SIZES[(number + 3) // 2 - 1] for number in range(1, len(LAYERS) + 1))]
        self.kernels, self.biases = [], []
        for number, (before, after) in enumerate(pairwise(channels), start=1):
            side = 4 if number == 1 else 3
            self._fill(draws, (after, before, side, side))
        self._fill(draws, (3, channels[-1], 1, 1))

    def _fill(self, draws: np.random.RandomState, shape: tuple[int, ...]) -> None:
        for place, (kind, size) in enumerate((("kernel", shape), ("bias", shape[:1]))):
            value = torch.from_numpy(draws.randn(*size)).float()
            self.register_buffer(f"{kind}{len(self.kernels)}", value)
            (self.biases if place else self.kernels).append(value)

    def layer(self, number: int, x: Tensor) -> Tensor:
        x = norm(x)
        if number >= 3 and number % 2:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        kernel, bias = self.kernels[number - 1], self.biases[number - 1]
        scale = 2.0**0.5 / kernel.shape[2] / kernel.shape[1] ** 0.5
        x = F.conv2d(x, kernel, padding=3 if number == 1 else 1) * scale + bias.view(1, -1, 1, 1)
        return F.leaky_relu(x, 0.2)

    def output(self, x: Tensor, clamp: bool = True) -> Tensor:
        x = F.conv2d(norm(x), self.kernels[-1]) / self.kernels[-1].shape[1] ** 0.5 + self.biases[-1].view(1, -1, 1, 1)
        return x.clamp(-1.0, 1.0) if clamp else x

    def latents(self, seed: int, indices: Tensor) -> MappingProxyType[str, Tensor]:
        rows = [standard_sample(1, SIZES[0], 1000 * seed + int(index)) for index in indices]
        return MappingProxyType({"z": torch.cat(rows)})

    def run(self, state, after=None, upto=None):
        begin = 0 if after is None else LAYERS.index(after) + 1
        end = len(LAYERS) if upto is None else LAYERS.index(upto) + 1
        x = state["z"][:, :, None, None] if after is None else state[after]
        for number in range(begin + 1, end + 1):
            x = self.layer(number, x)
        return {**state, upto: x} if upto else {**state, "image": self.output(x)}


def residual_search(generator: TinyProGAN, z: Tensor, target: Tensor, steps: int, rate: float) -> list[float]:
    """Losses before each step: L1 of pixels + L1 of features (here the pixels again) + sum of mean d², Adam, one image."""
    with torch.no_grad():
        shapes = [generator.run({"z": z}, upto=name)[name].shape for name in LAYERS[:3]]
    d = [torch.zeros(shape, requires_grad=True) for shape in shapes]
    adam, losses = torch.optim.Adam(d, lr=rate), []
    for _ in range(steps):
        x = z[:, :, None, None]
        for number in range(1, 7):
            x = generator.layer(number, x)
            x = x + d[number - 1] if number <= 3 else x
        difference = F.l1_loss(generator.output(x), target)
        loss = difference + difference + sum(result.square().mean() for result in d)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return losses
