"""The views by an audit's own names: the latest finished run of each audit."""

import os
import subprocess
import sys

import duckdb
import pytest

from ganaudit.records import catalog


@pytest.fixture
def filled(store, pictures, run):
    pictures(store, "ka", [{1: 60, 2: 40}, None, {1: 100}, {3: 100}])
    pictures(store, "kb", [{1: 100}, {1: 90, 2: 10}])
    run(store, "r1", [("real", "old name", "ka", 0, 3)], hour=0)
    run(store, "r2", [("real", "photos", "ka", 1, 2), ("generated", "gan", "kb", 0, 2)], hour=1, status="set aside")
    run(store, "r3", [("real", "failed", "ka", 0, 4)], hour=2, status="failed")
    run(store, "r4", [("real", "running", "ka", 0, 4)], hour=3, finished=False)
    run(store, "r5", [("real", "elsewhere", "ka", 3, 1)], hour=0, audit="other")
    return store


def rows(store, statement):
    return [tuple(row.values()) for row in catalog.query(store, statement).to_pylist()]


def test_a_run_is_one_row_with_its_last_status(filled):
    assert rows(filled, "SELECT run, status, finished IS NULL FROM runs ORDER BY run") == [
        ("r1", "done", False),
        ("r2", "set aside", False),
        ("r3", "failed", False),
        ("r4", "interrupted", True),
        ("r5", "done", False),
    ]


AGE = "SELECT epoch(TIMESTAMPTZ '2030-01-01 02:00:00+00' - {}) FROM {}"
"""Seconds from a time in a view to 02:00 UTC."""


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Chatham", "Africa/Monrovia"])
def test_an_age_is_right_in_every_time_zone(filled, zone):
    with duckdb.connect(str(catalog.build(filled)), read_only=True) as other:
        other.execute(f"SET TimeZone = '{zone}'")
        for column, view, seconds in (("started", "runs WHERE run = 'r2'", 3600), ("finished", "runs WHERE run = 'r2'", 3000),
                                      ("started", "run_generators WHERE run = 'r2'", 3600),
                                      ("started", "latest_runs WHERE audit = 'audit'", 3600)):  # fmt: skip
            assert other.execute(AGE.format(column, view)).fetchall()[0] == (seconds,)


def test_a_connection_of_ours_shows_utc_wherever_the_machine_stands(filled):
    query = "SELECT started, started::VARCHAR FROM runs WHERE run = 'r2'"
    code = "import sys; from ganaudit.records import catalog; from ganaudit.records.store import Store\n"
    code += "print(catalog.query(Store(sys.argv[1]), sys.argv[2]).to_pylist())"
    for zone in ("Asia/Kolkata", "America/New_York"):
        environment = {**os.environ, "TZ": zone}
        said = subprocess.run([sys.executable, "-c", code, filled.path, query], env=environment, capture_output=True, text=True)
        assert "2030, 1, 1, 1, 0" in said.stdout and "2030-01-01 01:00:00+00" in said.stdout, said.stderr


def test_the_latest_finished_run_of_each_audit(filled):
    assert rows(filled, "SELECT audit, run FROM latest_runs ORDER BY audit") == [("audit", "r2"), ("other", "r5")]


def test_audited_images_are_the_runs_own_with_its_names_and_what_was_set_aside(filled):
    assert rows(filled, "SELECT audit, run, role, source, image, status FROM audited_images ORDER BY ALL") == [
        ("audit", "r2", "generated", "gan", 0, "ok"),
        ("audit", "r2", "generated", "gan", 1, "ok"),
        ("audit", "r2", "real", "photos", 1, "quarantined"),
        ("audit", "r2", "real", "photos", 2, "ok"),
        ("other", "r5", "real", "elsewhere", 3, "ok"),
    ]


def test_audited_class_pixels_name_source_and_class(filled):
    result = rows(filled, "SELECT audit, source, name, class, pixels, percent FROM audited_class_pixels ORDER BY ALL")
    assert result == [
        ("audit", "gan", "0.png", "sky", 100, 100.0),
        ("audit", "gan", "1.png", "sky", 90, 90.0),
        ("audit", "gan", "1.png", "tree", 10, 10.0),
        ("audit", "photos", "2.png", "sky", 100, 100.0),
        ("other", "elsewhere", "3.png", "person", 100, 100.0),
    ]


def test_two_names_of_one_key_are_two_sources(store, pictures, run):
    pictures(store, "ka", [{1: 100}, {2: 100}])
    run(store, "r1", [("generated", "a", "ka", 0, 2), ("generated", "b", "ka", 1, 1)])
    assert rows(store, "SELECT source, image FROM audited_images ORDER BY ALL") == [("a", 0), ("a", 1), ("b", 1)]
    result = rows(store, "SELECT source, class FROM audited_class_pixels ORDER BY ALL")
    assert result == [("a", "sky"), ("a", "tree"), ("b", "tree")]
