"""The second style-based body (Karras et al., CVPR 2020; with ADA, NeurIPS 2020): demodulated convolutions, an image that
grows beside the activations, noise of each convolution.

As in `stylegan`, activations are scaled instead of weights: the same linear map, and one convolution for a whole batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.conditional_mapping import SLOW, mapping_of
from ganaudit.generators.networks.half import clamp, clamped, resolutions
from ganaudit.generators.networks.output import Clamped
from ganaudit.generators.networks.style_blocks import Block, BlockGenerator, Size, Styled
from ganaudit.generators.networks.stylegan import GAIN, MappingNetwork, SlowLinear
from ganaudit.generators.protocol import BESIDE, State


def _filter(x: Tensor) -> Tensor:
    """[1, 3, 3, 1] in both directions, for each channel of x (N, C, h, w): (C, 1, 4, 4), of sum 4, since three of four pixels
    of what it smooths are zeros put between."""
    taps = x.new_tensor([0.25, 0.75, 0.75, 0.25])
    return torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)


def smoothed(x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, h - 1, w - 1): filtered, with one zero around."""
    return F.conv2d(x, _filter(x), padding=1, groups=x.shape[1])


def doubled(x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, 2h, 2w): zeros between pixels, and filtered."""
    return F.conv_transpose2d(x, _filter(x), stride=2, padding=1, groups=x.shape[1])


class Modulated(nn.Module):
    """A 3x3 convolution of x (N, before, h, w) under style w (N, L), demodulated, with noise (N, 1, *size): (N, after, *size).

    up: zeros are put between the pixels of x, and the convolution's output is smoothed.
    """

    noise_const: Tensor | None
    clamp: float | None = None

    def __init__(self, width: int, before: int, after: int, size: Size, up: bool) -> None:
        super().__init__()
        self.affine = SlowLinear(width, before, 1.0)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(after, before, 3, 3))
        self.bias = nn.Parameter(torch.zeros(after))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(size))
        self.size, self.up = size, up

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        style, weight, half = self.affine(w).float(), self.weight, x.dtype == torch.float16
        if half:  # demodulation keeps no scale: of these no sum is beyond the largest number
            style = style / style.abs().amax(dim=1, keepdim=True)
            weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * weight[0].numel() ** 0.5)
        squares = weight.float().square().sum(dim=(2, 3))
        shrunk = torch.rsqrt(style.square() @ squares.T + 1e-8)
        x = x * style[:, :, None, None].to(x.dtype)
        if self.up:
            x = smoothed(F.conv_transpose2d(x, weight.to(x.dtype).transpose(0, 1), stride=2))
        else:
            x = F.conv2d(x, weight.to(x.dtype), padding=1)
        x = x * shrunk[:, :, None, None].to(x.dtype)
        if noise is not None:
            x = x + (noise * self.noise_strength).to(x.dtype)
        return clamped(F.leaky_relu(x + self.bias[:, None, None].to(x.dtype), 0.2) * GAIN, self.clamp, half)


class ToRGB(nn.Module):
    """x (N, before, h, w) under style w (N, L) -> an image (N, 3, h, w), by a 1x1 convolution without demodulation."""

    clamp: float | None = None

    def __init__(self, width: int, before: int) -> None:
        super().__init__()
        self.affine = SlowLinear(width, before, 1.0)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(3, before, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, half = self.affine(w) * x.shape[1] ** -0.5, x.dtype == torch.float16
        colours = F.conv2d(x * style[:, :, None, None].to(x.dtype), self.weight.to(x.dtype)).float()
        return clamped(colours + self.bias[:, None, None], self.clamp, half)


class ImageBlock(Block):
    """One resolution, of which the first (before is None) holds the constant of the start."""

    def __init__(self, width: int, before: int | None, after: int, size: Size) -> None:
        super().__init__()
        if before is None:
            self.const = nn.Parameter(torch.randn(after, *size))
        else:
            self.conv0 = Modulated(width, before, after, size, up=True)
        self.conv1 = Modulated(width, after, after, size, up=False)
        self.torgb = ToRGB(width, after)

    def styled(self) -> list[Styled]:
        return [self.conv0, self.conv1] if hasattr(self, "conv0") else [self.conv1]


class Stylegan2(BlockGenerator):
    """StyleGAN2, its layers `b4`, `b8` and so on: the activations (N, C, h, w) of a resolution.

    Its latents hold `z` and the noise of each convolution, `noise0` (N, 1, 4, 4), `noise1` (N, 1, 8, 8), `noise2` (N, 1, 8, 8)
    and so on; `w` in a state as in `StyleGenerator`, (N, L) or (N, styles, L): a style for each convolution, and one for the
    last resolution's colours. `b8.beside` is the image of the resolutions before `b8`, at its size; the colours of `b8` itself
    come with what follows, so that they are those of `b8` as it stands in the state.
    """

    def __init__(
        self, latent: int, mapping: MappingNetwork, width: int, channels: Sequence[int], size: Size, averaged: bool
    ) -> None:
        sizes = [(size[0] * 2**k, size[1] * 2**k) for k in range(len(channels))]
        befores = [None, *channels]
        blocks = [ImageBlock(width, *part) for part in zip(befores, channels, sizes, strict=False)]
        super().__init__(latent, mapping, blocks, Clamped(), sizes[-1], 2 * len(channels), averaged)
        self._made: Mapping[str, float] = {}

    @property
    def sampling(self) -> Mapping[str, Any]:
        """With the clamp: what was trained for a generator without one is of another."""
        return {**super().sampling, **self._made}

    def made_with(self, said: Mapping[str, Any]) -> Mapping[str, float]:
        """To what all activations are clamped."""
        limit = clamp(said)
        for module in self.modules():
            if isinstance(module, Modulated | ToRGB):
                module.clamp = limit
        self._made = {} if limit is None else {"clamp": limit}
        return self._made

    def halved(self, said: Mapping[str, Any]) -> Mapping[str, torch.dtype]:
        """The highest resolutions, the first never."""
        return dict.fromkeys(self.layers[1:][-resolutions(said) :] if resolutions(said) else (), torch.float16)

    def beside(self, name: str, x: Tensor, beside: Tensor | None, state: State) -> Tensor | None:
        """The image so far, with the colours of the layer before `name`, at the size of `name`."""
        place = self.layers.index(name)
        return None if place == 0 else doubled(self._colours(place - 1, x, beside, state))

    def resumed(self, after: str, state: State) -> Tensor | None:
        """The image so far; of the state's styles, where it is not in the state."""
        if after == self.layers[0] or after + BESIDE in state:
            return state.get(after + BESIDE)
        return self.run(state, upto=after)[after + BESIDE]

    def finish(self, x: Tensor, beside: Tensor | None, state: State) -> Tensor:
        image: Tensor = self.output(self.unclamped(x, beside, state))
        return image

    def unclamped(self, x: Tensor, beside: Tensor | None, state: State) -> Tensor:
        """The image (N, 3, H, W) of the last layer's activations, whose values may be out of [-1, 1]. state: with `w`."""
        return self._colours(len(self.layers) - 1, x, beside, state)

    def forward(self, z: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] of latents (N, latent), without noise."""
        return self.run({"z": z})["image"]

    def _colours(self, place: int, x: Tensor, beside: Tensor | None, state: State) -> Tensor:
        name = self.layers[place]
        own: Tensor = self.get_submodule(f"{name}.torgb")(self.as_in(name, x), self._style(state, 2 * place + 1))
        return own if beside is None else beside + own


def stylegan2(
    latent: int, widths: Sequence[int], channels: Sequence[int], size: Size = (4, 4), averaged: bool = True
) -> Stylegan2:
    """widths: of the mapping network's layers, the last that of a style. channels: of `b4`, `b8` and so on. size: of the
    first. averaged: it holds its average style."""
    return Stylegan2(latent, MappingNetwork([latent, *widths], SLOW), widths[-1], channels, size, averaged)


def from_weights(tensors: Mapping[str, Tensor]) -> Stylegan2:
    """The body whose sizes are those of `tensors`, named as here (its parameters are not filled yet)."""
    sides = [int(found[1]) for name in tensors if (found := re.match(r"b(\d{1,6})\.", name))]
    try:
        latent, mapping = mapping_of(tensors)
        blocks = max(sides, default=4).bit_length() - 2
        channels = [int(tensors[f"b{4 * 2**k}.conv1.weight"].shape[0]) for k in range(blocks)]
        constant = tuple(tensors["b4.const"].shape)
    except (KeyError, IndexError) as missing:
        raise RequestError(f"these are not the weights of a stylegan2 generator (no usable {missing})") from None
    if len(constant) != 3:
        raise RequestError(f"b4.const of a stylegan2 generator is (channels, height, width), not {constant}")
    _, height, width = constant
    if blocks < 1 or not all((*channels, height, width)):
        raise RequestError("these are not the weights of a stylegan2 generator (sizes of 0)")
    styles = int(mapping.linears[-1].get_parameter("bias").shape[0])
    return Stylegan2(latent, mapping, styles, channels, (height, width), "w_avg" in tensors)
