"""Truth and resized real images: which are planned, what their blocks hold, and what findings make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

import ganaudit
from ganaudit import images
from ganaudit import spec as specs
from ganaudit.auditing.plan import plan
from ganaudit.datasets.label_maps import fitted
from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import RequestError
from ganaudit.records.store import Store
from ganaudit.records.tables import PARSER_CONFUSION
from ganaudit.sources.looking import resize_through
from ganaudit.sources.roles import (
    GENERATED,
    REAL,
    RESIZED_REAL,
    RESIZED_REAL_IMAGES,
    TRUTH,
    SourceRole,
    not_measured,
    resized_real,
)
from ganaudit.studies.census import work as blocks
from ganaudit.studies.census.blocks import block_of

HERE = Path(__file__).parents[1]
REAL_VILLAGE = {"name": "village", "kind": "village", "count": 64}
CLEAN = {"name": "clean", "kind": "village", "seed": 1, "count": 64}
TRUE = {"name": "with labels", "kind": "village", "seed": 5, "count": 64}


def spec(folder: Path, generators, **more):
    data = {
        "name": "n", "store": str(folder / "store"), "folder": str(HERE), "real": REAL_VILLAGE, "generators": generators,
        "parser": {"kind": "unet", "weights": "builtin:village"}, "sample": {"count": 64},
    }  # fmt: skip
    return specs.parse({**data, **more})


def small(side: int):
    return {"name": f"small {side}", "kind": "tiny_models:Noise", "options": {"resolution": side}}


def test_resized_real_images_for_each_resolution_below_the_parser_s():
    result = resized_real([64, 32, None, 16, 32, 128], (64, 64))
    assert result == [SourceRole(RESIZED_REAL, resized_through=32), SourceRole(RESIZED_REAL, resized_through=16)]
    assert resized_real([32], None) == []


def test_roles_and_names_of_a_plan(tmp_path):
    planned = plan(spec(tmp_path, [small(32), CLEAN, small(16)], truth=TRUE))
    assert [(source.role, source.name) for source in planned.sources] == [
        (REAL, "village"), (GENERATED, "small 32"), (GENERATED, "clean"), (GENERATED, "small 16"), (TRUTH, "with labels"),
        (RESIZED_REAL, "village at 32 px"), (RESIZED_REAL, "village at 16 px"),
    ]  # fmt: skip
    assert len({source.key for source in planned.sources}) == 7
    assert {source.count for source in planned.sources} == {64}


def test_resized_real_has_4096_images_at_most(tmp_path):
    planned = plan(spec(tmp_path, [small(32)], real={**REAL_VILLAGE, "count": 5000}))
    assert planned.sources[-1].count == RESIZED_REAL_IMAGES == 4096


def test_a_folder_is_as_large_as_its_first_image(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(3):
        pillow.new("RGB", (24, 20)).save(tmp_path / "photos" / f"{number}.png")
    planned = plan(spec(tmp_path, [{"name": "f", "kind": "folder", "path": str(tmp_path / "photos"), "count": 3}]))
    assert planned.sources[-1].name == "village at 20 px"


def test_keys_of_real_and_generated_images_do_not_depend_on_truth_and_resized_images(tmp_path):
    alone, beside = plan(spec(tmp_path, [CLEAN])), plan(spec(tmp_path, [CLEAN, small(32)], truth=TRUE))
    assert [source.key for source in alone.sources] == [source.key for source in beside.sources[:2]]


def test_a_resized_image_is_the_real_image_made_small_and_large_again(tmp_path):
    planned = plan(spec(tmp_path, [small(32)]))
    task = block_of(planned, planned.sources[-1], 0, 3)
    batch = blocks.opened(task)[1].read(range(4))
    for index in range(4):
        pixels = VillageDataset(0).image(index).pixels
        expected = images.resize(images.resize(pixels, (32, 32)), (64, 64))
        assert (batch.pixels[index].numpy() == expected).all() and (resize_through(pixels, 32) == expected).all()


def test_an_oblong_image_keeps_its_shape_on_the_way():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    assert resize_through(pixels, 20).shape == (40, 60, 3)
    assert (resize_through(pixels, 40) == pixels).all()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    asked = spec(tmp_path_factory.mktemp("done"), [CLEAN, small(32)], truth=TRUE)
    return ganaudit.audit(asked), plan(asked)


def test_confusions_are_those_of_a_loop_over_pixels(done):
    result, planned = done
    truth = next(source for source in planned.sources if source.role == TRUTH)
    store = Store(result.store)
    rows = store.read(PARSER_CONFUSION, store.shard("parser_confusion", truth.key, *truth.blocks[0])).to_pandas()
    assert rows.groupby("image")["pixels"].sum().tolist() == [4096] * (truth.blocks[0][1] + 1)
    parser, _ = blocks.opened(block_of(planned, truth, 0, 63))
    scenes = [VillageDataset(5).image(index) for index in range(64)]
    maps = parser.parser.parse(images.to_unit(np.stack([scene.pixels for scene in scenes]))).maps.numpy()
    for index in (0, 17, 63):
        pairs: dict[tuple[int, int], int] = {}
        for pair in zip(scenes[index].labels.ravel().tolist(), maps[index].ravel().tolist(), strict=True):
            pairs[pair] = pairs.get(pair, 0) + 1
        said = rows[rows["image"] == index]
        assert dict(zip(zip(said["true_class"], said["class_id"], strict=True), said["pixels"], strict=True)) == pairs


def test_floors_and_the_parser_s_worth_are_found(done):
    result, _ = done
    floors = result.table("fsd").set_index("generator")["resolution_floor"]
    assert floors["clean"] == 0 and floors["small 32"] > 0
    worth = result.table("parser_classes").set_index("class")
    assert (worth["images"] == 64).all() and worth.loc["sky", "sensitivity"] == 1 and worth.loc["sky", "iou"] > 0.9
    corrected = result.table("parser_corrected")
    assert set(corrected["generator"]) == {"clean", "small 32"}
    sky = corrected[(corrected["class"] == "sky") & (corrected["generator"] == "clean")].set_index("measure")["ratio"]
    assert sky["presence"] == pytest.approx(1, abs=0.05) and sky["area"] == pytest.approx(1, abs=0.1)


def test_masks_measure_no_parser_and_say_so(tmp_path):
    masks = {"kind": "masks", "path": str(tmp_path)}
    asked = specs.parse({
        "name": "n", "parser": {"kind": "masks", "classes": ["a"]}, "real": {"name": "r", **masks},
        "generators": [{"name": "g", **masks}], "truth": {"name": "t", **masks},
    })  # fmt: skip
    said = not_measured(asked)
    assert said is not None and "'t' is not used" in said


def test_a_village_s_labels_are_no_truth_for_a_parser_of_other_classes(tmp_path):
    with pytest.raises(RequestError, match="classes of the village"):
        plan(spec(tmp_path, [CLEAN], parser={"kind": "tiny_models:Brightness"}, truth=TRUE))


@pytest.mark.parametrize(("photo", "how"), [((40, 60), "crop"), ((60, 40), "crop"), ((40, 60), "stretch"), ((32, 32), "crop")])
def test_true_labels_go_where_the_photo_goes(photo, how):
    labels = np.zeros(photo, np.int32)
    labels[photo[0] // 2 :, :] = 1
    labels[:, photo[1] // 2 :] += 2
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [255, 255, 0]], np.uint8)
    seen = images.resize(colours[labels], (32, 32), how)
    assert np.abs(colours[fitted(labels, photo, (32, 32), how)].astype(int) - seen).mean() < 8
