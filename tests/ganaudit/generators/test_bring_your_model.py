"""docs/bring-your-model.md: each of its snippets does what the page says, on files in the published layouts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import yaml
from biggans import brock, drawn
from tensorflow_pickles import generator, pickled, stylegan
from torch import nn

from ganaudit import kinds
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.networks.conditional_mapping import EmbeddedMapping
from ganaudit.generators.networks.stylegan2 import Stylegan2
from ganaudit.generators.opening import open_generator

PAGE = (Path(__file__).parents[3] / "docs" / "bring-your-model.md").read_text(encoding="utf-8")
SOURCES = [
    source for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for source in yaml.safe_load(block)["generators"]
]


def dcgan(inputs: int) -> dict:
    first, last = nn.ConvTranspose2d(inputs, 5, 4, bias=False), nn.ConvTranspose2d(5, 3, 4, 2, 1, bias=False)
    chain = nn.Sequential(first, nn.BatchNorm2d(5), nn.ReLU(), last, nn.Tanh())
    return {f"main.{name}": value for name, value in chain.state_dict().items()}


def stored_scales() -> dict:
    shapes = {f"features.{place}": (2, 2, 4 if place == 0 else 3) for place in range(12)} | {"output": (3, 2, 1)}
    tensors = {}
    for name, (after, before, side) in shapes.items():
        tensors[f"{name}.conv.weight"] = torch.randn(after, before, side, side)
        tensors |= {f"{name}.wscale.scale": torch.ones(1), f"{name}.wscale.b": torch.zeros(after)}
    return tensors


def conditional() -> dict:
    network = Stylegan2(4, EmbeddedMapping([4, 5], 10, 3), 5, (3, 2), (4, 4), averaged=True)
    names = {"mapping.linears.": "mapping.fc", "w_avg": "mapping.w_avg", "b": "synthesis.b"}
    tensors = {}
    for name, value in network.state_dict().items():
        ours = next((ours for ours in names if name.startswith(ours)), "")
        tensors[names.get(ours, "") + name.removeprefix(ours)] = value
    return {"G_ema": tensors}


def normed() -> dict:
    shapes = {f"features.{place}": (2, 2, 4 if place == 0 else 3) for place in range(4)}
    tensors = {"output.conv.weight": torch.randn(3, 2, 1, 1), "output.conv.bias": torch.zeros(3)}
    for name, (after, before, side) in shapes.items():
        tensors[f"{name}.conv.weight"] = torch.randn(after, before, side, side)
        tensors |= {f"{name}.norm.{part}": torch.ones(after) for part in ("weight", "bias", "running_mean", "running_var")}
    return tensors


FILES = {
    "models/netG_epoch_24.pth": dcgan(100), "generator_model_state.pth": dcgan(108), "mine.pth": {"netG": dcgan(7), "epoch": 3},
    "G_ema.pth": drawn(brock(classes=1000)), "wgangp.pth": normed(),
    "pixelwise.pth": stored_scales(), "equalized.pth": stored_scales(),
    "karras2019stylegan-ffhq-1024x1024.pkl": pickled((generator("Gs", stylegan((3, 3, 2, 2))),)), "cifar10.pkl": conditional(),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES, ids=[source["name"] for source in SOURCES])
def test_what_the_page_shows_opens(tmp_path, source):
    path = tmp_path / source["weights"]
    path.parent.mkdir(exist_ok=True)
    content = FILES[source["weights"]]
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    options = kinds.find("generators", source["kind"]).options.model_validate(source | {"sha256": None})
    found = open_generator(options, Context(folder=tmp_path))
    state = found.generator.latents(1, torch.arange(3))
    assert found.generator.run(state)["image"].shape[:2] == (3, 3) and found.notes
    if "classes" in source:
        assert state["z"].shape == (3, 100)
    if "label" in source or "label_shares" in source:
        assert set(state["label"].tolist()) <= set(source.get("label_shares", [source.get("label")]))
    if "sha256" in source:
        refused = kinds.find("generators", source["kind"]).options.model_validate(source | {"sha256": "0" * 64})
        with pytest.raises(RequestError, match="SHA-256"):
            open_generator(refused, Context(folder=tmp_path))


def test_its_python_runs(tmp_path, monkeypatch, capsys):
    torch.save(FILES["mine.pth"], tmp_path / "mine.pth")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out == "{'netG': 'dict', 'epoch': 'int'}\n"
