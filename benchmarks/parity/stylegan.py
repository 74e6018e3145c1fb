"""StyleGAN in genforce/genforce, and in rosinality/style-based-gan-pytorch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.parity.official import Given, Official, filled, latents, one_hot, saved

SIDE, CHANNELS = 256, 32
"""Of the images, and of the widest layers: fewer than published, so that all sizes cost little."""


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """Whichever of the two repositories a clone is of."""
    if (clone / "models" / "stylegan_generator.py").is_file():
        truncated = {"truncation": 0.7, "cutoff": 8}
        return {
            f"genforce, {SIDE} px": genforce, f"genforce, {SIDE} px, ψ 0.7 of 8": partial(genforce, options=truncated),
            "genforce, 64 px, 3 classes": partial(genforce, side=64, classes=3),
        }  # fmt: skip
    return {"rosinality, 128 px": rosinality}


def genforce(side: int = SIDE, classes: int = 0, options: Mapping[str, Any] | None = None) -> Official:
    """With the noise that is in the weights."""
    made = importlib.import_module("models.stylegan_generator").StyleGANGenerator(side, label_size=classes, fmaps_max=CHANNELS)
    network, given = filled(made, keep=("lod",)), {"z": latents(512)}
    if classes:
        given["label"] = torch.arange(2) % classes
    places = range((network.num_layers) // 2)
    layers = {f"b{4 * 2**place}": network.synthesis.get_submodule(f"layer{2 * place + 1}") for place in places}
    said = dict(options or {})
    psi = {"trunc_psi": said.get("truncation"), "trunc_layers": said.get("cutoff")}

    def run(given: Given) -> Tensor:
        image: Tensor = network(given["z"], one_hot(given, classes), **psi)["image"]
        return image

    save = saved(network, wrapped="generator_smooth")
    return Official("stylegan", network, layers, given, run, save, {"noise": "const", **said}, exact=True)


def rosinality() -> Official:
    """At 128 px, as wide as published. Its network has all blocks; those that training has not reached are as they were."""
    network = importlib.import_module("model").StyledGenerator()
    step = 5
    trained, other = network.generator.progression, network.generator.to_rgb
    for each in (network.style, *trained[: step + 1], other[step]):
        filled(each)
    noise = {f"noise{place}": torch.randn(2, 1, 4 * 2**place, 4 * 2**place) for place in range(step + 1)}
    given: dict[str, Tensor] = {"z": latents(512), **noise}

    def run(given: Given) -> Tensor:
        image: Tensor = network(given["z"], noise=[given[name] for name in noise], step=step)
        return image

    layers = {f"b{4 * 2**place}": trained[place] for place in range(step + 1)}
    return Official("stylegan", network, layers, given, run, saved(network, ".model"), exact=True)
