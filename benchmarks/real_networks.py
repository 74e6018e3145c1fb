"""Generators of the sizes that are published, with random weights, and a diffusion pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganaudit.generators.networks import biggan, dcgan, r3gan, reference_progan, stylegan2, stylegan3
from ganaudit.generators.protocol import LayeredGenerator

SIDES = [4 * 2**place for place in range(9)]
Shapes = Mapping[str, Sequence[int]]


def _empty(shapes: Shapes) -> dict[str, Tensor]:
    """Tensors that have shapes alone: what says a network's sizes."""
    return {name: torch.empty(*shape, device="meta") for name, shape in shapes.items()}


def progan(side: int) -> LayeredGenerator:
    """The network of Bau et al. at a size: two blocks a resolution."""
    shapes: dict[str, Sequence[int]] = {}
    before = 512
    for place, each in enumerate(each for each in SIDES if each <= side for _ in range(2)):
        after, kernel = min(512, 16_384 // each), 4 if place == 0 else 3
        shapes |= {f"layer{place + 1}.conv.weight": (after, before, kernel, kernel), f"layer{place + 1}.wscale.b": (after,)}
        before = after
    return reference_progan.body(_empty({**shapes, "output.conv.weight": (3, before, 1, 1), "output.wscale.b": (3,)}), None)


def style(side: int) -> LayeredGenerator:
    """StyleGAN2's configuration f."""
    return stylegan2.stylegan2(512, [512] * 8, [min(512, 32_768 // each) for each in SIDES if each <= side])


def alias_free(side: int) -> LayeredGenerator:
    """StyleGAN3's configuration t at 256 px: the sizes of its fourteen layers, and channels that fall with the cutoff."""
    sizes = {256: (36, 36, 36, 52, 52, 84, 84, 148, 148, 148, 276, 276, 276, 256)}[side]
    rates = [min(side, 2 ** (size - 20).bit_length() // 2) for size in sizes[:-1]] + [side]
    channels = [min(512, round(32_768 / 2 / (2 * (side / 4) ** min(place / 12, 1)))) for place in range(14)]
    shapes: dict[str, Sequence[int]] = {
        "mapping.linears.0.weight": (512, 512), "mapping.linears.1.weight": (512, 512), "input.weight": (512, 512),
        "output.weight": (3, channels[-1], 1, 1),
    }  # fmt: skip
    before, rate_before = 512, rates[0]
    for place, (size, rate, after) in enumerate(zip(sizes, rates, channels, strict=True)):
        name, taps = f"L{place}_{size}_{after}", 12 * rate // rate_before
        shapes |= {f"{name}.weight": (after, before, 3, 3), f"{name}.up_filter": (taps,), f"{name}.down_filter": (12,)}
        before, rate_before = after, rate
    return stylegan3.from_weights(_empty(shapes))


def residual(side: int) -> LayeredGenerator:
    """R3GAN's presets for faces: each stage but the first doubles the side, all have two blocks."""
    widths = [768, 768, 768, 768, 384, 192, 96][: side.bit_length() - 2]
    shapes: dict[str, Sequence[int]] = {
        "stage1.0.weight": (768, 4, 4), "linear.weight": (768, 64), "output.weight": (3, widths[-1], 1, 1)
    }  # fmt: skip
    for stage, (before, width) in enumerate(pairwise([768, *widths]), start=1):
        if stage > 1 and before != width:
            shapes[f"stage{stage}.0.weight"] = (width, before, 1, 1)
        for block in (1, 2):
            convolutions = (2 * width, width, 1, 1), (2 * width, 16, 3, 3), (width, 2 * width, 1, 1)
            shapes |= {f"stage{stage}.{block}.weights.{place}": shape for place, shape in enumerate(convolutions)}
    return r3gan.from_weights(_empty(shapes))


def big(side: int) -> LayeredGenerator:
    """BigGAN at 128 px, as published."""
    shapes: dict[str, Sequence[int]] = {
        "shared.weight": (1000, 128), "linear.weight": (16 * 1536, 20), "block1.norms.0.gain.weight": (1536, 148),
        "block1.norms.0.mean": (1, 1536), "attention4.theta.weight": (24, 192, 1, 1),
    }  # fmt: skip
    for block, (before, after) in enumerate(pairwise({128: (1536, 1536, 1536, 768, 384, 192, 96)}[side][1:]), start=1):
        shapes |= {f"block{block}.convs.0.weight": (after, before, 3, 3), f"block{block}.convs.1.weight": (after, after, 3, 3)}
        shapes[f"block{block}.shortcut.weight"] = (after, before, 1, 1)
    return biggan.from_weights(_empty(shapes))


def big_deep(side: int) -> LayeredGenerator:
    """BigGAN-deep at 128 px, as published."""
    shapes: dict[str, Sequence[int]] = {
        "shared.weight": (1000, 128), "linear.weight": (16 * 2048, 256), "block1.norms.0.gain.weight": (2048, 256),
        "block1.norms.0.mean": (51, 2048), "attention8.theta.weight": (32, 256, 1, 1),
    }  # fmt: skip
    chain = {128: (2048, 2048, 2048, 2048, 1024, 1024, 512, 512, 256, 256, 128)}[side]
    for block, (before, after) in enumerate(pairwise(chain), start=1):
        inner = before // 4
        convolutions = (inner, before, 1, 1), (inner, inner, 3, 3), (inner, inner, 3, 3), (after, inner, 1, 1)
        shapes |= {f"block{block}.convs.{place}.weight": shape for place, shape in enumerate(convolutions)}
    return biggan.from_weights(_empty(shapes))


def deep(side: int) -> LayeredGenerator:
    """The DCGAN of 64 channels in its last layer but one."""
    return dcgan.dcgan(100, 16 * side, [16 * side >> place for place in range(1, side.bit_length() - 2)])


MADE: Mapping[str, Callable[[int], LayeredGenerator]] = {
    "progan": progan, "stylegan2": style, "dcgan": deep, "stylegan3": alias_free, "r3gan": residual, "biggan": big,
    "biggan-deep": big_deep,
}  # fmt: skip


def network(family: str, side: int) -> LayeredGenerator:
    """A generator whose random numbers neither vanish nor grow without end."""
    torch.manual_seed(0)
    made = MADE[family](side)
    if family in ("stylegan3", "r3gan", "biggan", "biggan-deep"):
        for name, value in [*made.named_parameters(), *made.named_buffers()]:
            if name.endswith("filter"):
                value.copy_(_low_pass(value.numel()))
            elif value.ndim > 1 and value.is_floating_point() and not name.endswith(("mean", "variance", "transform")):
                nn.init.normal_(value, 0.0, value[0].numel() ** -0.5)
    for module in made.modules():
        if isinstance(module, reference_progan.Block):
            nn.init.normal_(module.conv.weight)
    return made


def _low_pass(taps: int) -> Tensor:
    """A windowed sinc of sum 1 that passes a fifth of the rate it is applied at."""
    found = torch.sinc(0.4 * (torch.arange(taps) - (taps - 1) / 2)) * torch.hann_window(taps + 2, periodic=False)[1:-1]
    return found / found.sum()


def pipeline(folder: Path) -> Path:
    """DDIM with the UNet of Ho et al. (NeurIPS 2020) for CIFAR-10, 32 px, as `save_pretrained` writes it."""
    if not folder.exists():
        diffusers: Any = __import__("diffusers")
        torch.manual_seed(0)
        blocks = {
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        }
        unet = diffusers.UNet2DModel(sample_size=32, layers_per_block=2, block_out_channels=(128, 256, 256, 256), **blocks)
        diffusers.DDIMPipeline(unet, diffusers.DDIMScheduler()).save_pretrained(folder)
    return folder
