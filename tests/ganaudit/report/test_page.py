"""The page holds everything, escapes everything, and stays small."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from markupsafe import Markup
from report_tables import build

from ganaudit.records.schema import FINDINGS
from ganaudit.report import Quarantined, Used, render
from ganaudit.studies.census.section import view
from ganaudit.studies.census.section.classes import class_findings, worst_first
from ganaudit.studies.census.section.kept import Beside, Grown, Kept

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Checked(HTMLParser):
    """Collects text and attributes, and fails on a tag that is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}, line {self.getpos()}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.text))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_holds_everything(audit):
    data = audit(quarantined=[Quarantined("offline", "img 7.png", "the file is empty")])
    page = Checked(render(data))
    for text in (
        "village-nightly", data.run, "1 min 44 s", "CPU, 2 cores", "finished, with images set aside",
        "reduced person, in 36 % [31, 42] as many images",
        "dropped person, in no image (at most 0.7 % as many)", "drops 2 of 15 classes", "FSD 1.81 [1.61, 2.01], corrected",
        "beyond chance (p ≤ 0.03, the least that 99 permutations can say of 3 generators)",
        "p is adjusted over the 3 generators (Holm): 99 permutations can say no less than 0.03.", "Intervals are at 95 %",
        "2,000 generated images against 2,000 real images", "Dashed: below 10 % a class is dropped.",
        "An image counts as holding a class whose largest connected region", "progan is nearer than wgan-gp",
        "wgan-gp and no-people cannot be told apart at this N", "2 to 3", "Images that push the distance up most",
        "Not measured: this audit names no images with true label maps", "What the verdicts look like", "photo-012003",
        "no-people: 5.0 % apart, no person", "1,234 images hold it.", "Largest first", "Least sure first",
        "dropped by no-people: in no image (at most 0.7 % as many) (0 % against 30 % of images)", "the file is empty",
        "1 image could not be used and is in no number above (offline: 1 image).",
        data.command, "count: 2000", "torch 2.14.1", "k0a0a0a", "weights 5e5e5e", "p0b0b0b",
    ):  # fmt: skip
        assert text in page.words, text
    pictures = page.all("img")
    assert len(pictures) == 3 * 6 + 4 * 12 * 2 + len(data.kept["census"].bare)
    assert all(picture["alt"] and picture["src"].startswith("data:image/webp;base64,") for picture in pictures)
    assert len(page.all("table")) == 3 + 1 + 1 + 1 + 1


@pytest.fixture(scope="module")
def page():
    """With two pictures of each kind."""
    return render(build(pictures=2))


def test_verdicts_come_before_everything_else(page):
    places = [page.index(text) for text in ('class="verdicts"', 'id="generator-1"', 'id="fsd"', 'id="parser"', 'id="samples"')]
    assert places == sorted(places)


def test_groups_slices_pairs_and_the_parser_have_their_tables(audit, verdict, no_figures):
    names = {"run": "r1", "real": "village", "generator": "wgan-gp"}
    result = verdict("reduced", 0.7, 0.6, 0.79, detectable=0.7, q=0.01)
    pair = {name: value for name, value in result.items() if name not in ("detectable", "presence_threshold")}
    extra = {
        "dropped_groups": [{**names, "group": "street life", "measure": "area", **result}],
        "dropped_in_slices": [
            {**names, "slice": "dusk", "class_id": 12, "class": "person", "measure": "presence", "real_images": 400,
             "generated_images": 410, **verdict("dropped", 0.05, 0.02, 0.09)}
        ],
        "dropped_pairs": [{**names, "class_a": "person", "class_b": "car", "expected": 80.0, **pair}],
    }  # fmt: skip
    data = audit(extra=extra, pictures=1)
    trust = {"run": "r1", "source": "masks", "class_id": 12, "class": "person", "images": 300, "holding": 90, "iou": 0.8}
    ends = {f"{side}{end}": 0.9 for side in ("sensitivity", "specificity") for end in ("", "_low", "_high")}
    corrected = {
        **names, "class_id": 12, "class": "person", "measure": "presence", "ratio": 0.4, "ratio_low": 0.3, "ratio_high": 0.5,
        "tipping_sensitivity": 0.36, "tipping_false_positive": None, "real_confidence": 0.98, "generated_confidence": 0.61,
        "confidence_falls": True,
    }  # fmt: skip
    more = {
        "parser_classes": pa.Table.from_pylist([{**trust, **ends, "recall": 0.9, "precision": 0.9}]),
        "parser_corrected": pa.Table.from_pylist([corrected]),
    }
    page = Checked(render(replace(data, findings={**data.findings, **more})))
    for text in (
        "Groups of classes", "street life", "70 [60, 79]", "Slices of the images", "dusk 400 and 410 images",
        "Pairs of classes",
        "person and car", "If the parser is wrong",
        "The verdict on person would flip only if the parser missed, in generated images, 6 of 10",
        "The parser's confidence falls more than on the other classes on person (0.61 against 0.98)",
        "Measured on 300 images of masks",
    ):  # fmt: skip
        assert text in page.words, text
    assert "Not measured" not in page.words


