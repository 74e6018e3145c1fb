"""The generators of Bau et al. (ICCV 2019): progressive GANs, and their 128 px ablations, WGAN-GP among them.

A block is [pixel norm] → [nearest upsampling] → convolution → scale, bias or batch norm → (leaky) ReLU; two a resolution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.in_batches import InBatches
from ganaudit.generators.networks.progan import pixel_norm
from ganaudit.generators.protocol import LayeredGenerator

SLOPE = 0.2


class Scale(nn.Module):
    """x·s + b by channel: the scale of an equalised learning rate, constant or, where the file has one, stored."""

    def __init__(self, width: int, scale: float | None) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.zeros(width))
        self.scale: nn.Parameter | float = nn.Parameter(torch.ones(1)) if scale is None else scale

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.b[:, None, None]


class Block(nn.Module):
    """weight: the convolution's shape. ends: what follows it, `scale`, `stored` (a scale in the file), `bias` or `norm`.

    gain: of the constant scale, gain / √(side² · channels). slope: of its leaky ReLU; None in the last block, which clamps.
    """

    def __init__(
        self, weight: Sequence[int], ends: str, pixel: bool, upsampled: bool, slope: float | None, bias: bool = False,
        clamped: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        after, before, kernel = weight[:3]
        gain = math.sqrt(2.0) if slope is not None else 1.0
        self.conv = nn.Conv2d(before, after, kernel, padding={4: 3, 3: 1, 1: 0}[kernel], bias=bias)
        if ends in ("scale", "stored"):
            self.wscale = Scale(after, gain / kernel / math.sqrt(before) if ends == "scale" else None)
        if ends == "norm":
            self.norm = nn.BatchNorm2d(after)
        self.pixel, self.upsampled, self.slope, self.clamped = pixel, upsampled, slope, clamped

    def forward(self, x: Tensor) -> Tensor:
        return self.normed(self.convolved(x))

    def convolved(self, x: Tensor) -> Tensor:
        """What is scaled or normalised."""
        x = x if x.ndim == 4 else x[:, :, None, None]
        x = pixel_norm(x) if self.pixel else x
        convolved: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.upsampled else x)
        return convolved

    def normed(self, x: Tensor, statistics: Tensor | None = None) -> Tensor:
        """The output of what was convolved. statistics: mean and variance of the batch norm, (N or 1, 2, C); default: stored
        ones."""
        if statistics is not None:
            mean, variance = statistics[:, :, :, None, None].unbind(dim=1)
            gain, bias = self.norm.weight[:, None, None], self.norm.bias[:, None, None]
            x = (x - mean) * torch.rsqrt(variance + self.norm.eps) * gain + bias
        else:
            x = self.wscale(x) if hasattr(self, "wscale") else self.norm(x) if hasattr(self, "norm") else x
        if self.slope is None:
            return (F.hardtanh(x) if self.clamped else x).expand(-1, 3, -1, -1)
        return F.leaky_relu(x, self.slope)


def body(tensors: Mapping[str, Tensor], options: Any) -> LayeredGenerator:
    """The network whose sizes are those of `tensors`, by the names that `translated` gives.

    options: `pixel_norm`, of files with stored scales, whose keys are the same in both; `batch_norm`. Raises RequestError
    without the first, and for what the network does not have.
    """
    shapes: list[Sequence[int]] = []
    while f"layer{len(shapes) + 1}.conv.weight" in tensors:
        shapes.append(tensors[f"layer{len(shapes) + 1}.conv.weight"].shape)
    ends = next(
        (end for end, key in (("norm", "norm.weight"), ("stored", "wscale.scale"), ("scale", "wscale.b"))
         if f"layer1.{key}" in tensors), "bias",
    )  # fmt: skip
    asked = getattr(options, "pixel_norm", None)
    if ends == "stored" and asked is None:
        raise RequestError(
            "these may be the weights of the ablation equalized-learning-rate or of pixelwise-normalization, whose files have "
            "the same keys; say which: pixel_norm: ends, or pixel_norm: everywhere"
        )
    if ends != "stored" and asked is not None:
        raise RequestError("pixel_norm is said of the ablations with stored scales; these weights are of no such one")
    family = InBatches if getattr(options, "batch_norm", None) == "batch" else LayeredGenerator
    if family is InBatches and ends != "norm":
        raise RequestError("batch_norm is said of generators with batch norms; these are the weights of one without")
    everywhere = ends == "scale" or asked == "everywhere"
    slope = 0.0 if ends == "norm" else SLOPE
    blocks: list[tuple[str, nn.Module]] = []
    for place, shape in enumerate(shapes):
        pixel = everywhere or (place == 0 and ends != "norm")
        blocks.append((f"layer{place + 1}", Block(shape, ends, pixel, place >= 2 and place % 2 == 0, slope, ends == "bias")))
    last = tensors["output.conv.weight"].shape
    if last[0] not in (1, 3):
        raise RequestError(f"these are the weights of a generator of {last[0]} channels; images have 1 or 3")
    scaled = ends if ends in ("scale", "stored") else "bias"
    output = Block(last, scaled, ends in ("scale", "stored"), False, None, scaled == "bias")
    return family(shapes[0][1], blocks, output, resolution=4 * 2 ** ((len(shapes) - 1) // 2))


PROGAN, SIMPLE, STANDARD, STORED = (
    {"conv.weight", "wscale.b"}, {"conv.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"},
    {"conv.weight", "conv.bias"}, {"conv.weight", "wscale.b", "wscale.scale"},
)  # fmt: skip
"""What a block has: of a progressive GAN, of WGAN-GP and its like, of the minibatch ablations, of those with stored scales."""
ABLATED = 12
"""Blocks of the 128 px ablations."""
COUNTER = "norm.num_batches_tracked"


def blocks_of(tensors: Mapping[str, Tensor]) -> tuple[list[set[str]], set[str]] | None:
    """What each block and the output have, under either spelling; None where something else is in the file, or shapes that do
    not follow each other."""
    named = translated(tensors)
    inside: dict[str, set[str]] = {}
    for name in named:
        module, _, last = name.partition(".")
        inside.setdefault(module, set()).add(last)
    blocks = [inside.pop(f"layer{number + 1}", set()) - {COUNTER} for number in range(len(inside) - 1)]
    output = inside.pop("output", set())
    if inside or len(blocks) < 2 or not all(blocks):
        return None
    weights = [named.get(f"{module}.conv.weight") for module in (*(f"layer{n + 1}" for n in range(len(blocks))), "output")]
    channels: int | None = None
    for place, weight in enumerate(weights):
        kernel = 4 if place == 0 else 1 if place == len(blocks) else 3
        if weight is None or weight.ndim != 4 or tuple(weight.shape[2:]) != (kernel, kernel):
            return None
        if channels is not None and weight.shape[1] != channels:
            return None
        channels = int(weight.shape[0])
    return blocks, output


def fits(blocks: set[str], output: set[str], tensors: Mapping[str, Tensor]) -> bool:
    """Whether every block of a file has these, and its output those."""
    has = blocks_of(tensors) if any(name.startswith(("layer1.conv.", "features.0.conv.")) for name in tensors) else None
    return has is not None and all(each == blocks for each in has[0]) and has[1] == output


def is_progan(tensors: Mapping[str, Tensor]) -> bool:
    """Whether it is a progressive GAN; older files have the constant scales, too, which the ablations of 12 blocks store."""
    has = blocks_of(tensors) if fits(STORED, STORED, tensors) else None
    return fits(PROGAN, PROGAN, tensors) or (has is not None and len(has[0]) != ABLATED)


def is_stored(tensors: Mapping[str, Tensor]) -> bool:
    """Whether it is one of the two ablations with stored scales."""
    return fits(STORED, STORED, tensors) and not is_progan(tensors)


is_simple = partial(fits, SIMPLE, STANDARD)
is_standard = partial(fits, STANDARD, STANDARD)


def translated(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of either spelling (`layer1`, `output_8x8`; `features.0`, `output`) by the names of the body."""
    named = {}
    for name, value in tensors.items():
        module, _, rest = name.partition(".")
        if module == "features":
            number, _, rest = rest.partition(".")
            module = f"layer{int(number) + 1}" if number.isdecimal() else module
        elif module.startswith("output_"):
            module = "output"
        named[f"{module}.{rest}"] = value
    return named


def translated_progan(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`translated`, without scales, which are constant."""
    return {name: value for name, value in translated(tensors).items() if not name.endswith("wscale.scale")}
