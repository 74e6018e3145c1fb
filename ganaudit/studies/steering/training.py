"""Walks that an audit trains for itself, one a generator, edit, space and kind: kept in the folder of the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import torch

from ganaudit import devices
from ganaudit.keys import source_key
from ganaudit.records.store import Store
from ganaudit.steering.files import open_walk
from ganaudit.studies.steering.models import AskedWalk, Setup, SteeringShard, generator_of, walks_folder
from ganaudit.studies.steering.record_tables import WALKS
from ganaudit.studies.steering.walking import SteeringDone, TrainedWalk
from ganaudit.training.loop import Budget
from ganaudit.training.making_walks import make_walk, start_walk
from ganaudit.training.walks import WalkRecipe, WalkTraining
from ganaudit.version import __version__

SEED = 1
"""Of trainings: walks of one generator are the same in every audit."""


@dataclass(frozen=True)
class WalkShard(SteeringShard):
    """A walk that is missing."""

    asked: AskedWalk
    key: str

    images: ClassVar[int] = 1
    """It has none; it counts as one step of the way."""

    @property
    def group(self) -> str:
        return self.asked.which.name

    @property
    def label(self) -> str:
        return f"{self.group} walk {self.asked.name}"


def recipe_of(setup: Setup, asked: AskedWalk) -> WalkRecipe:
    """How it is trained."""
    return WalkRecipe(asked.shape.edits, asked.shape.space, asked.shape.kind, reach=setup.asked.trained)


def record_key(setup: Setup, asked: AskedWalk) -> str:
    """The key of the record of a walk: of the generator's tensors and of the training."""
    return source_key({
        "walk of": asked.which.digest, "recipe": recipe_of(setup, asked).as_dict(), "steps": setup.asked.steps, "seed": SEED,
        "device": setup.device.split(":")[0],
    })  # fmt: skip


def file_of(setup: Setup, asked: AskedWalk) -> Path:
    return walks_folder(setup) / record_key(setup, asked) / "walk.safetensors"


def trained(setup: Setup, store: Store, asked: AskedWalk) -> TrainedWalk | None:
    """A walk where it was trained already, and its file is there."""
    key, path = record_key(setup, asked), file_of(setup, asked)
    if (0, 0) not in store.finished_blocks(key, WALKS.name) or not path.is_file():
        return None
    row = store.read_block(WALKS, key, (0, 0), ["sha256"]).to_pylist()[0]
    return TrainedWalk(asked, path, row["sha256"])


def missing_walks(setup: Setup, store: Store, asked: Sequence[AskedWalk]) -> list[WalkShard]:
    """Those that are asked for, each once: two sources may be one generator."""
    by_key = {record_key(setup, one): one for one in asked if trained(setup, store, one) is None}
    return [WalkShard(setup, one, key) for key, one in by_key.items()]


def train_walk(shard: WalkShard) -> SteeringDone:
    """Trains one, or goes on where it was begun. Raises RequestError for a generator without gradients."""
    setup, asked, began, path = shard.setup.here(), shard.asked, time.perf_counter(), file_of(shard.setup, shard.asked)
    training = training_of(setup, asked)
    budget, command = Budget(steps=setup.asked.steps), f"an audit with steer.edits: [{asked.shape.edits[0]}]"
    made = open_walk(make_walk(training, path.stem, path.parent, budget=budget, command=command))
    flat = torch.cat([value.flatten() for value in made.walk.state_dict().values()]).double()
    row = {
        "key": shard.key, "generator_key": asked.which.key, "edit": asked.shape.edits[0], "space": asked.shape.space,
        "walk": asked.shape.kind, "sha256": made.digest, "file": f"{path.parent.name}/{path.name}", "steps": setup.asked.steps,
        "parameters": len(flat), "norm": float(flat.norm()), "seconds": time.perf_counter() - began, **_losses(path.parent),
    }  # fmt: skip
    footer = {
        "recipe": shard.key, "code": __version__, "device": devices.describe(setup.device), "torch": torch.__version__,
        "batch": str(training.batch),
    }  # fmt: skip
    setup.store.write_shard(WALKS.name, shard.key, 0, 0, {WALKS.name: WALKS.from_rows([row])}, footer)
    return SteeringDone(1, 0)


def training_of(setup: Setup, asked: AskedWalk) -> WalkTraining:
    """A training that has not begun."""
    return start_walk(generator_of(setup, asked.which).generator, recipe_of(setup, asked), SEED, setup.device)


def _losses(folder: Path) -> dict[str, float]:
    """Mean loss of the first and of the last twentieth of the steps, from the curves of the training."""
    curves = pq.read_table(folder / "curves.parquet").to_pydict()
    values = np.array([value for name, value in zip(curves["name"], curves["value"], strict=True) if name == "l2"])
    part = max(1, len(values) // 20)
    return {"loss_first": float(values[:part].mean()), "loss_last": float(values[-part:].mean())} if len(values) else {}
