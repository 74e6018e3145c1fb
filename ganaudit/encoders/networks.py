"""Networks from image to latent: the layered encoder of Bau et al. (ICCV 2019), and one network alone.

A layered encoder holds the feature inverter (image -> r) and one inverter e_i for each layer before it:
z = e_1(... e_k(features(x))). The published encoder for 256-pixel ProGANs is one configuration of these classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.generators.networks.progan import pixel_norm
from ganaudit.generators.protocol import State
from ganaudit.generators.shapes import GeneratorShape, LayerShape


@dataclass(frozen=True)
class Trunk:
    """A residual network's sizes.

    kernel, stride: of its first convolution. pool: stride of the 3x3 maximum after that, 0 for none.
    """

    widths: tuple[int, ...]
    strides: tuple[int, ...]
    blocks: int = 1
    kernel: int = 5
    stride: int = 2
    pool: int = 0

    @classmethod
    def between(cls, side: int, to: int, width: int) -> Trunk:
        """Sizes that lead from images of `side` pixels to maps of `to`, starting with `width` channels."""
        halvings = max(0, math.floor(math.log2(side / to)))
        stem = min(halvings, 1)
        stages = halvings - stem + 1
        widths = tuple(min(512, width * 2**depth) for depth in range(stages))
        return cls(widths, (1,) + (2,) * (stages - 1), stride=1 + stem)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al., CVPR 2016), under torchvision's names."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut)


class ResidualNetwork(nn.Module):
    """Images (N, 3, H, W) in [-1, 1] -> maps (N, channels, h, w)."""

    def __init__(self, trunk: Trunk, channels: int, height: int, width: int) -> None:
        super().__init__()
        first = trunk.widths[0]
        self.conv1 = nn.Conv2d(3, first, trunk.kernel, trunk.stride, padding=trunk.kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.pool, self.size = trunk.pool, (height, width)
        before = first
        self.stages = [f"layer{number}" for number in range(1, len(trunk.widths) + 1)]
        for name, after, stride in zip(self.stages, trunk.widths, trunk.strides, strict=True):
            blocks = [
                ResidualBlock(before if place == 0 else after, after, stride if place == 0 else 1)
                for place in range(trunk.blocks)
            ]
            self.add_module(name, nn.Sequential(*blocks))
            before = after
        self.head = nn.Conv2d(before, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        if self.pool:
            x = F.max_pool2d(x, 3, self.pool, padding=1)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        x = F.leaky_relu(self.head(x), 0.2)
        if x.shape[2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        return x


class LatentInverter(nn.Module):
    """e_1: the first layer's output (N, C, h, w) -> z (N, latent)."""

    def __init__(self, layer: LayerShape, hidden: int, latent: int, normed: bool, unit: bool) -> None:
        super().__init__()
        self.normed, self.unit = normed, unit
        self.conv1 = nn.Conv2d(layer.channels, hidden, (layer.height, layer.width))
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, latent, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(pixel_norm(x) if self.normed else x)
        z = self.conv2(F.leaky_relu(self.bn1(x), 0.2)).flatten(1)
        return pixel_norm(z) if self.unit else z


