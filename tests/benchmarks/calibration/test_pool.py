"""Pools: the village's counts against its own label maps, resuming, and a run's own real images."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.calibration.pool import BLOCK, SEED, PoolSource, load, make_block, missing_blocks, open_pool, village_counts
from ganaudit.errors import RequestError
from ganaudit.records.tables import SOURCES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence


def test_counts_are_those_of_the_rendered_label_maps():
    changed = {"person": 1.0, "car": 0.0}
    _, maps = render(Prevalence.of(changed), 7, range(100, 200))
    wanted = np.stack([np.bincount(label_map.ravel(), minlength=16) for label_map in maps])
    assert (village_counts(changed, 7, 100, 100) == wanted).all()


def test_a_pool_read_back_holds_the_scenes_in_order(village):
    assert village.counts.shape == (BLOCK, 16)
    assert (village.counts.sum(axis=1) == village.pixels).all()
    assert (village.counts[5000:5010] == village_counts({}, SEED, 5000, 10)).all()
    assert village.classes[:2] == ("void", "sky")


def test_finished_blocks_are_not_made_again(store):
    source = PoolSource(scenes=20, prevalence=(("person", 0.0),))
    open_pool(store, source)
    (block,) = missing_blocks(store, source)
    make_block(block)
    path = next(iter(store.files("pool_pixels")))
    before = path.stat().st_mtime_ns
    make_block(block)
    assert missing_blocks(store, source) == [] and path.stat().st_mtime_ns == before
    assert store.read(SOURCES, store.source(source.key(store))).to_pylist()[0]["kind"] == "village"
    assert not load(store.path, source).counts[:, 12].any()


def test_the_key_is_of_what_the_pool_holds(store):
    keys = {PoolSource().key(store), PoolSource(scenes=100).key(store), PoolSource(prevalence=(("car", 0.0),)).key(store)}
    assert len(keys) == 3


def test_a_runs_real_images_are_a_pool(store, pictures, run):
    pictures(store, "k1", [{1: 60, 2: 40}, None, {1: 90, 0: 10}, {1: 70, 3: 30}])
    pictures(store, "k2", [{1: 100}])
    run(store, "r1", [("real", "photos", "k1", 0, 4), ("generated", "model", "k2", 0, 1)])
    loaded = load(store.path, PoolSource(run="r1"))
    assert loaded.classes == ("void", "sky", "tree", "person") and loaded.pixels == 100
    assert loaded.counts.tolist() == [[0, 60, 40, 0], [10, 90, 0, 0], [0, 70, 0, 30]]
    assert missing_blocks(store, PoolSource(run="r1")) == []


def test_a_run_that_is_not_there_is_refused(store):
    with pytest.raises(RequestError, match="no run 'r9'"):
        PoolSource(run="r9").key(store)


def test_a_run_of_one_image_is_too_little(store, pictures, run):
    pictures(store, "k1", [{1: 60, 2: 40}])
    run(store, "r1", [("real", "photos", "k1", 0, 1)])
    with pytest.raises(RequestError, match="many more"):
        load(store.path, PoolSource(run="r1"))