def test_a_distance_that_is_mostly_bias_warns(audit, no_figures):
    page = Checked(render(audit({"g": {}}, pictures=0)))
    assert page.words.count("only more images make it sharper") == 2 and "mostly bias: take more images" in page.words


def test_a_run_without_verdicts_shows_what_it_has_and_says_why(audit):
    data = audit(pictures=1)
    old = {"class_stats": data.findings["class_stats"]}
    page = Checked(render(replace(data, findings=old, notes=["This run has no verdicts."])))
    assert "This run has no verdicts." in page.words and "Every class in numbers" in page.words
    assert "not testable" not in page.words and "Distance from the real images" not in page.words


def test_nothing_is_loaded_from_elsewhere(page):
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and "@import" not in page
    assert not re.search(r"https?://(?!www\.w3\.org/1999/xlink)", page)
    assert '<meta charset="utf-8">' in page[:120]


def test_the_page_is_the_same_every_time(audit, page):
    assert render(audit(pictures=2)) == page


def test_everything_a_person_named_is_escaped(audit):
    bad = "</script><b>\"&'é/木"
    data = audit(
        generators={bad: {bad: (0.3, 1.0)}},
        real={bad: (0.5, 20.0), "sky": (1.0, 60.0)},
        audit=bad,
        quarantined=[Quarantined(bad, bad, bad)],
        pictures=2,
    )
    samples = [replace(s, source=bad, pictures=[replace(p, name=bad) for p in s.pictures]) for s in data.kept["census"].samples]
    data = replace(
        data, device=bad, run=bad, command=bad, audit_yaml=bad, versions={bad: bad}, notes=[bad],
        kept={"census": replace(data.kept["census"], samples=samples)}, sources=[Used(bad, bad, bad, bad, bad, 1, {bad: bad})],
    )  # fmt: skip
    page = Checked(render(data))
    assert page.words.count(bad) > 25
    assert not [1 for tag, _ in page.tags if tag == "b" and _ == {}] or '<b>"' not in render(data)
    assert f"{bad}, image 0" in page.all("img")[0]["alt"]


def test_ten_generators_of_336_classes_with_large_pictures_stay_below_5_mb(audit, monkeypatch):
    """The figures of two are drawn; each other one is given the larger of theirs."""
    own, figures = view._drawn, []

    def drawn(data, name, place):
        if place < 2:
            figures.append(own(data, name, place).figures)
        made = tuple(Markup(max(same, key=len)) for same in zip(*figures, strict=True))
        return view._Drawn(name, place, worst_first(class_findings(data.findings, name), 48), made)

    monkeypatch.setattr(view, "_drawn", drawn)
    draw = np.random.default_rng(3)
    real = {f"traffic light of kind {i}": (min(1.0, 0.95 * 0.98**i), 12 * 0.985**i) for i in range(336)}
    generators = {f"generator-{g}": {name: tuple(np.exp(draw.normal(0, 0.4, 2))) for name in real} for g in range(10)}
    page = render(audit(generators, real, {"boat": (0.1, 1.0)}, side=256))
    assert 500_000 < len(page.encode()) < 5_000_000
    seen = Checked(page)
    assert "288 further classes with less to tell are in the table below or, the last 288, in" not in seen.words
    assert "further classes with less to tell are in" in seen.words
    assert not [1 for each in seen.all("details") if "open" in each]


def test_one_generator_of_336_classes_has_them_all_in_its_table(audit):
    real = {f"class {i}": (min(1.0, 0.95 * 0.99**i), 12 * 0.985**i) for i in range(336)}
    page = render(audit({"g": {"class 200": (0.1, 1.0)}}, real, side=256, pictures=6))
    assert len(page.encode()) < 5_000_000 and page.count('<th scope="row"><span class="swatch"') == 336
    assert "276 further classes with less to tell are in the table below." in Checked(page).words


