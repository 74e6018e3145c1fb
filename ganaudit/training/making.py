"""Making an inverter of a generator: train it, or go on, and export it with its card."""

from __future__ import annotations

from pathlib import Path

import torch

from ganaudit import devices
from ganaudit.encoders.files import save_inverter
from ganaudit.generators.protocol import Generator
from ganaudit.generators.shapes import generator_digest
from ganaudit.training.card import write_card
from ganaudit.training.checkpoint import write_whole
from ganaudit.training.inverters import InverterRecipe, InverterTraining
from ganaudit.training.loop import Budget, Progress, train

MINUTES = {"layered": 12.0, "encoder": 6.0}
"""Minutes of an inverter where nothing else is asked for: the shipped ones had as much processor time."""
SMALL = {"layered": 3.0, "encoder": 2.0}
"""Minutes of an inverter that an audit trains for itself."""


def make_inverter(
    generator: Generator, name: str, recipe: InverterRecipe, folder: Path, progress: Progress,
    budget: Budget | None = None, seed: int = 1, device: str = "auto", command: str = "",
) -> Path:  # fmt: skip
    """Trains an inverter of `generator` in `folder`, or goes on where `folder` holds its checkpoint.

    Returns `NAME-METHOD.safetensors`; its card and a picture of own samples stand beside it. Raises RequestError where the
    generator has no named layers; see also `loop.train`.
    """
    torch.set_num_threads(1)
    place = devices.pick(device)
    if isinstance(generator, torch.nn.Module):
        generator = devices.placed(generator, place)
    training = InverterTraining(generator, recipe, seed, torch.device(place))
    trained = train(training, folder, budget or Budget(minutes=MINUTES[recipe.method]), progress)
    path, weights, digest = folder / f"{name}-{recipe.method}.safetensors", training.weights(), generator_digest(generator)
    write_whole(path, lambda partial: save_inverter(training.encoder, weights, digest, recipe.as_dict(), partial))
    what = {"inverter": recipe.method, "of": name, "generator": digest}
    write_card(path, what, command, training, trained, weights, place, training.figures())
    return path
