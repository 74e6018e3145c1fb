"""Programs, ONNX models and pipelines go through a whole audit: the same rows at any worker count, or the reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_pipelines
import torch
from onnx import TensorProto, helper, numpy_helper, save
from torch import nn

import ganaudit
from ganaudit.auditing.run import audit
from ganaudit.spec import parse

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")


def program(path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.ConvTranspose2d(6, 5, 4), nn.ReLU(), nn.ConvTranspose2d(5, 3, 4, 2, 1), nn.Tanh())
    torch.jit.save(torch.jit.script(network.eval()), path)


def graph(path):
    dense = numpy_helper.from_array(torch.randn(6, 192, generator=torch.Generator().manual_seed(0)).numpy(), "dense")
    shape = numpy_helper.from_array(torch.tensor([-1, 3, 8, 8]).numpy(), "shape")
    nodes = [
        helper.make_node("MatMul", ["z", "dense"], ["flat"]), helper.make_node("Tanh", ["flat"], ["bent"]),
        helper.make_node("Reshape", ["bent", "shape"], ["image"]),
    ]  # fmt: skip
    z, image = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
        for name, sides in (("z", ["N", 6]), ("image", ["N", 3, 8, 8]))
    )
    made = helper.make_graph(nodes, "g", [z], [image], [dense, shape])
    save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("foreign")
    program(root / "g.pt")
    graph(root / "g.onnx")
    tiny_pipelines.prompts(root / "pipeline")
    (root / "prompts.txt").write_text("a red house\ntwo trees\n")
    return root


def asked(folder, store, workers, **said):
    generators = [
        {"name": "program", "kind": "torchscript", "weights": str(folder / "g.pt"), "trust": True, "latent": [6, 1, 1]},
        {"name": "graph", "kind": "auto", "weights": str(folder / "g.onnx")},
        {
            "name": "pipeline", "kind": "diffusers", "weights": str(folder / "pipeline"), "steps": 1,
            "prompts": str(folder / "prompts.txt"),
        },
    ]  # fmt: skip
    return parse(
        {
            "name": "a", "folder": str(Path(__file__).parents[1]), "store": str(store),
            "run": {"device": "cpu", "workers": workers},
            "parser": {"kind": "tiny_models:Brightness"}, "generators": generators,
            "real": {"name": "real", "kind": "tiny_models:Blots", "options": {"images": 16, "seed": 1}},
            "heldout": {"name": "held", "kind": "tiny_models:Blots", "options": {"images": 2, "seed": 2}},
            "sample": {"count": 16, "batch": 8}, "decide": {"permutations": 0}, **said,
        },
        "a",
    )  # fmt: skip


def rows(done):
    return ganaudit.connect(ganaudit.Store(done.store)).sql("SELECT source, image, digest, cluster FROM audited_images").df()


def test_they_are_sampled_alike_at_any_worker_count_and_searched_where_they_can_be(folder, tmp_path):
    invert = {"images": 2, "own": 8, "masked": 0, "methods": ["latent"], "steps": 2, "perceptual": "none"}
    two = audit(asked(folder, tmp_path / "two", 2, invert=invert))
    one = audit(asked(folder, tmp_path / "one", 1))
    assert two.status == one.status == "done"
    seen = rows(one).merge(rows(two), how="left", indicator=True)
    assert len(seen) >= 4 * 16 and (seen["_merge"] == "both").all()
    assert set(seen[seen["source"] == "pipeline"]["cluster"]) == {"a red house", "two trees"}
    assert seen[seen["source"] == "program"]["digest"].nunique() == 16
    assert set(two.table("inversion_summary")["generator"]) == {"program"}
    notes = " ".join(two.notes)
    assert "'graph' is not inverted: an ONNX model has no gradients" in notes
    assert "'pipeline' is not inverted: a diffusers pipeline is sampled in steps" in notes
    assert "g.onnx is of kind 'onnx'" in notes and "g.pt is a TorchScript program" in notes
