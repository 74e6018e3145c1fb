"""A small village as a pool, rendered once, and a tiny one made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade import pictures as pictures
from handmade import run as run
from handmade import store as store

from benchmarks.calibration.pool import BLOCK, Pool, PoolSource, load, missing_blocks, open_pool
from benchmarks.calibration.pool import make_block as make
from ganaudit.records.store import Store
from ganaudit.statistics.class_counts import Held

SMALL = PoolSource(scenes=BLOCK)


@pytest.fixture(scope="session")
def village(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """8,192 scenes, read back from a store."""
    return load(store_with(tmp_path_factory.mktemp("calibration")).path, SMALL)


def store_with(folder: Path) -> Store:
    store = Store(folder / "store").open_for_writing()
    open_pool(store, SMALL)
    for block in missing_blocks(store, SMALL):
        make(block)
    return store


@pytest.fixture
def tiny() -> Pool:
    """Six images of 100 pixels, and three classes."""
    counts = np.array([[60, 40, 0], [90, 0, 0], [50, 30, 20], [100, 0, 0], [70, 0, 25], [80, 20, 0]])
    return Pool("k0", Held.of_pixels(counts), ("sky", "tree", "person"), 100)
