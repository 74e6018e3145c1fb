"""Walks trained and looked at from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from ganaudit.generators.networks.progan import progan


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a small generator of 16 pixels."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    save_file(progan(8, 12, ((12,), (8,))).state_dict(), "mine.safetensors", {"kind": "progan"})
    return tmp_path


def test_what_is_missing_is_trained_and_shown(cli, place):
    asked = (
        "steer",
        "mine.safetensors",
        "--edit",
        "zoom",
        "--edit",
        "red+blue",
        "--steps",
        "2",
        "--images",
        "2",
        "--alphas",
        "5",
    )
    first = cli(*asked)
    assert first.code == 0 and "zoom in z" in first.out and "blue in z" in first.out
    assert "2 steps of 32 images, about" in first.err
    (strip, film) = (Image.open(next(place.glob(f"steered/mine-zoom-z-linear-*.{kind}"))) for kind in ("png", "gif"))
    assert strip.size == (5 * (96 + 4) + 4, 16 + 4 * (96 + 4) + 4) and film.n_frames > 10
    again = cli(*asked, "--json")
    told = json.loads(again.out)["walks"]
    assert again.code == 0 and "steps of" not in again.err  # it was there
    assert [part["edit"] for part in told] == ["zoom", "red", "blue"] and all(Path(part["film"]).is_file() for part in told)
    card = json.loads(Path(told[0]["walk"]).with_suffix("").with_suffix(".card.json").read_text())
    assert card["command"] == "ganaudit train walk mine.safetensors --edit zoom --steps 2"
    save_file(progan(8, 12, ((12,), (8,))).state_dict(), "other.safetensors", {"kind": "progan"})
    said = cli("steer", "other.safetensors", "--walk", told[0]["walk"])
    assert said.code == 2 and "belongs to the generator" in said.err


def test_no_walk_takes_the_files_of_another(cli, place):
    """Two kinds, two budgets, and one slider alone beside the same one of two."""
    files = []
    for asked in (["red"], ["red", "--method", "residual"], ["red", "--steps", "2"], ["red+blue"]):
        steps = [] if "--steps" in asked else ["--steps", "1"]
        said = cli("steer", "mine.safetensors", "--edit", *asked, *steps, "--images", "1", "--alphas", "3", "--json")
        files += [part[what] for part in json.loads(said.out)["walks"] for what in ("strip", "film")]
    assert len(files) == len(set(files)) == 2 * 5 and all(Path(file).is_file() for file in files)


def test_one_walk_is_trained_by_itself(cli, place):
    made = cli("train", "walk", "mine.safetensors", "--edit", "shift-y", "--space", "z", "--method", "residual", "--steps", "2")
    name = "mine-shift-y-z-residual"
    assert (made.code, made.out) == (0, f"training-{name}/{name}.safetensors\n")
    card = json.loads(Path(f"training-{name}/{name}.card.json").read_text())
    assert card["kind"] == "residual" and card["command"].endswith("--edit shift-y --space z --method residual --steps 2")


@pytest.mark.parametrize(
    "asked, words",
    [
        (["steer", "mine.safetensors"], "--edit zoom"),
        (["steer", "mine.safetensors", "--edit", "zoon"], "did you mean zoom"),
        (["steer", "mine.safetensors", "--edit", "zoom", "--edit", "zoon", "--steps", "1"], "did you mean zoom"),
        (["steer", "mine.safetensors", "--edit", "red+red"], "names an edit twice"),
        (["steer", "mine.safetensors", "--edit", "zoom", "--space", "w"], "no space 'w'; it has z"),
        (["steer", "mine.safetensors", "--edit", "zoom", "--method", "round"], "there is no walk 'round'"),
        (["steer", "mine.safetensors", "--edit", "zoom", "--reach", "2"], "reach is 2"),
        (["steer", "mine.safetensors", "--walk", "mine.safetensors"], "no walk of ganaudit"),
        (["steer", "mine.safetensors", "--edit", "zoom", "--steps", "1", "--alphas", "4"], "--alphas 4 is even"),
        (["train", "walk", "mine.safetensors"], "one edit"),
    ],
)
def test_bad_requests_are_one_sentence(cli, place, asked, words):
    said = cli(*asked)
    assert said.code == 2 and words in said.err and "Traceback" not in said.err
    assert not Path("steered").exists()  # nothing was trained before
