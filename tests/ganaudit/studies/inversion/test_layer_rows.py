"""Means over inverted images against plain weighted means, whatever is missing of them."""

from __future__ import annotations

import numpy as np
import pytest
from inverted_by_hand import findings, inverted, setting, write

from ganaudit.records.store import Store

FLAT = np.ones((2, 4, 4), dtype=np.int64)
BY_WAY = (
    "inversion_summary", "photo_verdicts", "omissions", "inversion_by_layer", "recall_by_size", "inversion_confusions",
    "inversion_attributes",
)  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_a_summary_is_a_weighted_mean_of_what_was_measured(tmp_path, count):
    """Some have no LPIPS, some were set aside; the first always ended."""
    store, draws = Store(tmp_path / "store").open_for_writing(), np.random.default_rng(count)
    drawn = [
        (mse, ssim, lpips if lpips < 0.6 else None, 1.0 + 8.0 * weight, place == 0 or ended < 0.7)
        for place, (mse, ssim, lpips, weight, ended) in enumerate(draws.uniform(0.01, 1.0, (count, 5)).tolist())
    ]
    images = [
        inverted(n, *FLAT, mse=mse, ssim=ssim, lpips=lpips, weight=weight, status="ok" if ok else "quarantined")
        for n, (mse, ssim, lpips, weight, ok) in enumerate(drawn)
    ]
    result = setting("ka", "heldout", images, "layerwise", 10.0)
    write(store, result, images, layer="layer4", ratio=0.2)
    tables = findings(store, {"a": [result]})
    (row,) = tables["inversion_summary"]
    ended = [each for each in drawn if each[4]]
    assert (row["images"], row["failed"]) == (len(drawn), len(drawn) - len(ended))
    for name, place in (("mse", 0), ("ssim", 1), ("lpips", 2)):
        there = [(each[place], each[3]) for each in ended if each[place] is not None]
        mean = np.average([v for v, _ in there], weights=[w for _, w in there]) if there else None
        assert row[name] == (None if mean is None else pytest.approx(mean))
        if len(there) < 2:
            assert row[f"{name}_low"] is row[f"{name}_high"] is None
        else:
            values = [v for v, _ in there]
            assert min(values) - 1e-9 <= row[f"{name}_low"] <= row[f"{name}_high"] <= max(values) + 1e-9
    decibels = [10 * np.log10(4 / each[0]) for each in ended]
    assert row["psnr"] == pytest.approx(np.average(decibels, weights=[each[3] for each in ended]))
    (layer,) = tables["inversion_by_layer"]
    assert layer["images"] == len(ended)
    assert (layer["mse"], layer["psnr"]) == (pytest.approx(row["mse"]), pytest.approx(row["psnr"]))


def test_every_finding_names_the_way_that_it_is_about(tmp_path):
    """Two generators, three ways each, every one with an error and a class that no other has."""
    store = Store(tmp_path / "store").open_for_writing()
    ways = [("latent", None, "z"), ("layerwise", 1.0, "layer4"), ("layerwise", 10.0, "layer4")]
    done, errors = {"a": [], "b": []}, {}
    for place, (generator, (method, factor, layer)) in enumerate((g, way) for g in done for way in ways):
        before = np.ones((8, 8), dtype=np.int64)
        before[:4] = 2 if generator == "a" else 3
        errors[generator, method, factor, layer] = mse = 0.1 + 0.01 * place
        images = [inverted(n, before, before, mse=mse, colours={1: ((9.0,) * 4, (8.0,) * 4)}) for n in range(2)]
        result = setting(f"k{place}", "heldout", images, method, factor)
        write(store, result, images, layer=layer, ratio=0.1 * (factor or 0.1), generator_key=f"k{generator}")
        done[generator].append(result)
    tables = findings(store, done)
    keys = {(g, result.method, result.factor): result.key for g, some in done.items() for result in some}
    for name in BY_WAY:
        found = {(row["generator"], row["method"], row["penalty_factor"], row["layer"]) for row in tables[name]}
        assert found == set(errors) and {row["run"] for row in tables[name]} == {"r1"}, name
        for row in tables[name]:
            if "class" in row:
                assert row["class"] == {1: "sky", 2: "person", 3: "road"}[row["class_id"]]
                assert row["class_id"] != (3 if row["generator"] == "a" else 2), name
            if "mse" in row:
                way = (row["generator"], row["method"], row["penalty_factor"], row["layer"])
                assert row["mse"] == pytest.approx(errors[way])
    for row in (*tables["worst_photos"], *tables["photo_verdicts"]):
        assert row["key"] == keys[row["generator"], row["method"], row["penalty_factor"]]
        assert row["class"] == {1: "sky", 2: "person", 3: "road"}[row["class_id"]]
    assert {row["penalty_factor"] for row in tables["worst_photos"]} == {None, 1.0}
    assert [row["generator"] for row in tables["memorisation"]] == ["a", "b"]


def test_a_class_without_a_name_goes_by_its_number(tmp_path):
    store = Store(tmp_path / "store").open_for_writing()
    images = [inverted(0, np.full((4, 4), 9), np.full((4, 4), 8), colours={9: ((1.0,) * 4, (2.0,) * 4)})]
    write(store, setting("ka", "heldout", images), images)
    tables = findings(store, {"a": [setting("ka", "heldout", images)]})
    for name in BY_WAY[1:]:
        assert {row.get("class", "9") for row in tables[name]} == {"9"}, name
    assert [row["reconstruction_class"] for row in tables["inversion_confusions"]] == ["8"]
