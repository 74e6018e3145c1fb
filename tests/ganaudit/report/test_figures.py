"""The figures as files and as parts of the page."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from subprocess import run

import pytest
from PIL import Image

from ganaudit.report import figures
from ganaudit.report.data import class_rows, shown_classes
from ganaudit.report.figures import classes_figure, file_name, fsd_figure, inline, style


def test_every_figure_is_written_in_every_format(audit, tmp_path):
    data = audit(generators={"a/b": {"person": (0.5, 0.5)}, "a b": {}}, pictures=2)
    files = figures(data, tmp_path / "new")
    names = [file.name for file in files]
    assert [name for name in names if name.endswith(".png")] == [
        "classes-a-b.png", "ratios-a-b.png", "classes-a-b_.png", "ratios-a-b_.png", "fsd.png",
        "samples-village.png", "samples-a-b.png", "samples-a-b_.png",
    ]  # fmt: skip
    assert len(names) == 16 == len({*names}) and all(file.stat().st_size > 2000 for file in files)
    for file in files:
        if file.suffix == ".png":
            Image.open(file).verify()
        else:
            ElementTree.parse(file)


def test_files_are_the_same_every_time(audit, tmp_path):
    data = audit(generators={"g": {"person": (0.5, 0.5)}}, pictures=0)
    first = [file.read_bytes() for file in figures(data, tmp_path / "1", ["svg"])]
    assert first == [file.read_bytes() for file in figures(data, tmp_path / "2", ["svg"])]


def test_text_is_text_and_no_class_is_cut(audit):
    long = {
        "television receiver": (0.5, 9.0),
        "wall socket": (0.4, 3.0),
        "crêpe & <stand> $x$": (0.3, 1.0),
        "木": (0.2, 1),
    }
    data = audit(generators={"g": {"wall socket": (0, 0)}}, real=long, invented={"boat": (0.1, 1.0)}, pictures=0)
    with style():
        svg = inline(classes_figure(shown_classes(class_rows(data.class_stats, "g")), "g"), "one")
    texts = ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter("text")]
    assert {*long, "boat", "real", "generated", "none generated", "in no real image", "new"} <= {*texts}
    tips = [title.text for title in ElementTree.fromstring(svg).iter("title")]
    assert len(tips) == 5 and tips[0] == (
        "television receiver: area 4.5 % real, 4.5 % generated (1.00 ± 0.04); in 50 % of real images and 50 % of generated ones"
    )


def test_inline_figures_follow_the_theme_and_share_no_ids(audit):
    data = audit(pictures=0)
    with style():
        both = [
            inline(classes_figure(shown_classes(class_rows(data.class_stats, name)), name), f"c{i}")
            for i, name in enumerate(data.generators[:2])
        ]
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in both]
    assert not ids[0] & ids[1]
    for svg in both:
        assert not re.search(r"#[0-9a-f]{6}\b", svg.replace("#000000", "")), "a colour without a role"
        assert "font-family" not in svg and "var(--real)" in svg
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r' id="([^"]+)"', svg))


def test_names_that_look_like_markup_stay_text(audit):
    name = 'id="x" 1.23456 #a9bccd'
    with style():
        svg = inline(fsd_figure(audit(generators={name: {}}, pictures=0)), "fsd")
    assert name in ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter("text")]


@pytest.mark.parametrize(("name", "file"), [("a/b c", "a-b-c"), ("../..", "unnamed"), ("größe_2", "größe_2")])
def test_file_names(name, file):
    assert file_name(name) == file


def test_matplotlib_is_not_imported_with_the_report():
    code = "import sys, ganaudit.report; sys.exit('matplotlib' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
