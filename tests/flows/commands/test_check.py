"""`ganaudit check` says what an audit of the planned size could find."""

from __future__ import annotations

import json


def test_what_could_be_found_is_told_class_by_class(toy, cli, tmp_path):
    audit = toy()
    result = cli("check", audit, "--detect", "0.5")
    assert result.code == 0 and not (tmp_path / "store").exists()
    assert (
        "What 1,100 real and 2,048 generated images would find, judged by 512 real images parsed for this check" in result.out
    )
    rows = {line.split()[0]: line.split() for line in result.out.splitlines() if line.startswith(("dark ", "grey ", "bright "))}
    assert set(rows) == {"dark", "grey", "bright"} and float(rows["dark"][1]) >= 95 and rows["dark"][2:4] == ["%", "to"]
    assert "images a side for 50 %" in result.out and rows["dark"][-1].isdigit()

    power = json.loads(cli("check", audit, "--json").out)["power"]
    assert (power["basis"], power["ratio"], len(power["classes"]), power["unseen"]) == ("pilot", None, 3, [])
    assert cli("run", audit).code == 0
    assert json.loads(cli("check", audit, "--json").out)["power"]["basis"] == "records"
    assert "judged by 1,100 real images recorded" in cli("check", audit).out

    refused = cli("check", audit, "--detect", "0.9")
    assert (refused.code, refused.out) == (2, "") and "--detect 0.9 is not between 0 and decide.reduced (0.8)" in refused.err
