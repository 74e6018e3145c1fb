"""Generators over training steps and over runs, on hand-made findings."""

import re
import textwrap
from pathlib import Path

import pytest

from ganaudit.records import catalog
from ganaudit.studies.census.tables import DROPPED_CLASSES, DROPPED_GROUPS, DROPPED_IN_SLICES, FSD


def fsd(run, generator, corrected):
    return {
        "run": run, "real": "photos", "generator": generator, "real_images": 4, "generated_images": 4, "live_classes": 2,
        "fsd": corrected + 1, "mean_part": corrected, "covariance_part": 1.0, "corrected": corrected,
        "corrected_low": corrected - 0.5, "corrected_high": corrected + 0.5, "mostly_bias": False, "permutations": 0,
    }  # fmt: skip


def verdict(run, generator, name, word, ratio):
    return {
        "run": run, "real": "photos", "generator": generator, "class_id": 3, "class": name, "measure": "presence",
        "verdict": word, "ratio": ratio, "ratio_low": ratio / 2, "ratio_high": ratio * 2, "presence_threshold": 4.0,
        "real_holding": 4, "generated_holding": 2,
    }  # fmt: skip


@pytest.fixture
def filled(store, pictures, run):
    """r1: two checkpoints of one training; r2, later: the second again, and a generator whose weights said their step."""
    for key in ("ka", "kb", "kc"):
        pictures(store, key, [{1: 60, 2: 40}])
    many = [{"name": f"ours@{n}", "training": "ours", "step": n} for n in (1000, 200)]
    used = [("real", "photos", "ka", 0, 1), ("generated", "ours@1000", "kb", 0, 1), ("generated", "ours@200", "kc", 0, 1)]
    run(store, "r1", used, spec={"generators": many})
    run(
        store, "r2", [("real", "photos", "ka", 0, 1), ("generated", "ours@1000", "kb", 0, 1), ("generated", "gan", "kd", 0, 1)],
        hour=24, spec={"generators": [many[0], {"name": "gan", "kind": "progan", "step": None}]},
    )  # fmt: skip
    store.write_source({"key": "kd", "kind": "progan", "recipe": "{}", "digests": "{}", "training_step": 77})
    run(store, "r3", [("real", "photos", "ka", 0, 1), ("generated", "gan", "kd", 0, 1)], hour=48, status="failed", spec={})
    for name, found in {"r1": [("ours@1000", 2.0), ("ours@200", 5.0)], "r2": [("ours@1000", 2.5), ("gan", 9.0)]}.items():
        store.write_finding(name, "fsd", FSD.from_rows([fsd(name, *result) for result in found]))
        rows = [verdict(name, generator, "person", "reduced", 1 / value) for generator, value in found]
        store.write_finding(name, "dropped_classes", DROPPED_CLASSES.from_rows(rows))
    return store


def rows(store, statement):
    return [tuple(row.values()) for row in catalog.query(store, statement).to_pylist()]


def test_distances_over_steps_and_over_runs(filled):
    result = rows(filled, "SELECT run, generator, training, training_step, corrected, low, high FROM history")
    assert result == [
        ("r2", "gan", "gan", 77, 9.0, 8.5, 9.5),
        ("r1", "ours@200", "ours", 200, 5.0, 4.5, 5.5),
        ("r1", "ours@1000", "ours", 1000, 2.0, 1.5, 2.5),
        ("r2", "ours@1000", "ours", 1000, 2.5, 2.0, 3.0),
    ]


def test_classes_likewise(filled):
    statement = """SELECT run, training_step, class, measure, verdict, round(ratio, 2), round(low, 2), round(high, 2)
                   FROM class_history WHERE training = 'ours'"""
    assert rows(filled, statement) == [
        ("r1", 200, "person", "presence", "reduced", 0.2, 0.1, 0.4),
        ("r1", 1000, "person", "presence", "reduced", 0.5, 0.25, 1.0),
        ("r2", 1000, "person", "presence", "reduced", 0.4, 0.2, 0.8),
    ]


def test_every_generator_of_every_run_also_without_findings(filled):
    result = rows(filled, "SELECT run, generator, training_step, status FROM run_generators ORDER BY ALL")
    assert result == [
        ("r1", "ours@1000", 1000, "done"), ("r1", "ours@200", 200, "done"), ("r2", "gan", 77, "done"),
        ("r2", "ours@1000", 1000, "done"), ("r3", "gan", 77, "failed"),
    ]  # fmt: skip


def test_the_queries_that_the_documentation_shows_run(filled):
    page = (Path(__file__).parents[3] / "docs" / "history.md").read_text()
    part = page.split("## In SQL")[1].split("## Runs")[0]
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n)+", part, re.MULTILINE)]
    queries = [block for block in blocks if block.startswith("SELECT")]
    queries += re.findall(r'ganaudit sql "(.*)"', part)
    assert len(queries) == 4
    for query in queries:
        rows(filled, query)
    since = rows(filled, queries[1].replace("village-nightly", "audit"))
    assert {(row[0], row[1], str(row[3])[:10], row[4]) for row in since} == {
        ("ours@200", "person", "2030-01-01", "reduced"), ("ours@1000", "person", "2030-01-01", "reduced"),
        ("gan", "person", "2030-01-02", "reduced"),
    }  # fmt: skip


def test_verdicts_that_changed_between_two_runs(filled):
    """ours@1000 was reduced in both; the other generators are in one run each."""
    worse = verdict("r3", "ours@1000", "person", "dropped", 0.05)
    rows_of = [verdict("r3", "ours@1000", "tree", "reduced", 0.5), worse]
    filled.write_finding("r3", "dropped_classes", DROPPED_CLASSES.from_rows(rows_of))
    columns = "generator, class, kind, slice, measure, before, now, ratio_before, ratio_now"
    result = rows(filled, f"SELECT {columns} FROM changed_since('r2', 'r3') WHERE generator = 'ours@1000'")
    assert result == [
        ("ours@1000", "person", "class", None, "presence", "reduced", "dropped", 1 / 2.5, 0.05),
        ("ours@1000", "tree", "class", None, "presence", None, "reduced", None, 0.5),
    ]
    assert rows(filled, "FROM changed_since('r1', 'r1')") == []
    since = rows(filled, f"SELECT {columns} FROM changed_since('r1', (SELECT run FROM latest_runs WHERE audit = 'audit'))")
    assert [(row[0], row[5], row[6]) for row in since] == [("gan", None, "reduced"), ("ours@200", "reduced", None)]


def test_groups_and_slices_change_too(filled):
    for run, word in (("r1", "equivalent"), ("r2", "dropped")):
        row = {name: value for name, value in verdict(run, "g", "x", word, 1.0).items() if name not in ("class_id", "class")}
        filled.write_finding(run, "dropped_groups", DROPPED_GROUPS.from_rows([{**row, "group": "alive"}]))
        sliced = [
            {**verdict(run, "g", "person", result, 1.0), "slice": name, "real_images": 2, "generated_images": 2}
            for name, result in (("dusk", word), ("day", "equivalent"))
        ]
        filled.write_finding(run, "dropped_in_slices", DROPPED_IN_SLICES.from_rows(sliced))
    found = rows(filled, "SELECT class, kind, slice, before, now FROM changed_since('r1', 'r2') WHERE generator = 'g'")
    assert found == [
        ("person", "class", "dusk", "equivalent", "dropped"), ("alive", "group", None, "equivalent", "dropped"),
    ]  # fmt: skip
