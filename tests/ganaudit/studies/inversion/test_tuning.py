"""The penalty of an audit's searches, from own samples alone; their precision, from the device."""

from __future__ import annotations

import pytest
import torch
from searched_by_hand import unit

from ganaudit import devices
from ganaudit.inversion import search as searching
from ganaudit.studies.inversion import stages


def test_the_penalty_is_the_median_of_those_under_which_own_samples_save_nine_tenths(inverted):
    sizes, gains, penalties = [], [], []
    for image in range(8):
        target = unit(inverted.own(image))
        with torch.no_grad():
            z = inverted.inverter.encoder(target)["z"]
        losses, best = inverted.search(z, target, penalty=0.0, rate=0.1, steps=3)  # a half of the six
        first, gain, penalty = losses[0], losses[0] - min(losses), (losses[0] - min(losses)) / square(best)
        sizes.append(square(best))
        gains.append(gain)
        for factor in (4.0, 2.0, 2.0**0.5, 2.0**0.25):
            losses, best = inverted.search(z, target, penalty, begin=best, rate=0.1, steps=1)
            saved = first - (min(losses) - penalty * square(best))
            penalty *= factor if saved > 0.9 * gain else 1.0 / factor
        penalties.append(penalty)
    rows = inverted.rows("SELECT * FROM inversion_calibrations ORDER BY image")
    assert [row["image"] for row in rows] == list(range(8)) and {row["method"] for row in rows} == {"layerwise"}
    for name, expected in {"size": sizes, "gain": gains, "penalty": penalties}.items():
        assert [row[name] for row in rows] == pytest.approx(expected, rel=1e-3)
    assert inverted.penalty == pytest.approx(sorted(penalties)[3], rel=1e-3)  # the lower of the two in the middle


def square(residuals):
    """The sum over layers of mean d²."""
    return sum(value.square().mean().item() for value in residuals.values())


def test_a_lower_precision_is_that_of_every_search_and_has_keys_of_its_own(copied, monkeypatch):
    monkeypatch.setattr(devices, "has_bfloat16", lambda _: True)
    (copied.store.path / "records/v1/inversions").rename(copied.store.path / "gone")
    real, used = searching.search, set()

    def watched(span, objective, targets, how):
        used.add(how.precision)
        return real(span, objective, targets, how)

    monkeypatch.setattr(searching, "search", watched)
    asked = {"precision": "auto", "methods": ("layerwise",), "train_images": 4, "images": 4}
    copied.again(**asked)
    assert {row["precision"] for rows in copied.records.values() for row in rows.values()} == used == {"bfloat16"}
    assert not copied.again(**asked).done  # nothing is measured again
    counts = copied.rows("SELECT count(*)::int AS n FROM inversion_calibrations GROUP BY key ORDER BY n")
    assert [row["n"] for row in counts] == [8, 8]  # in float32 before, and in bfloat16


def test_on_a_device_without_bfloat16_searches_are_those_in_float32(copied, monkeypatch):
    monkeypatch.setattr(devices, "has_bfloat16", lambda _: False)
    assert not copied.again(precision="auto").done


def test_other_own_samples_are_measured_anew(copied, monkeypatch):
    monkeypatch.setattr(stages, "_plain", None)
    with pytest.raises(TypeError):
        copied.again(methods=("layerwise",), own=9)
    counts = copied.rows("SELECT count(*)::int AS n FROM inversion_calibrations GROUP BY key ORDER BY n")
    assert [row["n"] for row in counts] == [8, 9]
