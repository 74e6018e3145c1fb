"""Generator bodies of O-GAN (Su, arXiv:1903.01931), as published: DCGAN of 5x5 kernels, self-modulated; and a residual one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks import progan
from ganaudit.generators.networks.output import Output


class Norm(nn.BatchNorm2d):
    """Batch norm with Keras' constants, as the published code has it."""

    def __init__(self, width: int, affine: bool = True) -> None:
        super().__init__(width, eps=1e-3, momentum=0.01, affine=affine)


class SelfModulated(nn.Module):
    """Batch norm scaled by 1 + γ(z) and shifted by β(z) (Chen et al., ICLR 2019): x (N, C, h, w), z (N, L)."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.norm = Norm(width, affine=False)
        self.scale, self.shift = (
            nn.Sequential(nn.Linear(latent, latent), nn.ReLU(), nn.Linear(latent, width)) for _ in range(2)
        )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        scale, shift = (of_z(z)[:, :, None, None] for of_z in (self.scale, self.shift))
        normed: Tensor = self.norm(x) * (1.0 + scale) + shift
        return normed


class First(nn.Module):
    """z (N, latent) -> (N, width, 4, 4), neither normed nor cut."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(latent, width * 16)

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.linear(z)
        return x.reshape(len(x), -1, 4, 4)


class Transposed(nn.Module):
    """(N, C, h, w) -> (N, width, 2h, 2w): a transposed convolution of 4x4 or 5x5, cut as Keras' "same" does."""

    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(channels, width, kernel, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        doubled: Tensor = self.convolution(x)[:, :, : 2 * height, : 2 * width]
        return doubled


class Normed(nn.Module):
    """A linear map, its norm, which may depend on z, and ReLU."""

    def __init__(self, linear: First | Transposed, norm: Norm | SelfModulated) -> None:
        super().__init__()
        self.linear, self.norm = linear, norm

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        x = self.linear(x)
        return F.relu(self.norm(x, z) if isinstance(self.norm, SelfModulated) else self.norm(x))


class Residual(nn.Module):
    """(N, C, h, w) -> (N, width, 2h, 2w): norm, ReLU, doubling, 3x3; norm, ReLU, 3x3; beside them a doubled 1x1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList((Norm(channels), Norm(width)))
        self.convolutions = nn.ModuleList((nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)))
        self.beside = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolutions[0](F.interpolate(F.relu(self.norms[0](x)), scale_factor=2.0))
        y = self.convolutions[1](F.relu(self.norms[1](y)))
        both: Tensor = y + F.interpolate(self.beside(x), scale_factor=2.0)
        return both


class TransposedOutput(nn.Module):
    """(N, C, h, w) -> (N, 3, 2h, 2w) in [-1, 1]."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.linear = Transposed(channels, 3, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x))


class NormedOutput(nn.Module):
    """(N, C, h, w) -> (N, 3, h, w) in [-1, 1]: norm and ReLU, in which residual layers do not end, before the convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.image = Norm(width), Output(width)

    def forward(self, x: Tensor) -> Tensor:
        image: Tensor = self.image(F.relu(self.norm(x)))
        return image


class Body(NamedTuple):
    """What a layered generator is made of. A layer that is `Normed` is given z, too."""

    latent: int
    layers: Sequence[tuple[str, nn.Module]]
    output: nn.Module
    resolution: int


def _named(layers: Sequence[nn.Module]) -> list[tuple[str, nn.Module]]:
    return [(f"layer{number}", layer) for number, layer in enumerate(layers, start=1)]


def transposed(latent: int, widths: Sequence[int], kernel: int, modulated: bool) -> Body:
    """`layer1` is (widths[0], 4, 4); each further layer doubles the side, and so does the output."""
    maps: list[First | Transposed] = [First(latent, widths[0]), *(Transposed(a, b, kernel) for a, b in pairwise(widths))]
    norms = [SelfModulated(width, latent) if modulated else Norm(width) for width in widths]
    layers = [Normed(linear, norm) for linear, norm in zip(maps, norms, strict=True)]
    return Body(latent, _named(layers), TransposedOutput(widths[-1], kernel), 4 << len(widths))


def residual(latent: int, widths: Sequence[int]) -> Body:
    """`layer1` is (widths[0], 4, 4); each further layer doubles the side."""
    layers = [First(latent, widths[0]), *(Residual(a, b) for a, b in pairwise(widths))]
    return Body(latent, _named(layers), NormedOutput(widths[-1]), 2 << len(widths))


def growing(latent: int, width: int, widths: Sequence[Sequence[int]]) -> Body:
    """The body of `networks.progan`."""
    body = progan.progan(latent, width, widths)
    return Body(latent, [(name, body.get_submodule(name)) for name in body.layers], body.output, body.resolution[0])


def from_weights(tensors: Mapping[str, Tensor]) -> Body:
    """The body whose sizes are those of `tensors` (its parameters are not filled yet)."""
    try:
        if "layer1.linear.linear.weight" in tensors:
            rows, latent = tensors["layer1.linear.linear.weight"].shape
            shapes = _shapes(tensors, "linear.convolution")
            kernel, modulated = int(shapes[0][-1]), "layer1.norm.scale.0.weight" in tensors
            if kernel not in (4, 5):
                raise RequestError(f"these are not the weights of an O-GAN (kernels of {kernel} pixels, not of 4 or 5)")
            return transposed(int(latent), [int(rows) // 16, *(int(shape[1]) for shape in shapes)], kernel, modulated)
        rows, latent = tensors["layer1.linear.weight"].shape
        if "layer2.beside.weight" in tensors:
            return residual(int(latent), [int(rows) // 16, *(int(shape[0]) for shape in _shapes(tensors, "beside"))])
        return growing(int(latent), int(rows) // 16, progan.convolution_widths(tensors))
    except (KeyError, ValueError, IndexError) as missing:
        raise RequestError(f"these are not the weights of an O-GAN (no usable {missing})") from None


def _shapes(tensors: Mapping[str, Tensor], module: str) -> list[torch.Size]:
    """Of the weights of a module of layer2, layer3 and so on."""
    shapes: list[torch.Size] = []
    while f"layer{len(shapes) + 2}.{module}.weight" in tensors:
        shapes.append(tensors[f"layer{len(shapes) + 2}.{module}.weight"].shape)
    return shapes
