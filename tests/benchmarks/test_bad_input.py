"""A sixth of the quick bad inputs that `python -m benchmarks.bad_input` lists get their exit code and sentence here, too."""

from __future__ import annotations

import os

import pytest

from benchmarks import bad_input
from benchmarks.bad_input import BadInput, Outcome
from ganaudit.errors import RequestError

SHARE = 6
CASES = [
    (topic, case) for topic, cases in bad_input.topics().items() for case in [case for case in cases if case.quick][::SHARE]
]


@pytest.mark.parametrize(("topic", "case"), CASES, ids=[f"{topic}: {case.name}" for topic, case in CASES])
def test_a_bad_input_gets_its_exit_code_and_its_sentence(topic, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = bad_input.outcome(case, tmp_path)
    assert outcome.problem is None, bad_input.line(topic, case, outcome)
    assert "\n" not in outcome.sentence or "mistake" in outcome.sentence


def raises(error):
    def call(folder):
        raise error

    return call


def test_what_is_told_otherwise_or_not_at_all_is_a_problem(tmp_path):
    def problem(case: BadInput) -> str | None:
        return bad_input.outcome(case, tmp_path).problem

    assert problem(BadInput("a", raises(RequestError("too large")), ("too large",))) is None
    assert problem(BadInput("a", raises(RequestError("too large")), ("too small",))) == "its sentence does not hold 'too small'"
    assert problem(BadInput("a", raises(RequestError("too large")), code=1)) == "exit code 2, not 1"
    assert problem(BadInput("a", raises(ValueError("no sentence")))) == "traceback"
    assert problem(BadInput("a", lambda folder: None)) == "exit code 0, not 2"


def test_a_case_that_hangs_or_dies_ends_alone(monkeypatch):
    monkeypatch.setattr(bad_input, "SECONDS", 0.5)
    assert bad_input.apart(BadInput("dies", lambda folder: os._exit(7))).problem == "its process died (7)"
    hangs = bad_input.apart(BadInput("hangs", lambda folder: __import__("time").sleep(60)))
    assert isinstance(hangs, Outcome) and hangs.problem == "hangs"


def test_the_table_lists_every_case_and_exits_with_1_for_a_problem(monkeypatch, capsys):
    monkeypatch.setattr(bad_input, "topics", lambda: {"t": [BadInput("fine", raises(RequestError("no")), ("no",))]})
    assert bad_input.main([]) == 0
    monkeypatch.setattr(bad_input, "topics", lambda: {"t": [BadInput("odd", raises(KeyError("x")))]})
    assert bad_input.main(["t"]) == 1
    said = capsys.readouterr().out
    assert "t            fine" in said and "** traceback ** KeyError" in said and "0 of 1 bad inputs" in said
