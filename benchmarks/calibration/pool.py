"""The population that replicates are drawn from: pixel counts of half a million scenes, or of a run's own real images.

Images are drawn from a pool with replacement, each alike: the pool is the population, and every truth is computed from it
exactly. The village's pool needs no parser, because its scenes come with their label maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ganaudit import keys
from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import RequestError
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASSES, POOL_PIXELS
from ganaudit.records.used import UsedSource, sources_of
from ganaudit.studies.census.counts import read_counts
from ganaudit.village.classes import NAMES
from ganaudit.village.render import label_maps
from ganaudit.village.scene import RESOLUTION, Prevalence

BLOCK = 8192
"""Scenes of one file."""
SCENES = 62 * BLOCK
"""Scenes of the pool, above half a million."""
SEED = 3_000_017
"""No training and no audit draws its scenes with this seed."""
BATCH = 64

Counts = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Pool:
    """N images of C classes. counts: (N, C) pixels, of label maps of `pixels` pixels; classes: their names, first void."""

    key: str
    counts: Counts
    classes: tuple[str, ...]
    pixels: int

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class PoolSource:
    """Where a pool lies: the village with these prevalences, or the real images of a run."""

    scenes: int = SCENES
    prevalence: tuple[tuple[str, float], ...] = ()
    run: str | None = None

    def key(self, store: Store) -> str:
        """Its content key. Raises RequestError for a run that does not exist or has no real images."""
        if self.run is None:
            return keys.source_key(_recipe(self))
        real = _real(store, self.run)
        return keys.source_key({"pool": "run", "key": real.key, "first": real.first, "count": real.count})


@dataclass(frozen=True)
class PoolBlock:
    """One block of a village's scenes, from `first` on."""

    store: Path
    source: PoolSource
    first: int

    @property
    def label(self) -> str:
        """How people call it."""
        return f"scenes {self.first:,} …"


def missing_blocks(store: Store, source: PoolSource) -> list[PoolBlock]:
    """The blocks of a pool that are not in the store yet; a run's images are all there."""
    if source.run is not None:
        return []
    key = source.key(store)
    firsts = range(0, source.scenes, BLOCK)
    missing = [first for first in firsts if not store.shard("pool_pixels", key, *_bounds(source, first)).exists()]
    return [PoolBlock(store.path, source, first) for first in missing]


def open_pool(store: Store, source: PoolSource) -> None:
    """Write what the pool's key stands for, before its first block."""
    if source.run is None:
        recipe = _recipe(source)
        row = {"key": source.key(store), "kind": "village", "recipe": keys.canonical(recipe), "digests": "{}"}
        store.write_source({**row, "resolution": RESOLUTION})


def make_block(block: PoolBlock) -> None:
    """Render the scenes of one block of the village and write their counts."""
    store, source, first = Store(block.store), block.source, block.first
    key, (_, last) = source.key(store), _bounds(source, first)
    if store.shard("pool_pixels", key, first, last).exists():
        return
    counts = village_counts(dict(source.prevalence), SEED, first, last + 1 - first)
    image, class_id = np.nonzero(counts)
    rows = {"key": [key] * len(image), "image": image + first, "class_id": class_id, "pixels": counts[image, class_id]}
    store.write_pool(key, first, last, pa.table(rows))


def village_counts(prevalence: Mapping[str, float], seed: int, first: int, count: int) -> Counts:
    """(count, 16) pixels of each class in scenes of the village, void first."""
    kinds, classes = Prevalence.of(prevalence), len(NAMES) + 1
    counts = np.empty((count, classes), np.int32)
    for start in range(0, count, BATCH):
        maps = label_maps(kinds, seed, range(first + start, first + min(start + BATCH, count)))
        owner = np.arange(len(maps))[:, None] * classes + maps.reshape(len(maps), -1)
        counts[start : start + len(maps)] = np.bincount(owner.ravel(), minlength=len(maps) * classes).reshape(-1, classes)
    return counts


@lru_cache(maxsize=8)
def load(store: Path, source: PoolSource) -> Pool:
    """The pool, read from the store; kept, since every chunk of a process draws from it.

    Raises RequestError for a pool of fewer than two images or without any class.
    """
    opened = Store(store)
    pool = _of_village(opened, source) if source.run is None else _of_run(opened, source.run)
    if len(pool) < 2 or not pool.counts[:, 1:].any():
        raise RequestError(f"the pool holds {len(pool)} images with a class; a calibration needs many more")
    return pool


def _of_village(store: Store, source: PoolSource) -> Pool:
    key = source.key(store)
    counts = np.zeros((source.scenes, len(NAMES) + 1), np.int32)
    for first in range(0, source.scenes, BLOCK):
        rows = store.read(
            POOL_PIXELS, store.shard("pool_pixels", key, *_bounds(source, first)), ["image", "class_id", "pixels"]
        )
        counts[rows["image"].to_numpy(), rows["class_id"].to_numpy()] = rows["pixels"].to_numpy()
    return Pool(key, counts, ("void", *NAMES), RESOLUTION**2)


def _of_run(store: Store, run: str) -> Pool:
    real = _real(store, run)
    rows = store.read(CLASSES, store.classes(real.parser_key)).to_pylist()
    head = next((row["head"] for row in rows if row["class_id"] > 0), None)
    named = [(row["class_id"], row["name"]) for row in rows if row["class_id"] == 0 or row["head"] == head]
    read = read_counts(store, real, [class_id for class_id, _ in named])
    counts = read.of(read.classes).toarray().astype(np.int32)
    live = counts.any(axis=0) | (np.array([class_id for class_id, _ in named]) == 0)
    names = [name for (_, name), alive in zip(named, live, strict=True) if alive]
    counts = counts[:, live]
    if named[0][0] != 0:
        counts, names = np.column_stack([np.zeros(len(counts), np.int32), counts]), ["void", *names]
    return Pool(PoolSource(run=run).key(store), counts, tuple(names), read.pixels)


def _real(store: Store, run: str) -> UsedSource:
    real = [source for source in sources_of(store, run) if source.role == "real"]
    if not real:
        raise RequestError(f"the run {run!r} has no real images to draw from")
    return real[0]


def _recipe(source: PoolSource) -> dict[str, object]:
    made = VillageDataset(SEED, dict(source.prevalence)).recipe()
    return {"pool": "village label maps", "scenes": source.scenes, "block": BLOCK, **made}


def _bounds(source: PoolSource, first: int) -> tuple[int, int]:
    return first, min(first + BLOCK, source.scenes) - 1
