"""Held-out photos inverted in an audit: what is written, that a second run finds it, and what is said of each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ganaudit import spec as specs
from ganaudit.auditing.inversion_images import Sought
from ganaudit.auditing.inversion_work import Names, Work
from ganaudit.auditing.inversions import base_task, inversion_tasks, make_inversions, open_for
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import audit, open_store
from ganaudit.errors import RequestError
from ganaudit.findings.inversions import materialise_inversions
from ganaudit.inversion.settings import InversionsDone, Setting
from ganaudit.records import catalog
from ganaudit.records.schema import INVERSION_CLASSES, INVERSION_CONFUSION, INVERSION_CURVES, INVERSION_LATENTS, INVERSIONS

PROGAN = {"name": "progan", "kind": "progan", "weights": "builtin:village-progan"}
COUNT = 64


def asked(store, **changes):
    data = {
        "name": "n", "store": str(store), "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village", "count": COUNT, "heldout": 40}, "sample": {"count": COUNT},
        "generators": [PROGAN, {"name": "drawn", "kind": "village"}], "decide": {"permutations": 0},
        "invert": {"images": 4, "own": 8, "methods": ["layered"], "batch": 8, "steps": 2, "perceptual": "none", "masked": 4},
        "run": {"workers": 1, "device": "cpu"},
    }  # fmt: skip
    return specs.parse(data | changes)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One audit, and its spec."""
    spec = asked(tmp_path_factory.mktemp("store"))
    return spec, audit(spec)


def rows(spec, statement):
    return catalog.query(open_store(spec), statement).to_pylist()


def test_every_photo_and_own_sample_has_its_row_its_picture_and_its_confusion(done):
    spec, found = done
    assert found.status == "done"
    assert found.notes == ("'drawn' is not inverted: a source of kind 'village' is images, not a generator.",)
    counted = {row["sample"]: row for row in rows(spec, """
        SELECT sample, count(*) AS images, count(picture) AS pictures, min(image) AS first, max(image) AS last,
               bool_and(psnr > 10 AND evidential AND layer = 'z' AND start = 'layered' AND weight >= 1) AS sound
        FROM inversions WHERE paid_class IS NULL GROUP BY sample""")}  # fmt: skip
    own, masked = counted["own"], counted["masked"]
    assert own["sound"] and 8 <= own["images"] == own["pictures"] <= 64 and own["last"] < 64
    assert masked["sound"] and masked["images"] == 4
    held = counted["heldout"]
    assert held["sound"] and held["images"] == held["pictures"] <= 40 and held["first"] >= COUNT
    assert held["last"] < COUNT + 40
    pixels = rows(spec, "SELECT sum(pixels) AS pixels FROM inversion_confusion WHERE paid_class IS NULL GROUP BY key, image")
    assert {row["pixels"] for row in pixels} == {64 * 64} and len(pixels) == held["images"] + own["images"] + 4
    kept = rows(spec, "SELECT count(*) AS n, min(len(z)) AS low, max(len(z)) AS high FROM inversion_latents")
    assert (
        kept[0]["low"] == kept[0]["high"] == 64 and kept[0]["n"] == rows(spec, "SELECT count(*) AS n FROM inversions")[0]["n"]
    )


def test_a_masked_sample_is_void_where_it_is_grey_and_told_outside(done):
    spec, _ = done
    void = rows(spec, "SELECT image, sum(pixels) AS n FROM inversion_confusion WHERE sample = 'masked' AND target_class = 0 "
                      "GROUP BY image")  # fmt: skip
    assert len(void) == 4 and all(16 * 16 <= row["n"] <= 17 * 17 for row in void)
    same = rows(spec, """
        SELECT m.psnr AS masked, o.psnr AS clean, m.ssim AS ssim FROM inversions AS m JOIN inversions AS o USING (image)
        WHERE m.sample = 'masked' AND o.sample = 'own'""")  # fmt: skip
    assert len(same) == 4 and all(row["ssim"] is None and row["masked"] < row["clean"] + 3 for row in same)


