"""`ganaudit compare` as a nightly job types it: what it prints, and how it exits."""

from __future__ import annotations

import json

import pytest

from ganaudit.comparison.regressions import WORDS


@pytest.fixture
def nightly(toy, cli):
    """`nightly(shift)` runs the toy audit with a generator that is so much brighter, and returns the run."""

    def run(shift=0.0, name="even", **changes):
        generators = [{"name": name, "kind": "toy:generator", "options": {"shift": shift}}]
        changes = {"decide": {"permutations": 0}, "real": {"name": "photos", "kind": "toy:photos"}} | changes
        return json.loads(cli("run", toy(generators=generators, sample={"count": 1024, "batch": 512}, **changes), "--json").out)

    return run


def test_a_nightly_audit_exits_4_on_a_regression_and_on_nothing_else(nightly, cli, tmp_path):
    at = ("--store", tmp_path / "store")
    accepted, same, worse = nightly()["run"], nightly()["run"], nightly(shift=-6.0)["run"]
    passed = cli("compare", same, "--baseline", accepted, "--fail-on", "dropped,farther", *at)
    assert (passed.code, passed.err) == (0, "")
    assert "Nothing is worse than in the baseline." in passed.out and "--fail-on dropped,farther is not met." in passed.out

    failed = cli("compare", "--baseline", accepted, "--fail-on", "dropped,farther", *at)  # the newest run by default
    assert failed.code == 4 and "Worse than in the baseline:" in failed.out
    rows = [line.split() for line in failed.out.splitlines() if line.startswith("even ")]
    assert {(row[1], row[4]) for row in rows[:-1]} >= {("grey", "dropped"), ("bright", "dropped")} and "farther" in rows[-1]
    assert "--fail-on dropped,farther is met" in failed.out.splitlines()[-1]

    other = cli("compare", "--baseline", accepted, "--fail-on", "invented", *at)
    assert other.code == 0 and "Worse than in the baseline:" in other.out
    listed = [line.split() for line in other.out.split("Worse than in the baseline:")[1].split("\n\n")[0].splitlines() if line]
    assert listed[0][-1] == "gates" and {row[-1] for row in listed[1:]} == {"no"}
    assert any("farther" in row for row in listed) and any("dropped" in row for row in listed)

    said = json.loads(cli("compare", worse, "--baseline", accepted, "--fail-on", "dropped", "--json", *at).out)
    assert said["exit_code"] == 4 and {row["name"] for row in said["regressed"]} == {"grey", "bright"}
    assert cli("compare", accepted, "--baseline", worse, "--fail-on", ",".join(WORDS), *at).code in (0, 4)
    assert cli("compare", worse, "--baseline", accepted, *at).code == 0

    published = {"generator": "even", "figure": "generated_presence", "class": "grey", "value": 0.9, "source": "a paper"}
    expect = [published, published | {"value": 0.0, "within": 0.01}]
    known = nightly(shift=-6.0, accept={"even": ["grey", "bright"]}, expect=expect)["run"]
    unmet = cli("compare", known, "--fail-on", "unexpected", *at)
    assert unmet.code == 4 and "Not as published:" in unmet.out and unmet.out.count("a paper") == 1
    assert "Nothing is" not in unmet.out and unmet.out.rstrip().endswith("--fail-on unexpected is met: 1 finding.")
    assert cli("compare", known, "--baseline", known, "--fail-on", "unexpected", *at).code == 0
    (row,) = json.loads(cli("compare", known, "--fail-on", "unexpected", "--json", *at).out)["unexpected"]
    assert (row["expected"], row["verdict"]) == (0.9, "not met")
    result = cli("compare", known, "--baseline", accepted, "--fail-on", "dropped", *at)
    assert result.code == 0 and "The same, but accepted in the audit file:" in result.out

    beside = cli("compare", accepted, worse, "--fail-on", "dropped", *at)
    assert beside.code == 4 and "is nearer to the real images than" in beside.out and "Found dropped:" in beside.out
    assert cli("compare", accepted, *at).code == 0


def test_what_cannot_be_compared_is_one_sentence_and_exit_code_2(nightly, cli, tmp_path):
    at = ("--store", tmp_path / "store")
    first = nightly()["run"]
    other = nightly(decide={"permutations": 0, "reduced": 0.5})["run"]
    for arguments, said in (
        (("nothing",), "there is no run 'nothing'"),
        ((first, "--baseline", "nothing"), "there is no run 'nothing'"),
        ((first, "--fail-on", "droped"), "did you mean 'dropped'?"),
        ((first, "--fail-on", ""), "--fail-on names nothing"),
        ((first, "--fail-on", "farther"), "--fail-on farther needs a run to be farther than: --baseline RUN"),
        ((first, "--baseline", other), "decide.reduced is 0.8 and 0.5"),
    ):
        result = cli("compare", *arguments, *at)
        assert (result.code, result.out) == (2, "") and said in result.err
        assert len(result.err.strip().splitlines()) == 1
