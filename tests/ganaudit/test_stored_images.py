"""Stored images from end to end: a packed folder is audited from the records of the folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image as pillow

import ganaudit
from ganaudit import spec as specs
from ganaudit.records import catalog
from ganaudit.records.store import Store

HERE = Path(__file__).parent


def audited(store: Path, **real: object):
    return ganaudit.audit(specs.parse({
        "name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", **real}, "generators": [{"name": "g", "kind": "tiny_models:Noise"}], "sample": {"count": 50},
    }))  # fmt: skip


def test_a_packed_folder_has_the_records_of_the_folder(tmp_path):
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for number in range(6):
            path = tmp_path / "photos" / f"{number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pillow.fromarray(draw.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(path)
            archive.write(path, path.relative_to(tmp_path / "photos"))
        archive.writestr("0/torn.png", path.read_bytes()[:60])
    (tmp_path / "photos" / "0" / "torn.png").write_bytes(path.read_bytes()[:60])
    runs = [
        audited(tmp_path / "store", kind="folder", path=str(tmp_path / "photos")),
        audited(tmp_path / "store", kind="zip", path=str(tmp_path / "photos.zip")),
    ]
    assert [run.quarantined for run in runs] == [1, 1]
    query = "SELECT key, image, name, digest, label, status, error FROM run_images(?) WHERE source = 'real' ORDER BY image"
    with catalog.connect(Store(runs[0].store)) as connection:
        said = [connection.execute(query, [run.run]).fetchall() for run in runs]
    assert said[0] == said[1] and len(said[0]) == 7
    assert next(row[6] for row in said[0] if row[2] == "0/torn.png").startswith("0/torn.png is truncated")
    assert [set(run.table("fsd")["real_images"]) for run in runs] == [{6}, {6}]
