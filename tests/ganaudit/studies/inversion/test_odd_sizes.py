"""Photos and parsers that are not square, label maps coarser than images, class ids from 1,024 on: all of it is inverted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from inverted_audit import tiny_generator
from safetensors.torch import save_file

from ganaudit import images
from ganaudit import spec as specs
from ganaudit.auditing.run import audit
from ganaudit.encoded import labels_of, pixels_of
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.studies.inversion.models import frame
from ganaudit.studies.inversion.pictures import reconstructed


@pytest.mark.parametrize(
    ("first", "cell", "size"),
    [
        (1, 2, (12, 18)), (1_024, 1, (9, 31)), (32_000, 3, (24, 12)),
    ],
)  # fmt: skip
def test_an_audit_inverts_whatever_the_sizes_and_ids(tmp_path, first, cell, size, drawn):
    save_file(tiny_generator().state_dict(), tmp_path / "tiny.safetensors", {"kind": "progan"})
    spec = specs.parse({
        "name": "n", "folder": str(Path(__file__).parents[2]), "store": str(tmp_path / "store"),
        "parser": {"kind": "odd_models:Coarse", "options": {"first": first, "cell": cell, "size": size}},
        "real": {"name": "real", "kind": "odd_models:Wide", "options": {"images": 40}, "heldout": 24},
        "generators": [{"name": "tiny", "kind": "progan", "weights": str(tmp_path / "tiny.safetensors")}],
        "sample": {"count": 16, "batch": 16}, "decide": {"permutations": 0}, "run": {"workers": 1, "device": "cpu"},
        "invert": {"images": 24, "own": 8, "masked": 2, "methods": ["latent"], "steps": 2, "batch": 8, "perceptual": "none"},
    })  # fmt: skip
    made = audit(spec)
    store = Store(made.store)
    rows = catalog.query(store, "SELECT * FROM inversions WHERE weighted_class IS NULL").to_pylist()
    seen = {(row["key"], row["image"]): row for row in catalog.query(store, "SELECT * FROM inversion_targets").to_pylist()}
    assert {row["sample"] for row in rows} == {"heldout", "own", "masked"}
    coarse = (size[0] // cell, size[1] // cell)
    for row in rows:
        target = seen[row["targets_key"], row["image"]]
        assert pixels_of(row["picture"]).shape == pixels_of(target["picture"]).shape == (*size, 3)
        labels = labels_of(row["label_map"])
        assert labels.shape == labels_of(target["label_map"]).shape == coarse
        assert set(np.unique(labels)) <= {first, first + 1, first + 2}
        assert row["status"] == "ok" and (row["psnr"] or 99.0) > 5.0
    held = [row for row in seen.values() if row["sample"] == "heldout"]
    there = {number for row in held for number in np.unique(labels_of(row["label_map"])).tolist()}
    assert there == {first, first + 1, first + 2}
    counted = catalog.query(store, "SELECT DISTINCT class_id FROM inversion_classes").to_pylist()
    assert first in {row["class_id"] for row in counted}
    for shown in reconstructed(store, made.findings):
        assert shown.photo.image.shape == shown.made.image.shape == (*size, 3) and shown.made.labels.shape == coarse
    assert made.report.stat().st_size > 0


def test_an_image_comes_back_from_the_generators_frame_where_it_was():
    """A bar near the border of a wide photo is still there after the way to a square and back: nothing is cut away."""
    photo = np.full((24, 36, 3), 120, dtype=np.uint8)
    photo[:, :4] = 10
    there = images.resize(photo, (16, 16), "stretch")
    back = images.resize(there, (24, 36), "stretch")
    assert back[:, :2].mean() < 40 and back[:, 20:].mean() == 120


@pytest.mark.parametrize(("resolution", "size"), [(16, (16, 16)), ((8, 24), (8, 24)), ([32, 16], (32, 16))])
def test_the_frame_of_a_generator_is_one_side_or_both(resolution, size):
    assert frame(resolution) == size
