"""Which classes the report calls reduced, and which it draws."""

import math

import pandas as pd
import pytest

from ganaudit.report import Picture, most_reduced
from ganaudit.report.data import class_rows, differences, fsd_rows, reduced, shown_classes


def test_the_surest_reduction_comes_first_not_the_lowest(row):
    table = pd.DataFrame(
        [
            row("g", 1, "rare", (0.011, 1.0), (0.003, 1.0)),  # 22 images against 6
            row("g", 2, "common", (0.5, 1.0), (0.2, 1.0)),
            row("g", 3, "same", (0.5, 1.0), (0.5, 1.0)),
            row("g", 4, "more", (0.5, 1.0), (0.9, 1.0)),
        ]
    )
    assert [each.name for each in most_reduced(table, "g")] == ["common", "rare"]
    assert [each.name for each in most_reduced(table, "g", k=1)] == ["common"]


def test_a_class_in_too_few_real_images_is_never_called_reduced(row):
    table = pd.DataFrame([row("g", 1, "seen 5 times", (0.0025, 1.0), (0.0, 0.0))])
    assert most_reduced(table, "g") == []


def test_a_loss_that_nobody_would_see_is_not_called_reduced(row):
    table = pd.DataFrame([row("g", 1, "sky", (1.0, 46.0), (1.0, 44.0), n=200_000)])
    assert table.area_ratio[0] + 2 * table.area_ratio_se[0] < 1
    assert most_reduced(table, "g") == []


def test_zero_generated_is_reduced_although_its_ratio_has_no_error(row):
    (found,) = most_reduced(pd.DataFrame([row("g", 1, "palm", (0.1, 0.5), (0.0, 0.0))]), "g")
    assert found.measure == "presence" and 0 < found.ceiling < 0.05


@pytest.mark.parametrize(("made", "measure"), [((0.2, 1.0), "presence"), ((0.4, 0.3), "area"), ((0.8, 0.25), "area")])
def test_the_measure_is_the_one_that_makes_the_loss(row, made, measure):
    (found,) = most_reduced(pd.DataFrame([row("g", 1, "person", (0.4, 1.0), made)]), "g")
    assert found.measure == measure


def test_generators_do_not_see_each_other(audit):
    data = audit()
    assert data.generators == ("wgan-gp", "progan", "no-people")
    assert {each.name for each in most_reduced(data.class_stats, "no-people")} >= {"person", "fence"}
    assert "fence" not in {each.name for each in most_reduced(data.class_stats, "progan")}
    assert most_reduced(data.class_stats, "unknown") == []


@pytest.mark.parametrize("null", [None, pd.NA, math.nan, math.inf])
def test_nulls_of_every_kind_are_none(row, null):
    table = pd.DataFrame([{**row("g", 1, "new", (0.0, 0.0), (0.1, 1.0)), "size_ratio": null, "real_confidence": null}])
    (only,) = class_rows(table, "g")
    assert only.size_ratio.value is None and only.real_confidence is None
    assert only.invented and only.area_ratio.value is None and only.ceiling("area") is None


def test_nullable_columns_and_empty_tables(row):
    table = pd.DataFrame([row("g", 1, "a", (0.3, 1.0), (0.1, 1.0))]).convert_dtypes()
    assert [each.name for each in most_reduced(table, "g")] == ["a"]
    assert class_rows(pd.DataFrame(), "g") == [] and fsd_rows(pd.DataFrame()) == []
    assert differences(pd.DataFrame()) == {}


def test_differences_go_both_ways():
    table = pd.DataFrame([{"generator_a": "a", "generator_b": "b", "difference": 2.0}])
    assert differences(table) == {("a", "b"): 2.0, ("b", "a"): -2.0}


def test_a_figure_holds_the_largest_the_most_changed_and_the_invented(row):
    table = [row("g", i, f"c{i:03d}", (0.5, 50 * 0.97**i), (0.5, 50 * 0.97**i)) for i in range(200)]
    table[150] = row("g", 150, "lost", (0.5, 50 * 0.97**150), (0.1, 50 * 0.97**150))
    table += [row("g", 300 + i, f"new{i:02d}", (0.0, 0.0), (0.1, 1.0 + i)) for i in range(12)]
    table += [row("g", 400, "nowhere", (0.0, 0.0), (0.0, 0.0))]
    shown = shown_classes(class_rows(pd.DataFrame(table), "g"))
    names = [each.name for each in shown.rows]
    assert names[:60] == [f"c{i:03d}" for i in range(60)]
    assert names[60:62] == ["lost", "new11"] and "nowhere" not in names
    assert (shown.largest, shown.changed, shown.invented, shown.left_out) == (60, 1, 10, 139 + 2)


def test_reduced_is_in_the_order_of_ceilings(audit):
    found = reduced(class_rows(audit().class_stats, "wgan-gp"))
    assert [each.ceiling for each in found] == sorted(each.ceiling for each in found)


def test_a_picture_of_the_wrong_shape_says_which(audit):
    good = audit().samples[0].pictures[0]
    with pytest.raises(ValueError, match=r"'photo 1'.*float"):
        Picture(0, "photo 1", good.image / 255, good.labels)
    with pytest.raises(ValueError, match="labels are"):
        Picture(0, "photo 1", good.image, good.image)
