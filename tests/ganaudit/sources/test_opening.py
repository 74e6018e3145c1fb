"""Reading batches: what cannot be used is set aside with its reason, beside it everything is as it is without it."""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as pillow

from ganaudit import images
from ganaudit import spec as specs
from ganaudit.datasets.masks import MasksDataset
from ganaudit.errors import AuditError, RequestError
from ganaudit.parsers.opening import open_parser
from ganaudit.sources.opening import open_source
from ganaudit.sources.roles import GENERATED, REAL, SourceRole
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

HERE = Path(__file__).parents[1]


def opened(folder: Path, source, generated=True, parser=None, store="/nonexistent"):
    village = {"name": "r", "kind": "village"}
    asked = {"name": "s", **source}
    data = {"name": "n", "folder": str(folder), "store": store, "parser": parser or {"kind": "tiny_models:Brightness"}}
    data |= {"real": village, "generators": [asked]} if generated else {"real": asked, "generators": [{**village, "name": "g"}]}
    if parser is None:
        data["folder"] = str(HERE)
    spec = specs.parse(data)
    chosen = spec.generators[0] if generated else spec.real
    role = SourceRole(GENERATED if generated else REAL)
    assert role.source(spec) is chosen
    context = spec.context("cpu", "float32")
    return open_source(role, chosen, open_parser(spec.parser, context), context)


def noise(**options):
    return opened(HERE, {"kind": "tiny_models:Noise", "options": options})


def test_a_generated_batch_is_its_images_rounded_to_8_bits(tmp_path):
    source = noise(light=0.1)
    batch = source.read([3, 1, 4])
    generator = source._opened.generator
    state = generator.latents(1, torch.tensor([3, 1, 4]))
    expected = np.rint((generator.run(state)["image"].double().numpy() + 1) * 127.5).transpose(0, 2, 3, 1)
    assert batch.pixels.dtype == torch.uint8
    assert np.abs(batch.pixels.numpy() - expected).max() <= 1
    assert (batch.pixels.numpy() == expected).mean() > 0.999
    assert list(batch.names) == ["sample 3", "sample 1", "sample 4"] and set(batch.errors) == {None}
    assert list(batch.digests) == [images.digest(pixel) for pixel in batch.pixels.numpy()]


def test_a_generator_is_rounded_down_where_asked_and_has_a_key_of_its_own():
    built_in = {"name": "g", "kind": "dcgan", "weights": "builtin:village-wgan-gp"}
    plain, down = (opened(Path(), built_in | said) for said in ({}, {"rounding": "down"}))
    near, lower = plain.read([3, 4]).pixels.int(), down.read([3, 4]).pixels.int()
    assert set((near - lower).unique().tolist()) == {0, 1} and 0.2 < (near - lower).float().mean() < 0.8
    assert down.recipe == {**plain.recipe, "rounding": "down"}
    assert opened(Path(), built_in | {"rounding": "nearest"}).recipe == plain.recipe


def test_an_image_is_the_same_alone_and_in_any_batch():
    source, whole = noise(), noise().read(range(64))
    for index in (0, 9, 63):
        assert torch.equal(source.read([index]).pixels[0], whole.pixels[index])


def test_a_generator_may_name_clusters():
    assert set(noise().read(range(8)).clusters) == {None}
    prompted = opened(HERE, {"kind": "tiny_models:Prompted"})
    assert list(prompted.read([0, 3, 4, 7]).clusters) == ["prompt 0", "prompt 0", "prompt 1", None]
    with pytest.raises(AuditError, match=r"clusters\(\) gave no text or None for each of 2 images"):
        opened(HERE, {"kind": "tiny_models:Prompted", "options": {"fault": "too few"}}).read([0, 1])


FAULTS = {
    "nan": "values that are not finite", "infinite": "values that are not finite",
    "bytes": r"values from 0(\.\d+)? to 2\d\d; images are in \[-1, 1\]|values from .* to 2\d\d; images are in",
}  # fmt: skip


@pytest.mark.parametrize("fault", list(FAULTS))
def test_images_that_are_no_pictures_are_set_aside_and_their_neighbours_are_not_touched(fault):
    import re

    batch, good = noise(fault=fault, since=5).read(range(8)), noise().read(range(8))
    assert [error is None for error in batch.errors] == [True] * 5 + [False] * 3
    assert all(re.search(FAULTS[fault], error) for error in batch.errors[5:])
    assert torch.equal(batch.pixels[:5], good.pixels[:5]) and list(batch.digests[:5]) == list(good.digests[:5])
    assert list(batch.digests[5:]) == [None] * 3


