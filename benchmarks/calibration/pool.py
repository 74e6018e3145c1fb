"""The population that replicates are drawn from: half a million scenes of the village, a made-up world, a run's real images.

Images are drawn from a pool with replacement, each alike: the pool is the population, and every truth is computed from it
exactly. The village's pool needs no parser, because its scenes come with their label maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from benchmarks.calibration import worlds
from ganaudit import keys
from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import RequestError
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASSES, POOL_PIXELS
from ganaudit.records.used import UsedSource, sources_of
from ganaudit.regions import regions
from ganaudit.statistics.class_counts import Held
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

VILLAGE = "village"


@dataclass(frozen=True, eq=False)
class Pool:
    """What N images hold of C classes, in label maps of `pixels` pixels; classes: their names, without void."""

    key: str
    held: Held
    classes: tuple[str, ...]
    pixels: int

    def __len__(self) -> int:
        return self.held.shape[0]

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """(N + 1,) place of each image's first entry."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.held.image, minlength=len(self)))])

    def some(self, images: NDArray[np.int64]) -> Held:
        """What the images with these numbers hold, each as often as it is named."""
        number = self.bounds[images + 1] - self.bounds[images]
        image = np.repeat(np.arange(len(images)), number)
        entry = np.arange(len(image)) + np.repeat(self.bounds[images] - (np.cumsum(number) - number), number)
        held = self.held
        parts = None if held.parts is None else held.parts[entry]
        return Held((len(images), held.shape[1]), image, held.column[entry], held.pixels[entry], held.largest[entry], parts)

    @cached_property
    def share(self) -> NDArray[np.float64]:
        """(C,) share of the images that hold a pixel of each class."""
        share: NDArray[np.float64] = np.bincount(self.held.column, minlength=len(self.classes)) / len(self)
        return share


def with_void(held: Held, pixels: int) -> csr_array:
    """(n, 1 + C) pixel counts: what no class has is void, and comes first."""
    n, classes = held.shape
    void = pixels - np.bincount(held.image, held.pixels, minlength=n).astype(np.int64)
    everywhere = np.arange(n)
    image, column = np.concatenate([everywhere, held.image]), np.concatenate([0 * everywhere, held.column + 1])
    return csr_array((np.concatenate([void, held.pixels]), (image, column)), shape=(n, classes + 1))


@dataclass(frozen=True)
class PoolSource:
    """Where a pool lies: the village with these prevalences, a made-up world, or the real images of a run."""

    scenes: int = SCENES
    prevalence: tuple[tuple[str, float], ...] = ()
    run: str | None = None
    world: str = VILLAGE

    @property
    def rendered(self) -> bool:
        """Whether its scenes are rendered and kept in the store."""
        return self.run is None and self.world == VILLAGE

    @property
    def name(self) -> str:
        """How people call it."""
        return self.world if self.run is None else f"run {self.run}"

    def key(self, store: Store) -> str:
        """Its content key. Raises RequestError for a run that does not exist or has no real images."""
        if self.run is None:
            return keys.source_key(_recipe(self) if self.rendered else {"pool": self.world, "images": worlds.IMAGES})
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
    """The blocks of a pool that are not in the store yet; only the village's are kept there."""
    if not source.rendered:
        return []
    key = source.key(store)
    firsts = range(0, source.scenes, BLOCK)
    missing = [first for first in firsts if not store.shard("pool_pixels", key, *_bounds(source, first)).exists()]
    return [PoolBlock(store.path, source, first) for first in missing]


def open_pool(store: Store, source: PoolSource) -> None:
    """Write what the pool's key stands for, before its first block."""
    if source.rendered:
        recipe = _recipe(source)
        row = {"key": source.key(store), "kind": "village", "recipe": keys.canonical(recipe), "digests": "{}"}
        store.write_source({**row, "resolution": RESOLUTION})


def make_block(block: PoolBlock) -> None:
    """Render the scenes of one block of the village and write their counts."""
    store, source, first = Store(block.store), block.source, block.first
    key, (_, last) = source.key(store), _bounds(source, first)
    if store.shard("pool_pixels", key, first, last).exists():
        return
    held = village_held(dict(source.prevalence), SEED, first, last + 1 - first)
    rows = {name: getattr(held, name) for name in ("pixels", "parts", "largest")}
    image = held.image + first
    store.write_pool(
        key, first, last, pa.table({"key": [key] * len(image), "image": image, "class_id": held.column + 1, **rows})
    )


def village_held(prevalence: Mapping[str, float], seed: int, first: int, count: int) -> Held:
    """What scenes of the village hold of its 15 classes."""
    kinds, classes = Prevalence.of(prevalence), len(NAMES) + 1
    parts = []
    for start in range(0, count, BATCH):
        maps = label_maps(kinds, seed, range(first + start, first + min(start + BATCH, count)))
        owners = (np.arange(len(maps))[:, None, None] * classes + maps).astype(np.int32)
        slots = len(maps) * classes
        pixels = np.bincount(owners.ravel(), minlength=slots)
        regions_of, largest = regions(owners, slots)
        slot = np.flatnonzero((pixels > 0) & (np.arange(slots) % classes > 0))
        parts.append((slot // classes + start, slot % classes - 1, pixels[slot], largest[slot], regions_of[slot]))
    return Held((count, len(NAMES)), *(np.concatenate(part) for part in zip(*parts, strict=True)))


@lru_cache(maxsize=8)
def load(store: Path, source: PoolSource) -> Pool:
    """The pool, read from the store; kept, since every chunk of a process draws from it.

    Raises RequestError for a pool of fewer than two images or without any class.
    """
    opened = Store(store)
    if source.run is not None:
        pool = _of_run(opened, source.run)
    elif source.rendered:
        pool = _of_village(opened, source)
    else:
        held = worlds.WORLDS[source.world]()
        pool = Pool(source.key(opened), held, tuple(f"class {number + 1}" for number in range(held.shape[1])), worlds.PIXELS)
    if len(pool) < 2 or not len(pool.held.pixels):
        raise RequestError(f"the pool holds {len(pool)} images with a class; a calibration needs many more")
    return pool


def _of_village(store: Store, source: PoolSource) -> Pool:
    key = source.key(store)
    names = ["image", "class_id", "pixels", "largest", "parts"]
    files = [store.shard("pool_pixels", key, *_bounds(source, first)) for first in range(0, source.scenes, BLOCK)]
    rows = pa.concat_tables([store.read(POOL_PIXELS, path, names) for path in files])
    if rows["largest"].null_count:
        raise RequestError(f"{store.path} holds scenes that an older ganaudit rendered, without regions; give another --store")
    image, class_id, *sizes = (rows[name].to_numpy() for name in names)
    return Pool(key, Held((source.scenes, len(NAMES)), image, class_id - 1, *sizes), tuple(NAMES), RESOLUTION**2)


def _of_run(store: Store, run: str) -> Pool:
    real = _real(store, run)
    rows = store.read(CLASSES, store.classes(real.parser_key)).to_pylist()
    head = next((row["head"] for row in rows if row["class_id"] > 0), None)
    named = {row["class_id"]: row["name"] for row in rows if row["class_id"] > 0 and row["head"] == head}
    read = read_counts(store, real, list(named))
    held = read.held.joined()
    live = np.unique(held.column)
    names = tuple(named[read.classes[column]] for column in live)
    return Pool(PoolSource(run=run).key(store), held.of_columns(live.tolist()), names, read.pixels)


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
