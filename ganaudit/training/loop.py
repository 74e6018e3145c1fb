"""Training the built-in models: one loop that stops by CPU time, saves itself every CPU minute and resumes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence
from ganaudit.village.style import PLAIN, Style

CHUNK = 8
"""Scenes rendered at a time while a training set is drawn."""

Progress = Callable[[float, int, dict[str, float]], None]
"""Told after each step: share of the budget spent, iteration, losses."""


class Training(Protocol):
    """What the loop needs from one kind of training."""

    def step(self, iteration: int, spent: float) -> dict[str, float]:
        """One optimiser step; `spent` is the share of the budget used so far. Returns losses to show."""
        ...

    def state(self) -> dict[str, Any]: ...

    def load(self, state: dict[str, Any]) -> None: ...

    def weights(self) -> dict[str, Tensor]:
        """What is shipped, as float32 tensors on the CPU."""
        ...

    def picture(self, path: Path) -> None:
        """A look at where the training is."""
        ...


def scenes(prevalence: Prevalence, seed: int, count: int, style: Style = PLAIN) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A training set in memory: (count, 64, 64, 3) pixels and (count, 64, 64) class ids."""
    chunks = [render(prevalence, seed, range(i, min(i + CHUNK, count)), style) for i in range(0, count, CHUNK)]
    return np.concatenate([c[0] for c in chunks]), np.concatenate([c[1] for c in chunks])


def batch_indices(count: int, batch: int, seed: int, iteration: int) -> NDArray[np.int64]:
    """Members of batch `iteration`. An epoch's shuffle follows from seed and epoch: a resumed run draws the same."""
    per_epoch = count // batch
    order = np.random.default_rng([seed, iteration // per_epoch]).permutation(count)
    place = iteration % per_epoch
    return order[place * batch : (place + 1) * batch]


def train(training: Training, folder: Path, minutes: float, progress: Progress) -> tuple[int, float]:
    """Runs `training` until it has had `minutes` of CPU time, over all its starts together.

    `folder` holds `checkpoint.pt` (read back with weights_only) and `picture.png`, both renewed every CPU minute.
    Returns iterations and CPU minutes used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    iteration, used = 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        training.load(saved["training"])
        iteration, used = int(saved["iteration"]), float(saved["cpu_seconds"])
    started, budget = time.process_time() - used, 60.0 * minutes
    last_saved = used

    def save(seconds: float) -> None:
        partial = checkpoint.with_suffix(".partial")
        torch.save({"training": training.state(), "iteration": iteration, "cpu_seconds": seconds}, partial)
        os.replace(partial, checkpoint)
        training.picture(folder / "picture.png")

    while used < budget:
        losses = training.step(iteration, used / budget)
        iteration += 1
        used = time.process_time() - started
        progress(min(used / budget, 1.0), iteration, losses)
        if used - last_saved >= 60.0:
            save(used)
            last_saved = used
    save(used)
    return iteration, used / 60.0
