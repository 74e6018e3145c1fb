"""Kind `onnx`: a graph is sampled as its formula says, in any batch, and known by all files that it is made of."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from onnx import TensorProto, external_data_helper, helper, numpy_helper, save

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.generators.shapes import read_shape
from ganaudit.kinds import find
from ganaudit.random import normals

RANDOM = np.random.default_rng(0)
DENSE = RANDOM.standard_normal((6, 3 * 4 * 5)).astype(np.float32)


def initializer(name: str, values) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values), name)


def put(name: str, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(batch="N", nodes=(), inputs=(), initializers=(), latent=6, output="image", dense=DENSE):
    """tanh(z · dense), reshaped to images of 4×5 pixels; `nodes` come after it."""
    first = [
        helper.make_node("MatMul", ["z", "dense"], ["flat"]), helper.make_node("Tanh", ["flat"], ["bent"]),
        helper.make_node("Reshape", ["bent", "shape"], ["image"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        [*first, *nodes], "g", [put("z", [batch, latent]), *inputs], [put(output, [batch, 3, 4, 5])],
        [initializer("dense", dense), initializer("shape", np.array([-1, 3, 4, 5])), *initializers],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def formula(z: np.ndarray) -> np.ndarray:
    return np.tanh(z @ DENSE).reshape(-1, 3, 4, 5)


def options(path, **said):
    return find("generators", "onnx").options.model_validate({"name": "g", "kind": "onnx", "weights": str(path), **said})


def opened(path, context=None, **said):
    return open_generator(options(path, **said), context or Context())


def written(folder, made, name="g.onnx"):
    save(made, folder / name)
    return folder / name


@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_a_graph_makes_the_images_of_its_formula_whatever_its_batch(tmp_path, batch):
    found = opened(written(tmp_path, model(batch)))
    state = found.generator.latents(1, torch.tensor([9, 2, 4, 0]))
    z = normals(1, "latent z", [9, 2, 4, 0], 6)
    assert np.array_equal(state["z"].numpy(), z)
    image = found.generator.run(state)["image"]
    assert np.allclose(image.numpy(), formula(z), atol=1e-6) and found.generator.resolution == (4, 5)
    alone = found.generator.run(found.generator.latents(1, torch.tensor([4])))["image"]
    assert torch.allclose(alone[0], image[2], atol=1e-6)
    assert f"takes {batch} at a time" in found.notes[0] if batch != "N" else "z of 6, 4×5 pixels, by CPU" in found.notes[0]


def test_it_is_not_inverted_and_says_why(tmp_path):
    with pytest.raises(RequestError, match="an ONNX model has no gradients"):
        read_shape(opened(written(tmp_path, model())).generator)


GAINED = [helper.make_node("Mul", ["image", "gain"], ["out"])]
CLASSES = [
    helper.make_node("Gather", ["table", "y"], ["chosen"]), helper.make_node("Reshape", ["chosen", "wide"], ["scale"]),
    helper.make_node("Mul", ["image", "scale"], ["out"]),
]  # fmt: skip
TABLE = [initializer("table", np.array([0.25, 0.5, 1.0], np.float32)), initializer("wide", np.array([-1, 1, 1, 1]))]


@pytest.mark.parametrize("shape", [["N"], ["N", 1]])
def test_a_class_by_its_number(tmp_path, shape):
    made = model(nodes=CLASSES, inputs=[put("y", shape, TensorProto.INT64)], initializers=TABLE, output="out")
    path = written(tmp_path, made)
    found = opened(path, classes=3)
    state = found.generator.latents(1, torch.arange(20))
    scale = np.array([0.25, 0.5, 1.0])[state["label"].numpy()][:, None, None, None]
    assert np.allclose(found.generator.run(state)["image"].numpy(), formula(state["z"].numpy()) * scale, atol=1e-6)
    assert set(state["label"].tolist()) == {0, 1, 2}
    assert opened(path, classes=3, label=1).recipe != found.recipe != opened(path, classes=2).recipe
    with pytest.raises(RequestError, match=r"also takes 'y' \(N.*classes: 1000"):
        opened(path)


def test_a_class_as_one_hot_whose_number_the_graph_says(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["y", "table"], ["chosen"]), helper.make_node("Reshape", ["chosen", "wide"], ["scale"]),
        helper.make_node("Mul", ["image", "scale"], ["out"]),
    ]  # fmt: skip
    table = [initializer("table", np.array([[0.25], [0.5], [1.0]], np.float32)), TABLE[1]]
    path = written(tmp_path, model(nodes=nodes, inputs=[put("y", ["N", 3])], initializers=table, output="out"))
    found = opened(path)
    state = found.generator.latents(1, torch.arange(20))
    scale = np.array([0.25, 0.5, 1.0])[state["label"].numpy()][:, None, None, None]
    assert np.allclose(found.generator.run(state)["image"].numpy(), formula(state["z"].numpy()) * scale, atol=1e-6)
    assert "3 classes" in found.notes[0]
    with pytest.raises(RequestError, match="classes is 4, and its input 'y' takes 3"):
        opened(path, classes=4)


def test_further_inputs_have_the_values_that_are_said(tmp_path):
    path = written(tmp_path, model(nodes=GAINED, inputs=[put("gain", [])], output="out"))
    half = opened(path, arguments={"gain": 0.5})
    state = half.generator.latents(1, torch.arange(2))
    assert np.allclose(half.generator.run(state)["image"].numpy(), formula(state["z"].numpy()) * 0.5, atol=1e-6)
    with pytest.raises(RequestError, match=r"no input 'gian'; it has 'z' \(N×6, .*'gain' \(one number"):
        opened(path, arguments={"gian": 0.5})


def test_tensors_in_other_files_are_part_of_what_it_is(tmp_path):
    context = Context()
    made = model()
    external_data_helper.convert_model_to_external_data(made, location="big.bin", size_threshold=200)
    path = written(tmp_path, made)
    first = opened(path, context)
    z = normals(1, "latent z", [0], 6)
    image = first.generator.run(first.generator.latents(1, torch.tensor([0])))["image"]
    assert np.allclose(image.numpy(), formula(z), atol=1e-6) and len(first.digests) == 2
    changed = (tmp_path / "big.bin").read_bytes()
    (tmp_path / "big.bin").write_bytes(changed.replace(DENSE.tobytes(), (2 * DENSE).tobytes()))
    second = opened(path, context)
    assert second.recipe != first.recipe and second.recipe["weights"] == first.recipe["weights"]
    auto = find("generators", "auto").options.model_validate({"name": "g", "kind": "auto", "weights": str(path)})
    assert open_generator(auto, context).recipe == second.recipe
    image = second.generator.run(second.generator.latents(1, torch.tensor([0])))["image"]
    assert np.allclose(image.numpy(), np.tanh(2 * (z @ DENSE)).reshape(-1, 3, 4, 5), atol=1e-5)
    (tmp_path / "big.bin").unlink()
    with pytest.raises(RequestError, match=r"g\.onnx keeps tensors in big\.bin, which is not beside it"):
        opened(path)


@pytest.mark.parametrize("where", ["../outside.bin", "/etc/passwd", "link.bin"])
def test_tensors_outside_its_folder_are_refused(tmp_path, where):
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside.bin").write_bytes(DENSE.tobytes())
    (tmp_path / "inside" / "link.bin").symlink_to(tmp_path / "outside.bin")
    made = model()
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=where)
    (tmp_path / "inside" / "g.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(RequestError, match=r"keeps tensors in .*outside its folder"):
        opened(tmp_path / "inside" / "g.onnx")


def test_without_its_packages_what_to_install_is_told(tmp_path, monkeypatch):
    path = written(tmp_path, model())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RequestError, match=r"pip install 'ganaudit\[onnx\]'"):
        opened(path)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_torn_model_is_told_and_prints_nothing(tmp_path, capfd, at):
    path = written(tmp_path, model())
    path.write_bytes(path.read_bytes()[: int(at * path.stat().st_size)])
    with pytest.raises(RequestError, match=r"g\.onnx"):
        opened(path)
    assert capfd.readouterr().out == ""


def test_what_is_no_model_or_no_generator_is_told(tmp_path):
    for content in (b"", b"\xff" * 100, b"hello world, this is no model"):
        (tmp_path / "no.onnx").write_bytes(content)
        with pytest.raises(RequestError, match=r"no\.onnx is no ONNX model"):
            opened(tmp_path / "no.onnx")
    with pytest.raises(RequestError, match=r"leaves the shape of one z open.*latent: 128"):
        opened(written(tmp_path, model(latent="L")))
    assert opened(written(tmp_path, model(latent="L")), latent=6).generator.resolution == (4, 5)
    with pytest.raises(RequestError, match=r"none of its inputs is a batch of latents z of shape \(7,\): 'z' \(N×6"):
        opened(written(tmp_path, model()), latent=7)
    with pytest.raises(RequestError, match="classes is 3, and it takes no input beside z"):
        opened(written(tmp_path, model()), classes=3)
    odd = [helper.make_node("Foo", ["image"], ["out"], domain="somebody.else")]
    with pytest.raises(RequestError, match=r"g\.onnx cannot be loaded and run: .*"):
        opened(written(tmp_path, model(nodes=odd, output="out")))
    noisy = [helper.make_node("RandomNormalLike", ["image"], ["out"])]
    with pytest.raises(RequestError, match="image 0 has other pixels the second time"):
        opened(written(tmp_path, model(nodes=noisy, output="out")))
    dense = [helper.make_node("MatMul", ["z", "dense"], ["flat"])]
    flat = helper.make_graph(dense, "g", [put("z", ["N", 6])], [put("flat", ["N", 60])], [initializer("dense", DENSE)])
    with pytest.raises(RequestError, match="what it gives has the shape 1×60, and images are"):
        opened(written(tmp_path, helper.make_model(flat, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)))
