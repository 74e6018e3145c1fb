"""The built-in recipes on other data than the village: stopped and gone on, exported, with their card."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
import torch
import yaml
from PIL import Image

from ganaudit import weights
from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.generators.networks.stylegan import stylegan
from ganaudit.training import adversarial, builtin
from ganaudit.training.adversarial import AdversarialTraining
from ganaudit.training.builtin import SATURATING, WASSERSTEIN, make
from ganaudit.training.checkpoint import write_whole
from ganaudit.training.data import Data
from ganaudit.training.opening import training_data
from ganaudit.training.parser import ParserRecipe, ParserTraining
from ganaudit.village.classes import NAMES

CPU = torch.device("cpu")
DATA = Data(VillageDataset(3), 8, NAMES)


OWN = """
import numpy as np
from ganaudit import Image

class Own:
    def __init__(self, n): self.n = n
    def __len__(self): return self.n
    def image(self, index): return Image(np.full((9, 9, 3), index, np.uint8), str(index))
    def recipe(self): return {}
"""


def parser(seed=1):
    return ParserTraining(ParserRecipe((4, 4, 4, 4), batch=4), seed, CPU, DATA)


def wasserstein():
    torch.manual_seed(1)
    return AdversarialTraining(dcgan(8, 8, (8, 4, 4, 4)), replace(WASSERSTEIN, batch=4), 1, CPU, DATA)


def with_noise():
    torch.manual_seed(1)
    body = stylegan(8, 1, 8, ((4, 4), (4, 4), (4,), (4,)))
    return AdversarialTraining(body, replace(SATURATING, batch=4, penalty_every=2), 1, CPU, DATA)


@pytest.mark.parametrize("start", [parser, wasserstein, with_noise])
def test_stopped_and_gone_on_is_the_same_model_to_the_bit(start, stopped_and_gone_on, tmp_path, monkeypatch):
    monkeypatch.setattr(adversarial, "NORM_BATCHES", 1)
    whole, last = stopped_and_gone_on(start)
    assert all(torch.equal(value, last.weights()[name]) for name, value in whole.weights().items())
    assert Image.open(tmp_path / "parts" / "picture.png").size[0] >= 512


def test_a_model_is_exported_with_its_classes_and_its_card(tmp_path, monkeypatch):
    recipe = ParserRecipe((4, 4, 4, 4), batch=4)
    model = builtin.BuiltinModel("unet", 3, lambda *rest: ParserTraining(recipe, *rest))
    monkeypatch.setitem(builtin.MODELS, "small", model)
    path = make("small", tmp_path, lambda *_: None, device="cpu", data=DATA, command="how", seed=5)
    assert json.loads(weights.load(str(path)).metadata["classes"]) == list(NAMES)
    card = weights.card(path)
    assert (card["model"], card["command"], card["seed"], card["steps"], card["images"]) == ("small", "how", 5, 3, 12)
    assert card.keys() >= {"minutes", "cpu_minutes", "recipe", "torch", "processor", "device", "parameters"}
    assert card["data"]["source"]["kind"] == "village" and card["data"]["images"] == 8
    monkeypatch.setattr(os, "fsync", lambda _: exec("raise OSError(28, 'No space left on device')"))
    with pytest.raises(AuditError, match=r"small.safetensors cannot be written .No space left.*goes on from its checkpoint"):
        write_whole(path, lambda partial: partial.write_bytes(b"x"))
    assert weights.load(str(path)).tensors  # what was there stands
    with pytest.raises(RequestError, match=r"holds another training .*seed 5, not 1"):
        make("small", tmp_path, lambda *_: None, device="cpu", data=DATA)


def audit(folder, real, parser=None):
    spec = {"name": "n", "parser": parser or {"kind": "unet", "weights": "builtin:village"}, "real": {"name": "r", **real},
            "generators": [{"name": "g", "kind": "village"}]}  # fmt: skip
    (folder / "audit.yaml").write_text(yaml.safe_dump(spec))
    return folder / "audit.yaml"


def test_the_real_images_of_an_audit_file_are_training_data_but_those_held_out(tmp_path):
    for place in range(6):
        Image.new("RGB", (20, 10)).save(tmp_path / f"{place}.png")
        Image.new("L", (20, 10), 1).save(tmp_path / f"{place}.labels.png")
    result = training_data(audit(tmp_path, {"kind": "folder", "path": ".", "heldout": 2}))
    assert (result.count, len(result.images), result.images.image(0).pixels.shape) == (10, 12, (64, 64, 3))
    masks = {"kind": "masks", "classes": ["wall", "sky"]}
    result = training_data(audit(tmp_path, {"kind": "masks", "path": "."}, masks))
    assert (result.count, result.names) == (6, ("wall", "sky")) and result.images.image(0).labels.max() == 1
    village = training_data(audit(tmp_path, {"kind": "village", "seed": 4, "prevalence": {"person": 0.0}, "count": 50}))
    assert village.count == 50 and village.images.recipe() == VillageDataset(4, {"person": 0.0}).recipe()
    assert training_data(audit(tmp_path, {"kind": "village"})).count == 30_000
    (tmp_path / "mine.py").write_text(OWN)
    assert training_data(audit(tmp_path, {"kind": "mine:Own", "options": {"n": 9}})).count == 9
    for real, sentence in (
        ({"kind": "folder", "path": "nowhere"}, "there is no folder"), ({"kind": "mine:len", "options": {}}, "len"),
        ({"kind": "folder", "path": ".", "count": 99}, "has 12 images to train on and 99 are asked for"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=sentence):
            training_data(audit(tmp_path, real))
    with pytest.raises(RequestError, match="ids from 1 on without gaps"):
        training_data(audit(tmp_path, {"kind": "masks", "path": "."}, {"kind": "masks", "classes": {1: "a", 7: "b"}}))
    gaps = audit(tmp_path, {"kind": "masks", "path": "."}, {"kind": "masks", "classes": {1: "a", 7: "b"}})
    assert training_data(gaps, labelled=False).names == ()  # a generator is trained on the images alone
