"""The first style-based body (Karras et al., CVPR 2019): normalised activations that a style scales and shifts."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.conditional_mapping import mapping_of
from ganaudit.generators.networks.style_blocks import Block, BlockGenerator, Size, Styled
from ganaudit.generators.networks.stylegan import MappingNetwork, SlowLinear
from ganaudit.generators.networks.stylegan2 import Clamped


@dataclass(frozen=True)
class Habits:
    """In what implementations differ. epsilon: what is added to the variance. early: biases are the convolutions', so that they
    come before a blur, and the constant has none. shared: the noise of a resolution is one."""

    epsilon: float = 1e-8
    early: bool = False
    shared: bool = False


NVIDIA = Habits()


def blurred(x: Tensor) -> Tensor:
    """(N, C, h, w) -> the same shape: [1, 2, 1] / 4 in both directions, with zeros around."""
    taps = x.new_tensor([0.25, 0.5, 0.25])
    return F.conv2d(x, torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])


class Normalised(nn.Module):
    """x (N, before, h, w) under style w (N, L), with noise (N, 1, *size): (N, after, *size).

    [upsampling] → 3x3 convolution → [blur] → noise → bias → leaky ReLU → instance norm → scale and shift. before is None: of
    the constant, without a convolution. up: the sides are doubled, by repetition. constant: it holds noise.
    """

    noise_const: Tensor | None

    def __init__(
        self, width: int, before: int | None, after: int, size: Size, up: bool, constant: bool, habits: Habits
    ) -> None:  # fmt: skip
        super().__init__()
        self.affine = SlowLinear(width, 2 * after, 1.0)
        self.weight = None if before is None else nn.Parameter(torch.randn(after, before, 3, 3))
        self.bias = None if before is None and habits.early else nn.Parameter(torch.zeros(after))
        self.noise_strength = nn.Parameter(torch.zeros(after))
        self.register_buffer("noise_const", torch.randn(size) if constant else None)
        self.size, self.up, self.habits = size, up, habits

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        if self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        if self.weight is not None:
            x = F.conv2d(x, self.weight, padding=1)
        x = blurred(x) if self.up and not self.habits.early else x
        x = x if self.bias is None else x + self.bias[:, None, None].to(x.dtype)
        x = blurred(x) if self.up and self.habits.early else x
        if noise is not None:
            x = x + (noise * self.noise_strength[:, None, None]).to(x.dtype)
        x = F.leaky_relu(x, 0.2)
        variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0, keepdim=True)
        style: Tensor = self.affine(w).float()[:, :, None, None]
        scale, shift = style.chunk(2, dim=1)
        normal = (x.float() - mean) * torch.rsqrt(variance + self.habits.epsilon)
        return (normal * scale + shift).to(x.dtype)


class NormalisedBlock(Block):
    """One resolution, of which the first (before is None) holds the constant of the start."""

    def __init__(self, width: int, before: int | None, after: int, size: Size, constant: bool, habits: Habits) -> None:
        super().__init__()
        if before is None:
            self.const = nn.Parameter(torch.randn(after, *size))
        self.conv0 = Normalised(width, before, after, size, before is not None, constant, habits)
        self.conv1 = Normalised(width, after, after, size, False, constant, habits)

    def styled(self) -> list[Styled]:
        return [self.conv0, self.conv1]


class Stylegan1(BlockGenerator):
    """StyleGAN: two styled layers a resolution, and a 1x1 convolution of the last to colours, clamped to [-1, 1]."""

    def __init__(
        self, latent: int, mapping: MappingNetwork, width: int, channels: Sequence[int], size: Size, averaged: bool,
        constant: bool, habits: Habits,
    ) -> None:  # fmt: skip
        sizes = [(size[0] * 2**k, size[1] * 2**k) for k in range(len(channels))]
        parts = zip([None, *channels], channels, sizes, strict=False)
        blocks = [NormalisedBlock(width, *part, constant, habits) for part in parts]
        output = nn.Sequential(OrderedDict(torgb=nn.Conv2d(channels[-1], 3, 1), clamped=Clamped()))
        super().__init__(latent, mapping, blocks, output, sizes[-1], 2 * len(channels), averaged, habits.shared)


def from_weights(tensors: Mapping[str, Tensor], habits: Habits = NVIDIA) -> Stylegan1:
    """The body whose sizes are those of `tensors`, named as here (its parameters are not filled yet)."""
    sides = [int(found[1]) for name in tensors if (found := re.match(r"b(\d{1,6})\.", name))]
    try:
        latent, mapping = mapping_of(tensors)
        channels = [int(tensors[f"b{4 * 2**k}.conv1.weight"].shape[0]) for k in range(max(sides, default=4).bit_length() - 2)]
        constant = tuple(tensors["b4.const"].shape)
    except (KeyError, IndexError) as missing:
        raise RequestError(f"these are not the weights of a StyleGAN (no usable {missing})") from None
    if len(constant) != 3 or not channels or not all((*channels, *constant)):
        raise RequestError(f"these are not the weights of a StyleGAN: its constant is {constant}, its channels are {channels}")
    width = int(mapping.linears[-1].get_parameter("bias").shape[0])
    holds = "b4.conv0.noise_const" in tensors
    return Stylegan1(latent, mapping, width, channels, constant[1:], "w_avg" in tensors, holds, habits)
