"""StyleGAN3 in NVlabs/stylegan3."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.parity.official import Given, Official, filled, latents, one_hot


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """t and r, narrower than published, and with classes."""
    radial = {"conv_kernel": 1, "use_radial_filters": True}
    return {
        "t, 256 px": nvidia, "r, 128 px": partial(nvidia, side=128, network=radial),
        "t, 64 px, 3 classes, ψ 0.7 of 4": partial(nvidia, side=64, classes=3, truncation=0.7, cutoff=4),
    }  # fmt: skip


def nvidia(side: int = 256, classes: int = 0, network: Mapping[str, Any] | None = None, **options: Any) -> Official:
    """Its last convolution, to colours, is compared as the image."""
    make = importlib.import_module("training.networks_stylegan3").Generator
    made = filled(make(512, classes, 512, side, 3, mapping_kwargs={"num_layers": 2}, channel_max=16, **(network or {})))
    given = {"z": latents(512)}
    if classes:
        given["label"] = torch.arange(2) % classes
    layers = {
        "input": made.synthesis.input,
        **{name: made.synthesis.get_submodule(name) for name in made.synthesis.layer_names},
    }
    layers.popitem()
    said = {"truncation_psi": options.get("truncation", 1.0), "truncation_cutoff": options.get("cutoff")}

    def run(given: Given) -> Tensor:
        image: Tensor = made(given["z"], one_hot(given, classes), **said)
        return image

    return Official("stylegan3", made, layers, given, run, pickled(made), options)


def pickled(network: nn.Module) -> Callable[[Path], Path]:
    """Writes NVIDIA's pickle, with the source of the network in it."""

    def save(path: Path) -> Path:
        path.with_suffix(".pkl").write_bytes(pickle.dumps({"G": None, "D": None, "G_ema": network}))
        return path.with_suffix(".pkl")

    return save
