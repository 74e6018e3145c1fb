"""A generator's fused copy for a search: the same function and gradients up to rounding, in fewer operations.

A search asks one frozen generator for its image and its slope thousands of times. Nearest upsampling followed by a 3x3
convolution is one transposed convolution of 4x4 (4 products an output pixel instead of 9); leaky ReLU followed by a pixel norm
has a short slope of its own; batch norm in eval mode is part of the convolution before it; weights are brought to the search's
precision once. Where a layer is of no family that is known here, the copy has the layer itself.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.generators.networks import dcgan, progan
from ganaudit.generators.networks.output import Output
from ganaudit.generators.protocol import Generator, LayeredGenerator

SLOPE, EPSILON = 0.2, 1e-8
NARROW = (4, 8, 16)
"""Channels over which a processor reduces bfloat16 slowly, and of which one over their number is exact in it."""


class _LeakyNorm(torch.autograd.Function):
    """progan.pixel_norm(leaky_relu(x)). With y = a s, s the reciprocal of a's length: the slope is s (g - y mean(g y))."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        a = F.leaky_relu(x, SLOPE)
        scale = _mean(a * a).add_(EPSILON).rsqrt_()
        y = a.mul_(scale)
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        y, scale = ctx.saved_tensors
        slope = torch.addcmul(gradient, y, _mean(gradient * y), value=-1)
        # y has the sign of x, because the scale is positive
        changed: Tensor = torch.ops.aten.leaky_relu_backward(slope, y, SLOPE, True)
        return changed.mul_(scale)


class _Progan(nn.Module):
    """`progan.Doubling`."""

    def __init__(self, layer: progan.ProganDoubling) -> None:
        super().__init__()
        first, *rest = layer.convolutions
        assert isinstance(first, nn.Conv2d)
        self.up = nn.ConvTranspose2d(first.in_channels, first.out_channels, 4, stride=2, padding=1)
        self.up.weight, self.up.bias = nn.Parameter(doubled(first.weight.detach())), first.bias
        self.rest = nn.ModuleList(rest)

    def forward(self, x: Tensor) -> Tensor:
        x = _leaky_norm(self.up(x))
        for convolution in self.rest:
            x = _leaky_norm(convolution(x))
        return x


class _Dcgan(nn.Module):
    """`dcgan.Doubling`, its batch norm folded into the convolution."""

    def __init__(self, layer: dcgan.DcganDoubling) -> None:
        super().__init__()
        old, norm = layer.convolution, layer.norm
        assert norm.running_mean is not None and norm.running_var is not None
        self.up = nn.ConvTranspose2d(old.in_channels, old.out_channels, 4, stride=2, padding=1)
        scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
        self.up.weight = nn.Parameter(old.weight.detach() * scale[None, :, None, None])
        self.up.bias = nn.Parameter(norm.bias.detach() - norm.running_mean * scale)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.up(x))


def _mean(x: Tensor) -> Tensor:
    """The mean over channels of (N, C, H, W), (N, 1, H, W); or once for each channel, (N, C, H, W), where a 1x1 convolution
    that makes it so is three times as fast as a reduction and what is done with it together."""
    channels = x.shape[1]
    if x.device.type == "cpu" and x.dtype == torch.bfloat16 and channels in NARROW:
        return F.conv2d(x, x.new_full((channels, channels, 1, 1), 1.0 / channels))
    return x.mean(dim=1, keepdim=True)


def _leaky_norm(x: Tensor) -> Tensor:
    y: Tensor = _LeakyNorm.apply(x)
    return y


def doubled(weight: Tensor) -> Tensor:
    """A 3x3 convolution (out, in, 3, 3) of an image doubled by nearest neighbour, as the weights (in, out, 4, 4) of one
    transposed convolution with stride 2 and padding 1: each of its 4x4 is the sum of the 3x3's that fall on one small pixel."""
    padded = F.pad(weight, (1, 1, 1, 1))
    summed = padded[..., :-1, :-1] + padded[..., 1:, :-1] + padded[..., :-1, 1:] + padded[..., 1:, 1:]
    return summed.flip(2, 3).transpose(0, 1).contiguous()


@torch.no_grad()
def search_twin(generator: Generator, precision: str) -> Generator:
    """The fused copy of a generator of the shipped families; any other generator is its own.

    precision: `float32` or `bfloat16`, that of the search. The copy has parameters of its own that need no gradient.
    """
    if type(generator) is not LayeredGenerator or generator.training:
        return generator
    layers: list[tuple[str, nn.Module]] = []
    for name in generator.layers:
        layer = generator.get_submodule(name)
        if type(layer) is progan.ProganDoubling:
            layers.append((name, _halved(_Progan(layer), precision)))
        elif type(layer) is dcgan.DcganDoubling:
            layers.append((name, _halved(_Dcgan(layer), precision)))
        else:
            layers.append((name, layer))
    output = generator.output
    if type(output) is Output:
        output = _halved(output, precision)
    return LayeredGenerator(generator.latent, layers, output, generator.resolution).eval()


def _halved(module: nn.Module, precision: str) -> nn.Module:
    """A copy whose weights are in the search's precision, once and for all, and need no gradient."""
    made = copy.deepcopy(module).requires_grad_(False).eval()
    return made.to(torch.bfloat16, memory_format=torch.channels_last) if precision == "bfloat16" else made  # type: ignore[call-overload]