def test_a_little_overshoot_is_clamped_and_not_set_aside():
    batch = noise(fault="overshoot").read(range(8))
    assert set(batch.errors) == {None}


def test_images_of_another_size_are_set_aside_saying_which():
    batch = noise(fault="size").read(range(4))
    assert set(batch.errors) == {"the generator gave 4×3×8×7 values for a batch of 4, not 4×3×8×8 as its resolution says"}
    assert tuple(batch.pixels.shape) == (4, 8, 8, 3)


def test_a_generator_that_raises_fails_the_audit_and_says_at_which_images():
    with pytest.raises(AuditError, match="raised ZeroDivisionError at images 64-127: the generator divides by zero"):
        noise(fault="raises", since=100).read(range(64, 128))


def test_generated_images_are_resized_to_what_the_parser_wants_as_a_folder_of_them_would_be():
    source = noise(resolution=16)
    batch = source.read([0, 1])
    assert tuple(batch.pixels.shape) == (2, 8, 8, 3)
    live = opened(HERE, {"kind": "tiny_models:Noise", "options": {"resolution": 16}, "resize": 16}).read([0, 1])
    for small, large in zip(batch.pixels.numpy(), live.pixels.numpy(), strict=True):
        assert (small == images.resize(large, (8, 8))).all()


def test_a_folder_s_damaged_files_are_set_aside_in_their_places(tmp_path):
    for number in range(6):
        pillow.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"")
    (tmp_path / "4.png").write_bytes((tmp_path / "4.png").read_bytes()[:40])
    batch = opened(HERE, {"kind": "folder", "path": str(tmp_path)}).read(range(6))
    seen = dict(zip(batch.names, batch.errors, strict=True))
    assert sorted(seen) == [f"{number}.png" for number in range(6)]
    assert {name for name, error in seen.items() if error} == {"2.png", "4.png"}
    assert "empty (0 bytes)" in seen["2.png"] and "truncated" in seen["4.png"]
    for name, pixels in zip(batch.names, batch.pixels, strict=True):
        assert set(pixels.flatten().tolist()) == {0 if seen[name] else 40 * int(name[0])}


def test_the_village_is_read_as_it_is_rendered():
    source = opened(
        HERE, {"kind": "village", "seed": 4, "prevalence": {"sun": 1}}, parser={"kind": "unet", "weights": "builtin:village"}
    )
    assert torch.equal(source.read([7, 3]).pixels, torch.from_numpy(render(Prevalence(sun=1.0), 4, [7, 3])[0]))
    assert source.length is None and source.resolution == 64


def test_the_village_s_seed_is_0_for_the_real_side_and_the_sample_s_for_a_generator():
    parser = {"kind": "unet", "weights": "builtin:village"}
    real, generated = (opened(HERE, {"kind": "village"}, side, parser) for side in (False, True))
    assert torch.equal(real.read([0]).pixels, torch.from_numpy(render(Prevalence(), 0, [0])[0]))
    assert torch.equal(generated.read([0]).pixels, torch.from_numpy(render(Prevalence(), 1, [0])[0]))


def test_label_maps_are_read_beside_their_images_and_unknown_ids_set_aside(tmp_path):
    for number in range(4):
        pillow.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / f"{number}.png")
        pillow.fromarray(np.full((3, 4), number, np.uint8)).save(tmp_path / f"{number}.labels.png")
    (tmp_path / "1.labels.png").unlink()
    batch = opened(tmp_path, {"kind": "masks", "path": "."}, parser={"kind": "masks", "classes": ["a", "b"]}).read(range(4))
    seen = {name: (error, labels) for name, error, labels in zip(batch.names, batch.errors, batch.labels, strict=True)}
    assert seen["0.png"][0] is None and (seen["2.png"][1] == 2).all() and seen["2.png"][1].shape == (3, 4)
    assert "no label map" in seen["1.png"][0]
    assert "holds [3], no class ids of the parser" in seen["3.png"][0]


