"""A slice that no image is in: told by `check` where a label is asked of what has none, noted by the run and its report."""

from pathlib import Path

import pytest

import ganaudit
from ganaudit.auditing.check import check
from ganaudit.auditing.plan import plan
from ganaudit.auditing.report_data import report_data
from ganaudit.errors import RequestError
from ganaudit.records.store import Store

HERE = Path(__file__).parents[1]


def spec(store, **slices):
    return ganaudit.parse({
        "name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 40}},
        "generators": [{"name": "g", "kind": "tiny_models:Noise"}], "sample": {"count": 40, "batch": 32},
        "decide": {"permutations": 0}, "slices": slices,
    })  # fmt: skip


def test_a_slice_of_labels_that_nobody_sets(tmp_path, drawn):
    asked = spec(tmp_path, dusk="label = 'dusk'", early="image < 20")
    told = [note for note in check(asked).notes if "slices.dusk asks for a label" in note]
    assert [note.split(":")[0] for note in told] == ["'real'", "'g'"]
    done = ganaudit.audit(asked)
    for notes in (done.notes, report_data(Store(tmp_path), done.run).notes):
        said = [note for note in notes if "'dusk'" in note]
        assert len(said) == 2 and "'real'" in said[0] and "'g'" in said[1] and not any("'early'" in note for note in notes)
    assert "has no image of" in done.report.read_text() and "dusk" in done.report.read_text()


def test_a_class_that_the_parser_does_not_have(tmp_path):
    with pytest.raises(RequestError, match=r"slices\.crowd: the parser has no class 'nobody'"):
        plan(spec(tmp_path, crowd="holds('nobody')"))
