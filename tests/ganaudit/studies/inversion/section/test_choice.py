"""What is said and shown of inversions: which way, which order, which pictures, and the section of the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from ganaudit.report import figures, render
from ganaudit.report.data import Interval
from ganaudit.studies.inversion.section.choice import MEANS, Variant, choices, lines, memorisation_words, omissions, way
from ganaudit.studies.inversion.section.lost_figure import lost_figure
from ganaudit.studies.inversion.section.reconstructed import Reconstructed
from ganaudit.studies.inversion.section.view import apart

CHROMIUM = "/usr/bin/chromium"
CLASSES = {12: "person", 11: "tree", 1: "sky"}
WAYS = (("latent", "z", None), ("layerwise", "layer4", 0.1), ("layerwise", "layer4", 1.0))


def ends(name, value, half=0.05):
    return {name: value, f"{name}_low": max(0.0, value - half), f"{name}_high": value + half}


def inverted(generator="progan", verdicts=None):
    """Rows of every finding about inversions: people are lost, trees now and then, the sky never."""
    verdicts = verdicts or {12: "not made", 11: "inconclusive", 1: "made"}
    recalls = {12: 0.02, 11: 0.4, 1: 0.98}
    made = {name: [] for name in (
        "omissions", "inversion_confusions", "worst_photos", "photo_verdicts", "inversion_by_layer", "inversion_summary",
        "inversion_attributes", "memorisation",
    )}  # fmt: skip
    for place, (method, layer, factor) in enumerate(WAYS):
        way = {"run": "r1", "generator": generator, "method": method, "layer": layer, "penalty_factor": factor}
        for sample in ("heldout", "own"):
            error = (0.1 if sample == "heldout" else 0.01) / (place + 1)
            made["inversion_summary"].append({
                **way, "sample": sample, "images": 30, "failed": int(sample == "heldout"), **ends("mse", error, 0.005),
                **ends("psnr", 20.0),
            })  # fmt: skip
            made["inversion_by_layer"].append({
                **way, "sample": sample, "place": 1 + (layer != "z"), "ratio": 0.1, "evidential": True, "images": 30,
                **ends("mse", error, 0.005), **ends("psnr", 20.0), **ends("agreement", 0.9, 0.02),
            })  # fmt: skip
            for number, name in CLASSES.items():
                for attribute in ("red", "green", "blue", "sharpness"):
                    moved = -20.0 if (sample, attribute, number) == ("heldout", "sharpness", 12) else 1.0
                    made["inversion_attributes"].append({
                        **way, "sample": sample, "class_id": number, "class": name, "attribute": attribute, "images": 25,
                        "target": 90.0, "reconstruction": 90.0 + moved, "difference": moved, "difference_low": moved - 3,
                        "difference_high": moved + 3,
                    })  # fmt: skip
        for number, name in CLASSES.items():
            said = {**way, "class_id": number, "class": name}
            verdict = verdicts[number] if factor != 0.1 or number != 12 else "inconclusive"
            made["omissions"].append({
                **said, "images": 25, **ends("recall", recalls[number]),
                "control": "own samples" if number != 11 else "other classes", "control_images": 40,
                "control_recall": 0.9, "weighted_recall": 0.05 if number == 12 else None, "verdict": verdict,
            })  # fmt: skip
            shares = ((4, "grass", 0.7), (number, name, recalls[number]), (5, "road", 0.1))
            for rank, (other, standing, share) in enumerate(shares, start=1):
                made["inversion_confusions"].append({
                    **said, "sample": "heldout", "rank": rank, "reconstruction_class_id": other,
                    "reconstruction_class": standing, "images": 25, **ends("share", share),
                })  # fmt: skip
            made["worst_photos"].append({
                **said, "rank": 1, "key": "k0a", "image": 7, "name": "seven", "target_pixels": 80, "recall": 0.0,
                "verdict": "omitted",
                **({"own_key": "k0b", "own_image": 3, "own_pixels": 77, "own_recall": 0.95} if number != 11 else {}),
            })  # fmt: skip
            for image, recall, pixels in ((7, 0.0, 80), (8, 0.6, 50), (9, 0.9, 60), (10, 0.9, 70)):
                back = recall if number != 12 else 0.0
                made["photo_verdicts"].append({
                    **said, "key": "k0a", "image": image, "name": f"photo {image}", "target_pixels": pixels,
                    "recall": back, "verdict": "recovered" if back > 0.5 else "omitted",
                })  # fmt: skip
    made["memorisation"].append({
        "run": "r1", "generator": generator, "train_images": 30, "heldout_images": 31, **ends("difference", 0.08, 0.02),
        "ks": 0.6, "ks_p": 0.0001, "auc": 0.83, "verdict": "memorised",
    })  # fmt: skip
    return made


@pytest.fixture
def found(findings):
    return findings(**inverted())


def test_the_page_tells_of_layerwise_at_the_penalty_of_own_samples(found, findings):
    assert way(found, "progan") == Variant("layerwise", "layer4", 1.0)
    rows = inverted()
    alone = findings(omissions=[row for row in rows["omissions"] if row["method"] == "latent"])
    assert way(alone, "progan") == Variant("latent", "z", None) and way(alone, "other") is None and way({}, "progan") is None


def changed(rows, table, method, sample=None, **columns):
    """The same findings, with columns of one method changed."""
    for row in rows[table]:
        if row["method"] == method and sample in (None, row.get("sample")):
            row.update(columns)
    return rows


LAYERWISE, LATENT = Variant("layerwise", "layer4", 1.0), Variant("latent", "z", None)
CHOICES = {
    "own samples come back better by the first": ([], LAYERWISE),
    "by the other": ([("inversion_summary", "latent", "own", {"mse": 0.0001})], LATENT),
    "photos say nothing of it": ([("inversion_summary", "latent", "heldout", {"mse": 0.0})], LAYERWISE),
    "nor do verdicts": ([("omissions", "layerwise", None, {"verdict": "not testable"})], LAYERWISE),
    "no evidence": ([("inversion_by_layer", "layerwise", None, {"evidential": False})], LATENT),
    "its control fails": ([("omissions", "layerwise", None, {"control_recall": 0.3})], LATENT),
    "it has no control": ([("omissions", "layerwise", None, {"control": None, "control_recall": None})], LATENT),
    "its control is of other classes": ([("omissions", "layerwise", None, {"control": "other classes"})], LATENT),
    "its control is of too few": ([("omissions", "layerwise", None, {"control_images": 19})], LATENT),
    "no evidence, though its control alone passes": (
        [
            ("inversion_by_layer", "layerwise", None, {"evidential": False}),
            ("omissions", "latent", None, {"control_recall": 0.1}),
        ],
        LATENT,
    ),
    "no control passes": ([("omissions", one, None, {"control_recall": 0.1}) for one in ("layerwise", "latent")], LAYERWISE),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_best_evidential_way_leads_chosen_by_own_samples_alone(findings, name):
    changes, expected = CHOICES[name]
    rows = inverted()
    for table, method, sample, columns in changes:
        changed(rows, table, method, sample, **columns)
    for order in (rows["omissions"], rows["omissions"][::-1]):
        assert way(findings(**{**rows, "omissions": order}), "progan") == expected


def test_a_better_way_leads_with_its_verdict_over_a_weaker_one(findings):
    """latent cannot test the sky, layered+latent gives own samples back better and says made."""
    rows = inverted()
    for table in ("omissions", "inversion_summary", "inversion_by_layer"):
        rows[table] = [row for row in rows[table] if row["method"] == "latent"]
        rows[table] += [{**row, "method": "layered+latent"} for row in rows[table]]
    changed(rows, "omissions", "latent", verdict="not testable", control_recall=0.4)
    changed(rows, "omissions", "layered+latent", verdict="made")
    told = findings(**rows)
    assert way(told, "progan") == Variant("layered+latent", "z", None)
    assert {omission.verdict for omission in omissions(told, "progan")} == {"made"}
    assert lines(told, "progan")[0][0] == "made" and len(lines(told, "progan")) == 1


def test_what_stands_there_without_a_class_is_void(findings):
    rows = inverted()
    for row in rows["inversion_confusions"]:
        if row["reconstruction_class"] == "road":
            row.update(reconstruction_class_id=0, reconstruction_class="0")
    assert [name for name, _ in omissions(findings(**rows), "progan")[0].standing] == ["grass", "void"]


def test_words_in_a_name_are_no_verdicts_of_another_method(findings):
    """Rows are compared, not text: a method or class called like a verdict changes nothing."""
    rows = inverted()
    for row in rows["omissions"]:
        if row["class"] == "sky":
            row["class"] = "not made by latent"
    told = lines(findings(**rows), "progan")
    assert [verdict for verdict, _ in told] == ["not made", "inconclusive", "made"]


def test_the_plainest_omission_comes_first_with_what_stands_there(found):
    person, tree, sky = omissions(found, "progan")
    assert [result.verdict for result in (person, tree, sky)] == ["not made", "inconclusive", "made"]
    assert [name for name, _ in person.standing] == ["grass", "road"]  # the class itself is its recall
    assert person.otherwise == ["inconclusive at 0.1 times the penalty"] and sky.otherwise == []
    assert lines(found, "progan") == [
        ("not made", "person (2 % [0, 7] of its pixels come back)"), ("inconclusive", "tree"), ("made", "sky"),
    ]  # fmt: skip


def test_what_another_method_does_not_find_is_told_beside(findings):
    """Layerwise paints trees that no z makes: the page and the terminal say both."""
    rows = inverted()
    for row in rows["omissions"]:
        if row["class"] == "tree":
            row["verdict"] = "not made" if row["method"] == "latent" else "made"
    told = findings(**rows)
    tree = next(omission for omission in omissions(told, "progan") if omission.name == "tree")
    assert (tree.verdict, list(tree.otherwise)) == ("made", ["not made by latent"])
    assert lines(told, "progan")[-1] == ("not made", "tree (40 % [35, 45] of its pixels come back), by latent")
    assert [verdict for verdict, _ in lines(told, "progan")].count("not made") == 2


def test_pictures_are_chosen_by_the_rule_that_the_page_states(found):
    chosen = choices(found, ["progan"])
    assert [(result.class_id, result.kind, result.key, result.image) for result in chosen] == [
        (12, "omitted", "k0a", 7), (12, "own", "k0b", 3),  # nobody recovered a person
        (11, "omitted", "k0a", 7), (11, "recovered", "k0a", 10),  # no own sample; of equals the larger
        (1, "omitted", "k0a", 7), (1, "recovered", "k0a", 10), (1, "own", "k0b", 3),
    ]  # fmt: skip
    assert {choice.class_id for choice in choices(found, ["progan", *"abcdefghi"])} == {12}


def test_memorisation_is_told_only_where_it_was_asked(found, findings):
    said = memorisation_words(found, "progan")
    assert said.startswith("30 training photos against 31 held-out photos: memorised.") and "83 % of pairs" in said
    row = {
        "run": "r1",
        "generator": "progan",
        "train_images": 0,
        "heldout_images": 31,
        "verdict": "not testable",
        "reason": "x",
    }
    assert memorisation_words(findings(memorisation=[row]), "progan") is None
    few = findings(memorisation=[{**row, "train_images": 3}])
    assert memorisation_words(few, "progan") == "Memorisation is not testable: x."
    assert memorisation_words({}, "progan") is None


def test_intervals_that_do_not_meet_are_apart():
    result = Interval(1.0, 0.5, 1.5)
    assert apart(result, Interval(2.0, 1.6, 2.4)) and apart(Interval(2.0, 1.6, 2.4), result)
    assert not apart(result, Interval(1.6, 1.4, 1.8)) and not apart(result, None) and not apart(result, Interval(9.0))


@pytest.fixture(scope="module")
def data(audit):
    """A report with inversions, and one picture of each kind for people."""
    extra = inverted()
    extra["generalisation"] = [{
        "run": "r1", "generator_a": "wgan-gp", "generator_b": "progan", "method": "latent", "penalty_factor": None,
        "layer_a": "z", "layer_b": "z", "resolution": 64, "images": 30,
        "difference": 0.02, "difference_low": 0.01, "difference_high": 0.03,
        "verdict": "b is nearer",
    }]  # fmt: skip
    made = audit(extra=extra, pictures=3)
    photo, lost = made.kept["census"].samples[0].pictures[:2]
    shown = [Reconstructed("progan", 12, kind, verdict, 0.0, 80, photo, replace(lost, name="made")) for kind, verdict in (
        ("omitted", "omitted"), ("recovered", "recovered"), ("own", "control"))]  # fmt: skip
    return replace(made, kept={**made.kept, "inversion": shown})


@pytest.fixture(scope="module")
def file(data, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("report") / "report.html"
    made.write_text(render(data), encoding="utf-8")
    return made


def test_only_generators_that_were_inverted_are_told_of(file):
    page = file.read_text(encoding="utf-8")
    assert page.count('class="inverted"') == 1
    for word in MEANS:
        assert f">{word}</span>" in page


def test_the_figures_are_files_too(data, tmp_path):
    files = {file.name for file in figures(data, tmp_path, ("svg",))}
    assert {"recall-progan.svg", "layers-progan.svg", "lost-progan.svg"} <= files and "recall-wgan-gp.svg" not in files


def test_lost_photos_are_drawn_worst_first_with_the_class_outlined(data):
    result = data.kept["inversion"][0]
    shown = [replace(result, class_id=number, recall=recall) for number, recall in ((12, 0.4), (13, 0.1), (14, 0.7), (15, 0.3))]
    drawn = lost_figure(shown, {12: "person", 13: "car", 14: "sky", 15: "lamp"}, "progan")
    assert drawn is not None and drawn.alt.endswith("car, lamp, person.")  # what came back by half or more is not lost
    first = [axes.images[0].get_array() for axes in drawn.figure.axes[:4]]
    assert np.array_equal(first[0], result.photo.image) and np.array_equal(first[1], result.made.image)
    assert [axes.get_ylabel().split("\n")[0] for axes in drawn.figure.axes[::4]] == ["car", "lamp", "person"]
    assert lost_figure([replace(result, recall=0.9)], {12: "person"}, "progan") is None
    assert lost_figure(data.kept["inversion"][1:], {12: "person"}, "progan") is None  # recovered photos and own samples


@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (1300, "dark"), (390, "light")])
def test_the_section_fits_and_is_told_to_who_cannot_see_it(file, width, scheme):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or said.append(request.url))
        page.goto(file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert said == [] and page.evaluate("document.documentElement.scrollWidth") <= width
        section = page.locator("#inversions")
        assert section.locator(".example").count() == 3 and section.locator(".example img").count() == 12
        outlined = section.locator(".example .frame path:not(.halo)").evaluate_all(
            "all => all.map((one) => one.getAttribute('d'))"
        )
        assert len(outlined) == 12 and len(set(outlined)) == 1  # the photo's class, in all four panes
        assert section.locator(".chart svg").count() == 2
        assert page.evaluate("[...document.querySelectorAll('#inversions img')].every((one) => one.alt && one.naturalWidth)")
        assert page.evaluate(
            "[...document.querySelectorAll('#inversions .chart svg')].every((one) => one.getAttribute('aria-label'))"
        )
        first = section.locator("table").first
        first.locator("th[data-column='3'] button").press("Enter")
        assert first.locator("tbody tr th").all_inner_texts() == ["person", "tree", "sky"]
        first.locator("th[data-column='3'] button").press("Enter")
        assert first.locator("tbody tr th").all_inner_texts() == ["sky", "tree", "person"]
        assert section.locator("td b").all_inner_texts() == ["−20 [−23, −17]"]  # only people lose sharpness
        browser.close()
