"""Compaction changes files and nothing else: rows, findings and what is done are the same, also killed at any instant."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganaudit.errors import AuditError, RequestError
from ganaudit.maintenance import compact as room
from ganaudit.maintenance import leftovers
from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.footers import of_part
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog, compacted, leases, schema
from ganaudit.records.schema import FINDINGS
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.records.used import sources_of
from ganaudit.studies.census import counts, moments


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    monkeypatch.setattr(compacted, "PART_IMAGES", 8)  # two blocks of four


def everything(store: Store, keys: Sequence[str] = ("ka", "kb", "kc")) -> dict[str, pa.Table]:
    """The rows of a store by SQL and block by block."""
    with catalog.connect(store) as connection:
        asked = {name: connection.sql(f"FROM {name} ORDER BY ALL") for name in ("images", "class_pixels")}
        result = {name: rows.to_arrow_table() for name, rows in asked.items()}
    for key in keys:
        for block in sorted(store.finished_blocks(key)):
            for table in (IMAGES, CLASS_PIXELS):
                result[f"{table.name} {key} {block}"] = store.read_block(table, key, block, table.arrow.names)
    return result


def findings(store: Store) -> dict[str, pa.Table]:
    """Those that follow from blocks."""
    with catalog.connect(store) as connection:
        asked = {name: connection.sql(f"FROM {name} ORDER BY ALL") for name in FINDINGS if name != "photo_verdicts"}
        return {name: rows.to_arrow_table() for name, rows in asked.items()}


def test_rows_blocks_and_findings_are_the_same_to_the_bit(filled, roll_up):
    rows, found = everything(filled), findings(filled)
    assert found["fsd"].num_rows == 2
    before = {key: filled.finished_blocks(key) for key in ("ka", "kb", "kc")}
    done = compact(filled, grace=0.0)
    assert [(result.key, result.blocks, result.files, result.removed, result.waiting) for result in done] == [
        *((key, 4, 6, 8, 0) for key in ("ka", "kb", "kc")),  # two parts of two blocks, and the fifth block's shard alone
        *((key, 2, 5, 10, 0) for key in ("k1", "k2")),  # a part of each of the five tables
    ]
    assert everything(filled) == rows
    assert {key: filled.finished_blocks(key) for key in before} == before
    shutil.rmtree(filled.folder("moments"))
    for run in ("r1", "r2"):
        roll_up(filled, run)
    assert findings(filled) == found


def test_again_it_does_nothing_and_new_blocks_join_their_part(filled, pictures, pictures_of):
    compact(filled, grace=0.0)
    assert not any(result.blocks or result.removed for result in compact(filled, grace=0.0))
    pictures(filled, "ka", pictures_of(24, 3))  # the block 16 to 17 stays, 16 to 19 and 20 to 23 come
    filled.shard("images", "ka", 16, 17).unlink()
    filled.shard("class_pixels", "ka", 16, 17).unlink()
    expected = {key: value for key, value in everything(filled).items() if key.endswith(")")}
    assert catalog.query(filled, "SELECT count(*) FROM images WHERE key = 'ka'").column(0).to_pylist() == [24]
    assert {result.key: result.blocks for result in compact(filled, grace=0.0)} == {"ka": 2, "kb": 0, "kc": 0, "k1": 0, "k2": 0}
    assert {key: value for key, value in everything(filled).items() if key.endswith(")")} == expected
    assert catalog.query(filled, "SELECT count(*) FROM images WHERE key = 'ka'").column(0).to_pylist() == [24]


def test_a_reader_that_opened_the_old_list_reads_on_and_one_that_comes_later_follows_the_manifest(filled):
    catalog.build(filled)
    with duckdb.connect(str(filled.catalog), read_only=True) as old:
        compact(filled)
        assert old.execute("SELECT count(*) FROM images").fetchall() == [(54,)]
        assert catalog.query(filled, "SELECT count(*), sum(image) FROM images").num_rows == 1
        assert catalog.query(filled, "SELECT count(*) FROM images").column(0).to_pylist() == [54]
    assert filled.shard("images", "ka", 0, 3).exists()
    hour = time.time() - 2 * room.GRACE
    for path in [*filled.folder("images").rglob("*"), *filled.folder("class_pixels").rglob("*"),
                 *filled.folder("manifests").rglob("*.json")]:  # fmt: skip
        os.utime(path, (hour, hour))
    assert sum(result.removed for result in compact(filled)) == 24
    assert not filled.shard("images", "ka", 0, 3).exists()


def test_a_query_whose_files_go_before_it_reads_them_is_asked_again(filled, monkeypatch):
    connect = catalog.connect
    calls = []

    def late(store):
        connection = connect(store)
        if not calls:
            calls.append(compact(store, grace=0.0))
        return connection

    monkeypatch.setattr(catalog, "connect", late)
    assert catalog.query(filled, "SELECT count(*) FROM images").column(0).to_pylist() == [54]
    assert calls


def test_a_process_that_dies_at_any_step_leaves_the_same_rows_and_the_next_one_ends_it(
    store, pictures, pictures_of, tmp_path, monkeypatch, deaths, cut_off
):
    pictures(store, "ka", pictures_of(10, 3))  # one part of two blocks, and one that stays alone
    monkeypatch.setattr(leftovers, "YOUNG", -1.0)
    rows, states, looked_at, cut, ends, unsigned = everything(store, ["ka"]), set(), set(), set(), [], 0
    fresh, at = tmp_path / "fresh", tmp_path / "deaths"
    shutil.copytree(store.path, fresh)
    killed = deaths(lambda: compact(store, grace=0.0), store.path, at)
    ends.append(of_records(store))
    for step, death in enumerate(killed, 1):
        for left in (None, (30, 700)[step % 2]) if death.writes else (None,):
            shutil.rmtree(store.path)
            if left is None:
                death.folder.rename(store.path)
            else:
                shutil.copytree(fresh, store.path)
                assert cut_off(lambda: compact(store, grace=0.0), store.path, step, left) in (0, signal.SIGXFSZ)
            there = {path.name for path in store.temporary.iterdir()}
            cut |= {name.split("-")[0] for name in there}
            state = of_files(store)
            if (look := (state, *sorted(name.split("-")[0] for name in there))) not in looked_at:
                looked_at.add(look)
                replaced = store.manifest_file("ka").exists() and any(
                    store.shard(table, "ka", *block).exists()
                    for table in ("images", "class_pixels") for block in ((0, 3), (4, 7))
                )  # fmt: skip
                told = verify(store, deep=True)
                assert told.sound, (step, left, told.problems)
                assert {Path(problem.path).name for problem in told.problems if problem.kind == "leftover"} == there
                assert any(problem.kind == "waiting" for problem in told.problems) == replaced
            if state not in states:  # what the rest looks at
                states.add(state)
                assert everything(store, ["ka"]) == rows, (step, left)
                unsigned += ended(store)
                if (end := of_records(store)) not in ends:
                    ends.append(end)
                    assert everything(store, ["ka"]) == rows, (step, left)
                assert [path.name for path in sorted(store.files("images"))] == [
                    "part-000000000-000000007-0001.parquet", "shard-000000008-000000009.parquet"
                ]  # fmt: skip
                assert not store.shard("images", "ka", 0, 3).exists()
    assert len(killed) > 30 and len(states) >= 15
    assert {"part", "manifest", "epoch", "catalog"} <= cut
    assert unsigned <= 2  # deaths between a lease's name and the holder's in it


def of_records(store: Store) -> dict[str, bytes]:
    """All that the rows of a store are read from."""
    records = (path for path in (store.path / "records").rglob("*") if path.is_file())
    return {str(path.relative_to(store.path)): path.read_bytes() for path in records}


def of_files(store: Store) -> frozenset[tuple[str, object]]:
    """All that a reader or the next command finds, without what lies under tmp/."""
    return frozenset(
        (str(path.relative_to(store.path)), path.stat().st_size if path.suffix in (".lease", ".duckdb") else path.read_bytes())
        for path in store.path.rglob("*")
        if path.is_file() and not path.is_relative_to(store.temporary)
    )


def ended(store: Store) -> bool:
    """Runs the same command; whether it had to wait for a lease that does not say whose it is."""
    try:
        compact(store, grace=0.0)
        return False
    except RequestError as error:
        assert "`ganaudit compact` is at work" in str(error)
        old = time.time() - leases.EXPIRES - 1
        os.utime(store.leases / "compact.lease", (old, old))
        compact(store, grace=0.0)
        return True


def test_what_made_each_block_is_kept(filled):
    compact(filled, grace=0.0)
    path = next(path for path in filled.files("images") if path.name.startswith("part-"))
    metadata = {name.decode(): value.decode() for name, value in pq.read_metadata(path).metadata.items()}
    assert metadata["ganaudit.schema_version"] == "1"
    assert metadata["ganaudit.device"] == "cpu"
    assert list(of_part(metadata)) == [(0, 3), (4, 7)]


def test_a_damaged_shard_is_named_and_its_key_left_as_it_was(filled):
    victim = filled.shard("class_pixels", "kb", 4, 7)
    victim.write_bytes(victim.read_bytes()[:-9])
    with pytest.raises(AuditError, match=f"{victim} is damaged"):
        compact(filled)
    assert filled.manifest("kb") is None
    assert len(filled.finished_blocks("kb")) == 5


def test_a_part_that_was_deleted_is_not_done_and_a_run_makes_its_blocks_again(filled, pictures, pictures_of):
    compact(filled, grace=0.0)
    rows = everything(filled)
    (first, *_) = (path for path in filled.files("class_pixels") if path.name.startswith("part-") and "key=ka" in str(path))
    first.unlink()
    assert filled.finished_blocks("ka") == {(8, 11), (12, 15), (16, 17)}
    pictures(filled, "ka", pictures_of(8, 3))
    assert everything(filled) == rows
    compact(filled, grace=0.0)
    assert everything(filled) == rows
    assert verify(filled, deep=True).sound


def test_two_at_once_are_refused(filled):
    with leases.alone(filled, leases.COMPACT), pytest.raises(RequestError, match="`ganaudit compact` is at work"):
        compact(filled)
    assert compact(filled, grace=0.0)


def test_a_lease_of_a_dead_compaction_does_not_stand_in_the_way(filled):
    filled.leases.mkdir(exist_ok=True)
    (filled.leases / "compact.lease").write_text(leases._holder(locked=True))
    assert compact(filled, grace=0.0)


def test_counts_and_moments_are_read_from_parts(filled):
    (real, _) = sources_of(filled, "r1")
    before = counts.read_counts(filled, real, range(6)).of(range(6)).toarray()
    compact(filled, grace=0.0)
    (real, _) = sources_of(filled, "r1")
    assert (counts.read_counts(filled, real, range(6)).of(range(6)).toarray() == before).all()
    assert moments.moments_of(filled, real, range(6)).n.sum() == 16
    assert set(schema.RECORDS) >= set(schema.SHARDED)


def test_a_process_that_has_read_a_manifest_sees_each_later_one(tmp_path):
    """Workers live long; a manifest may be replaced within one tick of the clock, or written anew in its place."""
    path = tmp_path / "manifest.json"

    def generation(number: int, new_file: bool, tick: int) -> int | None:
        text = compacted.Manifest("ka", number, ()).text()
        target = tmp_path / "next" if new_file else path
        target.write_text(text)
        os.replace(target, path)
        os.utime(path, ns=(tick, tick))
        result = compacted.read_manifest(path)
        return result and result.generation

    assert compacted.read_manifest(path) is None
    assert generation(1, new_file=True, tick=10**18) == 1
    assert generation(2, new_file=True, tick=10**18) == 2  # the same size and time
    assert generation(3, new_file=False, tick=10**18 + 1) == 3  # the same file and size
    path.unlink()
    assert compacted.read_manifest(path) is None
