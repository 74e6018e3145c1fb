"""The progressive-growing body (Karras et al., ICLR 2018): pixel norm, upsampling, 3x3 convolutions, leaky ReLU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.output import Output
from ganaudit.generators.protocol import LayeredGenerator


def pixel_norm(x: Tensor) -> Tensor:
    """Each position's channel vector (dimension 1), scaled to root mean square 1."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class ProganFirst(nn.Module):
    """z (N, latent) on its sphere -> (N, width, 4, 4)."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(latent, width * 16)

    def forward(self, z: Tensor) -> Tensor:
        x = self.linear(pixel_norm(z)).unflatten(1, (-1, 4, 4))
        return pixel_norm(F.leaky_relu(x, 0.2))


class ProganDoubling(nn.Module):
    """(N, C, h, w) -> (N, widths[-1], 2h, 2w): nearest upsampling, then one convolution for each width."""

    def __init__(self, width: int, widths: Sequence[int]) -> None:
        super().__init__()
        chain = [width, *widths]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(chain))

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        for convolution in self.convolutions:
            x = pixel_norm(F.leaky_relu(convolution(x), 0.2))
        return x


def progan(latent: int, width: int, widths: Sequence[Sequence[int]]) -> LayeredGenerator:
    """`layer1` is (width, 4, 4); each further layer doubles the side, with convolutions to widths[k]."""
    layers: list[tuple[str, nn.Module]] = [("layer1", ProganFirst(latent, width))]
    for number, chain in enumerate(widths, start=2):
        layers.append((f"layer{number}", ProganDoubling(width, chain)))
        width = chain[-1]
    return LayeredGenerator(latent, layers, Output(width), resolution=4 * 2 ** len(widths))


def convolution_widths(tensors: Mapping[str, Tensor]) -> list[list[int]]:
    """Output channels of the convolutions of layer2, layer3 and so on."""
    widths: list[list[int]] = []
    while f"layer{len(widths) + 2}.convolutions.0.weight" in tensors:
        prefix = f"layer{len(widths) + 2}.convolutions"
        chain: list[int] = []
        while f"{prefix}.{len(chain)}.weight" in tensors:
            chain.append(int(tensors[f"{prefix}.{len(chain)}.weight"].shape[0]))
        widths.append(chain)
    return widths


def from_weights(tensors: Mapping[str, Tensor]) -> LayeredGenerator:
    """The body whose sizes are those of `tensors` (its parameters are not filled yet)."""
    try:
        rows, latent = tensors["layer1.linear.weight"].shape
        widths = convolution_widths(tensors)
    except (KeyError, ValueError, IndexError) as missing:
        raise RequestError(f"these are not the weights of a progan generator (no usable {missing})") from None
    if not widths or rows % 16:
        raise RequestError("these are not the weights of a progan generator (no layer2, or a first layer that is not 4x4)")
    return progan(int(latent), int(rows) // 16, widths)
