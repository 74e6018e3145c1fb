"""BigGAN in ajbrock/BigGAN-PyTorch."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.parity.official import Given, Official, filled, latents, saved


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """A published depth, narrower, and what its scripts may choose."""
    return {
        "128 px": brock,
        "32 px, batch norm of its own": partial(brock, G_ch=16, resolution=32, G_attn="16", mybn=True),
        "64 px, two power steps, two attentions": partial(
            brock, G_ch=8, resolution=64, G_attn="16_32", num_G_SVs=2, num_G_SV_itrs=2
        ),
        "32 px, no shared classes, one z": partial(brock, G_ch=16, resolution=32, G_attn="0", G_shared=False, hier=False),
    }


def brock(**options: Any) -> Official:
    """Its statistics are those stored."""
    said = {
        "G_ch": 16, "dim_z": 120, "resolution": 128, "G_attn": "64", "n_classes": 10, "shared_dim": 128, "hier": True,
        "G_shared": True, "BN_eps": 1e-5, "SN_eps": 1e-6, "no_optim": True, **options,
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        network = filled(importlib.import_module("BigGAN").Generator(**said), keep=("accumulation_counter",))
    given = {"z": latents(network.dim_z), "label": torch.arange(2)}
    layers = {"linear": network.linear}
    for number, (block, *attention) in enumerate(network.blocks, start=1):
        layers |= {f"block{number}": block, **{f"attention{number}": each for each in attention}}

    def run(given: Given) -> Tensor:
        image: Tensor = network(given["z"], network.shared(given["label"]))
        return image

    shaped = {"linear": lambda flat: flat.view(len(flat), -1, 4, 4)}
    return Official("biggan", network, layers, given, run, saved(network), shaped=shaped, exact=True)
