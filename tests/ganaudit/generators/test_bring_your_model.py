"""docs/bring-your-model.md: each of its snippets does what the page says, on files in the published layouts."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import tiny_pipelines
import torch
import yaml
from biggans import brock, drawn
from onnx import TensorProto, helper, numpy_helper, save
from tensorflow_pickles import generator, pickled, stylegan
from torch import Tensor, nn

from ganaudit import kinds
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.networks.conditional_mapping import EmbeddedMapping
from ganaudit.generators.networks.stylegan2 import Stylegan2
from ganaudit.generators.opening import open_generator
from ganaudit.generators.shapes import choose_layers, read_shape

PAGE = (Path(__file__).parents[3] / "docs" / "bring-your-model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHOWN = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
SOURCES = [source for block in SHOWN for source in block.get("generators", [])]


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


class Network(nn.Module):
    """Two blocks that begin with z of 100 numbers."""

    def __init__(self) -> None:
        super().__init__()
        first, last = nn.ConvTranspose2d(100, 3, 4), nn.ConvTranspose2d(3, 3, 4, 2, 1)
        self.blocks = nn.Sequential(nn.Sequential(first, nn.BatchNorm2d(3), nn.ReLU()), nn.Sequential(last, nn.Tanh()))

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.blocks(z)
        return x


class OfClasses(nn.Module):
    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return (z.reshape(-1, 1, 8, 8) + label[:, None, None, None]).sigmoid()


NETWORK = "from torch import Tensor, nn\n\n" + inspect.getsource(Network)


def program(network: nn.Module):
    return lambda path: torch.jit.save(torch.jit.script(network.eval()), path)


def graph(*classes: str):
    """z · dense as images, times a number of their class."""

    def write(path: Path) -> None:
        constants = [
            numpy_helper.from_array(value.numpy(), name)
            for name, value in {
                "dense": torch.randn(6, 192), "table": torch.rand(10), "shape": torch.tensor([-1, 3, 8, 8]),
                "wide": torch.tensor([-1, 1, 1, 1]),
            }.items()
        ]  # fmt: skip
        nodes = [helper.make_node("MatMul", ["z", "dense"], ["flat"]), helper.make_node("Reshape", ["flat", "shape"], ["x"])]
        nodes += [helper.make_node("Gather", ["table", name], ["chosen"]) for name in classes]
        nodes += [
            helper.make_node("Reshape", ["chosen", "wide"], ["scale"]),
            helper.make_node("Mul", ["x", "scale"], ["y"]),
        ] * len(classes)
        nodes += [helper.make_node("Tanh", ["y" if classes else "x"], ["image"])]
        inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 6])]
        inputs += [helper.make_tensor_value_info(name, TensorProto.INT64, ["N"]) for name in classes]
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])
        made = helper.make_graph(nodes, "g", inputs, [image], constants)
        save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)

    return write


def with_prompts(path: Path) -> None:
    tiny_pipelines.prompts(path)
    (path.parent / "prompts.txt").write_text("a church\na street with trees\n")


WRITTEN = {
    "exported.pt": program(Network()), "of-classes.pt": program(OfClasses()), "generator.onnx": graph(),
    "of-classes.onnx": graph("label"), "ddpm-church": tiny_pipelines.unconditional, "dit-256": tiny_pipelines.classes,
    "stable-diffusion": with_prompts, "turbo": tiny_pipelines.prompts,
    "ours.pth": lambda path: torch.save(Network().state_dict(), path),
}  # fmt: skip
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
    if source["weights"] in WRITTEN:
        WRITTEN[source["weights"]](path)
    else:
        content = FILES[source["weights"]]
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    (tmp_path / "my_generators.py").write_text(BLOCKS[1])
    (tmp_path / "my_network.py").write_text(NETWORK)
    quick = {"steps": 1} if source["kind"] == "diffusers" else {}
    options = kinds.find("generators", source["kind"]).options.model_validate(source | {"sha256": None} | quick)
    found = open_generator(options, Context(folder=tmp_path))
    state = found.generator.latents(1, torch.arange(3))
    image = found.generator.run(state)["image"]
    assert image.shape[:2] == (3, 3) and image.abs().max() < 1.001 and (found.notes or ":" in source["kind"])
    if source["kind"] == "dcgan":
        assert state["z"].shape == (3, 100)
    if "classes" in source:
        assert "label" in state
    if "label" in source or "label_shares" in source:
        assert set(state["label"].tolist()) <= set(source.get("label_shares", [source.get("label")]))
    if "sha256" in source:
        refused = kinds.find("generators", source["kind"]).options.model_validate(source | {"sha256": "0" * 64})
        with pytest.raises(RequestError, match="SHA-256"):
            open_generator(refused, Context(folder=tmp_path))


def test_a_network_of_ones_own_is_invertible(tmp_path):
    WRITTEN["ours.pth"](tmp_path / "ours.pth")
    (tmp_path / "my_generators.py").write_text(BLOCKS[1])
    (tmp_path / "my_network.py").write_text(NETWORK)
    said = {"name": "ours", "kind": "my_generators:make", "weights": "ours.pth"}
    found = open_generator(kinds.find("generators", "a:b").options.model_validate(said), Context(folder=tmp_path))
    shape = read_shape(found.generator)
    assert [layer.name for layer in shape.layers] == ["blocks.0", "blocks.1"] and shape.latent == 100
    assert choose_layers(shape).residuals == ("blocks.0",)


def test_its_python_runs(tmp_path, monkeypatch, capsys):
    torch.save(FILES["mine.pth"], tmp_path / "mine.pth")
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[0], {})
    assert capsys.readouterr().out == "{'netG': 'dict', 'epoch': 'int'}\n"
