"""BigGAN and BigGAN-deep (Brock et al., ICLR 2019): residual blocks whose batch norms follow from class and z, self-attention.

A block is batch norm → ReLU → convolution, two times (3x3, 3x3) or, in BigGAN-deep, four (1x1, 3x3, 3x3, 1x1), beside a
shortcut. Weights are those after spectral normalisation; statistics are standing ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.classed import ClassedGenerator
from ganaudit.generators.protocol import Space, State
from ganaudit.generators.truncation import truncated

TAIL = 2.0
"""Where the normal distribution of a truncated z is cut off, before z is made smaller."""


class Standing(nn.Module):
    """Batch norm by standing statistics, (N, C, h, w) -> the same, with gain and bias (N or 1, C).

    Rows of statistics are of truncations from 0 to 1 in equal steps, or one is for all. The variance is with what keeps it
    from 0.
    """

    def __init__(self, rows: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(rows, channels))
        self.register_buffer("variance", torch.ones(rows, channels))
        self.row = rows - 1.0

    def at(self, truncation: float) -> None:
        """Takes the statistics of a truncation from 0 to 1; between two rows, what lies between them."""
        row = truncation * (len(self.get_buffer("mean")) - 1)
        self.row = float(round(row)) if abs(row - round(row)) < 1e-6 else row

    def normed(self, x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        low, high, share = math.floor(self.row), math.ceil(self.row), self.row % 1.0
        mean, variance = (torch.lerp(each[low], each[high], share) for each in map(self.get_buffer, ("mean", "variance")))
        scale = gain * torch.rsqrt(variance)
        shift = bias - mean * scale
        return x * scale[:, :, None, None].to(x.dtype) + shift[:, :, None, None].to(x.dtype)


class Conditional(Standing):
    """Gain and bias are linear in a condition (N, L)."""

    def __init__(self, rows: int, channels: int, condition: int) -> None:
        super().__init__(rows, channels)
        self.gain = nn.Linear(condition, channels, bias=False)
        self.bias = nn.Linear(condition, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.normed(x, 1.0 + self.gain(condition), self.bias(condition))


class Unconditional(Standing):
    """Gain and bias are the same for all."""

    def __init__(self, rows: int, channels: int) -> None:
        super().__init__(rows, channels)
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.normed(x, self.gain[None], self.bias[None])


def doubled(x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, 2h, 2w), each pixel four times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class First(nn.Linear):
    """(N, L) -> (N, channels, side, side)."""

    def __init__(self, inputs: int, channels: int, side: int) -> None:
        super().__init__(inputs, channels * side * side)
        self.channels, self.side = channels, side

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).view(-1, self.channels, self.side, self.side)


class Block(nn.Module):
    """(N, before, h, w) under a condition (N, L) -> (N, after, h, w), or twice the sides.

    weights: shapes of its convolutions. upsampled: before the first convolution that is larger than a pixel. shortcut: a
    convolution leads past the others; else the first channels do, as they are.
    """

    def __init__(self, weights: Sequence[Sequence[int]], condition: int, rows: int, upsampled: bool, shortcut: bool) -> None:
        super().__init__()
        before, after = weights[0][1], weights[-1][0]
        self.norms = nn.ModuleList(Conditional(rows, weight[1], condition) for weight in weights)
        self.convs = nn.ModuleList(nn.Conv2d(size[1], size[0], size[2], padding=size[2] // 2) for size in weights)
        self.shortcut = nn.Conv2d(before, after, 1) if shortcut else None
        self.upsampled = next(place for place, weight in enumerate(weights) if weight[2] > 1) if upsampled else None

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        past = x
        for place, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            x = F.relu(norm(x, condition))
            x = conv(doubled(x) if place == self.upsampled else x)
        past = past[:, : x.shape[1]] if self.shortcut is None else self.shortcut(past)
        return x + (past if self.upsampled is None else doubled(past))


class Attention(nn.Module):
    """Self-attention (Zhang et al., ICML 2019) of every position to the maxima of 2x2 positions, times a learned gamma, beside
    x (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        key, value = channels // 8, channels // 2
        self.theta = nn.Conv2d(channels, key, 1, bias=False)
        self.phi = nn.Conv2d(channels, key, 1, bias=False)
        self.g = nn.Conv2d(channels, value, 1, bias=False)
        self.o = nn.Conv2d(value, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.theta(x), F.max_pool2d(self.phi(x), 2), F.max_pool2d(self.g(x), 2)
        query, key, value = (each.flatten(2).transpose(1, 2) for each in maps)
        seen = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        attended: Tensor = self.o(seen.transpose(1, 2).reshape(len(x), -1, *x.shape[2:]))
        return x + self.gamma * attended


class Output(nn.Module):
    """(N, C, H, W) -> (N, 3, H, W) in [-1, 1]."""

    def __init__(self, rows: int, channels: int) -> None:
        super().__init__()
        self.norm = Unconditional(rows, channels)
        self.conv = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv(F.relu(self.norm(x))))


class BigGan(ClassedGenerator):
    """Layers are `linear`, `block1` and so on, `attention4` after `block4`: the activations (N, C, h, w).

    The condition of a block is the class's embedding and a part of z. A state that also holds `embedding` (N, L) is run with
    that instead of the embedding of `label`. parts: of z, those of `linear` and of each block. joined: the embedding enters
    `linear`, too.
    """

    def __init__(
        self, classes: int, embedding: int, parts: Sequence[slice], joined: bool, layers: Sequence[tuple[str, nn.Module]],
        output: Output, resolution: int,
    ) -> None:  # fmt: skip
        super().__init__(max(part.stop for part in parts), layers, output, resolution, classes)
        self.shared = nn.Embedding(classes, embedding, _weight=torch.zeros(classes, embedding))  # draws without memory are slow
        self.parts, self.joined = tuple(parts), joined

    def sampled(
        self, truncation: float | None = None, label: int | None = None, label_shares: Mapping[int, float] | None = None
    ) -> None:
        """Sets how it is sampled. truncation: from 0 to 1, of which the statistics are, too; default: 1 where they are of
        truncations, else z is not truncated. Raises RequestError for a class that it does not have."""
        norms = [module for module in self.modules() if isinstance(module, Standing)]
        indexed = len(norms[0].get_buffer("mean")) > 1
        super().sampled(1.0 if truncation is None and indexed else truncation, label, label_shares)
        for norm in norms:
            norm.at(self.truncation or 1.0)

    @property
    def spaces(self) -> tuple[Space, ...]:
        """z alone: the class is given."""
        cut = "" if self.truncation is None else f" between ±{TAIL:g}, times {self.truncation:g}"
        return (Space("z", (self.latent,), f"normal{cut}", self.layers[0]),)

    def cut_off(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Draws between ±2, times the truncation."""
        return z if self.truncation is None else truncated(z, TAIL) * np.float32(self.truncation)

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """See `Generator.run`. Raises RequestError for a layer that does not exist, naming those that do."""
        if "embedding" in state:
            return super().run(state, after, upto)
        done = super().run({**state, "embedding": self.shared(self.label_of(state))}, after, upto)
        return MappingProxyType({name: value for name, value in done.items() if name != "embedding"})

    def start(self, state: State) -> Tensor:
        part = state["z"][:, self.parts[0]]
        return torch.cat([state["embedding"], part], dim=1) if self.joined else part

    def layer(self, name: str, x: Tensor, state: State) -> Tensor:
        module = self.get_submodule(name)
        if not isinstance(module, Block):
            return super().layer(name, x, state)
        part = state["z"][:, self.parts[int(name.removeprefix("block"))]]
        output: Tensor = module(x, torch.cat([state["embedding"], part], dim=1))
        return output


def from_weights(tensors: Mapping[str, Tensor]) -> BigGan:
    """The network whose sizes are those of `tensors`, named as here (its parameters are not filled yet).

    Whether a block without a convolution on its shortcut doubles the sides, no shape shows: as in the paper, every second one
    does, and each that has fewer channels after it.
    """
    classes, embedding = _shape(tensors, "shared.weight", 2)
    outputs, inputs = _shape(tensors, "linear.weight", 2)
    channels, condition = _shape(tensors, "block1.norms.0.gain.weight", 2)
    rows = _shape(tensors, "block1.norms.0.mean", 2)[0]
    side = math.isqrt(outputs // channels)
    layers: list[tuple[str, nn.Module]] = [("linear", First(inputs, channels, side))]
    blocks, doublings = 0, 0
    while True:
        if f"attention{blocks}.theta.weight" in tensors:
            layers.append((f"attention{blocks}", Attention(channels)))
        if f"block{blocks + 1}.convs.0.weight" not in tensors:
            break
        blocks += 1
        weights: list[Sequence[int]] = []
        while f"block{blocks}.convs.{len(weights)}.weight" in tensors:
            weights.append(_shape(tensors, f"block{blocks}.convs.{len(weights)}.weight", 4))
        shortcut, (before, after) = f"block{blocks}.shortcut.weight" in tensors, (weights[0][1], weights[-1][0])
        upsampled = shortcut or blocks % 2 == 0 or after < before
        if (after > before and not shortcut) or not any(weight[2] > 1 for weight in weights):
            raise RequestError(f"these are not the weights of a biggan generator (block{blocks} has convolutions {weights})")
        layers.append((f"block{blocks}", Block(weights, condition, rows, upsampled, shortcut)))
        channels, doublings = after, doublings + upsampled
    parts, joined = _parts(inputs, condition - embedding, embedding, blocks)
    return BigGan(classes, embedding, parts, joined, layers, Output(rows, channels), side * 2**doublings)


def _parts(inputs: int, part: int, embedding: int, blocks: int) -> tuple[list[slice], bool]:
    """The parts of z that `linear` (of so many inputs) and each block are given, and whether the embedding enters `linear`.

    part: of z in a block's condition. It is none; a part for each; or, in BigGAN-deep, all of it for all.
    """
    if part == 0:
        return [slice(0, inputs), *[slice(0, 0)] * blocks], False
    if part == inputs:
        return [slice(number * part, (number + 1) * part) for number in range(blocks + 1)], False
    if part > 0 and part + embedding == inputs:
        return [slice(0, part)] * (blocks + 1), True
    raise RequestError(
        f"these are not the weights of a biggan generator: the first layer has {inputs} inputs, a block's condition is a class "
        f"of {embedding} numbers and {part} of z"
    )


def _shape(tensors: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    """Raises RequestError where it is missing, of other dimensions, or empty."""
    shape = tuple(tensors[name].shape) if name in tensors else None
    if shape is None or len(shape) != dimensions or 0 in shape:
        raise RequestError(f"these are not the weights of a biggan generator ({name} is {shape or 'missing'})")
    return shape
