"""Typed rows of the distance's tables."""

from itertools import combinations

from ganaudit.report.data import Interval
from ganaudit.studies.census.section.distances import curve, distances, named_pairs, pairs, shares

NAMES = {"run": "r1", "real": "village"}


def test_the_nearest_comes_first_by_rank_then_by_value(findings, distance):
    fsd = [distance("far", 3.0), distance("near", 1.0), distance("unranked", 0.1, corrected=None)]
    ranks = [
        {**NAMES, "generator": "far", "rank": 2, "rank_low": 1, "rank_high": 2},
        {**NAMES, "generator": "near", "rank": 1, "rank_low": 1, "rank_high": 2},
    ]
    result = distances(findings(fsd=fsd, ranks=ranks))
    assert [row.generator for row in result] == ["near", "far", "unranked"]
    assert [row.rank for row in result] == [(1, 1, 2), (2, 1, 2), None]
    assert result[2].best == result[2].plain == 0.1 + 0.2 and result[0].best == 1.0
    assert distances({}) == []


def test_p_values_are_those_adjusted_over_the_generators_also_where_an_older_ganaudit_adjusted_none(findings, distance):
    ps = {"a": 0.02, "b": None, "c": 0.01}
    new = [distance(name, 1.0, p_value=p, q_value=q) for (name, p), q in zip(ps.items(), (0.02, None, 0.02), strict=True)]
    old = [row | {"q_value": None} for row in new]
    for fsd in (new, old):
        shown = {row.generator: row for row in distances(findings(fsd=fsd))}
        assert {name: row.q_value for name, row in shown.items()} == {"a": 0.02, "b": None, "c": 0.02}
        assert {row.tests for row in shown.values()} == {2}


def test_a_pair_names_the_nearer_one_first(findings):
    row = {**NAMES, "generator_a": "a", "generator_b": "b", "difference": 2.0, "difference_low": 1.0, "difference_high": 3.5}
    (result,) = pairs(findings(comparison=[{**row, "verdict": "b is nearer"}]))
    assert (result.a, result.b, result.difference, result.verdict) == ("b", "a", Interval(-2.0, -3.5, -1.0), "a is nearer")
    (result,) = pairs(findings(comparison=[{**row, "verdict": "cannot be told apart"}]))
    assert (result.a, result.difference) == ("a", Interval(2.0, 1.0, 3.5))


def test_pairs_that_are_many_and_alike_are_one_sentence(findings):
    row = {**NAMES, "difference": 2.0, "difference_low": -1.0, "difference_high": 3.5, "verdict": "cannot be told apart"}
    rows = [{**row, "generator_a": a, "generator_b": b} for a, b in combinations("abc", 2)]
    assert named_pairs(findings(comparison=rows)) == (pairs(findings(comparison=rows)), "")
    rows = [{**row, "generator_a": a, "generator_b": b} for a, b in combinations("abcdefghi", 2)]
    said = "None of the 36 pairs of generators can be told apart at these numbers of images."
    assert named_pairs(findings(comparison=rows)) == ([], said)
    rows[7]["verdict"] = "b is nearer"
    named, said = named_pairs(findings(comparison=rows))
    assert len(named) == 1 and said.startswith("None of the other 35 pairs ")


def test_curves_rise_and_shares_fall(audit):
    result = audit({"g": {}, "h": {}}, pictures=0).findings
    assert [point.images for point in curve(result, "g")] == [125, 250, 500, 1000, 2000]
    parts = [each.share for each in shares(result, "g")]
    assert parts == sorted(parts, reverse=True) and len(parts) == 15
