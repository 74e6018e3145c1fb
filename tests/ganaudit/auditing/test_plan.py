"""Keys follow content, never names, paths or times; blocks are always whole; a folder that is too small is an error."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as pillow
from safetensors.torch import load_file, save_file

from ganaudit import devices
from ganaudit import spec as specs
from ganaudit.auditing.plan import blocks, plan, run_name
from ganaudit.errors import RequestError
from ganaudit.generators.networks import dcgan
from ganaudit.records.store import BLOCK, Store
from ganaudit.studies.census.blocks import missing

HERE = Path(__file__).parents[1]


def photos(folder: Path, count: int, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        pillow.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def home(tmp_path):
    """A folder with everything an audit file may name: models, weights, photos, label maps."""
    home = tmp_path / "home"
    photos(home / "photos", 6)
    shutil.copy(HERE / "tiny_models.py", home / "tiny_models.py")
    torch.manual_seed(0)
    save_file(dcgan.dcgan(4, 8, (4,)).state_dict(), home / "g.safetensors")
    return home


GENERATORS = {
    "noise": {"kind": "tiny_models:Noise"},
    "weights": {"kind": "dcgan", "weights": "g.safetensors"},
    "village": {"kind": "village"},
    "folder": {"kind": "folder", "path": "photos"},
}


def spec(home, generators=None, **parts):
    chosen = GENERATORS if generators is None else generators
    named = [{"name": name, **generator} for name, generator in chosen.items()]
    data = {"name": "n", "folder": str(home), "store": "store", "parser": {"kind": "tiny_models:Brightness"},
            "real": {"name": "real", "kind": "folder", "path": "photos"}, "generators": named,
            "sample": {"count": 4}}  # fmt: skip
    return specs.parse(data | parts)


def keys(home, generators=None, **parts) -> dict[str, str]:
    return {source.name: source.key for source in plan(spec(home, generators, **parts)).sources}


# what leaves a key as it is


def test_renaming_an_audit_a_source_and_the_store_keeps_every_key(home):
    before = keys(home)
    renamed = {f"another {name} / ü": generator for name, generator in GENERATORS.items()}
    after = keys(home, renamed, name="other", store="elsewhere", real={"name": "r", "kind": "folder", "path": "photos"})
    assert list(after.values()) == list(before.values())


def test_moving_everything_to_another_folder_keeps_every_key(home, tmp_path):
    before = keys(home)
    moved = tmp_path / "a" / "b c"
    shutil.copytree(home, moved)
    os.utime(moved / "photos" / "000.png", (0, 0))
    (moved / "g.safetensors").rename(moved / "other name.safetensors")
    (moved / "photos").rename(moved / "bilder")
    generators = {**GENERATORS, "weights": {"kind": "dcgan", "weights": "other name.safetensors"},
                  "folder": {"kind": "folder", "path": str(moved / "bilder")}}  # fmt: skip
    assert keys(moved, generators, real={"name": "real", "kind": "folder", "path": "bilder"}) == before


def test_other_sources_their_order_and_counts_do_not_enter_a_key(home):
    before = keys(home)
    turned = {name: GENERATORS[name] for name in reversed(GENERATORS)}
    assert keys(home, turned, sample={"count": 3}) == before
    assert keys(home, {"noise": {**GENERATORS["noise"], "count": 3}})["noise"] == before["noise"]


def test_batch_workers_device_and_lines_for_findings_do_not_enter_a_key(home):
    parts = {"sample": {"count": 4, "batch": 32}, "run": {"workers": 3, "device": "cpu"}, "decide": {"presence": 5}}
    assert keys(home, **parts) == keys(home)


def test_two_sources_of_one_content_have_one_key_and_are_planned_once(home):
    planned = plan(spec(home, {"a": GENERATORS["noise"], "b": {**GENERATORS["noise"], "count": 2000}}))
    assert planned.sources[1].key == planned.sources[2].key
    todo = missing(planned, Store(home / "store"))
    assert [(task.first, task.last) for task in todo if task.key == planned.sources[1].key] == [(0, 1023), (1024, 2047)]
    assert planned.blocks == len(todo) == 3


# what changes it


@pytest.mark.parametrize("name, change", [
    ("noise", {"options": {"light": 0.5}}), ("noise", {"resize": 4}), ("noise", {"resize": [8, 8], "how": "stretch"}),
    ("village", {"seed": 5}), ("village", {"prevalence": {"person": 0.15}}),
    ("folder", {"seed": 5}), ("folder", {"resize": 4}), ("folder", {"how": "stretch"}),
])  # fmt: skip
def test_what_decides_the_images_of_a_source_changes_its_key(home, name, change):
    changed = {**GENERATORS, name: {**GENERATORS[name], **change}}
    before, after = keys(home), keys(home, changed)
    assert {other for other in before if before[other] != after[other]} == {name}


def test_the_sample_seed_changes_the_key_of_what_is_sampled_alone(home):
    before, after = keys(home), keys(home, sample={"count": 4, "seed": 2})
    assert {name for name in before if before[name] != after[name]} == {"noise", "weights", "village"}


def test_a_prevalence_that_is_said_and_is_the_default_changes_nothing(home):
    said = {**GENERATORS, "village": {"kind": "village", "prevalence": {"person": 0.30}, "seed": 1}}
    assert keys(home, said) == keys(home)


def test_one_changed_weight_changes_the_key(home):
    before = keys(home)
    state = load_file(home / "g.safetensors")
    state["output.convolution.bias"][0] += 1e-6
    save_file(state, home / "g.safetensors")
    assert {name for name, key in keys(home).items() if key != before[name]} == {"weights"}


def test_changed_source_of_a_factory_changes_the_keys_of_what_it_makes(home):
    before = keys(home, parser={"kind": "unet", "weights": "builtin:village"})
    with (home / "tiny_models.py").open("a") as file:
        file.write("\n# changed\n")
    after = keys(home, parser={"kind": "unet", "weights": "builtin:village"})
    assert {name for name in before if before[name] != after[name]} == {"noise"}


def test_a_changed_file_of_the_factory_of_real_images_changes_their_key(home):
    real = {"name": "real", "kind": "own:Ramp", "options": {"images": 5}}
    (home / "own.py").write_text("from tiny_models import Ramp\n")
    before = keys(home, real=real)
    (home / "own.py").write_text("from tiny_models import Ramp  # changed\n")
    after = keys(home, real=real)
    assert {name for name in before if before[name] != after[name]} == {"real"}


def test_weights_of_the_factory_of_real_images_reach_it_and_its_key(home):
    (home / "own.py").write_text(
        "from tiny_models import Ramp\ndef make(weights):\n    return Ramp(len(open(weights, 'rb').read()) + 2)\n"
    )
    result = set()
    for content in (b"abc", b"abcd"):
        (home / "w").write_bytes(content)
        planned = plan(spec(home, real={"name": "real", "kind": "own:make", "weights": "w"}))
        assert planned.sources[0].count == len(content) + 2
        result.add(planned.sources[0].key)
    assert len(result) == 2
    with pytest.raises(RequestError, match="SHA-256"):
        plan(spec(home, real={"name": "real", "kind": "own:make", "weights": "w", "sha256": "0" * 64}))


@pytest.mark.parametrize("how", ["one pixel", "one more", "one less", "another name"])
def test_a_changed_folder_changes_its_key(home, how):
    before = keys(home)
    file = home / "photos" / "003.png"
    if how == "one pixel":
        pixels = np.asarray(pillow.open(file)).copy()
        pixels[0, 0, 0] ^= 1
        pillow.fromarray(pixels).save(file)
    elif how == "one more":
        photos(home / "photos" / "deeper", 1, seed=9)
    elif how == "one less":
        file.unlink()
    else:
        file.rename(home / "photos" / "zzz.png")
    assert {name for name, key in keys(home).items() if key != before[name]} == {"real", "folder"}


def test_another_parser_or_its_precision_changes_every_key(home):
    def village(**run):
        return keys(home, parser={"kind": "unet", "weights": "builtin:village"}, run=run)

    fault = {"kind": "tiny_models:Brightness", "options": {"fault": "x"}}
    lower, full = village(precision="bfloat16"), village(precision="float32")
    found = [keys(home), keys(home, parser=fault), lower, full]
    for name in found[0]:
        assert len({result[name] for result in found}) == 4
    assert village(precision=devices.precision("auto", "cpu"), device="cpu") == village()


def test_label_maps_made_elsewhere_are_keyed_by_their_classes_alone(tmp_path):
    photos(tmp_path / "photos", 3)
    for file in list((tmp_path / "photos").iterdir()):
        pillow.fromarray(np.ones((4, 4), np.uint8)).save(file.with_suffix(".labels.png"))
    masks = {"kind": "masks", "path": "photos"}

    def found(classes):
        parts = {"parser": {"kind": "masks", "classes": classes}, "real": {"name": "real", **masks}, "sample": {"count": 2}}
        return keys(tmp_path, {"g": {**masks, "seed": 1}}, **parts)

    assert found(["a", "b"]) == found({1: "a", 2: "b"})
    assert found(["a", "b"])["g"] != found(["a", "B"])["g"]


def test_with_masks_as_parser_every_source_is_of_masks(home):
    with pytest.raises(RequestError, match="source 'real' is of kind 'folder'; with parser kind 'masks' every source"):
        plan(spec(home, parser={"kind": "masks", "classes": ["a"]}))


# blocks and counts


@given(st.integers(1, 10_000), st.none() | st.integers(1, 10_000))
def test_blocks_are_whole_in_order_and_hold_the_images_that_are_asked_for(count, length):
    if length is not None:
        count = min(count, length)
    result = blocks(count, length)
    assert [first for first, _ in result] == list(range(0, count, BLOCK))
    assert all(last == (first + BLOCK - 1 if length is None else min(first + BLOCK, length) - 1) for first, last in result)
    assert result[-1][0] < count <= result[-1][1] + 1


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000))
def test_a_run_of_fewer_images_leaves_no_block_that_a_larger_one_cannot_use(a, b, length):
    for total in (None, length):
        few, many = sorted(min(n, total or n) for n in (a, b))
        assert set(blocks(few, total)) <= set(blocks(many, total))


@pytest.mark.parametrize("source, sample, expected", [
    ({"kind": "folder", "path": "photos"}, {}, 6), ({"kind": "folder", "path": "photos"}, {"count": 4}, 4),
    ({"kind": "folder", "path": "photos", "count": 2}, {"count": 4}, 2), ({"kind": "village"}, {}, 4000),
    ({"kind": "village"}, {"count": 7}, 7), ({"kind": "village", "count": 3}, {"count": 7}, 3),
    ({"kind": "tiny_models:Noise"}, {"count": 7}, 7),
])  # fmt: skip
def test_a_count_is_the_source_s_own_or_the_sample_s_or_all_there_is(home, source, sample, expected):
    planned = plan(spec(home, {"g": source}, sample=sample))
    assert planned.sources[1].count == expected
    assert planned.sources[0].count == 6  # real images: all there are


@pytest.mark.parametrize("place", ["real", "generator"])
def test_a_folder_with_fewer_images_than_asked_for_is_an_error_that_says_so(home, place):
    asked = {"kind": "folder", "path": "photos", "count": 7}
    parts = {"real": {"name": "real", **asked}} if place == "real" else {}
    name = place if place == "real" else "g"
    with pytest.raises(RequestError, match=f"source '{name}' has 6 images and 7 are asked for; set its count to 6 or less"):
        plan(spec(home, {"g": asked} if place == "generator" else None, **parts))


def test_missing_blocks_take_turns_between_sources_and_done_ones_are_left_out(home):
    planned = plan(spec(home, {"a": {**GENERATORS["noise"], "count": 3000}, "b": {"kind": "village", "count": 2000}}))
    store = Store(home / "store").open_for_writing()
    names = [(task.source.name, task.first) for task in missing(planned, store)]
    assert names == [("real", 0), ("a", 0), ("b", 0), ("a", 1024), ("b", 1024), ("a", 2048)]
    assert sum(task.images for task in missing(planned, store)) == 6 + 5 * 1024
    folder = store.shard("images", planned.sources[1].key, 0, 1023)
    folder.parent.mkdir(parents=True)
    folder.touch()
    assert {(task.source.name, task.first) for task in missing(planned, store)} == set(names) - {("a", 0)}


def test_tasks_are_small_and_can_be_sent_to_another_process(home):
    import pickle

    for task in missing(plan(spec(home)), Store(home / "store")):
        sent = pickle.dumps(task)
        assert len(sent) < 10_000 and pickle.loads(sent) == task


@pytest.mark.parametrize("name, slug", [
    ("Village nightly!", "village-nightly"), ("größe/Élan", "groe-elan"), ("漢字", "audit"), ("../..", "audit"),
    ("a" * 99, "a" * 40),
])  # fmt: skip
def test_a_run_s_name_can_stand_in_any_path_and_query(name, slug):
    result = run_name(name, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert re.fullmatch(rf"{re.escape(slug)}-20260102-030405-[0-9a-f]{{4}}", result)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", result) and len(result) < 70
    Store("x").finding(result, "fsd")


def test_two_factories_in_one_file_are_two_generators_two_parsers_and_two_datasets(home):
    again = "\nclass {0}Again({0}): pass\n"
    with (home / "tiny_models.py").open("a") as file:
        file.write("".join(again.format(name) for name in ("Noise", "Brightness", "Ramp")))
    ramp = {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 20}}
    noise = {"noise": {"kind": "tiny_models:Noise"}}
    result = keys(home, noise, real=ramp)
    assert keys(home, {"noise": {"kind": "tiny_models:NoiseAgain"}}, real=ramp)["noise"] != result["noise"]
    assert keys(home, noise, real={**ramp, "kind": "tiny_models:RampAgain"})["real"] != result["real"]
    other = keys(home, noise, parser={"kind": "tiny_models:BrightnessAgain"}, real=ramp)
    assert all(other[name] != key for name, key in result.items())


def test_a_group_of_an_unknown_class_is_told_before_anything_is_parsed(home):
    named = [info.name for info in plan(spec(home)).classes if info.id != 0]
    assert plan(spec(home, groups={"some": named[:2]})).spec.groups
    with pytest.raises(RequestError, match=r"groups\.some: the parser has no class 'dog'; it has ") as caught:
        plan(spec(home, groups={"some": [named[0], "dog"]}))
    assert "void" not in str(caught.value)
    with pytest.raises(RequestError, match="no class 'void'"):
        plan(spec(home, groups={"some": ["void"]}))


def test_what_is_accepted_is_a_class_or_a_group(home):
    named = [info.name for info in plan(spec(home)).classes if info.id != 0]
    assert plan(spec(home, groups={"some": named[:2]}, accept={"noise": ["some", named[-1]]})).spec.accept
    with pytest.raises(RequestError, match=rf"accept\.noise: there is no class or group 'dog'; there are .*{named[0]}"):
        plan(spec(home, accept={"noise": [named[0], "dog"]}))


def test_a_layer_to_invert_at_that_a_generator_lacks_is_told_before_anything_is_parsed(home):
    real = {"name": "real", "kind": "folder", "path": "photos", "heldout": 2}
    for layer, wrong in (("auto", False), ("layer2", False), ("layer9", True)):
        asked = spec(home, real=real, invert={"layer": layer})
        if wrong:
            with pytest.raises(RequestError, match=r"invert\.layer: 'weights': layer 'layer9' does not exist; .* layer1"):
                plan(asked)
        else:
            plan(asked)


@pytest.mark.parametrize(
    "condition", ["label = 'dusk'", "image % 2 = 0 AND name LIKE 'a/%'", "label = 'dusk' -- when the sun is low"]
)
def test_a_slice_s_condition_is_tried_without_an_image(home, condition):
    assert plan(spec(home, slices={"part": condition, "one side": {"real": condition}})).spec.slices


@pytest.mark.parametrize("condition", ["lable = 'dusk'", "image +", "1 = 1); DROP TABLE x; --"])
def test_a_slice_that_cannot_be_asked_is_told_before_anything_is_parsed(home, condition):
    with pytest.raises(RequestError, match=r"slices\.part: .* is no condition on the columns of images: ") as caught:
        plan(spec(home, slices={"part": {"generated": condition}}))
    assert len(str(caught.value).splitlines()) == 1
    assert not (home / "store").exists()
