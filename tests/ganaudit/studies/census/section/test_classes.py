"""Which verdict a class is told by, on which measure, and which classes come first."""

import math

import pytest

from ganaudit.report import Picture
from ganaudit.report.data import generators, rows
from ganaudit.studies.census.section.classes import (
    SEVERITY,
    ClassFinding,
    Interval,
    RealAndGenerated,
    Verdict,
    class_findings,
    largest,
    lost_classes,
    with_verdict,
    worst_first,
)
from ganaudit.studies.census.section.kept import Kept


def one(presence: str, area: str, presence_ratio: float | None = 0.5, area_ratio: float | None = 0.5, **more) -> ClassFinding:
    return ClassFinding(
        more.get("class_id", 1), more.get("name", "c"), area=RealAndGenerated(real=1.0, generated=1.0, ratio=area_ratio),
        presence=RealAndGenerated(ratio=presence_ratio), 
        verdicts={"presence": Verdict(presence, Interval(presence_ratio)), "area": Verdict(area, Interval(area_ratio))},
    )  # fmt: skip


@pytest.mark.parametrize("worse", range(len(SEVERITY)))
def test_a_class_is_as_its_worst_measure_whichever_that_is(worse):
    for better in SEVERITY[worse + 1 :]:
        for pair in ((SEVERITY[worse], better), (better, SEVERITY[worse])):
            result = one(*pair)
            assert result.word == SEVERITY[worse]
            assert result.leading_measure == ("presence" if pair[0] == SEVERITY[worse] else "area")
            assert result.leading_verdict.verdict == SEVERITY[worse]


@pytest.mark.parametrize(
    ("presence", "area", "telling"),
    [(0.5, 0.25, "presence"), (0.51, 0.25, "area"), (0.8, 0.2, "area"), (0.3, 0.3, "presence"), (0.0, 0.0, "presence"),
     (2.0, 2.2, "presence"), (1.1, 2.2, "area")],
)  # fmt: skip
def test_of_two_equal_verdicts_presence_tells_where_it_makes_half_of_the_change(presence, area, telling):
    assert one("reduced", "reduced", presence, area).leading_measure == telling


def test_without_verdicts_there_is_no_word():
    bare = ClassFinding(1, "c", area=RealAndGenerated(real=1.0))
    assert (bare.word, bare.leading_verdict) == ("", None)
    assert worst_first([bare]).rows == (bare,)


def test_losses_come_dropped_first_and_then_by_the_upper_end(findings, row, verdict):
    stats = [row("g", i, name, (0.5, 1.0), (0.2, 1.0)) for i, name in enumerate("abcde", 1)]
    ends = {"a": ("reduced", 0.1, 0.7), "b": ("reduced", 0.4, 0.5), "c": ("dropped", 0.04, 0.09), "d": ("equivalent", 1, 1.1),
            "e": ("increased", 2, 3)}  # fmt: skip
    decided = [
        {"run": "r1", "real": "village", "generator": "g", "class_id": s["class_id"], "class": s["class"], "measure": measure,
         **verdict(word if measure == "presence" else "equivalent", ratio, ratio, high)}
        for s in stats for word, ratio, high in [ends[s["class"]]] for measure in ("presence", "area")
    ]  # fmt: skip
    result = findings(class_stats=stats, dropped_classes=decided)
    assert [each.name for each in lost_classes(result, "g")] == ["c", "b", "a"]
    assert [each.name for each in lost_classes(result, "g", 1)] == ["c"]
    assert [each.name for each in worst_first(class_findings(result, "g")).rows] == ["c", "b", "a", "e", "d"]
    assert lost_classes(result, "unknown") == []


def test_generators_do_not_see_each_other(audit):
    result = audit(pictures=0).findings
    assert generators(result) == ("wgan-gp", "progan", "no-people")
    assert {each.name for each in with_verdict(class_findings(result, "no-people"), "dropped")} == {"person", "fence"}
    assert "fence" not in {each.name for each in lost_classes(result, "progan")}


def test_never_new_and_absent(findings, row):
    stats = [
        row("g", 1, "never", (0.3, 1.0), (0.0, 0.0)), row("g", 2, "new", (0.0, 0.0), (0.1, 1.0)),
        row("g", 3, "nowhere", (0.0, 0.0), (0.0, 0.0)), row("g", 4, "both", (0.3, 1.0), (0.3, 1.0)),
    ]  # fmt: skip
    result = class_findings(findings(class_stats=stats), "g")
    assert [(each.never, each.new, each.absent) for each in result] == [
        (True, False, False), (False, True, False), (False, False, True), (False, False, False)
    ]  # fmt: skip
    assert [each.name for each in worst_first(result).rows] == ["never", "both", "new"]


def test_the_interval_of_a_size_is_that_of_its_logarithm():
    result = RealAndGenerated(ratio=0.5, ratio_se=0.1).interval(1.96)
    assert math.log(result.high) - math.log(0.5) == pytest.approx(math.log(0.5) - math.log(result.low)) == pytest.approx(0.392)
    assert RealAndGenerated(ratio=0.5).interval(2) == Interval(0.5)
    assert RealAndGenerated().interval(2) == Interval(None) and RealAndGenerated(ratio=0.0, ratio_se=0.0).interval(
        2
    ) == Interval(0.0)
    assert math.isfinite(RealAndGenerated(ratio=0.01, ratio_se=10.0).interval(2).high)


def test_the_figure_of_areas_holds_the_largest_the_plainest_changes_and_the_new_ones(audit):
    real = {f"c{i:03d}": (0.5, 50 * 0.97**i) for i in range(100)}
    result = class_findings(audit({"g": {"c090": (0.1, 1.0)}}, real, {"boat": (0.1, 1.0)}, pictures=0, n=20_000).findings, "g")
    shown = largest(result, most=60)
    names = [each.name for each in shown.rows]
    assert names[:60] == [f"c{i:03d}" for i in range(60)]
    assert names[60:] == ["c090", "boat"] and shown.left_out == 101 - 62


def test_a_table_that_is_not_there_has_no_rows():
    assert rows({}, "fsd") == [] and generators({}) == class_findings({}, "g") == ()


def test_a_picture_of_the_wrong_shape_says_which(audit):
    good = audit().kept["census"].samples[0].pictures[0]
    with pytest.raises(ValueError, match=r"'photo 1'.*float"):
        Picture(0, "photo 1", good.image / 255, good.labels)
    with pytest.raises(ValueError, match="labels are"):
        Picture(0, "photo 1", good.image, good.image)


def test_all_pictures_of_a_run(audit):
    kept = audit(pictures=2).kept["census"]
    beside = sum(1 + len(each.nearest) for shown in kept.lost.values() for each in shown)
    assert len(kept.all) == 4 * 2 + beside + 4 * len(kept.grown) + 3 * 2 * 2 and Kept().all == []
    assert len(kept.lost) > 2 and kept.grown and beside > 2 * len(kept.lost)
