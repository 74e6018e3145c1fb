"""ProGAN and its ablations in davidbau/ganseeing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from benchmarks.parity.official import Given, Official, filled, latents, saved

ABLATIONS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "wgangp": ("G128_simple", 128, {}), "minibatch-stddev": ("G128_minibatch_disc", 512, {}),
    "equalized-learning-rate": ("G128_equallr", 512, {"pixel_norm": "ends"}),
    "pixelwise-normalization": ("G128_pixelwisenorm", 512, {"pixel_norm": "everywhere"}),
}  # fmt: skip
"""Classes, lengths of z, and options: of files of the same keys each."""


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """ProGAN at two sizes; each ablation; wgangp in training mode, a hundred images at once."""
    sys.path.insert(0, str(clone / "seeing"))
    made: dict[str, Callable[[], Official]] = {f"ProGAN, {side} px": partial(progan, side) for side in (64, 256)}
    for name in ABLATIONS:
        made[f"{name}, 128 px"] = partial(ablation, name)
    made["wgangp, 128 px, training mode"] = partial(ablation, "wgangp", training=True)
    return made


def progan(side: int) -> Official:
    """As deep as published, narrower."""
    network: Any = filled(importlib.import_module("proggan").ProgressiveGenerator(sizes=[512, *[64] * (side.bit_length() - 2)]))
    for name, value in network.named_parameters():
        if name.endswith("conv.weight"):
            nn.init.normal_(value)
    layers = {name: layer for name, layer in network.named_children() if name.startswith("layer")}
    given = {"z": latents(512)}
    return Official("progan", network, layers, given, lambda given: network(given["z"]), saved(network), exact=True)


def ablation(name: str, training: bool = False) -> Official:
    """Convolutions keep about the size of what they are given, so that nothing vanishes behind twelve of them."""
    maker, length, options = ABLATIONS[name]
    network: Any = filled(getattr(importlib.import_module("proggan_ablation"), maker)())
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, 0.0, 2**0.5 * part.weight[0].numel() ** -0.5)
        if isinstance(getattr(part, "scale", None), Tensor):
            nn.init.ones_(part.scale)
    given = {"z": latents(length, 100 if training else 2)}
    network.train(training)
    layers = {f"layer{number}": layer for number, layer in enumerate(network.features, start=1)}
    if training:
        options = {"batch_norm": "batch"}

    def run(given: Given) -> Tensor:
        image: Tensor = network(given["z"][:, :, None, None])
        return image

    return Official("progan", network, layers, given, run, saved(network), options, exact=True)
