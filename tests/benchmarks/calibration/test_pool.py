"""Pools: the village's counts against its own label maps, resuming, and a run's own real images."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import ndimage

from benchmarks.calibration.pool import (
    BLOCK,
    SEED,
    PoolSource,
    load,
    make_block,
    missing_blocks,
    open_pool,
    village_held,
    with_void,
)
from benchmarks.calibration.worlds import PIXELS, WORLDS, heavy_tails, one_dominant, two_modes
from ganaudit.errors import RequestError
from ganaudit.records.tables import SOURCES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence


def test_what_scenes_hold_is_in_their_rendered_label_maps():
    changed = {"person": 1.0, "car": 0.0}
    _, maps = render(Prevalence.of(changed), 7, range(100, 200))
    wanted = np.stack([np.bincount(label_map.ravel(), minlength=16) for label_map in maps])
    held = village_held(changed, 7, 100, 100)
    assert (with_void(held, 64**2).toarray() == wanted).all()
    for entry in range(0, len(held.image), 37):
        mask = np.asarray(maps[held.image[entry]]) == held.column[entry] + 1
        labels, _ = ndimage.label(mask, np.ones((3, 3)))
        sizes = np.bincount(labels.ravel())[1:]
        assert (held.largest[entry], held.parts[entry]) == (sizes.max(), (sizes >= 4).sum())


def test_a_pool_read_back_holds_the_scenes_in_order(village):
    assert village.held.shape == (BLOCK, 15) and village.classes[0] == "sky"
    again, some = village_held({}, SEED, 5000, 10), village.some(np.arange(5000, 5010))
    for name in ("image", "column", "pixels", "largest", "parts"):
        assert (getattr(some, name) == getattr(again, name)).all()


def test_some_images_of_a_pool_are_those_named_as_often_as_named(tiny):
    drawn = with_void(tiny.some(np.array([4, 0, 4])), 100).toarray()
    assert drawn.tolist() == [[5, 70, 0, 25], [0, 60, 40, 0], [5, 70, 0, 25]]
    assert tiny.share.tolist() == [1.0, 0.5, 2 / 6]


@pytest.mark.parametrize("make", [lambda: heavy_tails(4_000), lambda: one_dominant(4_000)], ids=["heavy tails", "one dominant"])
def test_images_of_a_made_up_world_are_label_maps(make):
    """No more pixels than there are, regions within their class, the same each time, and as skewed as they are meant to be."""
    held, again = make(), make()
    assert with_void(held, PIXELS).toarray().min() >= 0
    assert (np.diff(held.image * 1000 + held.column) > 0).all()
    assert ((held.largest >= 1) & (held.largest <= held.pixels)).all()
    assert (held.pixels == again.pixels).all() and (held.column == again.column).all()
    share = np.bincount(held.column, minlength=held.shape[1]) / held.shape[0]
    assert share[0] > 0.5 and 0 < share[-1] < 0.05


def test_in_the_world_of_two_modes_pairs_never_meet_and_one_region_in_twenty_is_large():
    held = two_modes(4_000)
    assert with_void(held, PIXELS).toarray().min() >= 0
    seen = np.zeros(held.shape, bool)
    seen[held.image, held.column] = True
    assert not (seen[:, 0:18:2] & seen[:, 1:18:2]).any() and seen[:, 19].all() and 0.99 < seen[:, 18].mean() < 1
    sizes = held.pixels[held.column < 18]
    assert 0.04 < (sizes > 6000).mean() < 0.06 and ((sizes < 300) | (sizes > 6000)).all()


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
    assert not load(store.path, source).share[11]


def test_scenes_of_an_older_ganaudit_have_no_regions_and_are_refused(store):
    source = PoolSource(scenes=20)
    open_pool(store, source)
    (block,) = missing_blocks(store, source)
    make_block(block)
    (path,) = store.files("pool_pixels")
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["parts", "largest"]), path)
    with pytest.raises(RequestError, match="an older ganaudit rendered, without regions; give another --store"):
        load(store.path, source)


def test_the_key_is_of_what_the_pool_holds(store):
    sources = (
        PoolSource(),
        PoolSource(scenes=100),
        PoolSource(prevalence=(("car", 0.0),)),
        *(PoolSource(world=w) for w in WORLDS),
    )
    assert len({source.key(store) for source in sources}) == len(sources)


def test_a_runs_real_images_are_a_pool(store, pictures, run):
    pictures(store, "k1", [{1: 60, 2: 40}, None, {1: 90, 0: 10}, {1: 70, 3: 30}])
    pictures(store, "k2", [{1: 100}])
    run(store, "r1", [("real", "photos", "k1", 0, 4), ("generated", "model", "k2", 0, 1)])
    loaded = load(store.path, PoolSource(run="r1"))
    assert loaded.classes == ("sky", "tree", "person") and loaded.pixels == 100
    assert with_void(loaded.held, 100).toarray().tolist() == [[0, 60, 40, 0], [10, 90, 0, 0], [0, 70, 0, 30]]
    assert missing_blocks(store, PoolSource(run="r1")) == []


def test_a_run_that_is_not_there_is_refused(store):
    with pytest.raises(RequestError, match="no run 'r9'"):
        PoolSource(run="r9").key(store)


def test_a_run_of_one_image_is_too_little(store, pictures, run):
    pictures(store, "k1", [{1: 60, 2: 40}])
    run(store, "r1", [("real", "photos", "k1", 0, 1)])
    with pytest.raises(RequestError, match="many more"):
        load(store.path, PoolSource(run="r1"))
