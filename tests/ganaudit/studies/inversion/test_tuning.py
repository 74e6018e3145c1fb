"""The penalty and the precision of an audit's searches: from own samples alone, told, and kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from searched_by_hand import unit

from ganaudit.inversion import precision
from ganaudit.inversion import search as searching
from ganaudit.studies.inversion import stages


def precisions(inverted):
    return {row["method"]: row for row in inverted.rows("SELECT * FROM inversion_precisions ORDER BY seconds")}


def test_the_penalty_is_what_free_residuals_save_over_how_large_they_get_on_own_samples(inverted):
    sizes, gains = [], []
    for image in range(8):
        target = unit(inverted.own(image))
        with torch.no_grad():
            z = inverted.inverter.encoder(target)["z"]
        losses, best = inverted.search(z, target, penalty=0.0)
        sizes.append(sum(value.square().mean().item() for value in best.values()))
        gains.append(losses[0] - min(losses))
    rows = inverted.rows("SELECT * FROM inversion_calibrations ORDER BY image")
    assert [row["image"] for row in rows] == list(range(8)) and {row["method"] for row in rows} == {"layerwise"}
    assert [row["size"] for row in rows] == pytest.approx(sizes, rel=1e-3)
    assert [row["gain"] for row in rows] == pytest.approx(gains, rel=1e-3)
    middle = sorted(gains)[3]  # the lower of the two in the middle
    assert inverted.penalty == pytest.approx(middle / np.quantile(sizes, 0.95), rel=1e-3)


def test_a_precision_that_changes_too_much_is_refused_and_told_once(inverted):
    assert {row["precision"] for rows in inverted.records.values() for row in rows.values()} == {"float32"}
    assert set(precisions(inverted)) == {"layerwise", "latent"}
    for method, row in precisions(inverted).items():
        assert (row["precision"], row["images"]) == ("float32", 8) and row["change"] > 0
        note = (
            f"'tiny': {method} searches in float32: in bfloat16 the final loss of own samples is not the same "
            f"(it changes by {row['change']:.1%})."
        )
        assert inverted.audit.notes.count(note) == 1


def test_a_precision_that_changes_little_is_used_for_every_search_and_once_known_is_read(copied, monkeypatch):
    monkeypatch.setattr(precision, "TOLERATED", 1.0)
    (copied.store.path / "records/v1/inversions").rename(copied.store.path / "gone")
    real, used = searching.search, set()

    def watched(span, objective, targets, how):
        used.update([how.precision] if objective.penalty else [])  # what is tried out has no penalty yet
        return real(span, objective, targets, how)

    monkeypatch.setattr(searching, "search", watched)
    asked = {"methods": ("layerwise",), "train_images": 4, "images": 4}
    assert not any("float32" in note for note in copied.again(**asked).notes)
    assert {row["precision"] for rows in copied.records.values() for row in rows.values()} == used == {"bfloat16"}
    assert not copied.again(**asked).done  # nothing is measured again
    monkeypatch.setattr(stages, "_plain", None)
    with pytest.raises(TypeError):
        copied.again(**asked, own=9)
    more = copied.rows("SELECT count(*)::int AS n FROM inversion_calibrations GROUP BY key ORDER BY n")
    assert [row["n"] for row in more] == [8, 8, 9]  # in float32 before, in bfloat16, and other own samples are measured anew


def test_where_float32_is_asked_for_nothing_lower_is_tried(copied, monkeypatch):
    monkeypatch.setattr(stages, "chosen_precision", None)
    assert not copied.again(precision="float32").done  # the same searches, so nothing is made again
    with pytest.raises(TypeError):
        copied.again()
