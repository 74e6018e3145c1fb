"""What compare is given: runs, audits, generators and trainings; the last checkpoint against the best before it."""

import pytest

from flows.comparison import compare_runs
from ganaudit.comparison.choosing import chosen, last_against_best, only
from ganaudit.errors import RequestError

GONE, FEW = {"person": 0.0}, {"tree": 0.35, "person": 0.2}


def checkpoints(*steps):
    return [{"name": f"ours@{step}", "training": "ours", "step": step} for step in steps]


@pytest.fixture
def trained(audited, store):
    """ours@100 is far away, ours@20 lacks some, ours@30 is as the real images, ours@40 has lost the people; and gan."""
    generators = {"ours@100": GONE, "ours@20": FEW, "ours@30": {}, "ours@40": {**FEW, "person": 0.0}, "gan": {}}
    audited("r1", generators, generators=[*checkpoints(20, 30, 40, 100), {"name": "gan"}])
    return store


def names(run):
    return [generator.name for generator in run.generators]


def test_a_run_an_audit_a_generator_or_a_training(trained, audited):
    assert (
        names(chosen(trained, "r1")) == names(chosen(trained, "audit")) == ["ours@100", "ours@20", "ours@30", "ours@40", "gan"]
    )
    result = chosen(trained, "r1:gan")
    assert (result.run, names(result), {row["generator"] for row in result.tables["fsd"]}) == ("r1:gan", ["gan"], {"gan"})
    assert names(chosen(trained, "audit:ours")) == ["ours@100", "ours@20", "ours@30", "ours@40"]
    audited("r2", {"gan": {}}, hour=5)
    assert chosen(trained, "audit").run == "r2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("r9", "there is no run 'r9' in .*, nor an audit; audits there are: audit; `ganaudit runs`"),
        ("r1:none", "run 'r1' has no generator or training 'none'; it has ours@100, .*gan, ours"),
        ("none:gan", "there is no run 'none:gan'"),
    ],
)
def test_what_is_not_there(trained, text, said):
    with pytest.raises(RequestError, match=said):
        chosen(trained, text)


def test_the_last_is_the_one_of_the_largest_step_and_the_best_the_nearest_before_it(trained):
    last, best, notes = last_against_best(chosen(trained, "r1"))
    assert (last.run, names(last)) == ("r1:ours@100", ["ours@100"])
    assert (best.run, names(best)) == ("r1:ours@30", ["ours@100"])
    assert best.real == last.real and best.generators[0].key != last.generators[0].key
    assert notes == [
        "'ours@30' is the best of 3 earlier checkpoints of 'ours' by its corrected FSD; chosen by the same images, it is a "
        "little flattered"
    ]
    with pytest.raises(RequestError, match="has no training with two checkpoints"):
        last_against_best(only(chosen(trained, "r1"), "gan"))


def test_a_training_that_got_worse_is_told_and_met(trained):
    comparison = compare_runs(trained, ["r1"], "best", "dropped,farther")
    assert comparison.exit_code == 4 and comparison.baseline == "r1:ours@30"
    (judged,) = (judged for _, judged in comparison.judged)
    assert {(result.now.generator, result.now.name, result.now.verdict) for result in judged.regressed} == {
        ("ours@100", "person", "dropped")
    }
    (apart,) = comparison.differences
    assert apart.shared_real and apart.difference > 0 and apart.verdict == "b is nearer"


def test_all_checkpoints_against_one(trained):
    comparison = compare_runs(trained, ["r1:ours"], "r1:gan", None)
    assert [difference.generator_a for difference in comparison.differences] == ["ours@100", "ours@20", "ours@30", "ours@40"]
    by_name = {difference.generator_a: difference.verdict for difference in comparison.differences}
    assert by_name["ours@100"] == by_name["ours@40"] == "b is nearer" and by_name["ours@30"] == "cannot be told apart"
    with pytest.raises(RequestError, match="best is about the checkpoints of one run"):
        compare_runs(trained, ["r1", "r1:ours"], "best", None)
