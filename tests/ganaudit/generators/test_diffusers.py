"""Kind `diffusers`: images of tiny pipelines are those of a loop written out, or of the pipeline asked for one image alone."""

from __future__ import annotations

import json
import shutil
import sys
import threading

import diffusers
import numpy as np
import pytest
import tiny_pipelines
import torch

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.generators.shapes import read_shape
from ganaudit.kinds import find
from ganaudit.kinds.content import normal
from ganaudit.random import bits, uniforms

PROMPTS = ["a dog", "the old mill by the sea", "x"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pipelines")
    return {name: getattr(tiny_pipelines, name)(root / name) for name in ("unconditional", "classes", "prompts", "flow")}


def options(folder, kind="diffusers", **said):
    return find("generators", kind).options.model_validate({"name": "g", "kind": kind, "weights": str(folder), **said})


def opened(folder, **said):
    return open_generator(options(folder, **said), Context())


def read(folder, context=None, kind="diffusers", **said):
    """What its kind opens, not tried for threads and batches."""
    return normal(find("generators", kind), options(folder, kind, **said), context or Context())


def images(found, *indices):
    generator = getattr(found, "generator", None) or found.model
    return generator.run(generator.latents(1, torch.tensor(indices)))["image"]


def streams(*indices):
    """The random stream of each image."""
    seeds = bits(1, "pipeline noise", indices, 1)[:, 0] >> np.uint64(1)
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


@torch.no_grad()
def test_an_unconditional_pipeline_is_the_loop_of_its_papers_formula(folders):
    found = opened(folders["unconditional"], steps=5)
    unet = diffusers.UNet2DModel.from_pretrained(folders["unconditional"] / "unet")
    kept = np.cumprod(1.0 - np.linspace(1e-4, 0.02, 100))  # alpha bar; DDIM (Song et al., ICLR 2021), eta 0
    times = [80, 60, 40, 20, 0]
    for place, index in enumerate((7, 2)):
        x = torch.randn(1, 3, 8, 8, generator=streams(index)[0])
        for time in times:
            before = kept[time - 20] if time >= 20 else 1.0
            noise = unet(x, time).sample
            clean = ((x - np.sqrt(1 - kept[time]) * noise) / np.sqrt(kept[time])).clamp(-1, 1)
            x = np.sqrt(before) * clean + np.sqrt(1 - before) * noise
        assert torch.allclose(images(found, 7, 2)[place], x[0].clamp(-1, 1).float(), atol=1e-4)
    assert found.generator.resolution == (8, 8)
    assert "DDIMPipeline: 8×8 pixels, DDIMScheduler, steps: 5" in found.notes[0]


@torch.no_grad()
@pytest.mark.parametrize("scheduler", ["DDPMScheduler", "LCMScheduler"])
def test_a_scheduler_that_draws_noise_draws_each_image_s_own(folders, scheduler):
    found = opened(folders["prompts"], prompts=PROMPTS, steps=2, scheduler=scheduler)
    both = images(found, 4, 5)
    assert torch.allclose(images(found, 5)[0], both[1], atol=1e-5) and not torch.allclose(both[0], both[1], atol=1e-2)


def test_a_class_follows_from_the_index(folders):
    found = read(folders["classes"], steps=2)
    labels = [int(1000 * u) for u in uniforms(1, "class", [3, 8], 1)[:, 0]]
    official = diffusers.DiTPipeline.from_pretrained(folders["classes"])
    official.set_progress_bar_config(disable=True)
    for place, index in enumerate((3, 8)):
        made = official([labels[place]], generator=streams(index)[0], num_inference_steps=2, output_type="np").images[0]
        assert np.allclose(images(found, 3, 8)[place].permute(1, 2, 0).numpy(), made * 2 - 1, atol=1e-4)
    few, one = read(folders["classes"], steps=2, classes=3), read(folders["classes"], steps=2, label=7)
    assert few.model.latents(1, torch.arange(60))["label"].unique().tolist() == [0, 1, 2]
    assert one.model.latents(1, torch.arange(3))["label"].tolist() == [7, 7, 7]
    recipes = [read(folders["classes"], steps=2).recipe, few.recipe, one.recipe]
    assert len({str(recipe) for recipe in recipes}) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("prompts", {"steps": 2, "guidance": 3.0}), ("prompts", {"steps": 1, "guidance": 0.0}),
        ("prompts", {"steps": 2, "size": [16, 24], "arguments": {"negative_prompt": "fog"}}), ("flow", {"steps": 2}),
    ],
)  # fmt: skip
def test_image_i_is_of_prompt_i_as_the_pipeline_makes_it_alone(folders, name, said):
    found = read(folders[name], prompts=PROMPTS, **said)
    without = {"text_encoder_3": None, "tokenizer_3": None} if name == "flow" else {}
    official = diffusers.DiffusionPipeline.from_pretrained(folders[name], **without)
    official.set_progress_bar_config(disable=True)
    call = {"num_inference_steps": said["steps"], "output_type": "np"} | said.get("arguments", {})
    call |= {"guidance_scale": said["guidance"]} if "guidance" in said else {}
    call |= {"height": 16, "width": 24} if "size" in said else {}
    made = images(found, 1, 5)
    for place, index in enumerate((1, 5)):
        alone = official(PROMPTS[index % 3], generator=streams(index)[0], **call).images[0]
        assert np.allclose(made[place].permute(1, 2, 0).numpy(), alone * 2 - 1, atol=1e-3)
    assert found.model.clusters(1, torch.tensor([1, 5, 3])) == [PROMPTS[1], PROMPTS[2], PROMPTS[0]]
    assert found.model.resolution == ((16, 24) if "size" in said else (16, 16))


