"""Answers of `ganaudit sql`: long ones are written while they are found, whoever reads them, in one form."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from flows.commands.sql import ROWS, answer
from ganaudit.errors import RequestError
from ganaudit.records.store import Store

GROWTH = """
import resource, sys
from flows.commands.sql import answer, write
from ganaudit.records.store import Store

def peak(rows):
    write(answer(Store(sys.argv[1]), f"SELECT repeat('x', 2000) AS x FROM range({rows})", sys.argv[2]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = peak(2000)
print((peak(60_000) - before) / 1000, file=sys.stderr)
"""
"""Megabytes that a process needs more for 120 MB of text than for 4."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("sql") / "store").open_for_writing()


def text(store, query, style):
    return "".join(answer(store, query, style))


@pytest.mark.parametrize("style", ["csv", "json"])
def test_memory_does_not_grow_with_the_answer(store, style):
    command = [sys.executable, "-c", GROWTH, store.path, style]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    assert float(done.stderr) < 50


def test_the_first_rows_come_before_the_last_are_found_and_a_reader_may_go(store):
    """A query of hours: its first rows are there in seconds, and who has enough of it ends it quietly."""
    command = [sys.executable, "-m", "flows", "sql", "SELECT range AS x FROM range(3_000_000_000_000)", "--format", "csv"]
    begun = time.monotonic()
    with subprocess.Popen([*command, "--store", store.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert [process.stdout.readline() for _ in range(3)] == [b"x\n", b"0\n", b"1\n"]
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")
    assert time.monotonic() - begun < 60


def test_a_closed_stdout_is_no_failure(store):
    command = f"{shlex.join([sys.executable, '-m', 'flows', 'sql', 'SELECT 1', '--store', str(store.path)])} >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


ROWS_OF_ALL = f"SELECT range AS n, 'a,\"b' || range AS s FROM range({2 * ROWS + 7})"


def test_many_pieces_are_one_answer(store):
    rows = [{"n": n, "s": f'a,"b{n}'} for n in range(2 * ROWS + 7)]
    assert json.loads(text(store, ROWS_OF_ALL, "json")) == rows
    read = csv.DictReader(io.StringIO(text(store, ROWS_OF_ALL, "csv")))
    assert [{"n": int(row["n"]), "s": row["s"]} for row in read] == rows
    lines = text(store, ROWS_OF_ALL, "table").splitlines()
    assert len(lines) == 2 * ROWS + 8 and lines[0].split() == ["n", "s"]
    assert [line.split() for line in lines[1:]] == [[str(row["n"]), row["s"]] for row in rows]
    assert len(set(map(len, (line[: line.index("a")] for line in lines[ROWS + 1 : 2 * ROWS])))) == 1


def test_json_of_one_piece_is_as_every_other_json(store):
    assert text(store, "SELECT 1 AS a, [1, 2] AS b FROM range(2)", "json") == (
        json.dumps([{"a": 1, "b": [1, 2]}] * 2, indent=2) + "\n"
    )


def test_whole_numbers_stay_whole_beside_null(store):
    assert text(store, "SELECT unnest([1, NULL]) AS a, 'nan'::DOUBLE AS x, true AS t", "csv") == "a,x,t\n1,,True\n,,True\n"


def test_times_tell_their_zone(store):
    query = "SELECT TIMESTAMPTZ '2030-01-01 05:30:00+05:30' AS t"
    for style in ("csv", "json", "table"):
        assert "2030-01-01 00:00:00+00:00" in text(store, query, style)
    assert datetime.fromisoformat(json.loads(text(store, query, "json"))[0]["t"]) == datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("FROM fds", "Table with name fds does not exist; did you mean fsd"),
        ("FROM Class_Stat", "did you mean class_stats"),
        ("FROM main.latest_run", "did you mean latest_runs"),
        ("FROM clas_statistics('r', 1)", "did you mean class_statistics"),
        ("SELECT ratioo(1, 2)", "did you mean ratio"),
        ("FROM xyzzy", "SHOW TABLES lists"),
        ("SELECT lenght('a')", "length"),  # DuckDB's own
        (f"SELECT CASE WHEN range > {5 * ROWS} THEN ('a' || range)::INTEGER END FROM range({9 * ROWS})", "Could not convert"),
        ("SELECT 1 / range, error('no') FROM range(9)", "no"),
        ("SELECT 'infinity'::TIMESTAMP", "cast it to VARCHAR"),
        ("SELECT ''; SELECT", "selection list"),
    ],
)
def test_what_is_wrong_is_a_sentence(store, query, said):
    with pytest.raises(RequestError, match=said):
        text(store, query, "csv")
    assert not os.listdir(store.temporary)
