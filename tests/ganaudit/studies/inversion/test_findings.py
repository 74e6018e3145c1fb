"""Findings about inversions against plain loops over the label maps that they were made from."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from inverted_by_hand import findings, inverted, resolution, setting, write

from ganaudit.records import catalog
from ganaudit.records.schema import FINDINGS
from ganaudit.records.store import Store

SIDE = 8


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store").open_for_writing()


def scenes(count, seed, person=True, first=0):
    """Photos of sky (1) above road (3) with people (2), of whom reconstructions keep a part and make the rest sky or road."""
    draws = np.random.default_rng(seed)
    made = []
    for number in range(count):
        before = np.where(np.arange(SIDE)[:, None] < 4, 1, 3).repeat(SIDE, axis=1)
        if person:
            before[: int(draws.integers(2, SIDE)), : int(draws.integers(2, SIDE))] = 2
        after = np.where((before == 2) & (draws.random((SIDE, SIDE)) < draws.random()), draws.choice([1, 3]), before)
        colours = {c: (tuple(draws.uniform(0, 255, 4)), tuple(draws.uniform(0, 255, 4))) for c in (1, 2, 3)}
        made.append(
            inverted(first + number, before, after, mse=float(draws.uniform(0.01, 0.2)), weight=float(draws.integers(1, 5)),
                     colours=colours)
        )  # fmt: skip
    return made


def weighted(values, weights):
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


@pytest.fixture
def found(store):
    """held-out photos and own samples by latent (z) and by layerwise at layer4, of two generators."""
    held, own, deep = scenes(10, 1), scenes(9, 2, first=100), scenes(10, 3)
    broken = inverted(50, held[0]["before"], held[0]["after"], status="quarantined")
    lists = {"ka": ("heldout", [*held, broken]), "kb": ("own", own)}
    settings = []
    for key, (sample, images) in lists.items():
        settings.append(setting(key, sample, images))
        write(store, settings[-1], images)
    settings.append(setting("kc", "heldout", deep, "layerwise", 1.0))
    write(store, settings[-1], deep, layer="layer4", ratio=0.2, start="layered")
    other = setting("kd", "heldout", held)
    write(store, other, [{**result, "mse": result["mse"] + 0.05} for result in held], generator_key="k01")
    resolution(store, "k00", 64)
    resolution(store, "k01", 64)
    return findings(store, {"a": settings, "b": [other]}), held, own, deep


def test_the_curve_has_z_first_and_weighted_means(found):
    tables, held, own, deep = found
    rows = [row for row in tables["inversion_by_layer"] if row["generator"] == "a"]
    assert [(row["place"], row["layer"], row["sample"]) for row in rows] == [
        (1, "z", "heldout"), (1, "z", "own"), (2, "layer4", "heldout"),
    ]  # fmt: skip
    for row, images in zip(rows, (held, own, deep), strict=True):
        weights = [image["weight"] for image in images]
        agree = [np.mean(image["before"] == image["after"]) for image in images]
        assert row["images"] == len(images)
        assert row["mse"] == pytest.approx(weighted([image["mse"] for image in images], weights))
        assert row["agreement"] == pytest.approx(weighted(agree, weights))
        assert row["agreement_low"] < row["agreement"] < row["agreement_high"]
    summary = next(row for row in tables["inversion_summary"] if row["generator"] == "a")
    assert (summary["images"], summary["failed"], summary["lpips"]) == (11, 1, None)


def test_recall_by_size_counts_every_object_once(found):
    tables, held, *_ = found
    rows = [row for row in tables["recall_by_size"] if row["method"] == "latent" and row["generator"] == "a"]
    people = [row for row in rows if row["class"] == "person" and row["sample"] == "heldout"]
    assert sum(row["images"] for row in people) == len(held)
    for row in people:
        inside = [result for result in held if row["pixels_from"] <= (result["before"] == 2).sum() < row["pixels_below"]]
        recalls = [(result["after"][result["before"] == 2] == 2).mean() for result in inside]
        assert row["images"] == len(inside) and row["pixels_below"] == 2 * row["pixels_from"]
        assert row["recall"] == pytest.approx(weighted(recalls, [result["weight"] for result in inside]))
        assert (row["recall_low"] is None) == (len(inside) == 1)


def test_the_worst_photos_are_those_of_the_lowest_recall_with_an_own_sample_of_like_size(found):
    tables, held, own, _ = found
    rows = [
        row for row in tables["worst_photos"] if (row["generator"], row["method"], row["class"]) == ("a", "latent", "person")
    ]
    testable = [result for result in held if (result["before"] == 2).sum() >= 12]
    order = sorted(
        testable,
        key=lambda result: (
            (result["after"][result["before"] == 2] == 2).mean(),
            -(result["before"] == 2).sum(),
            result["image"],
        ),
    )
    assert [row["image"] for row in rows] == [result["image"] for result in order[:5]]
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1)) and {row["key"] for row in rows} == {"ka"}
    assert {row["name"] for row in rows} <= {"seven.png", *(f"image {n}" for n in range(10))}
    for row in rows:
        sizes = {result["image"]: int((result["before"] == 2).sum()) for result in own if (result["before"] == 2).sum() >= 12}
        apart = {image: abs(np.log(size / row["target_pixels"])) for image, size in sizes.items()}
        assert (row["own_key"], row["own_pixels"]) == ("kb", sizes[row["own_image"]])
        assert apart[row["own_image"]] == pytest.approx(min(apart.values()))
    verdicts = {(row["image"], row["class_id"]): row["verdict"] for row in tables["photo_verdicts"] if row["key"] == "ka"}
    assert all(row["verdict"] == verdicts[row["image"], 2] for row in rows)


def test_what_stands_where_people_were_adds_up(found):
    tables, held, *_ = found
    rows = [
        row for row in tables["inversion_confusions"]
        if (row["generator"], row["method"], row["sample"], row["class"]) == ("a", "latent", "heldout", "person")
    ]  # fmt: skip
    testable = [result for result in held if (result["before"] == 2).sum() >= 12]
    total = sum(result["weight"] * (result["before"] == 2).sum() for result in testable)
    assert sum(row["share"] for row in rows) == pytest.approx(1.0) and len(rows) == 3
    assert [row["share"] for row in rows] == sorted((row["share"] for row in rows), reverse=True)
    for row in rows:
        there = sum(
            result["weight"] * ((result["before"] == 2) & (result["after"] == row["reconstruction_class_id"])).sum()
            for result in testable
        )
        assert row["share"] == pytest.approx(there / total) and row["share_low"] < row["share"] < row["share_high"]


def test_attributes_are_means_of_what_is_inside_the_mask(found):
    tables, held, *_ = found
    for place, name in enumerate(("red", "green", "blue", "sharpness")):
        row = next(
            row for row in tables["inversion_attributes"]
            if (row["generator"], row["method"], row["sample"], row["class"], row["attribute"])
            == ("a", "latent", "heldout", "sky", name)
        )  # fmt: skip
        inside = [result for result in held if (result["before"] == 1).sum() >= 12]
        weights = [result["weight"] for result in inside]
        before, after = ([result["colours"][1][side][place] for result in inside] for side in (0, 1))
        assert row["images"] == len(inside)
        assert row["target"] == pytest.approx(weighted(before, weights))
        assert row["difference"] == pytest.approx(weighted(after, weights) - weighted(before, weights))
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]


def test_a_search_that_was_set_aside_is_inconclusive_and_in_no_mean(found):
    tables, *_ = found
    rows = [row for row in tables["photo_verdicts"] if row["image"] == 50]
    assert {row["class"] for row in rows} and {row["recall"] for row in rows} == {None}
    assert {row["verdict"] for row in rows} <= {"search inconclusive", "not testable"}
    assert 50 not in {row["image"] for row in tables["worst_photos"]}


def test_generators_of_one_resolution_are_paired_photo_by_photo(found, store):
    tables, *_ = found
    [row] = tables["generalisation"]
    assert (row["generator_a"], row["generator_b"], row["resolution"], row["images"]) == ("a", "b", 64, 10)
    assert row["difference"] == pytest.approx(-0.05) and row["difference_high"] == pytest.approx(-0.05)
    assert row["verdict"] == "not testable"  # ten photos


@pytest.mark.parametrize(("shift", "verdict"), [(0.05, "a is nearer"), (-0.05, "b is nearer"), (0.0, "cannot be told apart")])
def test_which_generator_is_nearer(store, shift, verdict):
    images = scenes(24, 5)
    noise = np.random.default_rng(0).normal(0, 0.01, 24)
    noise -= weighted(noise, [image["weight"] for image in images])
    for key, source, more in (("ka", "k00", np.zeros(24)), ("kb", "k01", noise + shift)):
        moved = [{**image, "mse": image["mse"] + 0.1 + far} for image, far in zip(images, more, strict=True)]
        write(store, setting(key, "heldout", images), moved, generator_key=source)
        resolution(store, source, 32)
    [row] = findings(store, {k[1]: [setting(k, "heldout", images)] for k in ("ka", "kb")})["generalisation"]
    assert row["verdict"] == verdict and row["difference"] == pytest.approx(-shift, abs=1e-12)
    resolution(store, "k02", 128)
    write(store, setting("kc", "heldout", images), images, generator_key="k02")
    apart = {"a": [setting("ka", "heldout", images)], "c": [setting("kc", "heldout", images)]}
    assert findings(store, apart)["generalisation"] == []


def test_memorisation_needs_latent_training_photos_and_random_starts(store):
    held, train = scenes(24, 1), scenes(24, 2, first=500)
    better = [{**result, "mse": result["mse"] / 10} for result in train]
    places = {"ka": ("heldout", held), "kb": ("train", better)}
    for key, (sample, images) in places.items():
        write(store, setting(key, sample, images), images)
    settings = [setting(key, sample, images) for key, (sample, images) in places.items()]
    [row] = findings(store, {"a": settings})["memorisation"]
    assert row["verdict"] == "memorised" and row["difference_low"] > 0 and row["ks_p"] < 0.01 and row["auc"] > 0.8
    assert row["reason"] is None and (row["train_images"], row["heldout_images"]) == (24, 24)
    gap = weighted([result["mse"] for result in held], [result["weight"] for result in held])
    gap -= weighted([result["mse"] for result in better], [result["weight"] for result in better])
    assert row["difference"] == pytest.approx(gap)
    [none] = findings(store, {"a": settings[:1]})["memorisation"]
    assert (none["verdict"], none["reason"], none["ks"]) == ("not testable", "no training photos were inverted", None)
    write(store, setting("kc", "heldout", held), held, start="encoder")
    [started] = findings(store, {"a": [setting("kc", "heldout", held), settings[1]]})["memorisation"]
    assert started["verdict"] == "not testable" and "random" in started["reason"]
    deep = setting("kd", "heldout", held, "layerwise", 1.0)
    write(store, deep, held)
    assert "latent" in findings(store, {"a": [deep]})["memorisation"][0]["reason"]


def flat(number, pixels, back):
    """A scene of `pixels` pixels of a class in sky, of which so many come back."""
    before = np.ones((SIDE, SIDE), dtype=np.int64)
    before.ravel()[:pixels] = number
    after = np.ones_like(before)
    after.ravel()[:back] = number
    return before, after


def test_a_class_is_not_made_where_weighted_photos_lose_it_and_the_control_has_it(store):
    lost, kept = flat(2, 20, 0), flat(2, 20, 20)
    held, own = [inverted(n, *lost) for n in range(25)], [inverted(n, *kept) for n in range(25)]
    again = setting("kc", "heldout", held, weighted=2)
    settings = [setting("ka", "heldout", held), setting("kb", "own", own), again]
    for result, images in zip(settings, (held, own, held), strict=True):
        write(store, result, images)

    def people(dropped, chosen=settings):
        rows = findings(store, {"a": chosen}, dropped)["omissions"]
        return next(row for row in rows if row["class"] == "person")

    told = people({("a", 2)})
    assert (told["verdict"], told["control"], told["control_images"], told["weighted_recall"]) == (
        "not made",
        "own samples",
        25,
        0.0,
    )
    assert people(set())["verdict"] == "inconclusive"  # samples hold it
    assert people({("a", 2)}, settings[:2])["verdict"] == "inconclusive"  # nobody searched again
    assert people({("a", 2)}, [settings[0], again])["verdict"] == "not testable"  # no control


def test_a_sibling_that_draws_the_class_is_a_control_by_name(store):
    held, theirs = [inverted(n, *flat(2, 20, 0)) for n in range(25)], [inverted(n, *flat(2, 20, 20)) for n in range(25)]
    write(store, setting("ka", "heldout", held), held)
    write(store, setting("kb", "own", theirs), theirs, generator_key="k01")
    rows = findings(store, {"a": [setting("ka", "heldout", held)], "b": [setting("kb", "own", theirs)]})
    told = next(row for row in rows["omissions"] if row["class"] == "person")
    assert (told["control"], told["control_recall"], told["verdict"]) == ("sibling b", 1.0, "inconclusive")
    assert {row["verdict"] for row in rows["photo_verdicts"] if row["class"] == "person"} == {"omitted"}


def test_a_class_that_the_parser_hardly_believes_is_distorted(store):
    sure = [inverted(n, *flat(2, 20, 20), confidence=0.9 if n else 0.4) for n in range(2)]
    result = setting("ka", "heldout", sure)
    write(store, result, sure)
    said = {
        row["image"]: row["verdict"] for row in findings(store, {"a": [result]})["photo_verdicts"] if row["class"] == "person"
    }
    assert said == {0: "distorted", 1: "recovered"}
    write(store, setting("kb", "heldout", sure), sure, layer="layer9", evidential=False)
    bound = findings(store, {"a": [setting("kb", "heldout", sure)]})["photo_verdicts"]
    assert {row["verdict"] for row in bound} == {"not testable"}  # an upper bound may have painted it


def test_every_finding_is_a_view(found, store):
    catalog.build(store)
    for name in found[0]:
        assert catalog.query(store, f"SELECT count(*) AS n FROM {name}").to_pylist() == [{"n": len(found[0][name])}]
        assert set(found[0][name][0] if found[0][name] else {}) <= {column.name for column in FINDINGS[name].columns}


def test_the_sql_of_the_docs_runs(found, store):
    text = (Path(__file__).parents[4] / "docs" / "inversion.md").read_text(encoding="utf-8")
    statements = re.findall(r"```sql\n(.*?)```", text, flags=re.S)
    catalog.build(store)
    answers = [catalog.query(store, statement).to_pylist() for statement in statements]
    assert len(answers) == 4 and {row["reconstruction_class"] for row in answers[0]} == {"sky", "person", "road"}
