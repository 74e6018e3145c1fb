"""Published values that a run does not meet, and its baseline met."""

from __future__ import annotations

from types import SimpleNamespace

from ganaudit.comparison.compared import _unexpected

PLACE = {"real": "r", "generator": "g", "figure": "fsd", "class": None}


def run(name, *verdicts):
    """A run whose one figure two papers published, with other values."""
    rows = [{**PLACE, "source": f"paper {number}", "verdict": verdict} for number, verdict in enumerate(verdicts)]
    return SimpleNamespace(run=name, tables={"expectations": rows})


def test_each_published_value_of_one_figure_counts_by_itself():
    both, first = run("now", "not met", "not met"), run("before", "not met", "met")
    assert [row["source"] for _, row in _unexpected([both], None)] == ["paper 0", "paper 1"]
    assert [row["source"] for _, row in _unexpected([both], first)] == ["paper 1"]
    assert not list(_unexpected([first], both))
