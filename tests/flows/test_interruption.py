"""Killed or stopped in the middle: the same rows in the end, and only the missing blocks made again."""

from __future__ import annotations

import signal
import time

import pytest

from flows.audit import run as run_flow
from ganaudit.records import catalog
from ganaudit.records.store import Store

LONG = {
    "real": {"name": "photos", "kind": "toy:photos", "options": {"images": 1030}}, "sample": {"count": 3000, "batch": 512},
    "run": {"workers": 1},
}  # fmt: skip


def stopped(running, store, how, blocks):
    """Stops a command once some blocks stand; returns what it said."""
    limit = time.monotonic() + 120
    while len(list(store.glob("records/v1/images/key=*/shard-*"))) < blocks:
        assert running.poll() is None and time.monotonic() < limit, running.communicate()
        time.sleep(0.02)
    running.send_signal(how)
    return running.communicate(timeout=20)


@pytest.fixture(scope="module")
def expected(toys, made_alone, rows):
    """The rows of a run that nobody stopped."""
    return rows(made_alone(toys(**LONG))[0])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["killed", "Ctrl-C", "terminated"])
def test_a_stopped_run_resumes_at_the_missing_blocks(toy, launch, rows, expected, how, tmp_path):
    audit = toy(**LONG)
    store = Store(tmp_path / "store")
    running = launch("run", audit, TOY_SLEEP="1.5")
    asked = time.monotonic()
    out, err = stopped(running, store.path, how, blocks=3)
    assert out == "" and "Traceback" not in err
    assert running.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: -15}[how]
    if how == signal.SIGINT:
        assert err.splitlines()[-1] == "stopped; the same command goes on where it was stopped"
        assert time.monotonic() - asked < 60
    left = catalog.query(store, "SELECT status FROM runs").to_pylist()
    assert left == [{"status": "interrupted"}]
    standing = len(rows(store.path)["images"])
    assert 0 < standing < 1030 + 3072
    assert catalog.query(store, "SELECT count(*) AS n FROM images").to_pylist() == [{"n": standing}]
    assert [path for path in store.path.rglob("*.tmp") if path.parent != store.temporary] == []
    again = run_flow(audit)
    assert again.parsed == 1030 + 3072 - standing
    assert rows(store.path) == expected