class LayerInverter(nn.Module):
    """e_i, i > 1: a layer's output (N, C, h, w) -> the output of the layer before it.

    last: with a third, 1x1 convolution, whose stride makes up the difference in size.
    """

    def __init__(self, layer: LayerShape, before: LayerShape, hidden: int, normed: bool, last: bool) -> None:
        super().__init__()
        self.normed, self.size = normed, (before.height, before.width)
        self.conv1 = nn.Conv2d(layer.channels, hidden, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, before.channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(before.channels)
        stride = max(1, layer.height // before.height)
        self.conv3 = nn.Conv2d(before.channels, before.channels, 1, stride) if last else None

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.bn1(self.conv1(pixel_norm(x) if self.normed else x)), 0.2)
        x = F.leaky_relu(self.bn2(self.conv2(x)), 0.2)
        if self.conv3 is not None:
            x = self.conv3(x)
        if x.shape[2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        return x


@dataclass(frozen=True)
class LayeredShape:
    """A layered encoder's sizes.

    layers: from the generator's first layer to r. normed: inverters see channel vectors of length 1. unit: so is z.
    last: the layers whose inverter has a third convolution.
    """

    resolution: int
    latent: int
    layers: tuple[LayerShape, ...]
    trunk: Trunk
    hidden: int
    normed: bool
    unit: bool
    last: tuple[str, ...]

    @classmethod
    def of(cls, shape: GeneratorShape, feature: str, width: int = 32, hidden: int = 96) -> LayeredShape:
        """Small sizes for any generator; r is layer `feature`."""
        layers = shape.upto(feature)
        r = layers[-1]
        trunk = Trunk.between(shape.resolution, max(r.height, r.width), width)
        return cls(
            shape.resolution,
            shape.latent,
            layers,
            trunk,
            hidden,
            False,
            shape.direction_only,
            tuple(layer.name for layer in layers[1:]),
        )


class LayeredEncoder(nn.Module):
    """E = e_1(... e_k(features(x))): images (N, 3, H, W) in [-1, 1] -> z and every activation on the way."""

    def __init__(self, shape: LayeredShape) -> None:
        super().__init__()
        self.shape = shape
        self.layers = tuple(layer.name for layer in shape.layers)
        r = shape.layers[-1]
        self.features = ResidualNetwork(shape.trunk, r.channels, r.height, r.width)
        self.inv1 = LatentInverter(shape.layers[0], shape.hidden, shape.latent, shape.normed, shape.unit)
        for number, (before, layer) in enumerate(zip(shape.layers, shape.layers[1:], strict=False), start=2):
            last = layer.name in shape.last
            self.add_module(f"inv{number}", LayerInverter(layer, before, shape.hidden, shape.normed, last))

    def inverter(self, layer: str) -> nn.Module:
        """e_i of the layer with this name."""
        return self.get_submodule(f"inv{self.layers.index(layer) + 1}")

    def below(self, feature: Tensor) -> dict[str, Tensor]:
        """r -> estimates of every layer before it, by name, and of `z`."""
        guesses = {self.layers[-1]: feature}
        for place in range(len(self.layers) - 1, 0, -1):
            guesses[self.layers[place - 1]] = self.inverter(self.layers[place])(guesses[self.layers[place]])
        guesses["z"] = self.inv1(guesses[self.layers[0]])
        return guesses

    def forward(self, x: Tensor) -> State:
        return MappingProxyType(self.below(self.features(x)))


@dataclass(frozen=True)
class DirectShape:
    """A direct encoder's sizes. unit: z is scaled to root mean square 1."""

    resolution: int
    latent: int
    trunk: Trunk
    channels: int
    side: int
    unit: bool

    @classmethod
    def of(cls, shape: GeneratorShape, width: int = 24, channels: int = 48) -> DirectShape:
        """Small sizes for any generator."""
        return cls(shape.resolution, shape.latent, Trunk.between(shape.resolution, 4, width), channels, 4, shape.direction_only)


class DirectEncoder(nn.Module):
    """One network E: images (N, 3, H, W) in [-1, 1] -> z (N, latent)."""

    def __init__(self, shape: DirectShape) -> None:
        super().__init__()
        self.shape = shape
        self.features = ResidualNetwork(shape.trunk, shape.channels, shape.side, shape.side)
        self.latent = nn.Linear(shape.channels * shape.side**2, shape.latent)

    def forward(self, x: Tensor) -> State:
        z = self.latent(self.features(x).flatten(1))
        return MappingProxyType({"z": pixel_norm(z) if self.shape.unit else z})


Encoder = LayeredEncoder | DirectEncoder


def initialise(encoder: nn.Module) -> None:
    """Kaiming-normal weights and zero biases, as the reference starts."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=0.2, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def parameters(encoder: nn.Module) -> int:
    """How many numbers it was given to learn."""
    return sum(value.numel() for value in encoder.parameters())


def square_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of each image, (N,)."""
    return (a - b).square().flatten(1).mean(dim=1)


def absolute_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of each image, (N,): the inversion loss as published."""
    return (a - b).abs().flatten(1).mean(dim=1)


def cosine_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean over positions of 1 - cosine of the channel vectors, (N,): the inversion loss as the reference codes it."""
    return (1.0 - F.cosine_similarity(a, b, dim=1, eps=1e-12)).reshape(len(a), -1).mean(dim=1)


LOSSES = {"l1": absolute_error, "cosine": cosine_error, "mse": square_error}
