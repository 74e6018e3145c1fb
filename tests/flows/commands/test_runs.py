"""Which runs the filters leave, and what a wrong filter is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from flows.commands.runs import Filters, runs_text, some_runs
from ganaudit.errors import RequestError
from ganaudit.records import leases
from ganaudit.records.store import Store

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("runs"))


def fill(folder):
    """a at 0 h and 24 h, b at 48 h (failed), c at 72 h (running); a's second has two checkpoints of one training."""
    store = Store(folder / "store").open_for_writing()
    many = [{"name": f"ours@{n}", "training": "ours", "step": n} for n in (1, 2)]
    for name, audit, hours, status, generators in (
        ("r1", "a", 0, "done", [{"name": "gan"}]), ("r2", "a", 24, "done", many), ("r3", "b", 48, "failed", [{"name": "gan"}]),
        ("r4", "c", 72, None, [{"name": "gan"}]),
    ):  # fmt: skip
        started = START + timedelta(hours=hours)
        row = {"run": name, "audit": audit, "spec": json.dumps({"generators": generators}), "started": started,
               "status": "running", "versions": "{}", "device": "cpu"}  # fmt: skip
        used = [{"role": "real", "source": "photos", "key": "k0", "parser_key": "p", "first": 0, "count": 10}]
        used += [{**used[0], "role": "generated", "source": generator["name"], "key": "k1"} for generator in generators]
        store.start_run(row, used)
        if status:
            store.finish_run({**row, "finished": started + timedelta(minutes=10), "status": status})
    return store


def names(store, **asked):
    return [row["run"] for row in some_runs(store, Filters(**asked), START + timedelta(hours=73))]


@pytest.mark.parametrize(
    ("asked", "runs"),
    [
        ({}, ["r4", "r3", "r2", "r1"]),
        ({"audit": "a"}, ["r2", "r1"]),
        ({"status": "failed"}, ["r3"]),
        ({"status": "interrupted"}, ["r4"]),  # nobody holds its lease
        ({"status": "running"}, []),
        ({"since": "2030-01-02"}, ["r4", "r3", "r2"]),
        ({"since": "2030-01-02T01:00+01:00"}, ["r4", "r3", "r2"]),
        ({"since": "26h"}, ["r4", "r3"]),
        ({"since": "2d"}, ["r4", "r3"]),
        ({"generator": "ours"}, ["r2"]),
        ({"generator": "ours@2"}, ["r2"]),
        ({"generator": "gan", "limit": 2}, ["r4", "r3"]),
        ({"audit": "a", "generator": "gan"}, ["r1"]),
    ],
)
def test_filters(filled, asked, runs):
    assert names(filled, **asked) == runs


def test_a_run_at_work_is_running(tmp_path):
    filled = fill(tmp_path)
    with leases.taken(filled, leases.of_run("r4")):
        assert names(filled, status="running") == ["r4"]


def test_what_a_line_tells(filled):
    last = some_runs(filled, Filters(audit="a", limit=1))[0]
    assert (last["generators"], last["images"], last["seconds"]) == (2, 30, 600.0)
    line = runs_text([last], Filters()).splitlines()[1].split()
    assert line == ["r2", "a", "done", "2030-01-02", "00:00", "10", "min", "30", "photos,", "ours@1,", "ours@2"]
    assert runs_text([], Filters()) == "no runs yet\n"
    assert runs_text([], Filters(since="7d", limit=3)) == "no run fits these filters\n"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"status": "finished"}, "none of running, done, set aside, failed, interrupted"),
        ({"since": "yesterday"}, "--since 'yesterday' is no time; write 2026-11-01"),
        ({"since": "2026-13-01"}, "is no time"),
        ({"audit": "z"}, "no run in .* has the audit 'z'; there are a, b, c"),
        ({"generator": "z"}, "the generator 'z'; there are gan, ours, ours@1, ours@2"),
    ],
)
def test_a_filter_that_means_nothing(filled, asked, said):
    with pytest.raises(RequestError, match=said):
        names(filled, **asked)
