"""False verdicts of an instrument: none on clean scenes that it knows, smeared people where they are smeared."""

from __future__ import annotations

from benchmarks.instruments import instruments, table


def test_smeared_people_are_the_false_verdicts_and_clean_scenes_have_none():
    clean, smeared = instruments(256, ("village",), (None, "smear"))
    assert clean.false == 0 and clean.wrong == () and clean.agreement > 0.98
    assert set(smeared.wrong) <= {"person presence", "person area"} and smeared.wrong
    assert smeared.false == len(smeared.wrong) / smeared.verdicts
    assert smeared.agreement < clean.agreement
    lines = list(table([clean, smeared]))
    assert len(lines) == 4 and "smear" in lines[-1]
