"""`ganaudit claims` as it is typed."""

from __future__ import annotations

import json

from toy_claims import toy_claims


def test_the_command_prints_statement_effect_verdict_and_the_budget_beforehand(cli, tmp_path, monkeypatch):
    toy_claims(monkeypatch)
    done = cli("claims", "toy", "--out", tmp_path / "out")
    assert done.code == 0 and "--steps 5 each: small" in done.err and "third: undecided (there is no village-toy)" in done.err
    assert "It is more." in done.out and "2.0 [1.5, 2.5]" in done.out and "3 seeds" in done.out and "held" in done.out
    assert "ganaudit claims toy --only second" in done.out and "first: seen here" in done.out
    said = json.loads(cli("claims", "toy", "--only", "second", "--json", "--out", tmp_path / "out").out)
    assert [row["verdict"] for row in said["claims"]] == ["not held"]
    wrong = cli("claims", "toy", "--minutes", "-1", "--out", tmp_path / "out")
    assert wrong.code == 2 and "above 0" in wrong.err
