"""The figures as files and as parts of the page."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from subprocess import run

import pytest
from PIL import Image

from ganaudit.report import figures
from ganaudit.report.drawing import file_name, inline, style
from ganaudit.spec import Decide
from ganaudit.studies.census.section.area_figure import area_figure
from ganaudit.studies.census.section.classes import class_findings, largest, worst_first
from ganaudit.studies.census.section.distance_figures import fsd_figure, parts_figure
from ganaudit.studies.census.section.distances import ClassShare, curve, distances
from ganaudit.studies.census.section.forest import forest_figure


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter("text")]


def tips(svg: str) -> list[str]:
    return [title.text or "" for title in ElementTree.fromstring(svg).iter("title")]


def forest(data, name: str, most: int = 60, as_name: str = "f") -> str:
    with style():
        shown = worst_first(class_findings(data.findings, name), most)
        return inline(forest_figure(shown, name, Decide(), 1.96), as_name)


def test_every_figure_is_written_in_every_format(audit, tmp_path):
    data = audit(generators={"a/b": {"person": (0.5, 0.5)}, "a b": {}}, pictures=2)
    files = figures(data, tmp_path / "new")
    names = [file.name for file in files]
    assert [name for name in names if name.endswith(".png")] == [
        "forest-a-b.png", "classes-a-b.png", "parts-a-b.png", "forest-a-b_.png", "classes-a-b_.png", "parts-a-b_.png",
        "fsd.png",
        "samples-village.png", "samples-a-b.png", "samples-a-b_.png",
    ]  # fmt: skip
    assert len(names) == 20 == len({*names}) and all(file.stat().st_size > 2000 for file in files)
    for file in files:
        if file.suffix == ".png":
            Image.open(file).verify()
        else:
            ElementTree.parse(file)


def test_files_are_the_same_every_time(audit, tmp_path):
    data = audit(generators={"g": {"person": (0.5, 0.5)}}, pictures=0)
    first = [file.read_bytes() for file in figures(data, tmp_path / "1", ["svg"])]
    assert first == [file.read_bytes() for file in figures(data, tmp_path / "2", ["svg"])]


def test_the_forest_has_a_line_for_every_class_and_the_verdict_beside_it(audit):
    data = audit(generators={"g": {"person": (0.3, 0.5), "fence": (0, 0), "lamp": (1, 0.5), "car": (2, 1)}}, pictures=0)
    svg = forest(data, "g")
    said = texts(svg)
    names = [each.name for each in worst_first(class_findings(data.findings, "g")).rows]
    assert names[:2] == ["fence", "person"] and {*names} <= {*said} and len(names) == 15
    assert {"dropped", "reduced", "reduced (area)", "increased", "equivalent"} <= {*said}
    assert {"presence, % of real", "size where present, % of real", "area, % of real"} <= {*said}
    assert len(tips(svg)) == 15 and tips(svg)[0].startswith("fence: presence 0 % [0,")
    assert tips(svg)[1].startswith("person: presence 29 % [") and "reduced; size" in tips(svg)[1]


def test_a_forest_holds_no_more_than_it_is_asked_to(audit):
    real = {f"c{i:03d}": (0.5, 12 * 0.985**i) for i in range(336)}
    data = audit({"g": {"c300": (0.1, 1.0)}}, real, pictures=0)
    svg = forest(data, "g", most=40)
    assert len([text for text in texts(svg) if text.startswith("c")]) == 40 and "c300" in texts(svg)
    assert len(svg) < 90_000


def test_text_is_text_and_no_class_is_cut(audit):
    long = {
        "television receiver": (0.5, 9.0),
        "wall socket": (0.4, 3.0),
        "crêpe & <stand> $x$": (0.3, 1.0),
        "木": (0.2, 1),
    }
    data = audit(generators={"g": {"wall socket": (0, 0)}}, real=long, invented={"boat": (0.1, 1.0)}, pictures=0)
    with style():
        svg = inline(area_figure(largest(class_findings(data.findings, "g")), "g", 1.96), "one")
    assert {*long, "boat", "real", "generated", "none generated", "in no real image", "new"} <= {*texts(svg)}
    assert len(tips(svg)) == 5 and tips(svg)[0].startswith("television receiver")
    for part in ("4.5 % real", "4.5 % generated", "50 % of real images", "50 % of generated", "equivalent"):
        assert part in tips(svg)[0]
    assert {*long, "boat"} <= {*texts(forest(data, "g"))}


def test_inline_figures_follow_the_theme_and_share_no_ids(audit):
    data = audit(pictures=0)
    with style():
        drawn = [forest(data, name, as_name=f"f{i}") for i, name in enumerate(data.generators[:2])]
        drawn += [inline(fsd_figure(distances(data.findings)), "fsd")]
        drawn += [inline(area_figure(largest(class_findings(data.findings, "progan")), "progan", 2.0), "c")]
        drawn += [inline(parts_figure(curve(data.findings, "progan"), [ClassShare(1, "sky", 1.0)], "progan"), "p")]
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in drawn]
    assert not any(a & b for i, a in enumerate(ids) for b in ids[i + 1 :])
    for svg in drawn:
        assert not re.search(r"#[0-9a-f]{6}\b", svg.replace("#000000", "")), "a colour without a role"
        assert "font-family" not in svg and "var(--" in svg
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r' id="([^"]+)"', svg))


def test_the_distances_show_both_floors_only_where_there_are_two(findings, distance):
    with style():
        result = inline(fsd_figure(distances(findings(fsd=[distance("g")]))), "a")
        two = inline(fsd_figure(distances(findings(fsd=[distance("g", resolution_floor=0.4)]))), "b")
    assert "floor of the resolution" in texts(two) and "floor of the resolution" not in texts(result)
    assert tips(result) == ["g: FSD 1.93 [1.73, 2.13] corrected; plain 2.13 = means 1.16 + covariances 0.972; floor 0.190"]


def test_a_distance_below_zero_and_one_without_an_interval_are_drawn(findings, distance):
    rows = [distance("none", corrected=None, corrected_low=None, corrected_high=None), distance("below", -0.1)]
    with style():
        svg = inline(fsd_figure(distances(findings(fsd=rows))), "a")
    assert {"none", "below"} <= {*texts(svg)}


def test_shares_of_many_classes_end_in_one_bar_and_are_of_a_hundred():
    with style():
        svg = inline(parts_figure([], [ClassShare(i, f"c{i}", 1.0) for i in range(1, 21)], "g"), "a")
    said = texts(svg)
    assert "10 other classes" in said and "50 %" in said and said.count("5.0 %") == 10 and "c11" not in said


def test_names_that_look_like_markup_stay_text(audit):
    name = 'id="x" 1.23456 #a9bccd'
    with style():
        svg = inline(fsd_figure(distances(audit(generators={name: {}}, pictures=0).findings)), "fsd")
    assert name in texts(svg)


@pytest.mark.parametrize(("name", "file"), [("a/b c", "a-b-c"), ("../..", "unnamed"), ("größe_2", "größe_2")])
def test_file_names(name, file):
    assert file_name(name) == file


def test_matplotlib_is_not_imported_with_the_report():
    code = "import sys, ganaudit.report; sys.exit('matplotlib' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
