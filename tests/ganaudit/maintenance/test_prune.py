"""What no kept run uses goes, nothing else, never while a run is open, and whoever is killed in between has done no harm."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest

from ganaudit.errors import RequestError
from ganaudit.maintenance import prune as room
from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.prune import prunable, prune
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog, leases, schema
from ganaudit.records.store import Store


def keys(store: Store) -> set[str]:
    return {folder.name.removeprefix("key=") for folder in store.folder("images").glob("key=*")}


def runs(store: Store) -> list[str]:
    return catalog.query(store, "SELECT run FROM runs ORDER BY started").column(0).to_pylist()


def test_without_a_rule_only_keys_that_no_run_uses_go(filled, pictures):
    pictures(filled, "kd", [{1: 100}] * 4)
    result = prunable(filled)
    assert (result.runs, result.keys, result.kept) == ((), ("kd",), ("r1", "r2"))
    assert result.bytes == sum(
        path.stat().st_size for path in filled.path.rglob("*") if path.is_file() and "key=kd" in str(path)
    )
    assert keys(filled) == {"ka", "kb", "kc", "kd"}
    prune(filled)
    assert keys(filled) == {"ka", "kb", "kc"}
    assert verify(filled, deep=True).sound


@pytest.mark.parametrize("compacted", [False, True])
def test_the_newest_run_of_an_audit_stays_with_all_that_it_uses(filled, run, compacted):
    run(filled, "other", [("real", "photos", "ka", 0, 4), ("generated", "gan", "kb", 0, 4)], audit="second", hour=-5)
    if compacted:
        compact(filled, grace=0.0)
    before = catalog.query(filled, "FROM class_statistics('r2', 0.1) ORDER BY ALL")
    assert prunable(filled, keep=1).runs == ("r1",)
    assert prunable(filled, keep=1).keys == ()  # kb is the other audit's, too
    prune(filled, keep=1)
    assert runs(filled) == ["other", "r2"]
    assert prune(filled, runs=["other"]).keys == ("k1", "kb")
    assert (runs(filled), keys(filled)) == (["r2"], {"ka", "kc"})
    assert catalog.query(filled, "FROM class_statistics('r2', 0.1) ORDER BY ALL") == before
    assert catalog.query(filled, "SELECT DISTINCT run FROM fsd").column(0).to_pylist() == ["r2"]
    assert filled.finished_blocks("kb") == set()
    assert list(filled.temporary.iterdir()) == []


def test_what_was_started_after_the_newest_finished_run_stays_and_what_failed_before_goes(filled, run):
    used = [("real", "photos", "ka", 0, 4)]
    run(filled, "old-failure", used, hour=-1, status="failed")
    run(filled, "new-failure", used, hour=2, status="failed")
    assert prunable(filled, keep=1).kept == ("new-failure", "r2")
    assert prunable(filled, keep=0).kept == ()


def test_days_are_counted_by_the_stores_clock(filled, monkeypatch):
    monkeypatch.setattr(leases, "utc", lambda store: room.run_rows(store)["r2"]["started"] + room.timedelta(days=3))
    assert prunable(filled, keep_days=3).runs == ("r1",)
    assert prunable(filled, keep_days=4).runs == ()
    assert prunable(filled, keep=1, keep_days=4).runs == ()


def test_an_unknown_run_is_a_sentence(filled):
    with pytest.raises(RequestError, match="there is no run 'r9'"):
        prunable(filled, runs=["r9"])


def test_never_while_a_run_is_open_also_of_another_machine(filled):
    with leases.taken(filled, leases.of_run("r3")):
        with pytest.raises(RequestError, match="is in use by the run r3; nothing was removed"):
            prune(filled, keep=0)
        assert prunable(filled, keep=0).runs == ("r1", "r2")  # to look is allowed
    (filled.leases / "run-r4.lease").write_text(json.dumps({"host": "elsewhere", "pid": 1, "boot": "another"}))
    with pytest.raises(RequestError, match="is in use by the run r4"):
        prune(filled, keep=0)
    old = (filled.leases / "run-r4.lease").stat().st_mtime - leases.EXPIRES - 1
    os.utime(filled.leases / "run-r4.lease", (old, old))
    prune(filled, keep=0)
    assert runs(filled) == []


def test_no_run_begins_while_it_prunes(filled):
    with leases.alone(filled, leases.PRUNE), pytest.raises(RequestError, match="is being pruned; run the audit again"):
        leases.announce(filled, "r5")
    assert leases.open_runs(filled) == []
    leases.announce(filled, "r5")
    assert leases.open_runs(filled) == ["r5"]


def test_never_while_it_is_read_and_nobody_begins_to_read_while_it_prunes(filled):
    with leases.reading(filled):
        with pytest.raises(RequestError, match=rf"is being read \(process {os.getpid()} on .*\); nothing was removed"):
            prune(filled, keep=0)
        with leases.reading(filled):
            assert len(leases.readers(filled)) == 2
    with (
        leases.alone(filled, leases.PRUNE),
        pytest.raises(RequestError, match="is being pruned; ask again"),
        leases.reading(filled),
    ):
        raise AssertionError
    assert list(filled.leases.glob("*.lease")) == []
    (filled.leases / "read-0a.lease").write_text(leases._holder(locked=True))  # its reader was killed
    prune(filled, keep=0)
    assert (runs(filled), list(filled.leases.glob("*.lease"))) == ([], [])


def test_a_store_that_cannot_be_written_to_is_read_without_a_lease(filled, monkeypatch):
    def refused(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(leases.os, "open", refused)
    with leases.reading(filled):
        assert filled.finished_blocks("ka")


def test_a_compaction_at_work_stands_in_its_way(filled):
    with leases.alone(filled, leases.COMPACT), pytest.raises(RequestError, match="`ganaudit compact` is at work"):
        prune(filled, keep=0)


def test_records_of_a_study_go_where_no_kept_run_says_that_it_uses_them(filled, inversion):
    everything = {name for name in schema.RECORDS if name.startswith("inversion") and any(filled.files(name))}
    assert {"inversions", "inversion_curves", "inversion_latents"} <= everything
    inversion(filled, "k3", "kc")
    for table in schema.shards_of("inversions").beside:  # what a killed run left
        (filled.folder(table.name) / "key=k4").mkdir()
    assert {"k1", "k3", "k4"} <= set(prune(filled, runs=["r1"]).keys)
    for name in everything:
        assert {folder.name for folder in filled.folder(name).iterdir() if folder.is_dir()} == {"key=k2"}, name
    assert {folder.name for folder in filled.folder("run_notes").iterdir()} == {"run=r2"}


def test_what_an_older_run_may_use_stays(filled):
    shutil.rmtree(filled.folder("run_keys") / "run=r2")
    assert not {"k1", "k2"} & set(prune(filled, runs=["r1"]).keys)
    assert {folder.name for folder in filled.folder("inversions").glob("key=*")} == {"key=k1", "key=k2"}


def test_a_process_that_dies_at_any_step_leaves_the_kept_run_whole_and_the_next_prune_does_the_rest(
    filled, tmp_path, monkeypatch, deaths
):
    compact(filled, grace=0.0)
    kept, whole, stages, ends = of_kept_run(filled), filled.finished_blocks("kb"), [], []
    killed = deaths(lambda: prune(filled, keep=1), filled.path, tmp_path / "deaths")
    assert (runs(filled), of_kept_run(filled)) == (["r2"], kept)
    for step, death in enumerate(killed, 1):
        shutil.rmtree(filled.path)
        death.folder.rename(filled.path)
        assert of_kept_run(filled) == kept, step
        assert filled.finished_blocks("kb") in (set(), whole)
        if (stage := paths(filled)) not in stages:
            stages.append(stage)
            told = verify(filled)
            assert told.problems == (), (step, told.problems)  # nor does the run that goes point at what went before it
            with monkeypatch.context() as patch:
                patch.setattr(catalog, "build", lambda _: None)
                go_on(filled)
            assert keys(filled) == {"ka", "kc"}
            assert {path for path in paths(filled) if "=" in path} == {path for path in paths(filled) if keeps(path)}
            assert not list(filled.temporary.glob("pruned-*"))
            assert of_kept_run(filled) == kept
            if (end := sorted(path for path in filled.path.rglob("*") if path.suffix != ".duckdb")) not in ends:
                ends.append(end)
                assert verify(filled, deep=True).problems == ()
    assert len(killed) > 30 and len(stages) > 15


def of_kept_run(store: Store) -> list[tuple[str, bytes]]:
    """What the kept run points at and what it found, file by file."""
    return [(path, (store.path / path).read_bytes()) for path in sorted(paths(store)) if keeps(path)]


def keeps(path: str) -> bool:
    return any(f"/{folder}/" in path for folder in ("run=r2", "key=ka", "key=kc", "key=k2", "key=p0"))


def paths(store: Store) -> frozenset[str]:
    """Every file of records and findings, and what is on its way out."""
    result = (str(path.relative_to(store.path)) for path in store.path.rglob("*") if path.is_file())
    return frozenset(path for path in result if path.startswith(("records/", "findings/", "tmp/pruned-", "leases/")))


def go_on(store: Store) -> None:
    """The same command again, where a lease does not say whose it is after that has expired."""
    for lease in store.leases.glob("*.lease"):
        if not lease.read_text():
            old = lease.stat().st_mtime - leases.EXPIRES - 1
            os.utime(lease, (old, old))
    prune(store, keep=1)


def test_calibrations_stay(filled):
    from ganaudit.records.tables import POOL_PIXELS

    rows = POOL_PIXELS.from_rows([{"key": "kf", "image": 0, "class_id": 1, "pixels": 5}])
    filled.write_pool("kf", 0, 0, rows)
    filled.write_source({"key": "kf", "kind": "village", "recipe": "{}", "digests": "{}"})
    prune(filled, keep=0)
    assert filled.shard("pool_pixels", "kf", 0, 0).is_file() and filled.source("kf").is_file()
