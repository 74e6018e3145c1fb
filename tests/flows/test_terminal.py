"""What the terminal and Prefect's table say of a finished run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.artifacts import findings_table
from flows.terminal import as_dict, findings_text
from ganaudit.auditing.run import Audit
from ganaudit.records.schema import FINDINGS

NAMES = {"run": "r1", "real": "photos"}


def class_rows(generator, class_id, name, verdict, ratio, low, high):
    """A row of class_stats, and of dropped_classes for presence and area."""
    stats = {
        **NAMES, "generator": generator, "class_id": class_id, "class": name, "presence_threshold": 0.1,
        "real_area": 1.0, "generated_area": ratio, "area_ratio": ratio, "real_presence": 0.3,
        "generated_presence": 0.3 * ratio, "presence_ratio": ratio,
    }  # fmt: skip
    decided = {"verdict": verdict, "ratio": ratio, "ratio_low": low, "ratio_high": high, "detectable": 0.74}
    counted = {"presence_threshold": 0.1, "real_holding": 600, "generated_holding": int(600 * ratio)}
    of = {name: stats[name] for name in ("run", "real", "generator", "class_id", "class")}
    return stats, [{**of, "measure": measure, **decided, **counted} for measure in ("presence", "area")]


def fsd_row(generator, value, **more):
    return {
        **NAMES, "generator": generator, "real_images": 2000, "generated_images": 2000, "live_classes": 4, "fsd": value + 0.2,
        "mean_part": value, "covariance_part": 0.2, "floor": 0.19, "corrected": value, "corrected_low": value - 0.22,
        "corrected_high": value + 0.22, "mostly_bias": False, "p_value": 0.01, "permutations": 99, **more,
    }  # fmt: skip


@pytest.fixture
def found(tmp_path) -> Audit:
    made = [
        class_rows("a b", 1, "person", "reduced", 0.37, 0.31, 0.44), class_rows("a b", 2, "palm", "dropped", 0.0, 0.0, 0.012),
        class_rows("a b", 3, "sky", "equivalent", 1.0, 0.98, 1.02),
        class_rows("close", 1, "person", "equivalent", 1.0, 0.9, 1.1),
    ]  # fmt: skip
    rows = {
        "class_stats": [stats for stats, _ in made], "dropped_classes": [row for _, decided in made for row in decided],
        "fsd": [fsd_row("a b", 1.93), fsd_row("close", 0.05, mostly_bias=True, p_value=0.34)],
        "comparison": [{**NAMES, "generator_a": "a b", "generator_b": "close", "difference": 1.88, "difference_low": 1.5,
                        "difference_high": 2.26, "p_value": 0.0001, "verdict": "b is nearer"}],
        "ranks": [{**NAMES, "generator": "close", "rank": 1, "rank_low": 1, "rank_high": 1},
                  {**NAMES, "generator": "a b", "rank": 2, "rank_low": 2, "rank_high": 2}],
    }  # fmt: skip
    tables = {name: table.from_rows(rows.get(name, [])) for name, table in FINDINGS.items()}
    return Audit(
        "r1", "done", tmp_path, Path("/r.html"), tables, 0, {"parsing": 8000}, ("'torn' has no findings: it is torn.",)
    )


def test_verdicts_come_first_then_distances_then_comparisons(found):
    text = findings_text(found)
    assert text.splitlines()[:5] == [
        "a b drops 1 and reduces 1 of 3 classes; 1 equivalent.",
        "  dropped       palm, in no image (at most 1.2 % as many)",
        "  reduced       person, in 37 % [31, 44] as many images",
        "  equivalent    sky",
        "",
    ]
    for part in (
        "close is equivalent to the real images on 1 class.", "Note: 'torn' has", "FSD corrected", "1.93 [1.71, 2.15]",
        "floor at this N", "close: more than half of the plain distance", "close is nearer than a b, by 1.88 [1.50, 2.26].",
        "report  ",
    ):  # fmt: skip
        assert part in text
    places = [
        text.index(part) for part in ("a b drops", "close is equivalent", "Note:", "FSD corrected", "is nearer", "report")
    ]
    assert places == sorted(places)


def test_long_lines_are_wrapped_under_their_classes(found):
    lines = findings_text(found, width=48).splitlines()
    assert max(len(line) for line in lines[:8]) <= 48
    assert any(line.startswith(" " * 16) for line in lines[:8])


def test_what_photos_lose_is_told_verdict_by_verdict(found):
    assert "held-out photos" not in findings_text(found)
    way = {
        "run": "r1",
        "generator": "a b",
        "method": "layerwise",
        "layer": "layer4",
        "penalty_factor": 1.0,
        "control_images": 30,
    }
    rows = [
        {**way, "class_id": 1, "class": "person", "images": 30, "recall": 0.02, "recall_low": 0.0, "recall_high": 0.05,
         "verdict": "not made"},
        {**way, "class_id": 2, "class": "palm", "images": 3, "verdict": "not testable"},
        {**way, "class_id": 3, "class": "sky", "images": 40, "recall": 0.98, "recall_low": 0.97, "recall_high": 0.99,
         "verdict": "made"},
        {**way, "class_id": 3, "class": "sky", "images": 40, "recall": 0.5, "verdict": "inconclusive", "penalty_factor": 10.0},
    ]  # fmt: skip
    found.findings["omissions"] = FINDINGS["omissions"].from_rows(rows)
    lines = findings_text(found).splitlines()
    start = lines.index("a b in held-out photos, by layerwise with the layers before layer4 free:")
    assert lines[start + 1 : start + 5] == [
        "  not made      person (2 % [0, 5] of its pixels come back)", "  made          sky", "  not testable  palm", "",
    ]  # fmt: skip


def test_json_carries_every_finding(found):
    data = json.loads(json.dumps(as_dict(found)))
    assert set(data["findings"]) == set(FINDINGS)
    assert data["findings"]["dropped_classes"][0]["verdict"] == "reduced"
    assert data["notes"] == ["'torn' has no findings: it is torn."]


def test_prefects_table_has_a_row_for_each_generator(found):
    near, far = findings_table(found)
    assert near["generator"] == "close" and near["dropped"] == "" and near["p"] == "0.34"
    assert far["dropped"] == "palm, in no image (at most 1.2 % as many)" and far["FSD"] == "1.93 [1.71, 2.15]"
    assert far["reduced"].startswith("person, in 37 % [31, 44] as many images")


def test_a_run_of_which_nothing_could_be_used(found):
    empty = Audit("r1", "set aside", found.store, found.report, {}, 12)
    text = findings_text(empty)
    assert "no generator has findings" in text and "12 images were set aside" in text