def test_the_photos_maps_are_those_that_were_parsed(done):
    spec, found = done
    apart = rows(spec, f"""
        WITH seen AS (SELECT image, target_class AS class_id, sum(pixels) AS pixels FROM inversion_confusion
                      WHERE sample = 'heldout' AND paid_class IS NULL GROUP BY ALL)
        SELECT count(*) AS n FROM seen LEFT JOIN run_class_pixels('{found.run}') AS held
        ON held.role = 'heldout' AND held.image = seen.image AND held.class_id = seen.class_id
        WHERE held.pixels IS DISTINCT FROM seen.pixels""")  # fmt: skip
    assert apart == [{"n": 0}]


def test_held_out_images_are_in_no_other_finding(done):
    spec, found = done
    assert rows(spec, f"SELECT DISTINCT real FROM fsd WHERE run = '{found.run}'") == [{"real": "village"}]
    used = rows(spec, f"SELECT * FROM run_sources WHERE run = '{found.run}' ORDER BY role, source")
    assert [(row["role"], row["first"], row["count"]) for row in used] == [
        ("generated", 0, COUNT), ("generated", 0, COUNT), ("heldout", COUNT, 40), ("real", 0, COUNT),
    ]  # fmt: skip


def test_a_second_run_inverts_nothing_and_finds_the_same(done, tmp_path):
    spec, found = done
    store = open_store(spec)
    planned = replace(plan(spec), run=found.run)
    tasks, _ = inversion_tasks(planned)
    again = [make_inversions(task) for task in tasks]
    assert [one.images for one in again] == [0]
    kept = {path: path.read_bytes() for path in store.files("inversions")}
    victim = sorted(kept)[0]
    victim.unlink()
    assert make_inversions(tasks[0]).images == store.read(INVERSIONS, victim).num_rows
    remade = store.read(INVERSIONS, victim).drop_columns(["seconds"])
    (tmp_path / "kept.parquet").write_bytes(kept[victim])
    assert remade.equals(store.read(INVERSIONS, tmp_path / "kept.parquet").drop_columns(["seconds"]))
    second = audit(spec)
    for name in ("photo_verdicts", "omissions", "inversion_summary"):
        first = found.findings[name].drop_columns(["run"])
        assert first.num_rows and second.findings[name].drop_columns(["run"]).equals(first)


def test_other_settings_have_other_keys(done):
    spec, found = done

    def keys(**change):
        other = spec.model_copy(update={"invert": spec.invert.model_copy(update=change)})
        tasks, _ = inversion_tasks(replace(plan(other), run=found.run))
        return {setting.sample: setting.key for setting in make_inversions(tasks[0]).settings if setting.paid is None}

    before = keys()
    assert set(before) == {"heldout", "own", "masked"} and len(set(before.values())) == 3
    for change in ({"steps": 3}, {"perceptual": "pyramid"}):
        assert not set(keys(**change).values()) & set(before.values())
    more = keys(own=9)  # without residuals, photos owe nothing to own samples
    assert more["own"] != before["own"] and more["heldout"] == before["heldout"]


def test_a_search_at_another_penalty_is_known_by_the_search_that_it_goes_on_from(tmp_path):
    spec = asked(tmp_path)
    which = Sought("own", (0, 1), (1.0, 1.0), torch.zeros(2, 64, 64, 3), np.zeros((2, 64, 64)), np.ones((2, 64, 64)))

    def key(steps, factor):
        changed = spec.model_copy(update={"invert": spec.invert.model_copy(update={"steps": steps, "methods": ("layerwise",)})})
        opened = open_for(changed, 0, "cpu")
        base = base_task(opened, changed.invert, changed, "cpu", {})
        names = Names("progan", "r", "kg", "p", {})
        work = Work(changed, names, open_store(changed), None, base, {}, [])
        return work._setting(which, "layerwise", factor, None, base.search).key

    for factor in (0.1, 1.0, 10.0):  # 60 and 61 steps end in 20 further ones, with the rate halved at the same steps
        assert len({key(steps, factor) for steps in (60, 61, 62)}) == 3
    assert key(60, 0.1) == key(60, 0.1) != key(60, 10.0)


