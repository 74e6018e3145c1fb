"""Damaged, swapped and foreign files: one sentence that names the file and says `ganaudit verify`, whoever reads it."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganaudit.errors import AuditError
from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.records.used import sources_of
from ganaudit.spec import Decide
from ganaudit.studies.census.findings import materialise
from ganaudit.studies.census.known import classes_of
from ganaudit.studies.census.moments import moments_of

FEW = Decide(permutations=0)
MIXED = [{1: 60, 2: 40}, {1: 80, 3: 20}, {1: 90, 2: 5, 3: 5}, {0: 10, 1: 90}]


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory, pictures, run):
    store = Store(tmp_path_factory.mktemp("damaged") / "store").open_for_writing()
    for key in ("ka", "kb"):
        pictures(store, key, MIXED * 5, block=10)
        store.write_source({"key": key, "kind": "folder", "recipe": "{}", "digests": "{}"})
    run(store, "r1", [("real", "photos", "ka", 0, 20), ("generated", "gan", "kb", 0, 20)])
    materialise(store, "r1", FEW)
    return store


@pytest.fixture
def filled(filled_once, tmp_path):
    """A run of two sources of twenty images in blocks of ten, with its findings."""
    return Store(shutil.copytree(filled_once.path, tmp_path / "store"))


def flipped(path, column):
    """One bit of a column's first page, behind its header."""
    place = pq.read_schema(path).names.index(column)
    chunk = pq.read_metadata(path).row_group(0).column(place)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[start + chunk.total_compressed_size - 2] ^= 8
    path.write_bytes(bytes(content))


def replaced(path, change):
    table = pq.read_table(path, partitioning=None)
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)


def without_statistics(path, change):
    table = pq.read_table(path, partitioning=None)
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path, write_statistics=False)


def moved(table, by):
    place = table.schema.get_field_index("image")
    values = pa.array([value.as_py() + by for value in table["image"]], pa.int64())
    return table.set_column(place, table.schema.field("image"), values)


def shard(table, key="kb", block=(0, 9)):
    return lambda store: store.shard(table, key, *block)


IMAGES, PIXELS = shard("images"), shard("class_pixels")
HARMS = {
    "a flipped bit in pixels": (PIXELS, lambda store, path: flipped(path, "pixels")),
    "a flipped bit in class ids": (PIXELS, lambda store, path: flipped(path, "class_id")),
    "a flipped bit in digests": (IMAGES, lambda store, path: flipped(path, "digest")),
    "a swapped block of class pixels": (PIXELS, lambda s, path: shutil.copy(s.shard("class_pixels", "kb", 10, 19), path)),
    "a swapped block of images": (IMAGES, lambda store, path: shutil.copy(store.shard("images", "kb", 10, 19), path)),
    "class pixels of another key": (PIXELS, lambda store, path: shutil.copy(store.shard("class_pixels", "ka", 0, 9), path)),
    "images of another key": (IMAGES, lambda store, path: shutil.copy(store.shard("images", "ka", 0, 9), path)),
    "another table": (PIXELS, lambda store, path: shutil.copy(store.shard("images", "kb", 0, 9), path)),
    "fewer images": (IMAGES, lambda store, path: replaced(path, lambda table: table.slice(2))),
    "an image twice": (IMAGES, lambda store, path: replaced(path, lambda table: table.take([*range(9), 0]))),
    "moved class pixels": (PIXELS, lambda store, path: without_statistics(path, lambda table: moved(table, 5))),
    "class pixels before the first": (PIXELS, lambda store, path: without_statistics(path, lambda table: moved(table, -1))),
    "truncated": (PIXELS, lambda store, path: path.write_bytes(path.read_bytes()[:-30])),
    "empty": (IMAGES, lambda store, path: path.write_bytes(b"")),
    "no Parquet": (PIXELS, lambda store, path: path.write_text("a,b\n1,2\n")),
    "missing class pixels": (PIXELS, lambda store, path: path.unlink()),
    "a folder": (PIXELS, lambda store, path: (path.unlink(), path.mkdir())),
    "a foreign file like a shard": (shard("images", block=(3, 12)), lambda store, path: path.write_bytes(b"PAR1")),
    "a copy of a shard": (shard("images", block=(0, 8)), lambda s, path: shutil.copy(s.shard("images", "kb", 0, 9), path)),
    "damaged classes": (lambda store: store.classes("p0"), lambda store, path: path.write_bytes(b"PAR1")),
    "no classes": (lambda store: store.classes("p0"), lambda store, path: path.unlink()),
    "damaged sources of the run": (lambda store: store.run_sources("r1"), lambda store, path: path.write_bytes(b"PAR1")),
    "damaged moments": (lambda store: store.moments("kb", 0, 20), lambda store, path: path.write_bytes(b"PAR1")),
    "moments of another key": (
        lambda store: store.moments("kb", 0, 20), lambda store, path: shutil.copy(store.moments("ka", 0, 20), path),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMS)
def test_findings_name_the_file_and_say_verify(filled, name):
    where, harm = HARMS[name]
    path = where(filled)
    harm(filled, path)
    with pytest.raises(AuditError, match="ganaudit verify") as raised:
        materialise(filled, "r1", FEW)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    deep = verify(filled, deep=True)
    assert not deep.sound or "moments" in name


@pytest.mark.parametrize("name", ["damaged moments", "moments of another key", "damaged classes"])
def test_what_compares_names_it_too(filled, name):
    where, harm = HARMS[name]
    path = where(filled)
    harm(filled, path)
    with pytest.raises(AuditError, match="ganaudit verify") as raised:
        moments_of(filled, sources_of(filled, "r1")[1], classes_of(filled, "p0").first_head)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("table", ["images", "class_pixels"])
def test_a_flipped_bit_in_a_part_is_named(filled, table):
    compact(filled, grace=0.0)
    (path,) = (path for path in filled.files(table) if path.parent.name == "key=kb")
    flipped(path, "image")
    with pytest.raises(AuditError, match="ganaudit verify") as raised:
        materialise(filled, "r1", FEW)
    assert str(path) in str(raised.value)


def test_a_deleted_pair_of_shards_is_what_the_sentence_asks_for(filled):
    """What it says to delete is enough: the block is missing then, and nothing damaged is left."""
    path = filled.shard("class_pixels", "kb", 0, 9)
    flipped(path, "pixels")
    with pytest.raises(AuditError) as raised:
        materialise(filled, "r1", FEW)
    mark = filled.shard("images", "kb", 0, 9)
    assert f"delete it and {mark}" in str(raised.value)
    path.unlink()
    mark.unlink()
    assert filled.finished_blocks("kb") == {(10, 19)}


@pytest.mark.parametrize("table", ["images", "class_pixels", "classes"])
def test_a_damaged_file_is_named_inside_the_views_of_one_run(filled, table):
    path = filled.classes("p0") if table == "classes" else filled.shard(table, "kb", 0, 9)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AuditError, match="ganaudit verify") as raised, catalog.of_run(filled, "r1") as connection:
        connection.sql(f"FROM {table}").fetchall()
    assert str(path) in str(raised.value)


def test_pages_have_checksums(filled):
    """A reader of another making can tell a flipped bit, too."""
    path = filled.shard("class_pixels", "ka", 0, 9)
    flipped(path, "confidence")
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)
