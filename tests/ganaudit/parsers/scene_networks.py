"""Tiny scene parsers with random weights, as folders that look like the published ones, and the same networks as formulas."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from ganaudit.context import Context
from ganaudit.kinds import find

LABELS = {
    "object": ["-", "sky", "door", "house", "tree", "person"],
    "material": ["-", "wood", "glass"],
    "object_part": {"house": ["-", "roof", "door"], "person": ["-", "head", "arm", "leg"]},
}


def filled(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    """Random tensors: variances and the scales of norms positive, convolutions kept from growing."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 4:
            values *= (2 / values[0].numel()) ** 0.5
        elif name.endswith(("running_var", "weight")):
            values = values.abs() * 0.3 + 0.5
        else:
            values *= 0.3
        tensors[name] = values
    return tensors


def normed(convolution: str, norm: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    statistics = {f"{norm}.{what}": shape[:1] for what in ("weight", "bias", "running_mean", "running_var")}
    return {f"{convolution}.weight": shape} | statistics


def encoder(bottleneck: bool = True, blocks: int = 2) -> dict[str, tuple[int, ...]]:
    """A ResNet of maps of 8, 12, 16 and 20 channels."""
    shapes: dict[str, tuple[int, ...]] = {}
    for place, (before, width) in enumerate([(3, 4), (4, 4), (4, 6)], start=1):
        shapes |= normed(f"conv{place}", f"bn{place}", (width, before, 3, 3))
    before = 6
    for stage, width in enumerate((8, 12, 16, 20), start=1):
        for block in range(blocks):
            at, inner = f"layer{stage}.{block}", width // 2 if bottleneck else width
            sides = (1, 3, 1) if bottleneck else (3, 3)
            chain = [before, inner, inner, width] if bottleneck else [before, width, width]
            for place, side in enumerate(sides, start=1):
                shapes |= normed(f"{at}.conv{place}", f"{at}.bn{place}", (chain[place], chain[place - 1], side, side))
            if block == 0:
                shapes |= normed(f"{at}.downsample.0", f"{at}.downsample.1", (width, before, 1, 1))
            before = width
    return shapes


def pyramid(width: int = 6) -> dict[str, tuple[int, ...]]:
    """What UPerNet has before its heads."""
    shapes: dict[str, tuple[int, ...]] = {}
    for place in range(4):
        shapes |= normed(f"ppm_conv.{place}.0", f"ppm_conv.{place}.1", (5, 20, 1, 1))
    shapes |= normed("ppm_last_conv.0", "ppm_last_conv.1", (width, 40, 3, 3))
    for place, channels in enumerate((8, 12, 16)):
        shapes |= normed(f"fpn_in.{place}.0", f"fpn_in.{place}.1", (width, channels, 1, 1))
        shapes |= normed(f"fpn_out.{place}.0.0", f"fpn_out.{place}.0.1", (width, width, 3, 3))
    return shapes


def unified(width: int = 6) -> dict[str, tuple[int, ...]]:
    """The decoder of Unified Perceptual Parsing for LABELS."""
    shapes = pyramid(width) | normed("conv_fusion.0", "conv_fusion.1", (width, 4 * width, 3, 3))
    for head, last, classes in (("object", 1, 6), ("material", 1, 3), ("part", 1, 7), ("scene", 2, 4)):
        shapes |= normed(f"{head}_head.0.0", f"{head}_head.0.1", (width, width, 3, 3))
        shapes |= {f"{head}_head.{last}.weight": (classes, width, 1, 1), f"{head}_head.{last}.bias": (classes,)}
    return shapes


def saved(folder: Path, encoder_tensors: dict[str, torch.Tensor], decoder_tensors: dict[str, torch.Tensor], epoch: int = 40):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(encoder_tensors, folder / f"encoder_epoch_{epoch}.pth")
    torch.save(decoder_tensors, folder / f"decoder_epoch_{epoch}.pth")
    return folder


def computed(t, x, convolution, norm, stride=1, gap=1, relu=True):
    side = t[f"{convolution}.weight"].shape[-1]
    x = F.conv2d(x, t[f"{convolution}.weight"], stride=stride, padding=gap * (side // 2), dilation=gap)
    x = F.batch_norm(x, *(t[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")))
    return F.relu(x) if relu else x


def encoded(t, x, strides=(1, 2, 2, 2), gaps=((1, 1),) * 4):
    """The maps of the four stages, two bottlenecks each; gaps: of the middle convolution of the first block, of the second."""
    for place, stride in ((1, 2), (2, 1), (3, 1)):
        x = computed(t, x, f"conv{place}", f"bn{place}", stride)
    x, maps = F.max_pool2d(x, 3, stride=2, padding=1), []
    for stage, (stride, (gap, later)) in enumerate(zip(strides, gaps, strict=True), start=1):
        at = f"layer{stage}.0"
        y = computed(t, computed(t, x, f"{at}.conv1", f"{at}.bn1"), f"{at}.conv2", f"{at}.bn2", stride, gap)
        y = computed(t, y, f"{at}.conv3", f"{at}.bn3", relu=False)
        x = F.relu(y + computed(t, x, f"{at}.downsample.0", f"{at}.downsample.1", stride, relu=False))
        at = f"layer{stage}.1"
        y = computed(t, computed(t, x, f"{at}.conv1", f"{at}.bn1"), f"{at}.conv2", f"{at}.bn2", 1, later)
        x = F.relu(x + computed(t, y, f"{at}.conv3", f"{at}.bn3", relu=False))
        maps.append(x)
    return maps


def up(x, like):
    return F.interpolate(x, size=like.shape[2:] if isinstance(like, torch.Tensor) else like, mode="bilinear")


def levels(t, maps, pool):
    """The pyramid, finest first."""
    top = maps[3]
    pooled = [computed(t, up(pool(top, s), top), f"ppm_conv.{i}.0", f"ppm_conv.{i}.1") for i, s in enumerate((1, 2, 3, 6))]
    p5 = computed(t, torch.cat([top, *pooled], 1), "ppm_last_conv.0", "ppm_last_conv.1")
    sums = {3: p5}
    for i in (2, 1, 0):
        sums[i] = up(sums[i + 1], maps[i]) + computed(t, maps[i], f"fpn_in.{i}.0", f"fpn_in.{i}.1")
    return [computed(t, sums[i], f"fpn_out.{i}.0.0", f"fpn_out.{i}.0.1") for i in (0, 1, 2)] + [p5]


def opened(kind: str, precision: str = "float32", **options):
    """What a kind of parser opens."""
    found = find("parsers", kind)
    return found.open(found.options(kind=kind, **options), Context(Path("/"), precision=precision))
