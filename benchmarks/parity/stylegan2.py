"""StyleGAN2 in NVlabs/stylegan2-ada-pytorch, and in rosinality/stylegan2-pytorch."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.parity.official import Given, Official, filled, latents, one_hot, saved
from benchmarks.parity.stylegan3 import pickled

SIDE, CHANNELS = 256, 32
"""Of the images, and of the widest layers: fewer than published, so that all sizes cost little."""


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """Whichever of the two repositories a clone is of."""
    if (clone / "training" / "networks.py").is_file():
        return {
            f"NVIDIA, {SIDE} px": nvidia, f"NVIDIA, {SIDE} px, ψ 0.5 of 6": partial(nvidia, truncation=0.5, cutoff=6),
            "NVIDIA, 64 px, 3 classes": partial(nvidia, side=64, classes=3),
            "NVIDIA, 64 px, four resolutions in float16": partial(nvidia, side=64, half=4, precision="half"),
        }  # fmt: skip
    return {"rosinality, 64 px": rosinality}


def nvidia(side: int = SIDE, classes: int = 0, half: int = 0, **options: Any) -> Official:
    """With the noise that is in the weights. half: so many resolutions are in float16, which this code takes on a processor,
    too."""
    sizes = {"channel_max": CHANNELS, **({"num_fp16_res": half, "conv_clamp": 256} if half else {})}
    made = importlib.import_module("training.networks").Generator(512, classes, 512, side, 3, synthesis_kwargs=sizes)
    network, given = filled(made), {"z": latents(512)}
    if classes:
        given["label"] = torch.arange(2) % classes
    layers = {f"b{each}": network.synthesis.get_submodule(f"b{each}") for each in network.synthesis.block_resolutions}
    said = {"truncation_psi": options.get("truncation", 1.0), "truncation_cutoff": options.get("cutoff")}

    def run(given: Given) -> Tensor:
        image: Tensor = network(given["z"], one_hot(given, classes), noise_mode="const", **said)
        return image

    return Official("stylegan2", network, layers, given, run, pickled(network), {"noise": "const", **options})


def rosinality() -> Official:
    """As wide as published. Its own operations are compiled for a GPU: `op` here is the plain formulas of theirs."""
    sys.modules["op"] = operations()
    network = filled(importlib.import_module("model").Generator(64, 512, 8))
    layers = {"b4": network.conv1} | {f"b{8 * 2**place}": network.convs[2 * place + 1] for place in range(len(network.to_rgbs))}

    def run(given: Given) -> Tensor:
        image: Tensor = network([given["z"]], randomize_noise=False)[0]
        return image

    save, options = saved(network, ".pt", "g_ema"), {"noise": "const"}
    return Official("stylegan2", network, layers, {"z": latents(512)}, run, save, options, exact=True)


def operations() -> Any:
    """`FusedLeakyReLU`, `fused_leaky_relu`, `upfirdn2d` and `conv2d_gradfix`."""

    def leaky(x: Any, bias: Any = None, slope: float = 0.2, scale: float = 2**0.5) -> Any:
        shifted = x if bias is None else x + bias.view(1, -1, *[1] * (x.ndim - 2))
        return F.leaky_relu(shifted, slope) * scale

    class Leaky(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(channels))

        def forward(self, x: Any) -> Any:
            return leaky(x, self.bias)

    def filtered(x: Any, kernel: Any, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)) -> Any:
        images, channels, height, width = x.shape
        spread = x.new_zeros(images, channels, height * up, width * up)
        spread[:, :, ::up, ::up] = x
        spread = F.pad(spread, (*pad, *pad)).flatten(0, 1)[:, None]
        smooth = F.conv2d(spread, kernel.flip(0, 1)[None, None])[:, 0, ::down, ::down]
        return smooth.reshape(images, channels, *smooth.shape[1:])

    module: Any = ModuleType("op")
    module.FusedLeakyReLU, module.fused_leaky_relu, module.upfirdn2d = Leaky, leaky, filtered
    module.conv2d_gradfix = F
    return module
