"""Inverters trained and photos inverted from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from ganaudit.generators.networks.progan import progan
from ganaudit.inversion import presets
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a small generator of 16 pixels and two photos, one of them torn."""
    monkeypatch.chdir(tmp_path)
    save_file(progan(8, 12, ((12,), (8,))).state_dict(), "mine.safetensors", {"kind": "progan"})
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).save("photo.png")
    Path("torn.png").write_bytes(b"x")
    return tmp_path


def test_an_inverter_is_trained_and_photos_are_inverted_with_it(cli, place):
    made = cli("train", "inverter", "mine.safetensors", "--layer", "layer2", "--steps", "4")
    assert (made.code, made.out) == (0, "training-mine-layered/mine-layered.safetensors\n")
    card = json.loads(Path("training-mine-layered/mine-layered.card.json").read_text())
    assert card["command"] == "ganaudit train inverter mine.safetensors --method layered --layer layer2 --steps 4"
    assert (card["steps"], card["images"]) == (4, 128)
    asked = ("invert", "mine.safetensors", "photo.png", "torn.png", "--inverter", made.out.strip(), "--layer", "layer2")
    result = cli(*asked, "--steps", "4")
    assert result.code == 3  # one photo was set aside
    assert "own samples come back at" in result.out and "torn.png is not an image" in result.out
    told = json.loads(Path("inverted/inversions.json").read_text())
    assert [row["status"] for row in told["photos"]] == ["ok", "quarantined"] and told["objective"]["penalty"] > 0
    assert Image.open("inverted/photo.png.webp").size == (2 * 192 + 4, 192)
    asked = ("invert", "mine.safetensors", "photo.png", "--method", "latent", "--steps", "2", "--out", "z", "--json")
    result = cli(*asked)
    assert result.code == 0 and json.loads(result.out)["photos"][0]["layer"] == "z"


def test_a_folder_of_another_training_is_refused(cli, place):
    def train(**other):
        options = {"--layer": "layer2", "--steps": "2", "--seed": "1", **{f"--{name}": value for name, value in other.items()}}
        return cli("train", "inverter", "mine.safetensors", *(text for pair in options.items() for text in pair))

    assert train().code == 0
    for other in ({"seed": "2"}, {"steps": "3"}, {"layer": "layer1"}):
        said = train(**other)
        assert said.code == 2 and "holds another training" in said.err


def test_photos_are_inverted_by_a_references_settings(cli, place, monkeypatch):
    preset = presets.PRESETS["creswell-2018-bce"]
    monkeypatch.setitem(presets.PRESETS, "short", replace(preset, search=replace(preset.search, steps=3)))
    result = cli("invert", "mine.safetensors", "photo.png", "--preset", "short", "--json")
    told = json.loads(result.out)
    assert (result.code, told["method"], told["search"]["optimiser"], told["search"]["steps"]) == (0, "latent", "rmsprop", 3)
    assert (told["objective"]["pixel"], told["objective"]["prior"]) == ("bce", 0.01)


def test_a_shipped_inverter_is_found_and_a_bound_is_called_one(cli, place):
    Image.fromarray(render(Prevalence(), 5, [0])[0][0]).save("scene.png")
    asked = ("invert", "village-progan", "scene.png", "--steps", "2", "--penalty", "0.2")
    result = cli(*asked, "--parser", "builtin:village", "--class", "sky", "--json")
    assert result.code == 0
    row = json.loads(result.out)["photos"][0]
    assert row["evidence"] and row["free_per_pixel"] == 0.25 and row["classes"]["sky"]["recall"] > 0.5
    assert "upper bound" in cli(*asked, "--method", "feature").out
    assert "upper bound" in cli(*asked, "--layer", "layer3").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "inverter"], "Missing argument 'generator'"),
        (["train", "village", "village-progan"], "unexpected extra argument(s) (village-progan)"),
        (["train", "inverter", "nobody"], "nobody do not exist"),
        (["train", "inverter", "builtin:village"], "is of kind 'unet', which is none of the generators; it is among"),
        (["train", "inverter", "mine.safetensors", "--method", "latent"], "there is no inverter 'latent' to train"),
        (["train", "inverter", "mine.safetensors", "--layer", "layer9"], "layer 'layer9' does not exist"),
        (["train", "inverter", "mine.safetensors", "--minutes", "0"], "--minutes is 0"),
        (["train", "inverter", "mine.safetensors", "--steps", "0"], "--steps is 0"),
        (["train", "inverter", "mine.safetensors", "--images", "-5"], "--images is -5"),
        (["train", "inverter", "mine.safetensors", "--data", "audit.yaml"], "No such option: --data"),
        (["train", "village-progan", "--data", "audit.yaml"], "audit file audit.yaml does not exist"),
        (["invert", "mine.safetensors", "photo.png", "--preset", "bau"], "no preset 'bau'; there are bau-2019"),
        (["invert", "mine.safetensors", "photo.png", "--preset", "creswell-2018", "--steps", "3"], "sets steps to 5000 and 3"),
        (["invert", "mine.safetensors", "photo.png", "--preset", "creswell-2018", "--method", "feature"], "sets methods to"),
        (["invert", "village-progan", "photo.png", "--preset", "bau-2019", "--perceptual", "none"], "sets perceptual to"),
        (["invert", "village-progan", "photo.png", "--preset", "bau-2019", "--perceptual-weights", "a.pth"], "a.pth do not"),
        (["invert", "village-progan"], "Missing argument"),
        (["invert", "village-progan", "photo.png", "--method", "layrwise"], "did you mean 'layerwise'?"),
        (["invert", "mine.safetensors", "photo.png"], "ganaudit train inverter GENERATOR --method layered"),
        (["invert", "village-progan", "photo.png", "--layer", "r"], "layer 'r' does not exist; this generator has layer1,"),
        (["invert", "village-progan", "photo.png", "--perceptual", "clip"], "no perceptual distance 'clip'"),
        (["invert", "village-progan", "photo.png", "--class", "tree"], "give one with --parser, such as builtin:village"),
        (["invert", "village-progan", "photo.png", "--parser", "builtin:village", "--class", "palm"], "no class 'palm'"),
        (["invert", "village-progan", "photo.png", "--out", "torn.png"], "the folder torn.png cannot be made"),
        (["invert", "village-progan", "photo.png", "--steps", "-3"], "Invalid value for '--steps'"),
        (["invert", "village-progan", "photo.png", "--steps", "0"], "--steps is 0 and method 'layerwise' is a search"),
        (["invert", "village-progan", "torn.png", "none.png"], "no photo can be used: torn.png is not an image"),
    ],
)  # fmt: skip
def test_a_careless_request_is_exit_code_2_and_one_sentence(cli, place, arguments, sentence):
    said = cli(*arguments)
    assert (said.code, said.out) == (2, "")
    assert sentence in " ".join(said.err.split())
    assert not Path("inverted").exists()