def test_threads_share_networks_and_nothing_that_changes(folders):
    made, seen = read(folders["prompts"], prompts=PROMPTS, steps=1).model, []
    threads = [threading.Thread(target=lambda: seen.append(made._alone())) for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()
    for part, shared in (("unet", True), ("text_encoder", True), ("tokenizer", False), ("scheduler", False)):
        assert (getattr(seen[0], part) is getattr(seen[1], part)) == shared


def test_what_decides_its_images_is_in_the_key_and_what_does_not_is_not(folders, tmp_path):
    folder = folders["prompts"]
    (tmp_path / "lines.txt").write_text("\n".join(["", *PROMPTS, ""]))
    context = Context(tmp_path)
    base = read(folder, context, prompts=PROMPTS, steps=2)
    assert read(folder, context, prompts="lines.txt", steps=2).recipe == {**base.recipe, "options": {"steps": 2}}
    said = [
        {"prompts": PROMPTS[:2]}, {"steps": 3}, {"guidance": 2.0}, {"scheduler": "DDIMScheduler"}, {"arguments": {"eta": 0.5}},
        {"scheduler_options": {"timestep_spacing": "trailing"}}, {"size": 24}, {"precision": "bfloat16"},
    ]  # fmt: skip
    recipes = [read(folder, context, **{"prompts": PROMPTS, "steps": 2} | each).recipe for each in said]
    assert len({json.dumps(recipe, sort_keys=True) for recipe in [base.recipe, *recipes]}) == 1 + len(said)
    assert base.recipe["call"]["guidance_scale"] == 7.5  # a default of today's, which may be another one tomorrow
    copied = shutil.copytree(folder, tmp_path / "copied")
    (copied / "README.md").write_text("a new line")
    assert read(copied, context, prompts=PROMPTS, steps=2).recipe == base.recipe
    (tmp_path / "lines.txt").write_text("another prompt")
    assert read(folder, context, prompts="lines.txt", steps=2).recipe != base.recipe
    config = copied / "unet" / "config.json"
    config.write_text(config.read_text().replace('"sample_size": 8', '"sample_size": 12'))
    assert read(copied, context, prompts=PROMPTS, steps=2).recipe["weights"] != base.recipe["weights"]
    with pytest.raises(RequestError, match="SHA-256"):
        read(folder, context, prompts=PROMPTS, steps=2, sha256="0" * 64)


def test_auto_finds_it_and_it_is_not_inverted(folders):
    found = read(folders["unconditional"], kind="auto")
    assert found.recipe == read(folders["unconditional"]).recipe and found.notes[0].endswith("is of kind 'diffusers'")
    with pytest.raises(RequestError, match="a diffusers pipeline is sampled in steps"):
        read_shape(found.model)


def test_a_snapshot_is_taken_from_what_was_downloaded(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    name = f"hf://somebody/tiny@{'a' * 40}"
    with pytest.raises(
        RequestError, match=r"is not on this machine.*downloads nothing; hf download somebody/tiny --revision a"
    ):
        read(name)
    shutil.copytree(folders["unconditional"], tmp_path / "models--somebody--tiny" / "snapshots" / ("a" * 40))
    assert read(name, steps=2).recipe == read(folders["unconditional"], steps=2).recipe
    for wrong in ("hf://somebody/tiny", "hf://somebody/tiny@main", "hf://../../etc@" + "a" * 40):
        with pytest.raises(RequestError, match="hf://OWNER/NAME@REVISION"):
            read(wrong)


def changed(folders, tmp_path, **index):
    folder = shutil.copytree(folders["unconditional"], tmp_path / "changed", dirs_exist_ok=True)
    said = json.loads((folder / "model_index.json").read_text()) | index
    (folder / "model_index.json").write_text(json.dumps(said))
    return folder


EVIL = "import pathlib; pathlib.Path(__file__).with_name('ran').touch()\nclass UNet2DModel: ...\n"


@pytest.mark.parametrize(
    "index",
    [
        {"_class_name": ["pipeline", "Mine"]}, {"unet": ["evil", "UNet2DModel"]}, {"unet": ["os", "system"]},
        {"more": ["evil", "X"]}, {"unet": ["transformers", "AutoModel"]}, {"unet": ["diffusers", "UNet2DModel"]},
    ],
)  # fmt: skip
def test_code_in_the_folder_is_never_run(folders, tmp_path, monkeypatch, index):
    folder = changed(folders, tmp_path, **index)
    monkeypatch.chdir(folder)
    for place in (folder / "evil.py", folder / "pipeline.py", folder / "unet" / "diffusers.py", folder / "unet" / "evil.py"):
        if index != {"unet": ["transformers", "AutoModel"]} or place.parent == folder:
            place.write_text(EVIL)
    with pytest.raises(RequestError, match="brings code of its own, which is not run: "):
        read(folder)
    assert not list(folder.rglob("ran"))


def test_without_its_packages_what_to_install_is_told(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.delitem(sys.modules, "ganaudit.generators.networks.pipeline", raising=False)
    with pytest.raises(RequestError, match=r"pip install 'ganaudit\[diffusers\]'"):
        read(folders["unconditional"])


def test_what_is_no_pipeline_is_told(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(RequestError, match=r"empty is no diffusers pipeline.*model_index\.json"):
        read(tmp_path / "empty")
    for text in ("[]", "{", '{"unet": [1, 2, 3], "_class_name": "X"}', "{}"):
        (tmp_path / "empty" / "model_index.json").write_text(text)
        with pytest.raises(RequestError, match=r"model_index\.json does not say of which pipeline it is"):
            read(tmp_path / "empty")
    with pytest.raises(RequestError, match="its pipeline 'Pipelin' is none of diffusers"):
        read(changed(folders, tmp_path, _class_name="Pipelin"))
    folder = changed(folders, tmp_path, _class_name="DDIMPipeline")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(RequestError, match="changed cannot be loaded and run: "):
        read(folder)
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(RequestError, match=r"unet holds its weights as diffusion_pytorch_model\.bin, and safetensors alone"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("prompts", {}, "makes images of prompts; say them"), ("unconditional", {"prompts": ["x"]}, "takes no prompts"),
        ("unconditional", {"label": 1}, "has no classes"), ("classes", {"label": 1000}, "label is 1000, and it has 1000 cl"),
        ("unconditional", {"guidance": 2.0}, "takes no 'guidance_scale'; there are: "),
        ("unconditional", {"arguments": {"etta": 1.0}}, "takes no 'etta'; did you mean 'eta'"),
        ("unconditional", {"arguments": {"output_type": "pil"}}, "takes no 'output_type'"),
        ("unconditional", {"scheduler": "DDIMSchedular"}, "no scheduler 'DDIMSchedular'; did you mean 'DDIMScheduler'"),
        ("unconditional", {"scheduler": "UNet2DModel"}, "no scheduler 'UNet2DModel'"),
        ("prompts", {"prompts": "none.txt"}, r"prompts .*none\.txt do not exist; .*or write a list"),
    ],
)  # fmt: skip
def test_options_that_it_does_not_take_are_told(folders, name, said, words):
    with pytest.raises(RequestError, match=words):
        read(folders[name], **said)
