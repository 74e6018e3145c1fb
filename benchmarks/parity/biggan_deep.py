"""BigGAN-deep in huggingface/pytorch-pretrained-BigGAN."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from benchmarks.parity.official import Given, Official, filled, latents, one_hot, saved


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """The published depth, narrower, at a truncation whose statistics are stored, and in the middle between two: elsewhere the
    official code weighs the farther one more."""
    return {"128 px, truncation 0.4": partial(deep, 0.4), "128 px, truncation 0.41": partial(deep, 0.41)}


def deep(truncation: float) -> Official:
    """Its spectral norms take stored vectors, which a few runs in training mode make."""
    package: Any = ModuleType("pytorch_pretrained_biggan")
    package.__path__ = [str(Path(path) / "pytorch_pretrained_biggan") for path in sys.path[:1]]
    files: Any = ModuleType("pytorch_pretrained_biggan.file_utils")  # which downloads
    files.cached_path = None
    sys.modules |= {package.__name__: package, files.__name__: files}
    config = importlib.import_module("pytorch_pretrained_biggan.config").BigGANConfig(num_classes=10, channel_width=16)
    module = importlib.import_module("pytorch_pretrained_biggan.model")
    network = filled(module.BigGAN(config))
    torch.nn.init.normal_(network.generator.bn.weight, 1.0, 0.2)  # which its code leaves as memory was
    torch.nn.init.normal_(network.generator.bn.bias, 0.0, 0.2)
    scaled = truncation * latents(config.z_dim).clamp(-2, 2)
    given = {"z": scaled, "label": torch.arange(2)}
    with torch.no_grad():
        for _ in range(3):
            network.train()(scaled, one_hot(given, config.num_classes), truncation)
    network.eval()
    layers, number = {"linear": network.generator.gen_z}, 0
    for layer in network.generator.layers:
        number += isinstance(layer, module.GenBlock)
        layers[f"{'block' if isinstance(layer, module.GenBlock) else 'attention'}{number}"] = layer
    shaped = {"linear": lambda flat: flat.view(len(flat), 4, 4, -1).permute(0, 3, 1, 2)}

    def run(given: Given) -> Tensor:
        image: Tensor = network(given["z"], one_hot(given, config.num_classes), truncation)
        return image

    options = {"truncation": truncation}
    return Official("biggan", network, layers, given, run, saved(network, ".bin"), options, shaped, exact=True)
