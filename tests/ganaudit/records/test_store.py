"""Blocks, runs and findings in their places; a store that cannot be used says so."""

import errno
import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from written import write_block

from ganaudit.errors import AuditError, RequestError
from ganaudit.records import writer
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, CLASSES, IMAGES, SOURCES

PICTURES = [{1: 60, 2: 40}, None, {0: 100}, {1: 100}]


def test_a_block_is_found_again_by_its_name_alone(store, block_tables):
    images, class_pixels = block_tables("kab1", PICTURES, first=1024)
    write_block(store, "kab1", 1024, 1027, images, class_pixels, {})
    assert store.finished_blocks("kab1") == {(1024, 1027)}
    assert store.finished_blocks("kab2") == set()
    folder = store.path / "records/v1/images/key=kab1"
    assert [path.name for path in folder.iterdir()] == ["shard-000001024-000001027.parquet"]
    (folder / "shard-x.parquet").write_text("not ours")
    (folder / "notes.txt").write_text("not ours")
    assert store.finished_blocks("kab1") == {(1024, 1027)}


def test_what_is_read_is_what_was_written(store, block_tables):
    images, class_pixels = block_tables("ka", PICTURES)
    write_block(store, "ka", 0, 3, images.take([3, 1, 0, 2]), class_pixels, {"batch": "64"})
    assert store.read(IMAGES, store.shard("images", "ka", 0, 3)) == images
    assert store.read_block(CLASS_PIXELS, "ka", (0, 3), ["pixels"])["pixels"].to_pylist() == [60, 40, 100, 100]


def test_killed_between_class_pixels_and_images_the_block_is_not_done_and_is_done_again(store, block_tables, monkeypatch):
    tables = block_tables("ka", PICTURES)
    link = os.link

    def killed(source: Path, target: Path) -> None:
        if "/images/" in str(target):
            raise KeyboardInterrupt
        link(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "link", killed)
        write_block(store, "ka", 0, 3, *tables, {})
    assert store.shard("class_pixels", "ka", 0, 3).exists()
    assert store.finished_blocks("ka") == set()
    write_block(store, "ka", 0, 3, *tables, {})
    assert store.finished_blocks("ka") == {(0, 3)}
    assert list(store.temporary.iterdir()) == []


def test_two_threads_write_one_block(store, block_tables):
    tables = block_tables("ka", PICTURES)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: write_block(store, "ka", 0, 3, *tables, {}), range(8)))
    assert store.finished_blocks("ka") == {(0, 3)}
    assert store.read(*(IMAGES, store.shard("images", "ka", 0, 3))) == tables[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda images, pixels: (images.slice(1), pixels), "must hold each of its images once"),
        (lambda images, pixels: (pa.concat_tables([images, images]), pixels), "must hold each of its images once"),
        (lambda images, pixels: (images, pixels.set_column(1, "image", [[9] * len(pixels)])), "of other images"),
        (lambda images, pixels: (images.set_column(0, "key", [["kb"] * 4]), pixels), "rows of another key"),
    ],
)
def test_a_block_that_is_not_whole_is_refused(store, block_tables, change, sentence):
    with pytest.raises(AuditError, match=f"the block 0 to 3 of ka .*{sentence}"):
        write_block(store, "ka", 0, 3, *change(*block_tables("ka", PICTURES)), {})
    assert store.finished_blocks("ka") == set()


@pytest.mark.parametrize("key", ["", "a1", "k", "kxyz", "k1/../k2", "K1"])
def test_a_key_is_k_and_hexadecimal_digits(store, key):
    with pytest.raises(RequestError, match="is not a key"):
        store.finished_blocks(key)


@pytest.mark.parametrize("run", ["", "../x", "a b", "a'b", "*"])
def test_a_run_is_a_plain_name(store, run):
    with pytest.raises(RequestError, match="is not a run"):
        store.run_sources(run)


def test_a_source_and_the_classes_of_a_parser(store):
    store.write_classes("p1", [{"class_id": 1, "name": "sky", "head": "object"}])
    store.write_source({"key": "k1", "kind": "folder", "recipe": "{}", "digests": "{}", "resolution": 64})
    assert store.read(SOURCES, store.source("k1")).to_pylist()[0]["resolution"] == 64
    assert store.read(CLASSES, store.classes("p1"))["name"].to_pylist() == ["sky"]


def test_a_run_is_started_and_finished_in_files_of_their_own(store):
    row = {"run": "r1", "audit": "a", "spec": "{}", "started": datetime.now(UTC), "versions": "{}", "device": "cpu"}
    source = {"role": "real", "source": "photos", "key": "k1", "parser_key": "p1", "first": 0, "count": 4}
    store.start_run({**row, "status": "running"}, [source])
    with pytest.raises(AuditError, match="without the time when it finished"):
        store.finish_run({**row, "status": "done"})
    store.finish_run({**row, "status": "done", "finished": datetime.now(UTC)})
    assert sorted(path.name for path in store.files("runs")) == ["finished.parquet", "started.parquet"]


