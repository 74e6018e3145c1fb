"""A residual network (He et al., CVPR 2016) whose stem is three 3x3 convolutions, as the scene parsers of MIT CSAIL have it."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.parsers.networks.convolutions import size


class Block(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of 1x1, 3x3 and 1x1, beside a shortcut. widths: channels before and after each
    convolution. dilation: of the first 3x3 convolution, and of those after it."""

    def __init__(self, widths: tuple[int, ...], stride: int, dilation: tuple[int, int], projected: bool) -> None:
        super().__init__()
        self.depth = len(widths) - 1
        for place in range(1, self.depth + 1):
            side = 1 if self.depth == 3 and place != 2 else 3
            first = place == self.depth - 1
            gap = 1 if side == 1 else dilation[0] if first else dilation[1]
            self.add_module(f"conv{place}", nn.Conv2d(
                widths[place - 1], widths[place], side, stride if first else 1, side // 2 * gap, gap, bias=False
            ))  # fmt: skip
            self.add_module(f"bn{place}", nn.BatchNorm2d(widths[place]))
        self.downsample = (
            nn.Sequential(nn.Conv2d(widths[0], widths[-1], 1, stride, bias=False), nn.BatchNorm2d(widths[-1]))
            if projected
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for place in range(1, self.depth + 1):
            y = getattr(self, f"bn{place}")(getattr(self, f"conv{place}")(F.relu(y) if place > 1 else y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """(N, 3, H, W) -> the maps of its four stages, of strides 4, 8, 16 and 32; dilated: 4, 8, 8 and 8, the convolutions of the
    last two stages reaching as far as they would."""

    def __init__(self, stem: tuple[int, int, int], stages: list[list[tuple[tuple[int, ...], bool]]], dilated: bool) -> None:
        super().__init__()
        for place, (before, width) in enumerate(zip((3, *stem), stem, strict=False), start=1):
            self.add_module(f"conv{place}", nn.Conv2d(before, width, 3, 2 if place == 1 else 1, 1, bias=False))
            self.add_module(f"bn{place}", nn.BatchNorm2d(width))
        for place, blocks in enumerate(stages, start=1):
            gap = {3: 2, 4: 4}.get(place, 1) if dilated else 1
            stride = 1 if place == 1 or gap > 1 else 2
            made = [
                Block(widths, stride if first else 1, (max(1, gap // 2) if first else gap, gap), projected)
                for first, (widths, projected) in zip([True] + [False] * len(blocks), blocks, strict=False)
            ]
            self.add_module(f"layer{place}", nn.Sequential(*made))

    def forward(self, x: Tensor) -> list[Tensor]:
        for place in (1, 2, 3):
            x = F.relu(getattr(self, f"bn{place}")(getattr(self, f"conv{place}")(x)))
        x = F.max_pool2d(x, 3, 2, 1)
        maps = []
        for place in (1, 2, 3, 4):
            x = getattr(self, f"layer{place}")(x)
            maps.append(x)
        return maps


def from_weights(tensors: Mapping[str, Tensor], dilated: bool = False) -> ResNet:
    """The network whose depth and widths are those of `tensors` (its parameters are not filled yet). Raises RequestError."""
    stem = (size(tensors, "conv1.weight"), size(tensors, "conv2.weight"), size(tensors, "conv3.weight"))
    return ResNet(stem, [_stage(tensors, f"layer{place}") for place in (1, 2, 3, 4)], dilated)


def _stage(tensors: Mapping[str, Tensor], stage: str) -> list[tuple[tuple[int, ...], bool]]:
    blocks: list[tuple[tuple[int, ...], bool]] = []
    while f"{stage}.{len(blocks)}.conv1.weight" in tensors:
        block = f"{stage}.{len(blocks)}"
        names = [f"{block}.conv{place}.weight" for place in (1, 2, 3) if f"{block}.conv{place}.weight" in tensors]
        widths = (size(tensors, names[0], 1), *(size(tensors, name) for name in names))
        if len(widths) < 3:
            raise RequestError(f"there is no usable {block}.conv2.weight")
        blocks.append((widths, f"{block}.downsample.0.weight" in tensors))
    if not blocks:
        raise RequestError(f"there is no usable {stage}.0.conv1.weight")
    return blocks