@pytest.mark.parametrize(("ids", "void", "advice"), [
    ([255, 1], None, "set void: 255"), ([65_535, 2], None, "set void: 65535"), ([254, 1], None, None),
    ([255, 9], None, None), ([255, 1], 3, None), ([255, 1], 0, None),
])  # fmt: skip
def test_void_is_suggested_where_it_is_the_only_unknown_id(tmp_path, ids, void, advice):
    for number in range(2):
        pillow.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / f"{number}.png")
        pillow.fromarray(np.array([ids], np.uint16)).save(tmp_path / f"{number}.labels.png")
    asked = {"kind": "masks", "path": ".", "void": void}
    batch = opened(tmp_path, asked, parser={"kind": "masks", "classes": ["a", "b"]}).read(range(2))
    assert all("no class ids of the parser" in error for error in batch.errors)
    assert all((advice or "void") in error for error in batch.errors) == (advice is not None)


def test_label_maps_that_a_batch_has_no_room_for_are_refused_before_work_begins(tmp_path):
    pillow.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / "0.png")
    pillow.new("L", (8_000, 8_000)).save(tmp_path / "0.labels.png")
    masks, parser = {"kind": "masks", "path": "."}, {"kind": "masks", "classes": ["a"]}
    with pytest.raises(RequestError, match=r"8,000 x 8,000 pixels .* size of label maps.* sample.batch to 32"):
        opened(tmp_path, masks, parser=parser)
    assert opened(tmp_path, {**masks, "size": [20, 30]}, parser=parser).read([0]).labels.shape == (1, 20, 30)


def test_images_that_a_batch_has_no_room_for_are_refused_before_work_begins(tmp_path):
    pillow.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / "0.png")
    folder = {"kind": "folder", "path": str(tmp_path)}
    with pytest.raises(RequestError, match=r"8,192 x 8,192 pixels .*resize.* sample.batch to 16"):
        opened(HERE, {**folder, "resize": 8192})
    assert opened(HERE, {**folder, "resize": 512}).read([0]).pixels.shape == (1, 512, 512, 3)


def test_what_is_set_aside_leaves_no_image_in_memory(tmp_path, monkeypatch):
    pillow.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / "0.png")
    pillow.fromarray(np.full((64, 64), 9, np.uint8)).save(tmp_path / "0.labels.png")
    source = opened(tmp_path, {"kind": "masks", "path": "."}, parser={"kind": "masks", "classes": ["a"]})
    made, plain = [], MasksDataset.image
    monkeypatch.setattr(MasksDataset, "image", lambda *which: (image := plain(*which), made.append(weakref.ref(image)))[0])
    read = [source._look.at(partial(source._dataset.image, 0))]  # and its reason is kept
    assert "holds [9]" in read[0]
    assert [reference() for reference in made] == [None]


def test_the_label_of_an_image_is_its_folder_and_stands_in_the_batch(tmp_path):
    for name in ("x", "dusk/y"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{name}.png")
    batch = opened(HERE, {"kind": "folder", "path": str(tmp_path)}).read(range(2))
    assert dict(zip(batch.names, batch.tags, strict=True)) == {"x.png": None, "dusk/y.png": "dusk"}


# a user's own collection


def test_a_collection_of_one_s_own_is_read_and_its_errors_set_aside():
    batch = opened(HERE, {"kind": "tiny_models:Ramp", "options": {"images": 5, "unreadable": 2}}, generated=False).read(
        range(5)
    )
    assert list(batch.errors) == ["image 0 is torn", "image 1 is torn", None, None, None]
    assert list(batch.names)[2:] == ["image 2", "image 3", "image 4"]


def test_a_collection_that_raises_anything_else_everywhere_is_refused_in_one_sentence():
    with pytest.raises(RequestError, match="the dataset raised KeyError at image 0: 'lost'"):
        opened(HERE, {"kind": "tiny_models:Ramp", "options": {"images": 5, "fault": "lost"}}, generated=False)


@pytest.mark.parametrize("kind", ["tiny_models:Brightness", "tiny_models:Noise"])
def test_what_is_no_collection_is_refused(kind):
    with pytest.raises(RequestError, match="a dataset has __len__, image\\(index\\) and recipe\\(\\)"):
        opened(HERE, {"kind": kind}, generated=False)


def test_a_recipe_that_cannot_enter_a_key_is_refused(tmp_path):
    (tmp_path / "own.py").write_text(
        "import ganaudit, numpy\nclass Own:\n    def __len__(self): return 3\n"
        "    def image(self, i): return ganaudit.Image(numpy.zeros((4, 4, 3), numpy.uint8), 'x')\n"
        "    def recipe(self): return {'x': {1, 2}}\n"
    )
    with pytest.raises(RequestError, match=r"own:Own: recipe\(\) .*JSON"):
        opened(tmp_path, {"kind": "own:Own"}, False, {"kind": "unet", "weights": "builtin:village"})
