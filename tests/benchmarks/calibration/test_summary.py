"""The table of a calibration on hand-made replicates whose answer is obvious."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.calibration.cases import Case, gainsaid
from benchmarks.calibration.page import number, page, wanted_text
from benchmarks.calibration.picture import draw
from benchmarks.calibration.summary import (
    COVERAGE,
    MET,
    NOT_MET,
    SAID,
    Property,
    at_most,
    coverage,
    covered,
    properties,
)  # fmt: skip
from ganaudit.records.tables import CALIBRATION


def rows(columns, *values):
    return pd.DataFrame([dict(zip(columns.split(), value, strict=True)) for value in values])


def named(case, found):
    return {(result.statistic, result.name): result for result in properties(case, found)}


def test_an_open_end_of_an_interval_bounds_nothing():
    result = rows(
        "estimate_low estimate_high truth",
        (0.5, 2.0, 1.0),
        (1.5, None, 1.0),
        (0.5, None, 1.0),
        (None, None, 1.0),
        (0.1, 0.9, 1.0),
    )
    assert covered(result).tolist() == [1, 0, 1, 1, 0]


@pytest.mark.parametrize(("share", "verdict"), [(0.95, MET), (0.93, MET), (0.9, NOT_MET), (1.0, NOT_MET)])
def test_coverage_is_met_inside_its_range(share, verdict):
    values = np.array([1.0] * round(1000 * share) + [0.0] * round(1000 * (1 - share)))
    row = Property("corrected", "coverage", values, coverage(values), 0.0).row(
        "k0", "village", Case("distance", "zero", 10, 10)
    )
    assert row["verdict"] == verdict and row["measured"] == pytest.approx(share)
    assert row["measured_se"] == pytest.approx((share * (1 - share) / 999) ** 0.5)
    assert Property("plain", "bias", values).row("k0", "village", Case("distance", "zero", 10, 10))["verdict"] == SAID
    CALIBRATION.from_rows([row])


def test_an_interval_is_given_or_withheld_and_the_bias_is_against_the_truth():
    columns = "replicate statistic truth estimate estimate_low estimate_high verdict"
    given = [(i, "corrected", 0.0, 0.1 * i, 0.05 * (i % 2), 3.0, "given") for i in range(20)]
    others = [(20, "corrected", 0.0, 9.0, None, None, "withheld")]
    others += [(i, name, 0.0, value, None, None, None) for i in range(21) for name, value in (("plain", 3.0), ("floor", 2.4))]
    many, few = (named(Case("distance", "zero", n, n), rows(columns, *given, *others)) for n in (10_000, 2_000))
    assert many["corrected", "withheld"].values.sum() == 1 and many["corrected", "withheld"].wanted[1] > 0.05
    assert few["corrected", "withheld"].wanted == (None, None)
    assert many["corrected", "bias"].values.mean() == pytest.approx(0.95)
    assert many["corrected", "coverage"].values.mean() == 0.5
    assert many["plain", "bias"].values.mean() == 3.0
    assert many["floor", "told ÷ true"].values.mean() == pytest.approx(0.8)


def test_errors_are_counted_by_audit_not_by_row():
    result = rows(
        "replicate statistic verdict wrong truth",
        (0, "area", "reduced", True, 0.8), (0, "area", "dropped", True, 0.8), (0, "count", "reduced", False, 0.8),
        (1, "area", "reduced", False, 0.8), (1, "area", "dropped", False, 0.8), (1, "count", "reduced", True, 0.8),
        (2, "area", "reduced", False, 0.8), (2, "area", "dropped", False, 0.8), (2, "count", "reduced", False, 0.8),
    )  # fmt: skip
    measured = named(Case("boundary", "all at reduced", 10, 10), result)
    assert measured["area", "any false word"].values.tolist() == [1, 0, 0]
    assert measured["count", "any false word"].values.tolist() == [0, 1, 0]
    assert measured["verdicts", "any false word at all"].values.tolist() == [1, 1, 0]


def test_the_false_discovery_proportion_is_0_without_discoveries():
    result = rows(
        "replicate class verdict wrong truth",
        (0, "a", "reduced", False, 0.5), (0, "b", "reduced", True, 0.8), (0, "c", "equivalent", True, 0.8),
        (1, "a", "inconclusive", False, 0.5), (1, "b", "inconclusive", False, 0.8), (1, "c", "inconclusive", False, 0.8),
    )  # fmt: skip
    measured = named(Case("half reduced", "half", 10, 10), result)
    assert measured["verdicts", "false discovery proportion"].values.tolist() == [0.5, 0]
    assert measured["verdicts", "true omissions found"].values.tolist() == [1, 0]


def test_an_omission_of_the_village_needs_its_word_in_every_row():
    result = rows(
        "replicate class verdict wrong truth",
        (0, "a", "dropped", False, 0.0), (0, "b", "reduced", False, 0.25), (0, "c", "equivalent", False, 1.0),
        (1, "a", "reduced", True, 0.0), (1, "b", "reduced", False, 0.25), (1, "c", "increased", True, 1.0),
    )  # fmt: skip
    measured = named(Case("village", "without", 10, 10), result)
    assert measured["verdicts", "every omission called by its word"].values.tolist() == [1, 0]
    assert measured["verdicts", "any false verdict on another class"].values.tolist() == [0, 1]


def test_the_size_is_wanted_within_two_standard_errors():
    case = Case("permutation", "zero", 10, 10)
    result = rows("replicate p_value wrong truth", *[(i, 0.01 * i, i <= 5, 0.0) for i in range(100)])
    size = named(case, result)["p_value", "size"]
    assert size.values.mean() == pytest.approx(0.06)
    assert size.wanted == pytest.approx((0.05 - 2 * 0.0217945, 0.05 + 2 * 0.0217945), abs=1e-6)
    assert at_most(0.05, 100)[1] == pytest.approx(size.wanted[1])


@pytest.mark.parametrize(
    ("verdict", "truth", "wrong"),
    [
        ("dropped", 0.1, True), ("dropped", 0.09, False), ("reduced", 0.8, True), ("reduced", 0.5, False),
        ("increased", 1.25, True), ("increased", 1.3, False), ("equivalent", 0.8, True), ("equivalent", 1.0, False),
        ("equivalent", 1.25, True), ("inconclusive", 0.0, False), ("not testable", 0.0, False),
    ],
)  # fmt: skip
def test_a_verdict_is_wrong_where_the_truth_gainsays_it(verdict, truth, wrong):
    assert gainsaid(verdict, truth) is wrong


def test_the_page_says_what_is_not_met_and_the_picture_is_drawn(tmp_path):
    case = Case("distance", "zero", 2_000, 2_000)
    good = Property("corrected", "coverage", np.array([1.0] * 95 + [0.0] * 5), COVERAGE, 0.0).row("k0", "village", case)
    bad = Property("corrected", "coverage", np.array([1.0] * 90 + [0.0] * 10), COVERAGE, 0.0).row("k0", "village", case)
    bias = [Property(name, "bias", np.array([0.1, 0.2])).row("k0", "village", case) for name in ("corrected", "plain")]
    text = page([good, bad, *bias], "ganaudit calibrate", "A pool.", "calibration.png")
    assert "**1 of 2 properties are as wanted.** These are not:" in text
    assert "coverage is 0.9 ± 0.0302; wanted is 0.93 to 0.985" in text
    assert text.count("| not met |") == 1 and "`ganaudit calibrate`" in text and "(calibration.png)" in text
    assert "not:" not in page([good, *bias], "c", "p", "f.png")
    assert draw([good, bad, *bias], tmp_path / "a.png") and (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert not draw([], tmp_path / "b.png")


def test_numbers_and_ranges_are_short():
    assert [number(value) for value in (None, 0.0, 0.95, 1.0, -0.00001, -0.25)] == ["–", "0", "0.95", "1", "0", "-0.25"]
    ends = ((None, None), (0.87, None), (None, 0.06), (0.93, 0.985))
    ranges = [wanted_text({"wanted_low": low, "wanted_high": high}) for low, high in ends]
    assert ranges == ["–", "≥ 0.87", "≤ 0.06", "0.93 to 0.985"]
