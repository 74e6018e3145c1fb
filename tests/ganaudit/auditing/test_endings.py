"""Whatever way a run ended, its row says so: done, failed, stopped, killed, or with the disk full."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from forked import ended, forked

from ganaudit import spec as specs
from ganaudit.auditing import plan as plans
from ganaudit.auditing import run as audit
from ganaudit.errors import AuditError, StoreError
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog, leases, writer
from ganaudit.records.store import Store
from ganaudit.studies.census.blocks import missing

HERE = Path(__file__).parents[1]


def mapping(store: Path, **parts):
    return {"name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
            "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 300}},
            "generators": [{"name": "g", "kind": "tiny_models:Noise"}], "sample": {"count": 500}, **parts}  # fmt: skip


def states(store: Path) -> list[str]:
    return catalog.query(Store(store), "SELECT status FROM runs ORDER BY started").column(0).to_pylist()


def begun(store: Path):
    return audit.prepared(specs.parse(mapping(store)))


@pytest.mark.parametrize("word", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_killed_or_stopped_is_running_until_then_and_interrupted_after(tmp_path, word):
    place = tmp_path / "store"
    told, tells = os.pipe()

    def work():
        with audit.failing(*begun(place)):
            os.write(tells, b"at work")
            time.sleep(100)

    process = forked(work)
    assert os.read(told, 7) == b"at work"
    assert states(place) == ["running"]
    (run,) = leases.open_runs(Store(place))
    os.kill(process, word)
    assert ended(process) == (1 if word == signal.SIGINT else -word)
    assert leases.open_runs(Store(place)) == []
    assert states(place) == ["interrupted"]
    result = catalog.query(Store(place), "SELECT run, finished IS NULL AS cut FROM runs").to_pylist()
    assert result == [{"run": run, "cut": word != signal.SIGINT}]  # Ctrl-C leaves time to write when


def test_a_run_that_fails_is_failed_and_one_that_goes_on_after_it_is_done(tmp_path):
    planned, store = begun(tmp_path)
    with pytest.raises(ZeroDivisionError), audit.failing(planned, store):
        raise ZeroDivisionError
    assert states(tmp_path) == ["failed"]
    assert audit.audit(specs.parse(mapping(tmp_path))).status == "done"
    assert states(tmp_path) == ["failed", "done"]
    assert list(store.leases.iterdir()) == []


def test_on_a_full_disk_the_row_that_waited_takes_its_place(tmp_path, monkeypatch):
    planned, store = begun(tmp_path)

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_bytes", full)
        with pytest.raises(AuditError, match=r"the disk is full: .* free some space"), audit.failing(planned, store):
            list(audit.on_threads(1)(missing(planned, store)))
    assert states(tmp_path) == ["interrupted"]
    assert audit.audit(specs.parse(mapping(tmp_path))).status == "done"


def test_a_failure_after_the_row_was_finished_is_not_hidden_by_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audit, "report_data", full)
    with pytest.raises(OSError, match="No space left"):
        audit.audit(specs.parse(mapping(tmp_path)))
    assert states(tmp_path) == ["failed"]


def test_a_store_that_is_removed_before_the_catalog_is_made_is_told_once(tmp_path, monkeypatch, caplog):
    build = catalog.build

    def removed(store):
        shutil.rmtree(store.path, ignore_errors=True)
        return build(store)

    monkeypatch.setattr(catalog, "build", removed)
    with pytest.raises(StoreError, match="the store was removed or moved away meanwhile"):
        audit.audit(specs.parse(mapping(tmp_path / "store")))
    assert not caplog.records


def test_a_run_of_another_machine_is_judged_by_the_stores_clock_alone(tmp_path, monkeypatch):
    planned, store = begun(tmp_path)
    lease = store.leases / f"run-{planned.run}.lease"
    lease.write_text(json.dumps({"host": "elsewhere", "pid": 1, "boot": "another"}))
    monkeypatch.setattr(time, "time", lambda: 4e9)  # this machine's clock is decades ahead
    assert leases.open_runs(store) == [planned.run]
    old = lease.stat().st_mtime - leases.EXPIRES - 1
    os.utime(lease, (old, old))
    assert leases.open_runs(store) == []
    assert leases.settle(store) == [planned.run]
    assert leases.settle(store) == []


@pytest.fixture
def clock(monkeypatch):
    """`clock(3600)`: this machine's clock is an hour ahead of the store's, wherever the audit asks for the time."""
    true, moment = time.time, datetime

    def set_to(ahead: float) -> None:
        class Now(moment):
            @classmethod
            def now(cls, tz=None):
                return moment.now(tz) + timedelta(seconds=ahead)

        monkeypatch.setattr(time, "time", lambda: true() + ahead)
        for module in (plans, leases):
            monkeypatch.setattr(module, "datetime", Now)

    return set_to


DAY = 24 * 3600.0


@pytest.mark.parametrize("ahead", [400 * DAY, -60.0])
def test_machines_whose_clocks_differ_share_a_store_and_nothing_is_lost_or_made_twice(tmp_path, clock, ahead):
    asked, began = specs.parse(mapping(tmp_path)), datetime.now(UTC)
    first = audit.audit(asked)
    _, store = begun(tmp_path)  # another one, at work on this machine
    writing = store.temporary / "shard-000000000-000001023-1-aa.tmp"
    writing.write_bytes(b"PAR1")
    clock(ahead)
    far = audit.audit(asked)
    assert (first.parsed > 0, far.parsed, far.status) == (True, 0, "done")
    assert writing.exists()  # it is young by the store's clock
    clock(0.0)
    last = audit.audit(asked)
    assert (last.parsed, states(tmp_path)) == (0, ["done", "running", "done", "done"])
    order = catalog.query(store, "SELECT run FROM runs WHERE status = 'done' ORDER BY started").column(0).to_pylist()
    assert order == [first.run, far.run, last.run]
    rows = catalog.query(store, "SELECT started, finished FROM runs WHERE status = 'done'").to_pylist()
    ended = datetime.now(UTC)
    slack = timedelta(seconds=1)  # a skew is told in whole seconds
    assert all(began - slack <= row["started"] <= row["finished"] <= ended + slack for row in rows)
    assert verify(store, deep=True).sound


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_a_clock_that_is_set_right_in_the_middle_of_a_run_does_not_move_its_start(tmp_path, clock, ahead):
    clock(ahead)
    planned, store = begun(tmp_path)
    (before,) = catalog.query(store, "SELECT started FROM runs").to_pylist()
    clock(0.0)
    with audit.failing(planned, store):
        list(audit.on_threads(1)(missing(planned, store)))
        audit.finish(planned, store, {})
    (row,) = catalog.query(store, "SELECT started, finished FROM runs").to_pylist()
    assert row["started"] == before["started"] <= row["finished"] <= datetime.now(UTC)
    assert row["finished"] - row["started"] < timedelta(minutes=5)


def test_a_temporary_file_is_old_by_the_stores_clock(tmp_path, clock):
    store = Store(tmp_path).open_for_writing()
    old, young = store.temporary / "old.tmp", store.temporary / "young.tmp"
    for path in (old, young):
        path.touch()
    before = old.stat().st_mtime - DAY - 1
    os.utime(old, (before, before))
    clock(-400 * DAY)
    store.open_for_writing()
    clock(400 * DAY)
    store.open_for_writing()
    assert [path.name for path in store.temporary.iterdir()] == ["young.tmp"]