def test_zero_and_null_ratios(audit):
    page = Checked(render(audit({"g": {"person": (0, 0)}}, invented={"boat": (0.05, 2.0), "ghost": (0.0, 0.0)})))
    assert "new" in page.words and "invented boat, in 5.0 % of its images and in no real one" in page.words
    assert "dropped person, in no image" in page.words and "ghost" not in page.words
    assert not [each for each in page.text if re.search(r"\bnan\b|\bNone\b(?!:)", each)]


def test_no_generator_no_finding_no_picture(audit):
    empty = replace(audit(pictures=0), findings={}, kept={}, sources=(), finished=None)
    page = Checked(render(empty))
    assert "No generator has findings." in page.words and "not finished" in page.words
    assert "'g' has no findings: <b>" in Checked(render(replace(empty, notes=["'g' has no findings: <b>"]))).words


def test_a_distance_without_an_interval(audit, no_figures):
    data = audit({"g": {}}, pictures=0)
    unknown = dict.fromkeys(("corrected", "corrected_low", "corrected_high", "floor", "p_value", "q_value"))
    rows = [{**row, **unknown} for row in data.findings["fsd"].to_pylist()]
    page = Checked(render(replace(data, findings={**data.findings, "fsd": FINDINGS["fsd"].from_rows(rows)})))
    assert "without an interval: too few images" in page.words and "not tested" in page.words


def test_only_the_first_20_images_set_aside_are_listed(audit, no_figures):
    many = [Quarantined("a" if i % 3 else "b", f"{i:05d}.png", "truncated") for i in range(3000)]
    page = Checked(render(audit({"g": {}}, pictures=0, quarantined=many)))
    assert "3,000 images could not be used" in page.words and "(b: 1,000 images; a: 2,000 images)" in page.words
    assert "The first 20:" in page.words and "00019.png" in page.words and "00020.png" not in page.words


def test_each_lost_class_shows_real_images_with_the_nearest_of_every_generator_under_them(audit, no_figures):
    data = audit(pictures=2)
    page = render(data)
    kept = data.kept["census"]
    assert page.count('<div class="stack"') == 2 * len(kept.lost) and page.index('id="shown"') < page.index('id="fsd"')
    assert [f"--rows:{1 + len(shown[0].nearest)}" for shown in kept.lost.values() for _ in shown] == re.findall(
        r"--rows:\d", page
    )
    pictures = Checked(page).all("img")
    for class_id, shown in kept.lost.items():
        for name in shown[0].nearest:
            (alt,) = [each["alt"] for each in pictures if f"{name}, image {shown[0].nearest[name].name}" in each["alt"]]
            assert (
                f"nearest to real image {shown[0].real.name}, 2.0 % apart; no " in alt and class_id in data.kept["census"].lost
            )


def test_of_many_classes_the_first_are_shown_and_the_others_are_behind_a_click(audit, no_figures):
    many = {f"class {i}": (0.5, 2.0) for i in range(20)}
    data = audit({"g": {name: (0.1, 1.0) for name in list(many)[:9]} | {"class 15": (1.9, 1.0)}}, many, pictures=1)
    page = Checked(render(data))
    assert len(data.kept["census"].lost) == 8 and "5 further classes that are lost: class" in page.words
    assert "further class that grew" not in page.words and "class 15" in page.words
    four = [Grown("g", 16, 1, each.largest, [], {}) for each in data.kept["census"].grown for _ in range(4)]
    words = Checked(render(replace(data, kept={"census": Kept(grown=four)}))).words
    assert "1 further class that grew: class 15 of g" in words and "1 image holds it." in words
    assert "Least sure first" not in words and "are lost" not in words and words.count("What these verdicts look like") == 1


def test_a_label_map_may_be_larger_than_its_picture(audit, no_figures):
    data = audit({"g": {"person": (0.3, 1.0)}}, pictures=1)
    large = [replace(p, labels=p.labels.repeat(4, axis=0).repeat(4, axis=1)) for p in data.kept["census"].samples[0].pictures]
    kept = Kept(samples=[replace(data.kept["census"].samples[0], pictures=large)], lost={12: [Beside(large[0])]})
    assert 'viewBox="0 0 64 64" preserveAspectRatio="none"' in render(replace(data, kept={"census": kept}))