def test_generators_without_layers_and_methods_without_inverter_get_a_word(tmp_path):
    made = asked(tmp_path, invert={"images": 2, "own": 8, "methods": ["layered", "latent"], "steps": 1})
    planned = plan(made.model_copy(update={"generators": made.generators[:1]}))
    tasks, _ = inversion_tasks(planned)
    assert [task.name for task in tasks] == ["progan"]
    with pytest.raises(RequestError, match="layer 'layer9' does not exist"):
        broken = made.model_copy(update={"invert": made.invert.model_copy(update={"layer": "layer9"})})
        audit(broken)


def inversion(key, image, sample="heldout", **values):
    return {
        "key": key, "sample": sample, "method": "layered", "penalty_factor": None, "paid_class": None, "image": image,
        "generator_key": "k0", "parser_key": "p0", "inverter": None, "weight": 1.0, "layer": "z", "ratio": 0.01,
        "evidential": True, "start": "layered", "restart": 0, "spread": 0.0, "seed": 1, "penalty": 0.0, "perceptual": "none",
        "steps": 0, "seconds": 0.1, "loss_first": 0.1, "loss_best": 0.1, "best_step": 0, "mse": 0.1, "psnr": 16.0, "ssim": 0.5,
        "status": "ok", **values,
    }  # fmt: skip


def test_hand_made_inversions_are_judged_as_anyone_would(tmp_path):
    """Sky comes back everywhere; people become grass in 30 photos; own samples' people come back, paid or not."""
    store = open_store(asked(tmp_path))
    settings = (
        Setting("ka1", "own", "layered", None, None, 30), Setting("ka2", "heldout", "layered", None, None, 30),
        Setting("ka3", "heldout", "layered", None, 12, 30),
    )  # fmt: skip
    for setting in settings:
        pairs = [(1, 1, 1000), (12, 12 if setting.sample == "own" else 4, 50)]
        common = {"penalty_factor": None, "paid_class": setting.paid, "sample": setting.sample, "method": "layered"}
        confused = [
            {"key": setting.key, "image": image, **common, "target_class": a, "reconstruction_class": b, "pixels": n}
            for image in range(30) for a, b, n in pairs
        ]  # fmt: skip
        images = [inversion(setting.key, image, setting.sample, paid_class=setting.paid) for image in range(30)]
        tables = {
            "inversions": INVERSIONS.from_rows(images), "inversion_confusion": INVERSION_CONFUSION.from_rows(confused),
            "inversion_curves": INVERSION_CURVES.from_rows([]), "inversion_classes": INVERSION_CLASSES.from_rows([]),
            "inversion_latents": INVERSION_LATENTS.from_rows([]),
        }  # fmt: skip
        store.write_inversions(setting.key, 0, 29, tables, {})
    done = [InversionsDone("gan", settings, 90, ())]
    classes = {1: "sky", 4: "grass", 12: "person"}

    def judged(dropped):
        found = materialise_inversions(store, "r1", done, classes, {0: "first.png"}, dropped, 32)
        return found, {row["class"]: row for row in found["omissions"].to_pylist()}

    found, omissions = judged({("gan", 12)})
    assert (omissions["sky"]["verdict"], omissions["person"]["verdict"]) == ("made", "not made")
    person = omissions["person"]
    assert (person["images"], person["recall"], person["control"], person["control_recall"]) == (30, 0.0, "own samples", 1.0)
    assert person["paid_recall"] == 0.0
    assert judged(set())[1]["person"]["verdict"] == "inconclusive"  # samples hold people: the search may be at fault
    verdicts = {(row["class"], row["verdict"]) for row in found["photo_verdicts"].to_pylist()}
    assert verdicts == {("sky", "recovered"), ("person", "omitted")}
    assert found["photo_verdicts"].to_pylist()[0]["name"] == "first.png"
    (held,) = [row for row in found["inversion_summary"].to_pylist() if row["sample"] == "heldout"]
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


def test_a_held_out_source_of_its_own_has_its_own_key(tmp_path):
    own = {"name": "h", "kind": "village", "seed": 9, "count": 30}
    planned = plan(asked(tmp_path, real={"name": "village", "kind": "village", "count": COUNT}, heldout=own))
    real, held = (next(s for s in planned.sources if s.role == role) for role in ("real", "heldout"))
    assert real.key != held.key and (held.first, held.count, held.name) == (0, 30, "h")
