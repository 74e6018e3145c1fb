"""Whatever way a run ended, its row says so: done, failed, stopped, killed, or with the disk full."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganaudit import spec as specs
from ganaudit.auditing import run as audit
from ganaudit.auditing.plan import plan
from ganaudit.errors import AuditError
from ganaudit.records import catalog, leases, writer
from ganaudit.records.store import Store

HERE = Path(__file__).parents[1]


def mapping(store: Path, **parts):
    return {"name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
            "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 300}},
            "generators": [{"name": "g", "kind": "tiny_models:Noise"}], "sample": {"count": 500}, **parts}  # fmt: skip


def states(store: Path) -> list[str]:
    return catalog.query(Store(store), "SELECT status FROM runs ORDER BY started").column(0).to_pylist()


def begun(store: Path):
    planned = plan(specs.parse(mapping(store)))
    opened = audit.open_store(planned.spec)
    audit.begin(planned, opened)
    return planned, opened


SCRIPT = """
import json, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a background shell starts
from ganaudit import parse
from ganaudit.auditing import run as audit
from ganaudit.auditing.plan import plan
asked = parse(json.loads(sys.argv[1]))
planned, store = plan(asked), audit.open_store(asked)
tasks = audit.begin(planned, store)
with audit.failing(planned, store):
    print("at work", flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("word", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_killed_or_stopped_is_running_until_then_and_interrupted_after(tmp_path, word):
    place = tmp_path / "store"
    command = [sys.executable, "-c", SCRIPT, json.dumps(mapping(place))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "at work\n"
    assert states(place) == ["running"]
    (run,) = leases.open_runs(Store(place))
    process.send_signal(word)
    process.wait(60)
    assert leases.open_runs(Store(place)) == []
    assert states(place) == ["interrupted"]
    found = catalog.query(Store(place), "SELECT run, finished IS NULL AS cut FROM runs").to_pylist()
    assert found == [{"run": run, "cut": word != signal.SIGINT}]  # Ctrl-C leaves time to write when


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
            list(audit.work(planned.missing(store), 1))
    assert states(tmp_path) == ["interrupted"]
    assert audit.audit(specs.parse(mapping(tmp_path))).status == "done"


def test_a_failure_after_the_row_was_finished_is_not_hidden_by_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audit, "report_data", full)
    with pytest.raises(OSError, match="No space left"):
        audit.audit(specs.parse(mapping(tmp_path)))
    assert states(tmp_path) == ["failed"]


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


def test_runs_of_two_machines_are_in_order_by_the_stores_clock(tmp_path, monkeypatch):
    ahead = 3600.0
    true = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: true() + ahead)  # skew is measured against this
        store = Store(tmp_path).open_for_writing()
        assert leases.skew(store).total_seconds() == -ahead
    assert leases.skew(store).total_seconds() == 0
