"""Pictures for the report, from the records that the findings name."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from ganaudit.encoded import confidence_of, confidence_png, label_png, labels_of, webp
from ganaudit.errors import AuditError
from ganaudit.records.schema import FINDINGS, shards_of
from ganaudit.records.store import Store
from ganaudit.studies.inversion.pictures import reconstructed
from ganaudit.studies.inversion.record_tables import INVERSION_TARGETS, INVERSIONS

WAY = {
    "run": "r1",
    "generator": "g",
    "method": "latent",
    "layer": "z",
    "penalty_factor": None,
    "class_id": 2,
    "class": "person",
}
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
MAPS = np.random.default_rng(1).integers(1_020, 1_030, (2, 4, 6))
"""Coarser than the images, with many classes."""


def store(path, picture, labels, target=True):
    made = Store(path).open_for_writing()
    row = {
        "key": "k0a", "sample": "heldout", "method": "latent", "penalty_factor": None, "weighted_class": None, "image": 5,
        "generator_key": "k01", "parser_key": "p01", "weight": 1.0, "layer": "z", "ratio": 0.1, "evidential": True,
        "start": "random", "restart": 0, "seed": 1, "penalty": 0.0, "perceptual": "none", "steps": 1, "seconds": 0.1,
        "best_step": 1, "status": "ok", "targets_key": "k0b", "picture": picture, "label_map": labels,
    }  # fmt: skip
    shards = shards_of("inversions")
    tables = {table.name: table.from_rows([]) for table in shards.beside}
    made.write_shard("inversions", "k0a", 0, 0, {**tables, "inversions": INVERSIONS.from_rows([row])}, {})
    if target:
        seen = {"key": "k0b", "sample": "heldout", "image": 5, "weight": 1.0, "picture": webp(PIXELS[0]),
                "label_map": label_png(MAPS[0]), "confidence_map": confidence_png(np.ones((4, 6)))}  # fmt: skip
        made.write_shard("inversion_targets", "k0b", 0, 0, {"inversion_targets": INVERSION_TARGETS.from_rows([seen])}, {})
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
    [result] = reconstructed(store(tmp_path / "s", webp(PIXELS[1]), label_png(MAPS[1])), findings())
    assert (result.generator, result.class_id, result.kind, result.verdict, result.recall, result.pixels) == (
        "g",
        2,
        "omitted",
        "omitted",
        0.1,
        20,
    )
    assert result.photo.name == "five" and result.photo.index == 5
    for picture, image, labels in ((result.photo, PIXELS[0], MAPS[0]), (result.made, PIXELS[1], MAPS[1])):
        assert np.array_equal(picture.image, image) and np.array_equal(picture.labels, labels)


def test_what_has_no_picture_is_left_out(tmp_path):
    assert reconstructed(store(tmp_path / "a", None, None), findings()) == []
    assert reconstructed(store(tmp_path / "b", None, None), findings(image=6)) == []
    assert reconstructed(Store(tmp_path / "c").open_for_writing(), findings()) == []
    assert reconstructed(store(tmp_path / "d", webp(PIXELS[1]), label_png(MAPS[1]), target=False), findings()) == []


def test_the_pictures_of_an_older_ganaudit_are_left_out(tmp_path):
    older = store(tmp_path / "s", webp(PIXELS[1]), label_png(MAPS[1]))
    path = older.shard("inversions", "k0a", 0, 0)
    pq.write_table(pq.read_table(path).drop_columns(["targets_key", "label_map", "weighted_class"]), path)
    assert reconstructed(older, findings()) == []


@pytest.mark.parametrize(
    ("picture", "labels"),
    [
        (b"RIFF", label_png(MAPS[1])), (webp(PIXELS[1])[:-30], label_png(MAPS[1])), (webp(PIXELS[1]), b""),
        (webp(PIXELS[1]), label_png(MAPS[1])[:40]), (webp(PIXELS[1]), webp(PIXELS[1])), (b"\x00" * 99, b"\x89PNG"),
    ],
)  # fmt: skip
def test_a_damaged_picture_is_named(tmp_path, picture, labels):
    with pytest.raises(AuditError, match=r"image 5 of key k0a in inversions: .*damaged"):
        reconstructed(store(tmp_path / "s", picture, labels), findings())


@pytest.mark.parametrize("highest", [0, 255, 256, 1_023, 1_024, 32_767])
def test_class_ids_are_kept_as_they_are(highest):
    ids = np.array([[0, highest, 1], [highest, highest // 2, 2]])
    assert np.array_equal(labels_of(label_png(ids)), ids)


def test_confidences_are_kept_in_steps():
    sure = np.random.default_rng(0).random((5, 9), dtype=np.float32)
    sure[0, :2] = 0.0, 1.0
    result = confidence_of(confidence_png(sure))
    assert np.abs(result - sure).max() <= 0.5 / 65_535 + 1e-7 and tuple(result[0, :2]) == (0.0, 1.0)
