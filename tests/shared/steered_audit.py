"""An audit that steers: a bar that a latent moves no farther than it can, beside real bars."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ganaudit import spec as specs
from ganaudit.auditing.run import prepared
from ganaudit.keys import canonical
from ganaudit.records.schema import RECORDS
from ganaudit.records.store import Store
from ganaudit.records.tables import RUN_KEYS
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import GENERATED
from ganaudit.spec import AuditSpec
from ganaudit.studies.protocol import asked_for, work
from ganaudit.studies.steering.study import STUDY

IMAGES, BATCH = 56, 8
STEERED = "steering_images"
ALPHAS = (-7.0, -4.0, -2.0, 0.0, 2.0, 4.0, 7.0)
BARS = {"name": "bars", "kind": "bar_models:Bars"}


@dataclass(frozen=True)
class Steering:
    """An audit whose studies have been gone through, but for the census's findings and the report."""

    plan: Plan
    store: Store
    notes: list[str]
    done: list[str]

    @cached_property
    def findings(self) -> Mapping[str, pa.Table]:
        return STUDY.findings(self.store, self.plan.run)

    def rows(self, table: str, **wanted: Any) -> list[dict[str, Any]]:
        """Rows of a record table of steering: along the first generator's walk, or of the real images."""
        role = wanted.pop("role", GENERATED)
        used = [key for key in self.store.of_run(RUN_KEYS, self.plan.run) if (key["table"], key["role"]) == (STEERED, role)]
        files = sorted((self.store.folder(table) / f"key={used[0]['key']}").glob("shard-*.parquet"))
        rows = [row for path in files for row in self.store.read(RECORDS[table], path).to_pylist()]
        return [row for row in rows if all(row[column] == value for column, value in wanted.items())]


def asked_of(store: Path, generators: list[dict[str, Any]] | None = None, **steer: Any) -> AuditSpec:
    return specs.parse({
        "name": "n", "folder": str(Path(__file__).parents[1] / "ganaudit"), "store": str(store),
        "parser": {"kind": "bar_models:BarParser"},
        "real": steer.pop("real", {"name": "real", "kind": "bar_models:RealBars", "options": {"images": 64}}),
        "generators": generators or [BARS],
        "sample": {"count": 64, "batch": BATCH}, "decide": {"permutations": 0}, "run": {"workers": 1, "device": "cpu"},
        "steer": {"edits": ["shift-x"], "at": {"shift-x": ALPHAS}, "images": IMAGES, "shard": IMAGES, "steps": 60, **steer},
    })  # fmt: skip


def gone_through(spec: AuditSpec, limit: int | None = None) -> Steering:
    """Plans an audit and does its shards, each as another process would. limit: shards after which it is killed."""
    planned, store = prepared(spec)
    notes, done = [], []
    for study in asked_for(spec):
        for stage in study.stages(planned, store):
            notes += stage.notes
            keys = [{**vars(key), "variant": canonical(dict(key.variant))} for key in stage.keys]
            store.write_run_keys(planned.run, study.name, stage.name, keys, stage.notes)
            for shard in stage.shards:
                if limit is not None and len(done) >= limit:
                    return Steering(planned, store, notes, done)
                work(pickle.loads(pickle.dumps(shard)))
                done.append(shard.label)
    return Steering(planned, store, notes, done)


@pytest.fixture
def asked(tmp_path):
    """Such an audit file with other keys under steer, in a store of its own."""
    return lambda generators=None, **steer: asked_of(steer.pop("store", tmp_path / "store"), generators, **steer)


@pytest.fixture(scope="session")
def steered(tmp_path_factory):
    """A walk to the right of bars that go four pixels either way, of bars that do not, and images, which cannot be steered."""
    stiff = {"name": "stiff", "kind": "bar_models:Bars", "options": {"reach": 0.01}}
    folder = tmp_path_factory.mktemp("steered")
    np.save(folder / "photos.npy", np.random.default_rng(0).integers(0, 255, (64, 16, 16, 3), np.uint8))
    photos = {"name": "photos", "kind": "npy", "path": str(folder / "photos.npy")}
    return gone_through(asked_of(folder / "store", [BARS, stiff, photos]))
