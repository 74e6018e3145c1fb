"""Making an inverter of a generator: train it, or go on, and export it with its card."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import torch

from ganaudit import devices
from ganaudit.encoders.files import save_inverter
from ganaudit.generators.protocol import Generator
from ganaudit.generators.shapes import generator_digest
from ganaudit.training.inverters import InverterRecipe, InverterTraining
from ganaudit.training.loop import Progress, train

MINUTES = {"layered": 12.0, "encoder": 6.0}
"""CPU minutes that the shipped inverters had."""
SMALL = {"layered": 3.0, "encoder": 2.0}
"""CPU minutes of an inverter that an audit trains for itself."""


def make_inverter(
    generator: Generator, name: str, recipe: InverterRecipe, folder: Path, progress: Progress,
    minutes: float | None = None, seed: int = 1, device: str = "auto", command: str = "",
) -> Path:  # fmt: skip
    """Trains an inverter of `generator` in `folder`, or goes on where `folder` holds its checkpoint.

    Returns `NAME-METHOD.safetensors`; its card and a picture of own samples stand beside it. Raises RequestError where the
    generator has no named layers, or the checkpoint is of another generator or recipe.
    """
    torch.set_num_threads(1)
    place = torch.device(devices.pick(device))
    if isinstance(generator, torch.nn.Module):
        generator = generator.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = InverterTraining(generator, recipe, seed, place)
    iterations, used = train(training, folder, MINUTES[recipe.method] if minutes is None else minutes, progress)
    path = folder / f"{name}-{recipe.method}.safetensors"
    save_inverter(training.encoder, training.weights(), generator_digest(generator), recipe.as_dict(), path)
    card: dict[str, Any] = {
        "inverter": recipe.method, "of": name, "generator": generator_digest(generator), "command": command, "seed": seed,
        "iterations": iterations, "cpu_minutes": round(used, 1), "data": "the generator's own samples, no photo",
        "recipe": recipe.as_dict(), "torch": torch.__version__.split("+")[0], "processor": platform.machine(),
        "parameters": sum(value.numel() for value in training.weights().values()), "own_samples": training.figures(),
    }  # fmt: skip
    (folder / f"{path.stem}.card.json").write_text(json.dumps(card, indent=2) + "\n")
    return path
