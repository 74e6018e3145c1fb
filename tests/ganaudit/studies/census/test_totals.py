"""The sums behind `class_stats` beside those of the macro, which reads the records by itself."""

from __future__ import annotations

import numpy as np
import pytest
from written import write_block

from ganaudit.records import catalog
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.records.used import sources_of
from ganaudit.spec import Decide
from ganaudit.studies.census import counts as reading
from ganaudit.studies.census import totals
from ganaudit.studies.census.findings import materialise

PLACES = dict.fromkeys(("x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max"), 0)


def write(store, key, seed, pixels, n=60, older=range(0)):
    """n images in blocks of ten; the blocks of `older` images have no regions; a third of the entries no confidence."""
    rng = np.random.default_rng(seed)
    for first in range(0, n, 10):
        images, held = [], []
        for image in range(first, min(first + 10, n)):
            torn = rng.random() < 0.1
            row = {"key": key, "image": image, "name": str(image)}
            images.append(row | ({"status": "quarantined", "error": "torn"} if torn else
                                 {"digest": f"{key}{image}", "pixels": pixels, "status": "ok"}))  # fmt: skip
            for class_id in () if torn else np.flatnonzero(rng.random(5) < 0.5).tolist():
                held.append({
                    "key": key, "image": image, "class_id": class_id, "pixels": int(rng.integers(1, pixels)),
                    "confidence": float(rng.random() ** 4) if rng.random() < 0.7 else None, **PLACES,
                })  # fmt: skip
                if first not in older:
                    held[-1] |= {"largest": int(rng.integers(1, held[-1]["pixels"] + 1)), "parts": int(rng.integers(0, 9))}
        write_block(store, key, first, images[-1]["image"], IMAGES.from_rows(images), CLASS_PIXELS.from_rows(held), {})


@pytest.mark.parametrize("pixels", [40, 2**31 - 1])
@pytest.mark.parametrize("presence", [None, 20.0])
@pytest.mark.parametrize("older", [range(0), range(20, 40), range(60)])
def test_class_stats_are_the_macros_to_the_last_digit(store, run, monkeypatch, pixels, presence, older):
    monkeypatch.setattr(reading, "PIECE", 20)
    write(store, "ka", 1, pixels)
    write(store, "kb", 2, pixels)
    write(store, "kc", 3, pixels, older=older)
    sources = [("real", "photos", "ka", 3, 50), ("real", "more", "kb", 0, 60), ("generated", "gan", "kc", 0, 55)]
    run(store, "r1", sources)
    decide = Decide(permutations=0) if presence is None else Decide(permutations=0, presence=presence)
    found = materialise(store, "r1", decide)["class_stats"].to_pylist()
    asked = "NULL" if presence is None else presence
    assert found == catalog.query(store, f"FROM class_statistics('r1', {asked})").to_pylist() and len(found) == 10


@pytest.mark.parametrize("piece", [1, 7, 2**15])
def test_sums_are_those_of_a_plain_loop_whatever_the_pieces(store, run, monkeypatch, piece):
    monkeypatch.setattr(reading, "PIECE", piece)
    write(store, "ka", 4, 2**31 - 1)
    run(store, "r1", [("real", "photos", "ka", 0, 60)])
    read = reading.read_source(store, sources_of(store, "r1")[0], range(5))
    own = totals.present_from([read.counts], None)
    found = totals.class_totals(read.counts, read.taken_confidence(), own).of
    rows = [row for path in store.files("class_pixels") for row in store.read(CLASS_PIXELS, path).to_pylist()]
    for class_id in range(5):
        mine = [row for row in rows if row["class_id"] == class_id]
        sizes = sorted(row["largest"] for row in mine if row["largest"] >= 4)
        assert own.least[class_id] == sizes[len(sizes) // 20]
        assert found["squares"][class_id] == sum(row["pixels"] ** 2 for row in mine)
        seen = [row for row in mine if row["largest"] >= own.least[class_id]]
        assert found["present_squares"][class_id] == sum(row["pixels"] ** 2 for row in seen)
        assert found["parts"][class_id] == sum(row["parts"] for row in seen)
        assert found["trace_pixels"][class_id] == sum(
            row["pixels"] for row in mine if row not in seen and row["confidence"] is not None
        )
