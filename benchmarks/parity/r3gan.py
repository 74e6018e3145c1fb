"""R3GAN in brownvc/R3GAN."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.parity.official import Given, Official, filled, latents, one_hot
from benchmarks.parity.stylegan3 import pickled


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """The shape of the presets, narrower: those have 64 times as many numbers."""
    return {"64 px": r3gan, "64 px, 3 classes": lambda: r3gan(3)}


def r3gan(classes: int = 0) -> Official:
    """Five stages of two blocks."""
    make = importlib.import_module("training.networks").Generator
    widths = [96, 96, 96, 96, 96]
    network = filled(make(
        NoiseDimension=64, WidthPerStage=widths, CardinalityPerStage=[12] * 5, BlocksPerStage=[2] * 5, ExpansionFactor=2,
        FP16Stages=[], c_dim=classes, img_resolution=64, **({"ConditionEmbeddingDimension": 16} if classes else {}),
    ))  # fmt: skip
    given = {"z": latents(64)}
    if classes:
        given["label"] = torch.arange(2) % classes
    stages = network.Model.MainLayers
    layers = {"linear": stages[0].Layers[0].LinearLayer} | {f"stage{n}": stage for n, stage in enumerate(stages, start=1)}
    shaped = {"linear": lambda weights: weights[:, :, None, None]}

    def run(given: Given) -> Tensor:
        image: Tensor = network(given["z"], one_hot(given, classes))
        return image

    return Official("r3gan", network, layers, given, run, pickled(network), shaped=shaped)
