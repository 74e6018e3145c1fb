"""Kinds `onnx` and `torchscript`: labels are those of the network's formula, whatever its layout, batch and type of output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save
from torch import Tensor, nn

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.images import to_unit
from ganaudit.kinds import find
from ganaudit.parsers.opening import open_parser

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
RANDOM = np.random.default_rng(0)
MIXED = RANDOM.standard_normal((3, 4)).astype(np.float32)
IMAGES = torch.from_numpy(RANDOM.uniform(-1, 1, (5, 3, 8, 8)).astype(np.float32))
NAMES = ["background", "house", "tree", "sky"]
PLAIN = {"mean": [0, 0, 0], "std": [1, 1, 1]}


def formula(images: Tensor, mixed=MIXED) -> np.ndarray:
    """Logits of each pixel by itself, (N, C, H, W)."""
    return np.einsum("nkhw,kc->nchw", images.numpy() / 2 + 0.5, mixed)


def softmaxed(logits: np.ndarray) -> np.ndarray:
    sure = np.exp(logits - logits.max(1, keepdims=True))
    return sure / sure.sum(1, keepdims=True)


def put(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def graph(folder, batch="N", last=False, nodes=(), output="logits", kind=TensorProto.FLOAT, mixed=MIXED, side=8, names=None):
    """Every pixel times `mixed`; `nodes` come after it."""
    turn = [] if last else [helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 2, 3, 1])]
    back = [] if last else [helper.make_node("Transpose", ["flat"], ["logits"], perm=[0, 3, 1, 2])]
    times = helper.make_node("MatMul", ["image" if last else "turned", "mixed"], ["logits" if last else "flat"])
    shape = [batch, side, side, 3] if last else [batch, 3, side, side]
    made = helper.make_graph(
        [*turn, times, *back, *nodes], "g", [put("image", shape)], [put(output, None, kind)],
        [numpy_helper.from_array(mixed, "mixed")],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if names is not None:
        helper.set_model_props(model, {"classes": json.dumps(names)})
    save(model, folder / "p.onnx")
    return folder / "p.onnx"


def opened(kind, path, **said):
    options = find("parsers", kind).options.model_validate({"kind": kind, "weights": str(path), **PLAIN, **said})
    return open_parser(options, Context(batch=4))


@pytest.mark.parametrize("batch", ["N", 1, 3])
@pytest.mark.parametrize("last", [False, True])
def test_labels_are_those_of_the_graph_s_formula(tmp_path, batch, last):
    parser = opened("onnx", graph(tmp_path, batch, last), classes=NAMES)
    labels, logits = parser.parser.parse(IMAGES), formula(IMAGES)
    assert np.array_equal(labels.maps.numpy(), logits.argmax(1)) and parser.resolution == (8, 8)
    assert np.allclose(labels.confidence.numpy(), softmaxed(logits).max(1), atol=1e-5)
    assert [(info.id, info.name) for info in parser.parser.classes] == [(1, "house"), (2, "tree"), (3, "sky")]


def test_names_are_those_of_the_metadata_unless_the_audit_file_says_others(tmp_path):
    path = graph(tmp_path, names=NAMES)
    assert [info.name for info in opened("onnx", path).parser.classes] == NAMES[1:]
    by_channel = opened("onnx", path, classes={2: "bush"})
    assert [(info.id, info.name) for info in by_channel.parser.classes] == [(2, "bush")]
    with pytest.raises(RequestError, match=r"p\.onnx does not name its classes.*parser\.classes"):
        opened("onnx", graph(tmp_path))
    with pytest.raises(RequestError, match=r"names 2 classes and the network of .* has 4 channels"):
        opened("onnx", graph(tmp_path), classes=["a", "b"])


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8])
def test_a_label_map_is_taken_as_it_is_and_what_is_ignored_is_void(tmp_path, kind):
    best = helper.make_node("ArgMax", ["logits"], ["best"], axis=1, keepdims=1)
    nodes = [best, helper.make_node("Cast", ["best"], ["map"], to=kind)]
    path = graph(tmp_path, nodes=nodes, output="map", kind=kind)
    labels, best = opened("onnx", path, classes=["a", "b", "c", "d"]).parser.parse(IMAGES), formula(IMAGES).argmax(1)
    assert np.array_equal(labels.maps.numpy(), best + 1) and (labels.confidence == 1).all()
    ignoring = opened("onnx", path, classes=["a", "b", "c", "d"], ignore=2).parser.parse(IMAGES)
    assert np.array_equal(ignoring.maps.numpy(), np.where(best == 2, 0, best + 1))
    with pytest.raises(RequestError, match="label values, and those of several scales"):
        opened("onnx", path, classes=NAMES, scales=[8, 8])


def test_probabilities_and_one_channel_have_the_confidence_that_they_say(tmp_path):
    softmax = [helper.make_node("Softmax", ["logits"], ["sure"], axis=1)]
    path = graph(tmp_path, nodes=softmax, output="sure")
    labels = opened("onnx", path, classes=NAMES, gives="probabilities").parser.parse(IMAGES)
    assert np.allclose(labels.confidence.numpy(), softmaxed(formula(IMAGES)).max(1), atol=1e-4)
    one = graph(tmp_path, mixed=MIXED[:, :1])
    parser = opened("onnx", one, classes=["glasses"]).parser
    labels, logit = parser.parse(IMAGES), formula(IMAGES, MIXED[:, :1])[:, 0]
    assert np.array_equal(labels.maps.numpy(), logit > 0) and [info.name for info in parser.classes] == ["glasses"]
    assert np.allclose(labels.confidence.numpy(), 1 / (1 + np.exp(-np.abs(logit))), atol=1e-5)
    for classes in ({0: "glasses"}, {1: "glasses"}, ["background", "glasses"]):  # its one channel, or that and none before it
        maps = opened("onnx", one, classes=classes).parser.parse(IMAGES).maps.numpy()
        assert np.array_equal(maps > 0, logit > 0), classes


def test_a_graph_of_one_size_sees_larger_images_tile_by_tile(tmp_path):
    large = torch.from_numpy(RANDOM.uniform(-1, 1, (2, 3, 20, 16)).astype(np.float32))
    parser = opened("onnx", graph(tmp_path), classes=NAMES, size=[20, 16], tile=8)
    assert np.array_equal(parser.parser.parse(large).maps.numpy(), formula(large).argmax(1))  # each pixel by itself
    with pytest.raises(RequestError, match=r"takes images of \[8, 8\] pixels and none of \[4, 8\]"):
        opened("onnx", graph(tmp_path), classes=NAMES, size=[4, 16], tile=8)


@pytest.mark.parametrize(
    "said", [({0: "road", 1: "car"}, {1: "road", 2: "car"}), (["road", "car"], ["background", "road", "car"])]
)
def test_names_of_other_label_values_are_another_parser(tmp_path, said):
    nodes = [helper.make_node("ArgMax", ["logits"], ["best"], axis=1, keepdims=0)]
    path = graph(tmp_path, nodes=nodes, output="best", kind=TensorProto.INT64)
    first, moved = (opened("onnx", path, classes=classes) for classes in said)
    assert not torch.equal(first.parser.parse(IMAGES).maps, moved.parser.parse(IMAGES).maps)
    assert first.key != moved.key


def test_a_graph_of_bytes_is_given_the_bytes_of_the_images(tmp_path):
    cast = helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT)
    times = helper.make_node("MatMul", ["values", "mixed"], ["logits"])
    made = helper.make_graph(
        [cast, times], "g", [put("image", ["N", 8, 8, 3], TensorProto.UINT8)], [put("logits", None)],
        [numpy_helper.from_array(MIXED, "mixed")],
    )  # fmt: skip
    save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "p.onnx")
    pixels = RANDOM.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    labels = opened("onnx", tmp_path / "p.onnx", classes=NAMES, white=255).parser.parse(to_unit(torch.from_numpy(pixels)))
    assert np.array_equal(labels.maps.numpy(), (pixels.astype(np.float64) @ MIXED).argmax(-1))


def test_what_is_no_segmentation_network_is_told(tmp_path, monkeypatch):
    mean = [helper.make_node("ReduceMean", ["logits"], ["scores"], axes=[2, 3], keepdims=0)]
    with pytest.raises(RequestError, match=r"p\.onnx: of 1 image it gives 1×4 of float32; a parser gives logits"):
        opened("onnx", graph(tmp_path, nodes=mean, output="scores"), classes=NAMES)
    with pytest.raises(RequestError, match=r"leaves the size of images open.*size: 512"):
        opened("onnx", graph(tmp_path, side="S"), classes=NAMES)
    with pytest.raises(RequestError, match=r"takes images of \[8, 8\] pixels and none of \[9, 9\]; `scales: \[\[8, 8\]\]`"):
        opened("onnx", graph(tmp_path), classes=NAMES, size=9)
    assert opened("onnx", graph(tmp_path), classes=NAMES, size=9, scales=[8]).resolution == (9, 9)
    with pytest.raises(RequestError, match="no output 'map'; it has 'logits'"):
        opened("onnx", graph(tmp_path), classes=NAMES, output="map")
    noisy = [helper.make_node("RandomNormalLike", ["logits"], ["out"])]
    with pytest.raises(RequestError, match="image 0 has other labels the second time"):
        opened("onnx", graph(tmp_path, nodes=noisy, output="out"), classes=NAMES)
    (tmp_path / "no.onnx").write_bytes(b"hello")
    with pytest.raises(RequestError, match=r"no\.onnx is no ONNX model"):
        opened("onnx", tmp_path / "no.onnx", classes=NAMES)
    path = graph(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RequestError, match=r"pip install 'ganaudit\[onnx\]'"):
        opened("onnx", path, classes=NAMES)


class Pixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.Parameter(torch.from_numpy(MIXED))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits = torch.einsum("nkhw,kc->nchw", x, self.mixed)
        return {"aux": -logits, "out": logits}


class Batched(Pixels):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return torch.einsum("nkhw,kc->nchw", x - x.mean(0, keepdim=True), self.mixed)


def program(folder: Path, module: nn.Module, names=None) -> Path:
    path = folder / "p.pt"
    torch.jit.save(torch.jit.script(module), path, _extra_files={} if names is None else {"classes": json.dumps(names)})
    return path


def test_a_program_gives_the_labels_of_its_module_where_it_is_trusted(tmp_path):
    path = program(tmp_path, Pixels(), NAMES)
    parser = opened("torchscript", path, trust=True, size=8, output="out")
    assert np.array_equal(parser.parser.parse(IMAGES).maps.numpy(), formula(IMAGES).argmax(1))
    assert "run because the audit file trusts it" in parser.notes[0]
    first = opened("torchscript", path, trust=True, size=8)
    assert np.array_equal(first.parser.parse(IMAGES).maps.numpy(), (-formula(IMAGES)).argmax(1)) and first.key != parser.key
    with pytest.raises(RequestError, match=r"p\.pt is a TorchScript program.*nothing was run.*trust: true"):
        opened("torchscript", path, size=8)
    with pytest.raises(RequestError, match=r"p\.pt does not say the size of images.*size: 512"):
        opened("torchscript", path, trust=True)
    with pytest.raises(RequestError, match="no output 'mask'; it has aux, out"):
        opened("torchscript", path, trust=True, size=8, output="mask")


def test_a_program_whose_labels_hang_on_the_batch_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"cannot be tried|another batch"):
        opened("torchscript", program(tmp_path, Batched()), trust=True, size=8, classes=NAMES)


def test_a_name_that_ends_in_another_digest_is_told(tmp_path):
    named = graph(tmp_path).rename(tmp_path / "p-0123abcd.onnx")
    parser = opened("onnx", named, classes=NAMES)
    assert any("not with the 0123abcd of its name" in note for note in parser.notes)
    digest = parser.recipe["weights"]
    assert opened("onnx", named, classes=NAMES, sha256=digest).notes == ()
    right = named.rename(tmp_path / f"p-{digest[:8]}.onnx")
    assert opened("onnx", right, classes=NAMES).notes == ()
