"""Tiny scene parsers with random weights, as folders that look like the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

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


@pytest.fixture(scope="session")
def upp_tensors():
    """(encoder, decoder): synchronised norms leave tracks; counters may lack."""
    tensors = filled(encoder(), 1)
    tracks = {name[: -len("running_mean")] + "_tmp_running_mean": value for name, value in tensors.items() if "g_mean" in name}
    return tensors | tracks | {"bn1._running_iter": torch.ones(1)}, filled(unified(), 2)


@pytest.fixture
def upp_folder(tmp_path, upp_tensors):
    saved(tmp_path / "upp", *upp_tensors)
    (tmp_path / "upp" / "labels.json").write_text(json.dumps(LABELS))
    return tmp_path / "upp"


def opened(kind: str, precision: str = "float32", **options):
    """What a kind of parser opens."""
    found = find("parsers", kind)
    return found.open(found.options(kind=kind, **options), Context(Path("/"), precision=precision))
