"""Runs against an accepted baseline, on hand-made audits whose answer is obvious."""

import json

import pytest

from ganaudit.comparison.compared import compared
from ganaudit.comparison.finished import finished
from ganaudit.errors import RequestError
from ganaudit.studies.census.findings import materialise
from ganaudit.studies.census.known import classes_of
from ganaudit.studies.census.moments import moments_of

GONE = {"person": 0.0}


@pytest.fixture
def compare(store):
    def call(*runs, baseline=None, words=()):
        chosen = [finished(store, run) for run in runs]
        classes = classes_of(store, chosen[0].real.parser_key).first_head
        accepted = None if baseline is None else finished(store, baseline)
        return compared(chosen, accepted, words, lambda source: moments_of(store, source, classes))

    return call


def regressed(found):
    return {
        (change.now.generator, change.now.what, change.now.verdict) for _, result in found.judged for change in result.regressed
    }


def test_an_omission_that_the_baseline_has_not_is_exit_code_4(audited, compare):
    audited("r1", {"gan": {}, "wgan": GONE})
    audited("r2", {"gan": GONE, "wgan": GONE}, seed=9)
    result = compare("r2", baseline="r1", words=["dropped"])
    assert regressed(result) == {("gan", "person", "dropped")}
    assert (result.exit_code, result.notes) == (4, ())
    assert compare("r2", baseline="r1").exit_code == 0
    assert compare("r2", baseline="r1", words=["increased"]).exit_code == 0
    assert compare("r2", words=["dropped"]).exit_code == 4


def test_a_run_is_no_regression_of_itself(audited, compare):
    audited("r1", {"gan": GONE})
    result = compare("r1", baseline="r1", words=["dropped", "reduced", "increased", "invented", "farther"])
    assert (result.exit_code, regressed(result), result.farther) == (0, set(), ())
    assert result.differences[0].difference == pytest.approx(0, abs=1e-9)


def test_what_the_runs_own_audit_file_accepts_is_no_regression(audited, compare):
    audited("r1", {"gan": {}}, accept={"gan": ["tree"]})
    audited("r2", {"gan": {**GONE, "tree": 0.0}}, accept={"gan": ["person"]})
    found = compare("r2", baseline="r1", words=["dropped"])
    assert regressed(found) == {("gan", "tree", "dropped")}
    assert {change.now.name for _, result in found.judged for change in result.accepted} == {"person"}
    assert "'tree' of 'gan' is accepted, and not omitted any more: take it out of accept" in compare("r1").notes


def test_groups_are_judged_too(audited, compare):
    groups = {"alive": ["tree", "person"]}
    audited("r1", {"gan": {}}, groups=groups)
    audited("r2", {"gan": {"tree": 0.0, "person": 0.0}}, groups=groups)
    result = compare("r2", baseline="r1", words=["dropped"])
    assert ("gan", "alive (group)", "dropped") in regressed(result)


def test_a_new_generator_is_compared_with_nothing_and_a_missing_one_is_told(audited, compare):
    audited("r1", {"gan": GONE, "old": {}})
    audited("r2", {"gan": GONE, "new": GONE}, seed=9)
    result = compare("r2", baseline="r1", words=["dropped", "farther"])
    assert regressed(result) == {("new", "person", "dropped")}
    assert result.notes == ("'old' of the baseline is not in run r2", "'new' of run r2 is new: all its omissions count")
    assert [(difference.generator_a, difference.run_b) for difference in result.differences] == [("gan", "r1")]


def test_farther_is_judged_by_the_difference_of_the_distances(audited, compare):
    audited("r1", {"gan": {}, "wgan": GONE})
    audited("r2", {"gan": {"tree": 0.1}, "wgan": {}}, seed=9)
    found = compare("r2", baseline="r1", words=["farther"])
    assert [(result.generator_a, result.shared_real) for result in found.farther] == [("gan", True)]
    assert (found.exit_code, regressed(found)) == (4, set())
    assert compare("r1", baseline="r2", words=["dropped"]).farther[0].generator_a == "wgan"
    audited("r3", {"gan": {}, "wgan": {}}, seed=20)
    assert compare("r3", baseline="r1", words=["farther"]).exit_code == 0


def test_other_real_images_are_independent_and_said_to_be(audited, compare):
    audited("r1", {"gan": {}})
    audited("r2", {"gan": {}}, real_seed=50)
    audited("r3", {"gan": {}}, real_used=500)
    other, fewer = compare("r2", "r1"), compare("r3", baseline="r1", words=["dropped"])
    assert [result.shared_real for result in (*other.differences, *fewer.differences)] == [False, False]
    assert "the real images of runs r1 and r2 are not the same" in other.notes[0]
    assert fewer.exit_code == 0 and "r3 and r1 are one set, but not the same number" in fewer.notes[0]


def test_generators_of_several_runs_have_places_together(audited, compare):
    audited("r1", {"gan": {}, "wgan": GONE})
    audited("r2", {"gan": {"tree": 0.1}}, seed=9)
    result = compare("r1", "r2")
    places = {
        (distance.run, distance.generator): (distance.rank, distance.rank_low, distance.rank_high)
        for distance in result.distances
    }
    assert places["r1", "gan"] == (1, 1, 1)
    assert {places["r1", "wgan"][0], places["r2", "gan"][0]} == {2, 3}
    assert len(result.differences) == 3 and result.judged == () and result.exit_code == 0


