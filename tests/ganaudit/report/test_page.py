"""The page holds everything, escapes everything, and stays small."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd

from ganaudit.report import Quarantined, render

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
        "wgan-gp draws person in 36 % as many images as the real ones (11 % against 30 %)",
        "no-people never draws person", "FSD 1.1 against a floor of 0.20", "not yet tested", "2 standard errors",
        "Shown: the 15 classes of the real images.", "2,000 generated images against 2,000 real images",
        "0.50 ± 0.03", "An image counts as holding a class from 0.10 % of its pixels.",
        "Real photos that hold what is drawn less", "photo-012003", "the file is empty",
        "1 image could not be used and is in no number above (offline: 1 image).",
        data.command, "count: 2000", "torch 2.14.1",
    ):  # fmt: skip
        assert text in page.words, text
    pictures = page.all("img")
    assert len(pictures) == 3 * 6 + 4 * 12 * 2 + 6 * len({c for held in data.holders.values() for c in held})
    assert all(picture["alt"] and picture["src"].startswith("data:image/webp;base64,") for picture in pictures)
    assert len(page.all("table")) == 3 + 1 + 1


def test_nothing_is_loaded_from_elsewhere(audit):
    page = render(audit(pictures=1))
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and "@import" not in page
    assert not re.search(r"https?://(?!www\.w3\.org/1999/xlink)", page)
    assert '<meta charset="utf-8">' in page[:120]


def test_the_page_is_the_same_every_time(audit):
    assert render(audit(pictures=2)) == render(audit(pictures=2))


def test_everything_a_person_named_is_escaped(audit):
    bad = "</script><b>\"&'é/木"
    data = audit(
        generators={bad: {bad: (0.3, 1.0)}},
        real={bad: (0.5, 20.0), "sky": (1.0, 60.0)},
        audit=bad,
        quarantined=[Quarantined(bad, bad, bad)],
        pictures=2,
    )
    data = replace(
        data, device=bad, run=bad, command=bad, audit_yaml=bad, versions={bad: bad},
        samples=[replace(s, source=bad, pictures=[replace(p, name=bad) for p in s.pictures]) for s in data.samples],
    )  # fmt: skip
    page = Checked(render(data))
    assert page.words.count(bad) > 20
    assert not [1 for tag, _ in page.tags if tag == "b" and _ == {}] or '<b>"' not in render(data)
    assert f"{bad}, image 0" in page.all("img")[0]["alt"]


def test_ten_generators_of_336_classes_with_large_pictures_stay_below_5_mb(audit):
    draw = np.random.default_rng(3)
    real = {f"traffic light of kind {i}": (min(1.0, 0.95 * 0.98**i), 12 * 0.985**i) for i in range(336)}
    generators = {f"generator-{g}": {name: tuple(np.exp(draw.normal(0, 0.4, 2))) for name in real} for g in range(10)}
    page = render(audit(generators, real, {"boat": (0.1, 1.0)}, side=256))
    assert 500_000 < len(page.encode()) < 5_000_000
    seen = Checked(page)
    assert "the 60 classes that cover most of the real images, 10 smaller ones that changed most and 1 that" in seen.words
    assert "266 smaller classes are in the table class_stats only." in seen.words
    assert len(seen.all("details")) == 11 and not [1 for each in seen.all("details") if "open" in each]


def test_zero_and_null_ratios(audit):
    page = Checked(render(audit({"g": {"person": (0, 0)}}, invented={"boat": (0.05, 2.0), "ghost": (0.0, 0.0)})))
    assert "new" in page.words and "boat (in 5.0 % of its images), which no real image holds" in page.words
    assert "never draws person" in page.words and "ghost" not in page.words
    assert not [each for each in page.text if re.search(r"\bnan\b|\bNone\b(?!:)", each)]


def test_no_generator_no_finding_no_picture(audit):
    data = audit(pictures=0)
    empty = replace(
        data,
        class_stats=pd.DataFrame(),
        fsd=pd.DataFrame(),
        comparison=pd.DataFrame(),
        samples=(),
        holders={},
        finished=None,
    )
    page = Checked(render(empty))
    assert "This audit has no generators." in page.words and "not finished" in page.words
    assert "'g' has no findings: <b>" in Checked(render(replace(empty, notes=["'g' has no findings: <b>"]))).words


def test_a_finding_without_a_distance(audit):
    data = audit({"g": {}}, pictures=1)
    data = replace(data, fsd=data.fsd.assign(fsd=None, mean_part=None, covariance_part=None, floor=None, real_images=None))
    assert "Distance from the real images" not in Checked(render(data)).words


def test_only_the_first_20_images_set_aside_are_listed(audit):
    many = [Quarantined("a" if i % 3 else "b", f"{i:05d}.png", "truncated") for i in range(3000)]
    page = Checked(render(audit({"g": {}}, pictures=0, quarantined=many)))
    assert "3,000 images could not be used" in page.words and "(b: 1,000 images; a: 2,000 images)" in page.words
    assert "The first 20:" in page.words and "00019.png" in page.words and "00020.png" not in page.words


def test_a_label_map_may_be_larger_than_its_picture(audit):
    data = audit({"g": {"person": (0.3, 1.0)}}, pictures=1)
    large = [replace(p, labels=p.labels.repeat(4, axis=0).repeat(4, axis=1)) for p in data.samples[0].pictures]
    holders = {"g": {12: large}}
    page = render(replace(data, samples=[replace(data.samples[0], pictures=large)], holders=holders))
    assert 'viewBox="0 0 64 64" preserveAspectRatio="none"' in page
