"""Held-out photos inverted in an audit: what is written, that a second run finds it, and what is said of each class."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from searched_by_hand import brightness

from ganaudit import spec as specs
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import audit, finish
from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.shapes import generator_digest
from ganaudit.inversion import search as searching
from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.prune import prune
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
from ganaudit.records.schema import FINDINGS
from ganaudit.records.store import Store
from ganaudit.studies.inversion import stages, training
from ganaudit.studies.inversion.findings import TABLES, written
from ganaudit.studies.inversion.models import invertible, setup_of, source_of
from ganaudit.studies.inversion.pictures import reconstructed
from ganaudit.studies.inversion.record_tables import (
    INVERSION_CLASSES,
    INVERSION_CONFUSION,
    INVERSION_CURVES,
    INVERSION_LATENTS,
    INVERSIONS,
)
from ganaudit.studies.inversion.searching import TunedMethod, setting_key
from ganaudit.studies.inversion.settings import SearchSetting
from ganaudit.studies.inversion.study import STUDY

PROGAN = {"name": "progan", "kind": "progan", "weights": "builtin:village-progan"}
COUNT = 64


def asked(store, **changes):
    data = {
        "name": "n", "store": str(store), "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village", "count": COUNT, "heldout": 40}, "sample": {"count": COUNT},
        "generators": [PROGAN], "decide": {"permutations": 0},
        "invert": {"images": 4, "own": 8, "methods": ["layered"], "batch": 8, "steps": 2, "perceptual": "none", "masked": 4},
        "run": {"workers": 1, "device": "cpu"},
    }  # fmt: skip
    return specs.parse(data | changes)


def test_generators_that_cannot_be_inverted_and_inverters_that_are_trained_get_a_word(inverted):
    assert inverted.audit.status == "done"
    said = [note for note in inverted.audit.notes if "float32" not in note and "near duplicates" not in note]
    assert said == [
        "'drawn' is not inverted: a source of kind 'village' is images, not a generator.",
        "'noise' is not inverted: this generator has no named layers, so there is nothing between its latent and its image to "
        "free.",
        "an inverter of kind layered was trained for 'tiny' in 0.002 minutes.",
    ]  # fmt: skip


def test_an_inverter_that_is_trained_stays_in_the_store_with_its_card_and_is_found_again(inverted, copied, monkeypatch):
    file = inverted.inverter
    assert file.generator == generator_digest(inverted.generator) and file.method == "layered"
    assert file.encoder.layers == ("layer1", "layer2", "layer3")
    (card,) = (inverted.store.path / "inverters").glob("*/*.card.json")
    assert json.loads(card.read_text())["generator"] == file.generator
    used = {(way[1], row["inverter"]) for way, rows in inverted.records.items() for row in rows.values()}
    assert used == {("layerwise", file.sha256), ("latent", None)}
    for row in inverted.records["heldout", "layerwise", 1.0, None].values():
        with torch.no_grad():
            z = file.encoder(inverted.target("heldout", row["image"]))["z"]
        assert np.allclose(z[0], row["z"], atol=1e-4)  # in other batches, of a network that other steps made
    monkeypatch.setattr(training, "make_inverter", None)
    again = copied.again()
    assert not again.done and not any("trained" in note for note in again.notes)
    monkeypatch.setattr(stages, "_weighted", lambda *_: [])
    missing = copied.again(methods=("encoder", "latent"), inverter="shipped")
    assert missing.images == 0
    (said,) = [note for note in missing.notes if "encoder" in note]
    assert "'tiny' is not inverted by encoder" in said and "invert.inverter: auto" in said
    assert {setting.method for setting in missing.settings} == {"latent"}


@pytest.mark.parametrize(("sample", "offered", "wanted"), [("heldout", 60, 30), ("train", 60, 10), ("own", 64, 8)])
def test_photos_and_own_samples_are_drawn_so_that_rare_classes_are_in_enough_of_them(inverted, sample, offered, wanted):
    maps = [brightness(inverted.seen(sample, image)) for image in range(offered)]
    held = [{number for number in (1, 2, 3) if (label_map == number).sum() >= 12} for label_map in maps]
    chances = [
        min(1.0, max(wanted / offered, *(25 / sum(number in other for other in held) for number in result)))
        if result else wanted / offered
        for result in held
    ]  # fmt: skip
    chosen = inverted.records[sample, "latent", None, None]
    assert {image for image, chance in enumerate(chances) if chance == 1.0} <= chosen.keys() and max(chosen) < offered
    assert [row["weight"] for row in chosen.values()] == pytest.approx([1 / chances[image] for image in chosen])
    assert any(0.0 < chance < 1.0 for chance in chances) and len(chosen) < offered


def test_every_image_has_its_picture_its_pixels_and_its_latent(inverted):
    for (_, method, factor, weighted), rows in inverted.records.items():
        for row in rows.values():
            assert (row["picture"] is not None) == (weighted is None and factor in (None, 1.0))
            assert (row["label_map"] is None) == (row["picture"] is None)
            assert (row["layer"], row["evidential"]) == (("z", True) if method == "latent" else ("layer3", True))
            assert row["ratio"] == pytest.approx(8 / 768 if method == "latent" else 192 / 768)
            assert (row["status"], row["error"], len(row["z"]), row["seed"]) == ("ok", None, 8, 1)
            assert row["perceptual"] == "none" and row["lpips"] is None
    total = sum(len(rows) for rows in inverted.records.values())
    pixels = inverted.rows("SELECT sum(pixels) AS pixels FROM inversion_confusion GROUP BY key, image")
    assert {row["pixels"] for row in pixels} == {8 * 8} and len(pixels) == total
    classes = inverted.rows("SELECT sum(target_pixels) AS pixels FROM inversion_classes GROUP BY key, image")
    assert {row["pixels"] for row in classes} == {8 * 8} and len(classes) == total


@pytest.mark.parametrize("sample", ["heldout", "train"])
def test_the_photos_maps_are_those_that_were_parsed(inverted, sample):
    apart = inverted.rows(f"""
        WITH seen AS (SELECT image, target_class AS class_id, sum(pixels) AS pixels FROM inversion_confusion
                      WHERE sample = '{sample}' AND method = 'latent' AND weighted_class IS NULL GROUP BY ALL)
        SELECT count(*) AS n, count(*) FILTER (held.pixels IS DISTINCT FROM seen.pixels) AS apart
        FROM seen LEFT JOIN run_class_pixels('{inverted.audit.run}') AS held
        ON held.role = '{sample}' AND held.image = seen.image AND held.class_id = seen.class_id""")  # fmt: skip
    assert apart[0]["n"] > 0 and apart[0]["apart"] == 0


def test_an_image_is_parsed_once_for_all_methods_and_penalties(inverted):
    lists = inverted.rows("SELECT sample, count(DISTINCT key)::int AS lists FROM inversion_targets GROUP BY sample")
    assert {row["sample"]: row["lists"] for row in lists} == {"heldout": 1, "train": 1, "own": 1, "masked": 1}
    used = inverted.rows("SELECT DISTINCT sample, method, targets_key FROM inversions")
    assert len(used) == 8 and len({row["targets_key"] for row in used}) == 4


def test_held_out_and_training_images_are_in_no_other_finding(inverted, tmp_path):
    run = inverted.audit.run
    assert inverted.rows(f"SELECT DISTINCT real FROM fsd WHERE run = '{run}'") == [{"real": "real"}]
    for table in ("fsd", "class_stats", "dropped_classes", "omissions", "inversion_summary"):
        rows = inverted.rows(f"SELECT DISTINCT generator FROM {table} WHERE run = '{run}'")
        assert {row["generator"] for row in rows} <= {"tiny", "drawn", "noise"}
    used = inverted.rows(f"SELECT role, source, count FROM run_sources WHERE run = '{run}' AND role IN ('heldout', 'train')")
    assert {(row["role"], row["source"], row["count"]) for row in used} == {
        ("heldout", "held", 60),
        ("train", "trained on", 60),
    }
    parted = plan(asked(tmp_path)).sources  # held out of the real images: those that follow
    assert [(s.role, s.first, s.count) for s in parted if s.role in ("real", "heldout")] == [
        ("real", 0, COUNT), ("heldout", COUNT, 40),
    ]  # fmt: skip


def test_training_photos_are_compared_with_held_out_ones(inverted):
    (row,) = inverted.audit.findings["memorisation"].to_pylist()
    held, train = (inverted.records[sample, "latent", None, None].values() for sample in ("heldout", "train"))
    assert (row["heldout_images"], row["train_images"]) == (len(held), len(train))
    gap = [np.average([row["mse"] for row in rows], weights=[row["weight"] for row in rows]) for rows in (held, train)]
    assert row["difference"] == pytest.approx(gap[0] - gap[1])
    assert row["reason"] == (None if row["verdict"] != "not testable" else "fewer than 20 photos of one kind were inverted")


def test_a_second_run_inverts_nothing_and_finds_the_same(copied, monkeypatch):
    monkeypatch.setattr(searching, "search", None)
    second = audit(copied.spec)
    assert not +Counter(second.worked)
    for name in TABLES:
        first = copied.audit.findings[name].drop_columns(["run"])
        assert second.findings[name].drop_columns(["run"]).equals(first)
        assert first.num_rows or name in ("generalisation", "encoder_limits")


def test_findings_follow_from_the_store_and_the_run_alone(copied):
    run, store = copied.audit.run, copied.store
    for name in TABLES:
        store.finding(run, name).unlink()
    again = STUDY.findings(Store(store.path), run)
    for name in TABLES:
        assert again[name].equals(copied.audit.findings[name]), name
        assert store.read(FINDINGS[name], store.finding(run, name)).equals(again[name])


def test_compacted_records_give_the_same_findings_pictures_and_a_sound_store(copied, monkeypatch):
    run, store = copied.audit.run, copied.store
    shown = reconstructed(store, copied.audit.findings)
    assert verify(store, deep=True).sound and shown
    compact(store, grace=0.0)
    for name in ("inversions", "inversion_targets", "inversion_latents"):
        assert list(store.folder(name).rglob("part-*.parquet")), name
    assert verify(store, deep=True).sound
    again = STUDY.findings(store, run)
    for name in TABLES:
        assert again[name].equals(copied.audit.findings[name]), name
    for before, after in zip(shown, reconstructed(store, copied.audit.findings | dict(again)), strict=True):
        assert np.array_equal(before.photo.image, after.photo.image) and np.array_equal(before.made.labels, after.made.labels)
    monkeypatch.setattr(searching, "search", None)
    assert not copied.again().done  # what was compacted is not made again


def test_what_a_kept_run_uses_is_not_pruned_and_all_of_it_goes_with_the_run(copied):
    store, tables = copied.store, ("inversions", "inversion_targets", "inversion_calibrations")
    before = {name: sorted(store.folder(name).glob("key=*")) for name in tables}
    assert all(before.values()) and prune(store).keys == ()
    assert {name: sorted(store.folder(name).glob("key=*")) for name in tables} == before
    prune(store, runs=[copied.audit.run])
    assert not any(list(store.folder(name).glob("key=*")) for name in tables)


def test_all_lists_of_photos_and_samples_are_drawn_from_one_catalog_and_a_run_is_finished_with_few(copied, monkeypatch):
    made, own = [], catalog.in_memory
    monkeypatch.setattr(catalog, "in_memory", lambda *rest: made.append(1) or own(*rest))
    assert not copied.again().done
    assert len(made) == 1
    finish(replace(plan(copied.spec), run=copied.audit.run), copied.store, {})
    assert len(made) <= 3


def test_other_settings_have_other_keys(copied, monkeypatch):
    monkeypatch.setattr(stages, "chosen_penalty", lambda *_: 0.5)
    monkeypatch.setattr(stages, "_weighted", lambda *_: [])
    monkeypatch.setattr(STUDY, "work", lambda _: None)

    def keys(method, **change):
        done = copied.again(methods=(method,), **change).settings
        return {(result.sample, result.factor): result.key for result in done}

    before = keys("layerwise")
    assert before == {way[::2]: next(iter(rows.values()))["key"] for way, rows in copied.records.items()
                      if way[1] == "layerwise" and way[3] is None}  # fmt: skip
    assert len(set(before.values())) == len(before)
    for change in ({"steps": 3}, {"perceptual": "pyramid"}, {"layer": "layer2"}, {"keep": "latents"}, {"own": 9}):
        assert not set(keys("layerwise", **change).values()) & set(before.values())
    plain, more = keys("latent"), keys("latent", own=9)  # without residuals, photos owe nothing to own samples
    assert more["heldout", None] == plain["heldout", None]
    assert keys("latent", restarts=3)["heldout", None] != plain["heldout", None]


def test_a_search_at_another_penalty_is_known_by_the_search_that_it_goes_on_from(inverted):
    planned = plan(inverted.spec)
    (which,), _ = invertible(planned)

    def key(steps, factor):
        asked = inverted.spec.invert.model_copy(update={"steps": steps})
        setup = replace(setup_of(planned), spec=inverted.spec.model_copy(update={"invert": asked}))
        return setting_key(setup, TunedMethod(which, "layerwise", (), "float32", 0.5, "k1"), "k2", "own", factor)

    for factor in (0.1, 1.0, 10.0):  # 60 and 61 steps end in 20 further ones, with the rate halved at the same steps
        assert len({key(steps, factor) for steps in (60, 61, 62)}) == 3
    assert key(60, 0.1) == key(60, 0.1) != key(60, 10.0)


def test_a_layer_that_does_not_exist_or_has_none_before_it_is_told(inverted):
    with pytest.raises(RequestError, match="layer 'layer9' does not exist; this generator has layer1, layer2, layer3"):
        inverted.again(layer="layer9")
    done = inverted.again(layer="layer1", methods=("layerwise",))
    assert done.settings == [] and not done.done
    assert any("'tiny' is not inverted by layerwise: no layer before 'layer1'" in note for note in done.notes)


def test_check_says_what_it_costs_and_which_methods_cannot_run_and_writes_nothing(copied):
    asked = copied.spec.invert.model_copy(
        update={"methods": ("encoder", "layerwise", "latent"), "inverter": "shipped", "layer": "layer1"}
    )
    before = sorted(copied.store.path.rglob("*"))
    said = STUDY.check(plan(copied.spec.model_copy(update={"invert": asked})), copied.store, None).notes
    assert sorted(copied.store.path.rglob("*")) == before
    for words in (
        "'drawn' is not inverted", "'noise' is not inverted", "'tiny' would not be inverted by encoder",
        "'tiny' would not be inverted by layerwise", "inversion of 'tiny':",
    ):  # fmt: skip
        assert len([sentence for sentence in said if words in sentence]) == 1, words
    trained = STUDY.check(plan(asked_of(copied, inverter="auto", methods=("encoder",))), copied.store, None).notes
    assert any("an inverter of kind encoder would first be trained for 'tiny'" in sentence for sentence in trained)


def asked_of(copied, **changes):
    return copied.spec.model_copy(update={"invert": copied.spec.invert.model_copy(update=changes)})


def test_an_image_that_cannot_be_read_any_more_is_told(copied, monkeypatch):
    shutil.rmtree(copied.store.path / "records/v1/inversion_targets")
    going = STUDY.stages(replace(plan(copied.spec), run=copied.audit.run), copied.store)
    shard = next(shard for stage in going for shard in stage.shards if stage.name == "parsing targets")
    source = source_of(shard.setup, shard.part.asked, shard.part.source_key)
    torn = replace(source.read(shard.part.indices), errors=["it is torn"] * len(shard.part))
    monkeypatch.setattr(source, "read", lambda _: torn)
    with pytest.raises(AuditError, match="cannot be read any more: it is torn"):
        STUDY.work(shard)


def inversion(key, image, sample="heldout", **values):
    return {
        "key": key, "sample": sample, "method": "layered", "penalty_factor": None, "weighted_class": None, "image": image,
        "generator_key": "k0", "parser_key": "p0", "inverter": None, "weight": 1.0, "layer": "z", "ratio": 0.01,
        "evidential": True, "start": "layered", "restart": 0, "spread": 0.0, "seed": 1, "penalty": 0.0, "perceptual": "none",
        "steps": 0, "seconds": 0.1, "loss_first": 0.1, "loss_best": 0.1, "best_step": 0, "mse": 0.1, "psnr": 16.0, "ssim": 0.5,
        "status": "ok", **values,
    }  # fmt: skip


def test_hand_made_inversions_are_judged_as_anyone_would(tmp_path):
    """Sky comes back everywhere; people become grass in 30 photos; own samples' people come back, weighted or not."""
    store = Store(tmp_path).open_for_writing()
    settings = (
        SearchSetting("ka1", "own", "layered", None, None, 30), SearchSetting("ka2", "heldout", "layered", None, None, 30),
        SearchSetting("ka3", "heldout", "layered", None, 12, 30),
    )  # fmt: skip
    for setting in settings:
        pairs = [(1, 1, 1000), (12, 12 if setting.sample == "own" else 4, 50)]
        common = {"weighted_class": setting.weighted_class, "sample": setting.sample, "method": "layered"}
        confused = [
            {"key": setting.key, "image": image, **common, "target_class": a, "reconstruction_class": b, "pixels": n}
            for image in range(30) for a, b, n in pairs
        ]  # fmt: skip
        images = [inversion(setting.key, image, setting.sample, weighted_class=setting.weighted_class) for image in range(30)]
        tables = {
            "inversions": INVERSIONS.from_rows(images), "inversion_confusion": INVERSION_CONFUSION.from_rows(confused),
            "inversion_curves": INVERSION_CURVES.from_rows([]), "inversion_classes": INVERSION_CLASSES.from_rows([]),
            "inversion_latents": INVERSION_LATENTS.from_rows([]),
        }  # fmt: skip
        store.write_shard("inversions", setting.key, 0, 29, tables, {})
    classes = {1: "sky", 4: "grass", 12: "person"}

    def judged(dropped):
        result = written(store, "r1", {"gan": settings}, classes, {0: "first.png"}, dropped)
        return result, {row["class"]: row for row in result["omissions"].to_pylist()}

    result, omissions = judged({("gan", 12)})
    assert (omissions["sky"]["verdict"], omissions["person"]["verdict"]) == ("made", "not made")
    person = omissions["person"]
    assert (person["images"], person["recall"], person["control"], person["control_recall"]) == (30, 0.0, "own samples", 1.0)
    assert person["weighted_recall"] == 0.0
    assert judged(set())[1]["person"]["verdict"] == "inconclusive"  # samples hold people: the search may be at fault
    verdicts = {(row["class"], row["verdict"]) for row in result["photo_verdicts"].to_pylist()}
    assert verdicts == {("sky", "recovered"), ("person", "omitted")}
    assert result["photo_verdicts"].to_pylist()[0]["name"] == "first.png"
    (held,) = [row for row in result["inversion_summary"].to_pylist() if row["sample"] == "heldout"]
    assert (held["images"], held["failed"], held["psnr"], held["lpips"]) == (30, 0, 16.0, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"real": {"name": "r", "kind": "village"}}, "invert needs photos that no generator was trained on"),
        ({"heldout": {"name": "h", "kind": "village", "seed": 9}}, "heldout is given twice"),
        ({"generators": [{**PROGAN, "heldout": 5}]}, "heldout stands on the real side alone"),
        ({"invert": {"methods": ["layerwize"]}}, "invert.methods"),
        ({"invert": {"imges": 3}}, "did you mean 'images'"),
        ({"invert": {"methods": []}}, "invert.methods"),
    ],
)
def test_a_wrong_request_is_told(tmp_path, changes, sentence):
    with pytest.raises(RequestError, match=sentence):
        asked(tmp_path, **changes)
