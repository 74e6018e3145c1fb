"""Making a walk of a generator: train it, or go on, and export it with its card."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from ganaudit import devices
from ganaudit.generators.protocol import Generator
from ganaudit.inversion.perceptual import Perceptual
from ganaudit.steering.files import find_walk, save_walk, walk_key
from ganaudit.training.card import write_card
from ganaudit.training.checkpoint import write_whole
from ganaudit.training.loop import Budget, Progress, train
from ganaudit.training.walks import WalkRecipe, WalkTraining

STEPS = 200
"""Of a walk where nothing else is asked for."""


def start_walk(
    generator: Generator, recipe: WalkRecipe, seed: int = 1, device: str = "auto", perceptual: Perceptual | None = None
) -> WalkTraining:  # fmt: skip
    """A training that has not begun. Raises RequestError where `WalkTraining` does."""
    torch.set_num_threads(1)
    place = devices.pick(device)
    if isinstance(generator, torch.nn.Module):
        generator = devices.placed(generator, place)
    return WalkTraining(generator, recipe, seed, torch.device(place), perceptual)


def key_of(training: WalkTraining, budget: Budget | None = None) -> str:
    """The key of the walk that a training comes to."""
    return walk_key(training.generator_digest, training.belongs, (budget or Budget(steps=STEPS)).given())


def seconds_a_step(training: WalkTraining) -> float:
    """What one step costs here, by the wall clock. Nothing is changed by it."""
    torch.autograd.backward(training.losses(training.recipe.data_seed, 0)["l2"].mean())
    began = time.monotonic()
    torch.autograd.backward(training.losses(training.recipe.data_seed, 0)["l2"].mean())
    training.optimiser.zero_grad(set_to_none=True)
    return time.monotonic() - began


def make_walk(
    training: WalkTraining, name: str, folder: Path, progress: Progress = lambda *_: None, budget: Budget | None = None,
    command: str = "",
) -> Path:  # fmt: skip
    """Trains a walk in `folder`, or goes on where `folder` holds its checkpoint; one that is there is returned as it is.

    Returns `NAME.safetensors`; its card and a picture of own samples along it stand beside it. See also `loop.train`.
    """
    budget = budget or Budget(steps=STEPS)
    key, digest = key_of(training, budget), training.generator_digest
    there = find_walk(key, [folder])
    if there is not None:
        return there
    trained = train(training, folder, budget, progress)
    path, weights, shape = folder / f"{name}.safetensors", training.weights(), training.walk.shape
    write_whole(path, lambda partial: save_walk(shape, weights, digest, key, partial))
    what = {"walk": " and ".join(shape.edits), "space": shape.space, "kind": shape.kind, "generator": digest, "key": key}
    write_card(path, what, command, training, trained, weights, training.device.type, training.figures())
    return path
