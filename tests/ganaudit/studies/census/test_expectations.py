"""Published values are met where they lie within sampling error of what a run measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from audited_run import REAL, scenes
from pydantic import ValidationError

from ganaudit.errors import RequestError
from ganaudit.spec import Decide, Expected, parse
from ganaudit.studies.census.expectations import check_expect
from ganaudit.studies.census.findings import materialise
from ganaudit.studies.census.section.expected import expectations, expected_words
from ganaudit.studies.census.section.section import CensusSection

N = 400


@pytest.fixture
def found(store, pictures, run):
    pictures(store, "ka", scenes(0, N, REAL), block=1024)
    pictures(store, "kb", scenes(1, N, {**REAL, "person": 0.2}), block=1024)
    pictures(store, "kc", [None] * N, block=1024)
    run(store, "r1", [("real", "photos", "ka", 0, N), ("generated", "gan", "kb", 0, N), ("generated", "broken", "kc", 0, N)])

    def made(*expect: dict):
        asked = [Expected.model_validate({"generator": "gan", "source": "a paper", **each}) for each in expect]
        return materialise(store, "r1", Decide(permutations=0), expect=asked)

    return made


def rows(findings):
    return findings["expectations"].to_pylist()


def means(name):
    held = {"person": 3}[name]
    areas = [np.mean([scene.get(held, 0) for scene in scenes(seed, N, said)])
             for seed, said in ((0, REAL), (1, {**REAL, "person": 0.2}))]  # fmt: skip
    return areas


def test_a_relative_change_is_that_of_mean_areas_and_met_within_its_interval(found):
    real, generated = means("person")
    change = generated / real - 1
    said = [{"figure": "relative_change", "class": "person", "value": value} for value in (change, change + 0.5, -1.0)]
    met, high, low = rows(found(*said))
    assert met["measured"] == pytest.approx(change, abs=1e-9) and met["measured_low"] < change < met["measured_high"]
    assert [row["verdict"] for row in (met, high, low)] == ["met", "not met", "not met"]
    assert (met["class"], met["source"], met["expected"], met["real"]) == ("person", "a paper", change, "photos")


def test_a_value_s_own_looseness_and_its_own_sample_widen_what_meets_it(found):
    asked = {"figure": "relative_change", "class": "person"}
    (row,) = rows(found({**asked, "value": 0.0}))
    gap = 0.2 * (row["measured_high"] - row["measured"])
    beyond = row["measured_high"] + gap
    plain, loose, sampled, large = rows(found(
        {**asked, "value": beyond}, {**asked, "value": beyond, "within": 1.01 * gap}, {**asked, "value": beyond, "images": N},
        {**asked, "value": beyond, "images": 100_000},
    ))  # fmt: skip
    assert [each["verdict"] for each in (plain, loose, sampled, large)] == ["not met", "met", "met", "not met"]
    half = row["measured_high"] - row["measured"]
    assert sampled["measured_high"] - sampled["measured"] == pytest.approx(math.sqrt(2) * half)  # two samples of one size
    assert sampled["measured_low"] >= -1


def test_every_figure_is_what_the_other_tables_say(found):
    findings = found(
        {"figure": "fsd", "value": 0}, {"figure": "corrected", "value": 0}, {"figure": "rank", "value": 1},
        *({"figure": figure, "class": "person", "value": 0.0} for figure in (
            "area_ratio", "presence_ratio", "count_ratio", "real_area", "generated_area", "real_presence", "generated_presence",
        )),
    )  # fmt: skip
    measured = {row["figure"]: row for row in rows(findings)}
    fsd = findings["fsd"].to_pylist()[0]
    stats = next(row for row in findings["class_stats"].to_pylist() if row["class"] == "person")
    assert measured["fsd"]["measured"] == pytest.approx(fsd["fsd"]) and measured["corrected"]["measured"] == fsd["corrected"]
    if fsd["corrected_low"] is not None:
        assert measured["fsd"]["measured_high"] - fsd["fsd"] == pytest.approx(fsd["corrected_high"] - fsd["corrected"])
    assert measured["rank"]["measured"] == 1 and measured["rank"]["verdict"] == "met"
    for figure in ("real_area", "generated_area", "real_presence", "generated_presence", "area_ratio", "presence_ratio"):
        assert measured[figure]["measured"] == pytest.approx(stats[figure])
    assert measured["real_area"]["measured_high"] == pytest.approx(stats["real_area"] + 1.959964 * stats["real_area_se"])
    assert means("person")[0] == pytest.approx(measured["real_area"]["measured"])


def test_what_has_no_findings_is_withheld(found):
    (row,) = rows(found({"generator": "broken", "figure": "fsd", "value": 3}))
    assert (row["verdict"], row["measured"]) == ("withheld", None)


def test_nothing_expected_is_no_row_and_no_words(found):
    findings = found()
    assert rows(findings) == [] and not any("published" in str(block) for block in CensusSection().details(findings))


def test_the_terminal_says_how_many_were_met(found):
    asked = {"figure": "relative_change", "class": "person"}
    findings = found({**asked, "value": means("person")[1] / means("person")[0] - 1}, {**asked, "value": 2.0})
    shown = str(list(CensusSection().details(findings)))
    assert "1 of 2 published values are met" in shown and "a paper" not in shown and "relative change of person" in shown
    assert "by chance alone 0.10" in expected_words(expectations(findings), 0.05)


@pytest.mark.parametrize(("said", "reason"), [
    ({"figure": "fsd", "class": "person"}, "leave class out"), ({"figure": "area_ratio"}, "name it in class"),
    ({"figure": "fid"}, "relative_change"), ({"figure": "fsd", "value": "nan"}, "finite"),
])  # fmt: skip
def test_a_wrong_expectation_is_refused(said, reason):
    with pytest.raises(ValidationError, match=reason):
        Expected.model_validate({"generator": "g", "value": 1, "source": "s", **said})


def test_names_that_are_not_there_are_refused_with_the_nearest():
    with pytest.raises(RequestError, match="did you mean 'person'"):
        check_expect([Expected(generator="g", figure="area_ratio", class_name="persn", value=1, source="s")], {1: "person"})
    data = {
        "name": "n", "parser": {"kind": "unet", "weights": "builtin:village"}, "real": {"name": "r", "kind": "village"},
        "generators": [{"name": "progan", "kind": "village"}],
        "expect": [{"generator": "progn", "figure": "fsd", "value": 1, "source": "s"}],
    }  # fmt: skip
    with pytest.raises(RequestError, match="did you mean 'progan'"):
        parse(data)
    data["expect"] = [{"generator": "progan", "figure": "area_ratio", "class": "person", "value": 1, "source": "s"}]
    again = parse(parse(data).model_dump(mode="json"))  # as a run keeps it
    assert again.expect[0].class_name == "person"