def test_a_generator_without_findings_is_exit_code_3(store, audited, compare, run, pictures):
    audited("r1", {"gan": {}})
    pictures(store, "kbad", [None] * 5)
    real = finished(store, "r1").real
    sources = [("real", "photos", real.key, 0, real.count), ("generated", "gan", "kbad", 0, 5)]
    run(store, "r2", sources, status="set aside")
    materialise(store, "r2")
    result = compare("r2", baseline="r1", words=["dropped"])
    assert result.exit_code == 3
    assert result.notes == ("'gan' of run r2 has no findings: its images were set aside",)


def test_all_is_json(audited, compare):
    audited("r1", {"gan": {}})
    audited("r2", {"gan": GONE})
    said = json.loads(json.dumps(compare("r2", baseline="r1", words=["dropped", "farther"]).as_dict(), allow_nan=False))
    assert said["exit_code"] == 4 and said["baseline"] == "r1" and said["fail_on"] == ["dropped", "farther"]
    row = next(result for result in said["regressed"] if result["measure"] == "presence")
    names = ("run", "generator", "name", "was", "verdict")
    assert [row[name] for name in names] == ["r2", "gan", "person", "equivalent", "dropped"]
    assert said["farther"][0]["generator_a"] == "gan"
    assert {row["gates"] for row in said["worse"] if row["verdict"] == "dropped"} == {True}
    mild = compare("r2", baseline="r1", words=["invented"]).as_dict()
    assert mild["exit_code"] == 0 and mild["regressed"] == []
    assert {(row["name"], row["gates"]) for row in mild["worse"]} >= {("person", False)}


# what cannot be compared


def test_runs_that_are_not_there_or_have_no_findings(store, audited, run, pictures):
    audited("r1", {"gan": {}})
    run(store, "r2", [("real", "photos", "kbad", 0, 5)], finished=False)
    run(store, "r3", [("real", "photos", "kbad", 0, 5)], status="failed")
    run(store, "r4", [("real", "photos", "kbad", 0, 5)])
    for name, said in {
        "nothing": "there is no run 'nothing' in .*; `ganaudit runs` lists those there are",
        "../r1": "'../r1' is not a run",
        "r2": "run 'r2' is running; run its audit again, which goes on where it was stopped",
        "r3": "run 'r3' is failed; run its audit again",
        "r4": "run 'r4' has no finding fsd; run its audit again, which makes the findings anew",
    }.items():
        with pytest.raises(RequestError, match=said):
            finished(store, name)


def test_findings_of_another_version_are_said_to_be(store, audited):
    audited("r1", {"gan": {}})
    path = store.finding("r1", "dropped_classes")
    path.write_bytes(store.finding("r1", "comparison").read_bytes())
    with pytest.raises(RequestError, match="is damaged or of another version of ganaudit; run the audit again"):
        finished(store, "r1")


@pytest.mark.parametrize("decide", [{"alpha": 0.1}, {"dropped": 0.2}, {"reduced": 0.7}, {"increased": 1.5}, {"presence": 5}])
def test_other_lines_are_refused_by_name(audited, compare, decide):
    audited("r1", {"gan": {}})
    audited("r2", {"gan": {}}, decide=decide)
    (name,) = decide
    with pytest.raises(RequestError, match=f"the verdicts of runs 'r2' and 'r1' do not mean the same: decide.{name} is"):
        compare("r2", baseline="r1")


def test_the_number_of_permutations_is_no_line(audited, compare):
    audited("r1", {"gan": {}}, decide={"permutations": 0})
    audited("r2", {"gan": {}}, decide={"permutations": 19})
    assert compare("r2", baseline="r1", words=["dropped"]).exit_code == 0


def test_a_group_of_the_same_name_with_other_classes_is_refused(audited, compare):
    audited("r1", {"gan": {}}, groups={"alive": ["tree", "person"]})
    audited("r2", {"gan": {}}, groups={"alive": ["tree"]})
    with pytest.raises(RequestError, match=r"groups\.alive is not the same"):
        compare("r2", "r1")


def test_another_parser_is_refused_by_name(audited, compare):
    audited("r1", {"gan": {}})
    audited("r2", {"gan": {}}, parser="p1")
    with pytest.raises(RequestError, match="'photos' of run 'r2' and 'photos' of run 'r1' were parsed by different parsers"):
        compare("r2", baseline="r1")


def test_other_label_sizes_are_refused_by_name(audited, compare):
    audited("r1", {"gan": {}})
    audited("r2", {"gan": {}}, size=400)
    with pytest.raises(RequestError, match="'gan' of run 'r2' has label maps of 400 pixels and 'gan' of run 'r1' of 100"):
        compare("r2", baseline="r1")


def test_farther_needs_a_baseline(audited, compare):
    audited("r1", {"gan": {}})
    with pytest.raises(RequestError, match="--fail-on farther needs a run to be farther than: --baseline RUN"):
        compare("r1", words=["farther"])
