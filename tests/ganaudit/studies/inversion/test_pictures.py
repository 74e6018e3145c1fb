"""Pictures for the report, from the records that the findings name."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.errors import AuditError
from ganaudit.records.schema import FINDINGS, RECORDS
from ganaudit.records.store import INVERTED, Store
from ganaudit.report.side_by_side import side_by_side, webp
from ganaudit.studies.inversion.pictures import reconstructed
from ganaudit.studies.inversion.record_tables import INVERSIONS

WAY = {
    "run": "r1",
    "generator": "g",
    "method": "latent",
    "layer": "z",
    "penalty_factor": None,
    "class_id": 2,
    "class": "person",
}
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
MAPS = np.random.default_rng(1).integers(0, 4, (2, 8, 8))


def store(path, picture):
    made = Store(path).open_for_writing()
    row = {
        "key": "k0a", "sample": "heldout", "method": "latent", "penalty_factor": None, "paid_class": None, "image": 5,
        "generator_key": "k01", "parser_key": "p01", "weight": 1.0, "layer": "z", "ratio": 0.1, "evidential": True,
        "start": "random", "restart": 0, "seed": 1, "penalty": 0.0, "perceptual": "none", "steps": 1, "seconds": 0.1,
        "best_step": 1, "status": "ok", "picture": picture,
    }  # fmt: skip
    tables = {name: RECORDS[name].from_rows([]) for name in INVERTED}
    made.write_inversions("k0a", 0, 0, {**tables, "inversions": INVERSIONS.from_rows([row])}, {})
    return made


def findings(image=5):
    where = {"key": "k0a", "image": image, "name": "five", "target_pixels": 20, "recall": 0.1, "verdict": "omitted"}
    tables = {
        "omissions": [{**WAY, "images": 25, "recall": 0.1, "control_images": 0, "verdict": "not testable"}],
        "worst_photos": [{**WAY, **where, "rank": 1}], "photo_verdicts": [{**WAY, **where}],
        "fsd": [],
    }  # fmt: skip
    made = {name: FINDINGS[name].from_rows(rows) for name, rows in tables.items()}
    class_row = {"run": "r1", "real": "v", "generator": "g", "class_id": 2, "class": "person", "presence_threshold": 0.1}
    numbers = {column.name: 0.0 for column in FINDINGS["class_stats"].columns if not column.nullable}
    return made | {"class_stats": FINDINGS["class_stats"].from_rows([numbers | class_row])}


def test_the_picture_is_that_of_the_record_with_both_label_maps(tmp_path):
    [one] = reconstructed(store(tmp_path / "s", webp(side_by_side(*PIXELS, tuple(MAPS)))), findings())
    assert (one.generator, one.class_id, one.kind, one.verdict, one.recall, one.pixels) == (
        "g",
        2,
        "omitted",
        "omitted",
        0.1,
        20,
    )
    assert one.photo.name == "five" and one.photo.index == 5
    for picture, image, labels in ((one.photo, PIXELS[0], MAPS[0]), (one.made, PIXELS[1], MAPS[1])):
        assert np.array_equal(picture.image, image) and np.array_equal(picture.labels, labels)


def test_what_has_no_picture_is_left_out_and_what_is_damaged_is_named(tmp_path):
    assert reconstructed(store(tmp_path / "a", None), findings()) == []
    assert reconstructed(store(tmp_path / "b", None), findings(image=6)) == []
    assert reconstructed(Store(tmp_path / "c").open_for_writing(), findings()) == []
    broken = store(tmp_path / "d", webp(np.zeros((10, 30, 3), dtype=np.uint8)))
    with pytest.raises(AuditError, match="the picture of image 5 of key k0a in inversions is damaged"):
        reconstructed(broken, findings())