# stores that cannot be used


def test_opening_a_store_twice_changes_nothing(store):
    before = store.marker.stat().st_mtime_ns
    assert store.open_for_writing() is store
    assert store.marker.stat().st_mtime_ns == before
    assert json.loads(store.marker.read_text()) == {"schema_version": 1, "block": 1024}


def test_a_newer_store_is_refused(store):
    store.marker.write_text('{"schema_version": 2}')
    for opened in (store.open_for_writing, store.open_for_reading):
        with pytest.raises(RequestError, match="schema version 2 and this ganaudit knows 1; upgrade"):
            opened()


def test_a_newer_run_is_refused_by_its_footer(store, monkeypatch):
    row = {"run": "r1", "audit": "a", "spec": "{}", "started": datetime.now(UTC), "versions": "{}", "device": "cpu"}
    with monkeypatch.context() as patch:
        patch.setattr(writer, "SCHEMA_VERSION", 3)
        store.start_run({**row, "status": "running"}, [])
    with pytest.raises(RequestError, match="schema version 3"):
        store.open_for_writing()


def test_a_marker_that_is_not_one(store):
    store.marker.write_text("hello")
    with pytest.raises(RequestError, match="is not the marker of a store"):
        store.open_for_writing()


def test_a_read_only_store(tmp_path, monkeypatch):
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", read_only)
    with pytest.raises(RequestError, match=r"cannot be written to: .* \(Read-only file system\)"):
        Store(tmp_path / "store").open_for_writing()


@pytest.mark.parametrize("name", ["EACCES", "EPERM", "EROFS", "EINVAL", "ENOENT", "ESTALE"])
def test_a_folder_that_nobody_can_write_to(tmp_path, monkeypatch, name):
    def refused(**_: object) -> None:
        raise OSError(getattr(errno, name), f"says {name}")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(RequestError, match=rf"cannot be written to: {tmp_path}.* \(says {name}\); choose another folder"):
        Store(tmp_path / "store").open_for_writing()
    assert not (tmp_path / "store").exists()


def test_a_path_that_is_a_file(tmp_path):
    (tmp_path / "store").write_text("hello")
    with pytest.raises(RequestError, match="a file is in the way"):
        Store(tmp_path / "store").open_for_writing()


def test_a_catalog_that_is_a_folder_is_told_before_any_work(tmp_path):
    (tmp_path / "store" / "catalog.duckdb").mkdir(parents=True)
    with pytest.raises(RequestError, match=r"catalog\.duckdb is a folder"):
        Store(tmp_path / "store").check_place()


def test_no_store_at_all(tmp_path):
    with pytest.raises(RequestError, match=r"there is no store at .*nowhere; run an audit first"):
        Store(tmp_path / "nowhere").open_for_reading()
    assert not (tmp_path / "nowhere").exists()


def test_a_backslash_in_the_path(tmp_path):
    with pytest.raises(RequestError, match="holds a backslash"):
        Store(tmp_path / "a\\b")


def test_stale_temporary_files_go_and_young_ones_stay(store):
    old, young = store.temporary / "old.tmp", store.temporary / "young.tmp"
    for path in (old, young):
        path.write_text("x")
    os.utime(old, (time.time() - 90_000,) * 2)
    store.open_for_writing()
    assert [path.name for path in store.temporary.iterdir()] == ["young.tmp"]


# damaged files


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def scrambled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8:80] = b"x" * 72
    path.write_bytes(bytes(content))


def foreign(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


@pytest.mark.parametrize("damage", [torn, scrambled, foreign, lambda path: path.write_bytes(b"")])
def test_a_damaged_shard_is_named(store, block_tables, damage):
    write_block(store, "ka", 0, 3, *block_tables("ka", PICTURES), {})
    path = store.shard("images", "ka", 0, 3)
    damage(path)
    with pytest.raises(AuditError, match=f"{path} is damaged or was not written by ganaudit .*delete it and run"):
        store.read(IMAGES, path)


def test_a_missing_half_of_a_block_is_named(store, block_tables):
    write_block(store, "ka", 0, 3, *block_tables("ka", PICTURES), {})
    path = store.shard("class_pixels", "ka", 0, 3)
    path.unlink()
    with pytest.raises(AuditError, match=f"{path} is missing although .*images.* says that it is there"):
        store.read_block(CLASS_PIXELS, "ka", (0, 3), ["pixels"])
