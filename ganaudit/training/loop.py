"""The one loop of every training: a budget, losses as curves, checkpoints, and the same weights whether stopped or not."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ganaudit import random
from ganaudit.errors import AuditError, RequestError
from ganaudit.training.checkpoint import Checkpoints, locked
from ganaudit.training.curves import Curves

SAVE_EVERY = 60.0
"""Seconds between two checkpoints."""
MOST = {"steps": 10**9, "images": 10**12, "minutes": 10**7}
"""What may be asked for: more is a slip of the hand, not a training."""

Progress = Callable[[float, int, dict[str, float]], None]
"""Told after each step: share of the budget spent, steps, losses."""


@dataclass(frozen=True)
class Budget:
    """How long to train: optimiser steps, images shown, or minutes by the wall clock; of several, the first that is reached.

    A training on a budget of steps or images is a function of recipe, data and seed; minutes depend on the machine.
    Raises RequestError for a budget that is no number above 0, or one above MOST, and where there is none.
    """

    steps: int | None = None
    images: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if not self.given():
            raise RequestError("a training needs a budget: steps, images or minutes")
        for name, value in self.given().items():
            if not (math.isfinite(value) and value > 0):
                raise RequestError(f"--{name} is {value:g}; a training needs a budget above 0")
            if value > MOST[name]:
                raise RequestError(f"--{name} is {value:g}; a training has at most {MOST[name]:,}")

    def given(self) -> dict[str, float]:
        """What it is made of."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def spent(self, steps: int, images: int, seconds: float) -> float:
        """The share of it that is used up; 1 or more: all of it."""
        used = {"steps": steps, "images": images, "minutes": seconds / 60.0}
        return max(used[name] / value for name, value in self.given().items())

    def part(self, share: float) -> Budget:
        """A share of it, of one step, one image or more."""
        steps, images = (None if whole is None else max(1, round(whole * share)) for whole in (self.steps, self.images))
        return Budget(steps, images, None if self.minutes is None else self.minutes * share)

    def options(self) -> str:
        """As it stands on the command line."""
        return "".join(
            f" --{name} {value:g}" if name == "minutes" else f" --{name} {value}" for name, value in self.given().items()
        )


@dataclass(frozen=True)
class Kept:
    """Weights that stay from the way: after each `every` steps, `write` is told how many there were. Raises RequestError for
    less than one step."""

    every: int
    write: Callable[[int], object]

    def __post_init__(self) -> None:
        if self.every < 1:
            raise RequestError(f"weights are kept after each {self.every} steps; it needs one or more")


class Training(Protocol):
    """What the loop needs from one kind of training. Draws come from `ganaudit.random` by seed and step, or from torch."""

    batch: int
    """Images of one step."""

    @property
    def belongs(self) -> Mapping[str, Any]:
        """JSON-able: recipe, data and seed, everything that decides the weights."""
        ...

    def step(self, step: int, spent: float) -> dict[str, float]:
        """Optimiser step number `step`, from 0 on; `spent` is the share of the budget used before it. Returns losses."""
        ...

    def state(self) -> dict[str, Any]:
        """Networks and optimisers, for the checkpoint."""
        ...

    def load(self, state: dict[str, Any]) -> None: ...

    def weights(self) -> dict[str, Tensor]:
        """What is shipped, as float32 tensors on the CPU."""
        ...

    def picture(self, path: Path) -> None:
        """A look at where the training is."""
        ...


class OfParts(ABC):
    """A training whose state is that of its parts."""

    @property
    @abstractmethod
    def _parts(self) -> Mapping[str, Any]:
        """Networks and optimisers, by their names in the checkpoint."""

    def state(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


@dataclass(frozen=True)
class Trained:
    """What a training has had, over all its starts together. minutes: by the wall clock, while it ran."""

    steps: int
    images: int
    minutes: float
    cpu_minutes: float


def float_weights(network: nn.Module) -> dict[str, Tensor]:
    """A network's parameters and statistics, as float32 on the CPU."""
    return {name: value.float().cpu() for name, value in network.state_dict().items() if value.is_floating_point()}


def train(
    training: Training, folder: Path, budget: Budget, progress: Progress = lambda *_: None, kept: Kept | None = None
) -> Trained:  # fmt: skip
    """Trains until `budget` is spent, or goes on from the checkpoint in `folder`.

    `folder` holds the checkpoint and the one before it, `curves.parquet` and `picture.png`, renewed every SAVE_EVERY seconds
    and at the end. Raises RequestError where the folder holds another training, AuditError where a loss or a weight is no
    longer finite, or nothing more can be written: the last good checkpoint stands. What is kept on the way changes no weight.
    """
    checkpoints = Checkpoints(folder, {**training.belongs, "budget": budget.given(), "draws": random.VERSION})
    with locked(folder, f"another process trains in {folder}: this one waits until it is done"):
        return _train(training, checkpoints, budget, progress, kept)


def _train(
    training: Training, checkpoints: Checkpoints, budget: Budget, progress: Progress, kept: Kept | None
) -> Trained:  # fmt: skip
    saved = checkpoints.load()
    steps, seconds, cpu = 0, 0.0, 0.0
    if saved is not None:
        steps, seconds, cpu = int(saved["steps"]), float(saved["seconds"]), float(saved["cpu_seconds"])
        training.load(saved["training"])
        _set_random(saved["random"])
    curves = Curves(checkpoints.folder / "curves.parquet", steps, saved["curves"] if saved else {})
    began, began_cpu = time.monotonic() - seconds, time.process_time() - cpu
    last_saved = seconds

    def save() -> None:
        # The curves come first: rows beyond a checkpoint are dropped when it is read, rows before it would be missing.
        state: dict[str, Any] = {
            "training": training.state(), "random": _random(), "curves": curves.open(), "steps": steps, "seconds": seconds,
            "cpu_seconds": time.process_time() - began_cpu,
        }  # fmt: skip
        checkpoints.save(state, also=curves.write)
        checkpoints.write("picture.png", training.picture)
        _set_random(state["random"])  # a checkpoint changes nothing, whenever it is made

    while (spent := budget.spent(steps, steps * training.batch, seconds)) < 1.0:
        losses = training.step(steps, spent)
        steps, seconds = steps + 1, time.monotonic() - began
        wrong = [name for name, value in losses.items() if not math.isfinite(value)]
        if wrong:
            raise AuditError(f"the loss {wrong[0]} is {losses[wrong[0]]} at step {steps:,}; {checkpoints.stands()}")
        curves.add(steps, steps * training.batch, seconds, losses)
        progress(min(budget.spent(steps, steps * training.batch, seconds), 1.0), steps, losses)
        if kept is not None and steps % kept.every == 0:
            before = _random()
            kept.write(steps)
            _set_random(before)
        if seconds - last_saved >= SAVE_EVERY:
            save()
            last_saved = seconds
    save()
    return Trained(steps, steps * training.batch, seconds / 60.0, (time.process_time() - began_cpu) / 60.0)


def _random() -> dict[str, Any]:
    """The state of torch's generators, of the CPU and of every GPU."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def _set_random(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
