"""Label maps as people have them: in archives and tables, in colours, as segments, in three equal channels."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image as pillow
from pyarrow import parquet

from ganaudit import spec as specs
from ganaudit.datasets.label_maps import read_panoptic
from ganaudit.datasets.masks import MasksDataset, MasksSource
from ganaudit.errors import ImageError, RequestError

NAMES = [f"s{k % 2}/{k}" for k in range(5)]


def png(pixels):
    out = io.BytesIO()
    pillow.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def kept(tmp_path):
    """Five photos and their maps of 16 bits, by name, in every kind of place: what MasksDataset is told of each."""
    draw = np.random.default_rng(0)
    photos = {name: png(draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)) for name in NAMES}
    maps = {name: png(draw.integers(0, 400, (3, 4), dtype=np.uint16)) for name in NAMES}
    files = {f"{name}.png": data for name, data in photos.items()}
    beside = files | {f"{name}.labels.png": data for name, data in maps.items()}
    apart = {f"{name}.png": data for name, data in maps.items()}
    for folder, held in (("beside", beside), ("photos", files), ("maps", apart)):
        for name, data in held.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        with zipfile.ZipFile(tmp_path / f"{folder}.zip", "w") as archive:
            for name, data in held.items():
                archive.writestr(name, data)
        with tarfile.open(tmp_path / f"{folder}.tar", "w") as archive:
            for name in held:
                archive.add(tmp_path / folder / name, name)
    images = [{"bytes": photos[name], "path": f"{name}.png"} for name in NAMES]
    rows = {"image": images, "annotation": [maps[name] for name in NAMES]}
    parquet.write_table(pa.table(rows), tmp_path / "rows.parquet")
    return {
        "beside in a folder": {"path": tmp_path / "beside"}, "beside in a zip": {"path": tmp_path / "beside.zip"},
        "beside in a tar": {"path": tmp_path / "beside.tar"},
        "folder and zip": {"path": tmp_path / "photos", "labels": tmp_path / "maps.zip"},
        "zip and folder": {"path": tmp_path / "photos.zip", "labels": tmp_path / "maps"},
        "tar and zip": {"path": tmp_path / "photos.tar", "labels": tmp_path / "maps.zip"},
        "rows": {"path": tmp_path / "rows.parquet", "column": "annotation"},
    }  # fmt: skip


def test_wherever_they_lie_they_are_the_same_images_maps_and_key(kept, tmp_path):
    told, recipes = {}, {}
    for where, options in kept.items():
        dataset = MasksDataset(**options, cache=tmp_path / "cache/digests.json", seed=3)
        seen = [dataset.image(index) for index in range(len(dataset))]
        told[where] = [(image.name, image.label, image.pixels.tolist(), image.labels.tolist()) for image in seen]
        recipes[where] = dataset.recipe()
        assert dataset.contents.taken == {".png": 5} and not dataset.contents.left_out, where
    first = told["beside in a folder"]
    assert max(max(map(max, labels)) for *_, labels in first) > 255
    assert [where for where in kept if told[where] != first or recipes[where] != recipes["beside in a folder"]] == []


def one(tmp_path, labels, **options):
    pillow.new("RGB", (4, 2)).save(tmp_path / "x.jpg")
    (tmp_path / "x.labels.png").write_bytes(labels)
    return MasksDataset(tmp_path, **options).image(0).labels.tolist()


def test_colours_stand_for_classes_and_an_unknown_one_is_named(tmp_path):
    road, sky = (0x80, 0x40, 0x80), (0, 0, 0xFF)
    coded = np.array([[road, sky], [sky, sky]], np.uint8)
    table = {"#804080": 1, "#0000FF": 7, "#000000": 0}
    assert one(tmp_path, png(coded), colours=table) == [[1, 7], [7, 7]]
    assert one(tmp_path, png(coded), colours=table, void=7, offset=2) == [[3, 0], [0, 0]]
    palette = pillow.fromarray(coded).quantize(4)
    out = io.BytesIO()
    palette.save(out, "PNG")
    assert one(tmp_path, out.getvalue(), colours=table) == [[1, 7], [7, 7]]
    with pytest.raises(ImageError, match=r"x\.labels\.png.*#804080.*colours"):
        one(tmp_path, png(coded), colours={"#0000ff": 7})


def test_three_equal_channels_are_one_value_where_it_is_said(tmp_path):
    grey = np.repeat(np.array([[1, 2], [3, 255]], np.uint8)[..., None], 3, axis=2)
    assert one(tmp_path, png(grey), colours="grey", void=255) == [[1, 2], [3, 0]]
    with pytest.raises(ImageError, match="colours: grey"):
        one(tmp_path, png(grey))
    grey[0, 0] = 1, 2, 3
    with pytest.raises(ImageError, match="is a colour image"):
        one(tmp_path, png(grey), colours="grey")


def panoptic(tmp_path, file_name="x.png"):
    segments = [{"id": 3226956, "category_id": 17}, {"id": 5, "category_id": 200}]
    path = tmp_path / "panoptic.json"
    path.write_text(json.dumps({"annotations": [{"file_name": file_name, "segments_info": segments}]}))
    return path


def test_cocos_segments_are_their_categories(tmp_path):
    number = 3226956  # red + 256 green + 65536 blue, as COCO's panopticapi numbers colours
    coded = np.array([[(number % 256, number // 256 % 256, number // 65536), (5, 0, 0)], [(0, 0, 0), (5, 0, 0)]], np.uint8)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/x.png").write_bytes(png(coded))
    pillow.new("RGB", (4, 2)).save(tmp_path / "x.jpg")
    options = {"labels": tmp_path / "maps", "panoptic": panoptic(tmp_path)}
    dataset = MasksDataset(tmp_path, **options, offset=1)
    assert dataset.image(0).labels.tolist() == [[18, 201], [0, 201]]
    assert dataset.recipe()["panoptic"] != MasksDataset(tmp_path, **(options | {"panoptic": None})).recipe().get("panoptic")
    (tmp_path / "maps/x.png").write_bytes(png(coded + np.array([1, 0, 0], np.uint8)))
    with pytest.raises(ImageError, match=r"the first because.*segment \d+"):
        MasksDataset(tmp_path, **options).image(0)
    with pytest.raises(ImageError, match="not among the annotations"):
        MasksDataset(tmp_path, labels=tmp_path / "maps", panoptic=panoptic(tmp_path, "y.png")).image(0)


def test_wrong_requests_are_one_sentence(kept, tmp_path):
    (tmp_path / "no.json").write_text("[]")
    for said, options in {
        "COCO's": {"panoptic": tmp_path / "no.json"},
        "keep one": {"panoptic": panoptic(tmp_path), "colours": "grey"},
        "no columns": {"column": "annotation"},
    }.items():
        with pytest.raises(RequestError, match=said):
            MasksDataset(**kept["beside in a folder"], **options)
    with pytest.raises(RequestError, match="no column 'nothing'"):
        MasksDataset(**kept["rows"] | {"column": "nothing"})
    with pytest.raises(RequestError, match="colours"):
        specs.parse({
            "name": "n", "parser": {"kind": "masks", "classes": ["a"]}, "generators": [{"name": "v", "kind": "village"}],
            "real": {"name": "r", "kind": "masks", "path": "p", "colours": {"red": 1}},
        })  # fmt: skip
    assert MasksSource(name="r", kind="masks", path=Path("p"), colours={"#ff0000": 1}).colours == {"#ff0000": 1}


@pytest.mark.parametrize(("category", "said"), [(10**12, "category 1,000,000,000,000"), (-1, "category -1"), (1e999, "COCO's")])
def test_categories_that_are_no_class_ids_are_told(tmp_path, category, said):
    image = {"file_name": "x.png", "segments_info": [{"id": 1, "category_id": category}]}
    (tmp_path / "panoptic.json").write_text(json.dumps({"annotations": [image]}))
    with pytest.raises(RequestError, match=said):
        read_panoptic(tmp_path / "panoptic.json")
