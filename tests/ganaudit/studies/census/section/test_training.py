"""A training in the report: from three checkpoints on, in the order of steps, with the classes that were lost on the way."""

from dataclasses import replace

import pytest

from ganaudit.report import Used, figures, render
from ganaudit.report.drawing import inline, style
from ganaudit.spec import Decide
from ganaudit.studies.census.section.training import training_words, trainings
from ganaudit.studies.census.section.training_figure import training_figure

LOSSES = {
    "ours@9000": {"person": (0, 0), "fence": (0.4, 0.5)}, "ours@100": {"lamp": (0.2, 0.5), "tree": (2.0, 1.0)},
    "ours@2000": {"person": (0.5, 0.9)}, "gan": {},
}  # fmt: skip


@pytest.fixture
def trained(audit):
    def make(*names):
        data = audit(generators={name: LOSSES[name] for name in names}, pictures=0)
        used = [
            Used("generated", name, "progan", f"k{place}", "p", 2000, {}, *_training(name)) for place, name in enumerate(names)
        ]
        return replace(data, sources=used)

    return make


def _training(name):
    family, _, step = name.partition("@")
    return (family, int(step)) if step else (None, 7)


def test_checkpoints_stand_by_step_and_a_lone_generator_is_no_training(trained):
    (result,) = trainings(trained("ours@9000", "ours@100", "ours@2000", "gan"))
    assert result.name == "ours" and [step.step for step in result.steps] == [100, 2000, 9000]
    assert [step.generator for step in result.steps] == ["ours@100", "ours@2000", "ours@9000"]
    assert trainings(trained("ours@9000", "ours@100", "gan")) == []


def test_classes_that_were_lost_or_grew_somewhere_the_worst_at_the_end_first(trained):
    (found,) = trainings(trained("ours@9000", "ours@100", "ours@2000"))
    names = [result.name for result in found.classes]
    assert names[:2] == ["person", "fence"] and {"lamp", "tree"} <= set(names) and "sky" not in names
    person = found.classes[0]
    assert [step.step for step in person.steps] == [100, 2000, 9000] and person.steps[-1].verdict == "dropped"
    assert person.steps[1].verdict == "reduced" and person.steps[1].ratio.value == pytest.approx(0.5, abs=0.01)


def test_the_sentence_names_the_nearest_and_the_last(trained):
    (result,) = trainings(trained("ours@9000", "ours@100", "ours@2000"))
    best = min(result.steps, key=lambda step: step.corrected.value)
    said = training_words(result)
    assert said.startswith(f"3 checkpoints of ours; the nearest to the real images is step {best.step:,}, ")
    assert ("the last, step 9,000, is at" in said) == (best.step != 9000)


def test_the_figure_has_a_tip_for_every_mark_and_names_every_class(trained):
    (found,) = trainings(trained("ours@9000", "ours@100", "ours@2000"))
    with style():
        svg = inline(training_figure(found, Decide()), "t")
    assert svg.count("<title>") == len(found.steps) * (1 + len(found.classes))
    assert "step 9,000: FSD" in svg and "person, step 9,000: 0" in svg and "dropped</title>" in svg
    for result in found.classes:
        assert f">{result.name}</text>" in svg


def test_page_and_files_show_it_where_there_is_one(trained, tmp_path):
    data = trained("ours@9000", "ours@100", "ours@2000")
    page = render(data)
    assert "ours over its training" in page and len(page) < 5_000_000
    assert "over its training" not in render(trained("ours@9000", "gan"))
    assert "training-ours.svg" in [file.name for file in figures(data, tmp_path, ["svg"])]
