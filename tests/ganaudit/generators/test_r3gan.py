"""R3GAN against the paper's formulas, written here pixel by pixel; its file layout; its way through an audit."""

from __future__ import annotations

import pickle
import sys
import types

import numpy as np
import pytest
import torch
from half_precision import check_half, check_said
from safetensors.torch import save_file
from torch import nn
from whole_audit import whole_audit

from ganaudit.context import Context
from ganaudit.conversion import convert
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.named import options_named

KERNEL = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64


def drawn(inputs=5, widths=(6, 6, 4), groups=(3, 2, 4), blocks=(2, 1, 1), size=(4, 4), kernel=3, classes=0, embedded=0):
    """The state dict of its authors' network, no tensor of which hides behind a 0."""
    rng = np.random.RandomState(3)
    model: dict[str, np.ndarray] = {
        "MainLayers.0.Layers.0.Basis": rng.randn(widths[0], *size),
        "MainLayers.0.Layers.0.LinearLayer.weight": rng.randn(widths[0], inputs + embedded) / 2,
        "AggregationLayer.Layer.weight": rng.randn(3, widths[-1], 1, 1) / 4,
    }
    if classes:
        model["EmbeddingLayer.weight"] = rng.randn(embedded, classes)
    for k, width in enumerate(widths):
        layers = f"MainLayers.{k}.Layers"
        if k:
            model[f"{layers}.0.Resampler.Kernel"] = KERNEL.numpy()
            if widths[k - 1] != width:
                model[f"{layers}.0.LinearLayer.Layer.weight"] = rng.randn(width, widths[k - 1], 1, 1) / 2
        for place in range(1, blocks[k] + 1):
            wide = (2 * width, 2 * width // groups[k], kernel, kernel)
            for number, shape in enumerate([(2 * width, width, 1, 1), wide, (width, 2 * width, 1, 1)], start=1):
                model[f"{layers}.{place}.LinearLayer{number}.Layer.weight"] = rng.randn(*shape) / 3
                if number < 3:
                    model[f"{layers}.{place}.NonLinearity{number}.Bias"] = rng.randn(2 * width)
    return {f"Model.{name}": torch.tensor(value, dtype=torch.float32) for name, value in model.items()}


CLASSED = dict(classes=4, embedded=3)


def opened(folder, tensors, **sampling):
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, folder / "g.safetensors")
    options = options_named("generators", "g.safetensors", "r3gan", folder).model_copy(update=sampling)
    return open_generator(options, Context(folder)).generator


# the formulas, in float64, by brute force


def convolved(x, weight):
    """Output channel by output channel, each of which sees its group's input channels alone; zeros around."""
    after, inside, kernel, _ = weight.shape
    padded = np.pad(x, [(0, 0), (0, 0), *[(kernel // 2,) * 2] * 2])
    made = np.zeros((len(x), after, *x.shape[2:]))
    for out in range(after):
        first = out // (after // (x.shape[1] // inside)) * inside
        for i in range(kernel):
            for j in range(kernel):
                seen = padded[:, first : first + inside, i : i + x.shape[2], j : j + x.shape[3]]
                made[:, out] += np.einsum("c,nchw->nhw", weight[out, :, i, j], seen)
    return made


def doubled(x):
    """Bilinear, halves of pixels apart: 3/4 of the nearest pixel and 1/4 of the next, which is 0 beyond the border."""
    for axis in (2, 3):
        x = np.moveaxis(x, axis, 0)
        nothing = np.zeros_like(x[:1])
        before, after = np.concatenate([nothing, x[:-1]]), np.concatenate([x[1:], nothing])
        x = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=1).reshape(2 * len(x), *x.shape[1:])
        x = np.moveaxis(x, 0, axis)
    return x


def by_formula(tensors, z, label=None):
    """What each layer gives, and the image before it is clamped."""
    p = {name.removeprefix("Model."): value.double().numpy() for name, value in tensors.items()}
    z = z.double().numpy()
    if label is not None:
        z = np.concatenate([z, p["EmbeddingLayer.weight"].T[label.numpy()]], axis=1)
    x = np.einsum("oi,ni->no", p["MainLayers.0.Layers.0.LinearLayer.weight"], z)[:, :, None, None]
    result, stage = {"linear": x}, 0
    while any(name.startswith(f"MainLayers.{stage}.") for name in p):
        layers = f"MainLayers.{stage}.Layers"
        if stage == 0:
            x = x * p[f"{layers}.0.Basis"]
        else:  # the order of a 1x1 convolution and of upsampling does not matter
            x, weight = doubled(x), p.get(f"{layers}.0.LinearLayer.Layer.weight")
            x = x if weight is None else convolved(x, weight)
        place = 1
        while f"{layers}.{place}.LinearLayer1.Layer.weight" in p:
            y = x
            for number in (1, 2, 3):
                y = convolved(y, p[f"{layers}.{place}.LinearLayer{number}.Layer.weight"])
                if number < 3:
                    y = y + p[f"{layers}.{place}.NonLinearity{number}.Bias"][:, None, None]
                    y = np.maximum(y, 0.2 * y)
            x, place = x + y, place + 1
        stage += 1
        result[f"stage{stage}"] = x
    return {**result, "image": convolved(x, p["AggregationLayer.Layer.weight"])}


@pytest.mark.parametrize("sizes", [
    {}, CLASSED, {"size": (3, 5), "kernel": 5}, {"widths": (6,), "groups": (1,), "blocks": (3,)},
    {"widths": (4, 8), "groups": (8, 1), "blocks": (0, 2), **CLASSED},
])  # fmt: skip
@torch.inference_mode()
def test_every_layer_is_its_formula(tmp_path, sizes):
    tensors = drawn(**sizes)
    generator = opened(tmp_path, tensors)
    state = generator.latents(4, torch.tensor([2, 9]))
    expected, before, result = by_formula(tensors, state["z"], state.get("label")), None, {}
    for name in generator.layers:
        state = generator.run(state, after=before, upto=name)
        result[name], before = state[name], name
    result["image"] = generator.output.unclamped(result[before])
    assert list(result) == list(expected) and generator.resolution == expected["image"].shape[2:]
    for name, value in result.items():
        assert value.shape == expected[name].shape
        assert np.linalg.norm(value.numpy() - expected[name]) <= 1e-5 * np.linalg.norm(expected[name]), name
    image = generator.run(generator.latents(4, torch.tensor([2, 9])))["image"]
    assert torch.equal(image, result["image"].clamp(-1, 1))


@torch.inference_mode()
def test_the_known_numbers_of_the_official_network_come_out(tmp_path):
    """Printed by its authors' module: weights are thirds of RandomState(7), in the order of names, z is RandomState(1)."""
    rng, tensors = np.random.RandomState(7), drawn(**CLASSED)
    for name in sorted(tensors):
        if not name.endswith("Kernel"):
            tensors[name] = torch.tensor(rng.randn(*tensors[name].shape) / 3, dtype=torch.float32)
    generator = opened(tmp_path, tensors)
    z = torch.tensor(np.random.RandomState(1).randn(3, 5), dtype=torch.float32)
    state = generator.run({"z": z, "label": torch.arange(3)}, upto="stage3")
    image = generator.output.unclamped(state["stage3"])
    assert (image.mean(), image.std(correction=0)) == pytest.approx((0.21322255, 0.75831091), rel=1e-5)


# the state


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("g"), drawn(**CLASSED))


@torch.inference_mode()
def test_a_run_goes_on_from_any_layer(generator):
    state = generator.latents(1, torch.arange(3))
    whole = generator.run(state)["image"]
    for name in generator.layers:
        part = generator.run(state, upto=name)
        assert set(part) == {"z", "label", name} and torch.equal(generator.run(part, after=name)["image"], whole)
        assert not torch.equal(generator.run({**part, name: part[name] + 1.0}, after=name)["image"], whole)


def test_a_class_follows_from_the_index_or_is_one_for_all(tmp_path, generator):
    state = generator.latents(1, torch.arange(40))
    assert set(state["label"].tolist()) == {0, 1, 2, 3}
    assert torch.equal(generator.latents(1, torch.tensor([7]))["label"], state["label"][7:8])
    one = opened(tmp_path, drawn(**CLASSED), label=2, truncation=0.5).latents(1, torch.arange(40))
    assert set(one["label"].tolist()) == {2} and one["z"].abs().max() <= 0.5


def test_a_search_gets_a_gradient_from_what_is_out_of_range_and_through_the_residuals(generator):
    state = generator.latents(1, torch.arange(2))
    space = SearchSpace(generator, state, residuals=("linear", "stage1"))
    free = {name: value.requires_grad_(True) for name, value in space.start().items()}
    image = space.image(free)
    assert image.abs().max() == 1 and torch.equal(image, generator.run(state)["image"])
    gradients = torch.autograd.grad((image + image.sign()).square().sum(), list(free.values()))
    assert all(gradient.norm() > 0 for gradient in gradients)


# layouts


CLASSES = {
    "Generator": "training.networks", "Convolution": "R3GAN.Networks", "InterpolativeUpsamplerCUDA": "R3GAN.Resamplers",
    "BiasedActivationCUDA": "R3GAN.FusedOperators",
}  # fmt: skip


@pytest.fixture
def theirs(monkeypatch):
    """Classes named as some of its authors', whose networks pickle as objects of them."""
    made = {name: type(name, (nn.Module,), {"__module__": module}) for name, module in CLASSES.items()}
    for name, module in CLASSES.items():
        for each in (module.split(".")[0], module):
            monkeypatch.setitem(sys.modules, each, sys.modules.get(each, types.ModuleType(each)))
        monkeypatch.setattr(sys.modules[module], name, made[name], raising=False)
    return made


def whole(tensors, theirs):
    """A network whose state dict is `tensors`."""
    root = theirs["Generator"]()
    for path, value in tensors.items():
        inside, parts = root, path.split(".")
        for part in parts[:-1]:
            if part not in dict(inside.named_children()):
                named = {"Resampler": "InterpolativeUpsamplerCUDA", "NonLinearity1": "BiasedActivationCUDA"}
                kind = nn.ModuleList if part.endswith("Layers") else theirs[named.get(part, "Convolution")]
                inside.add_module(part, kind())
            inside = getattr(inside, part)
        if parts[-1] == "Kernel":
            inside.register_buffer("Kernel", value)
        else:
            inside.register_parameter(parts[-1], nn.Parameter(value))
    root.Model.DataType = torch.bfloat16
    return root.eval().requires_grad_(False)


def test_a_file_as_published_a_converted_one_and_ours_are_the_same_generator(tmp_path, theirs):
    tensors = drawn(**CLASSED)
    plain = opened(tmp_path, tensors).state_dict()
    assert torch.equal(plain["stage2.1.weights.1"], tensors["Model.MainLayers.1.Layers.1.LinearLayer2.Layer.weight"])
    content = {"G": whole({name: 0 * value for name, value in tensors.items()}, theirs), "D": nn.Linear(2, 1), "cur_nimg": 3}
    content |= {"G_ema": whole(tensors, theirs), "training_set_kwargs": {"path": "a.zip"}, "G_opt_state": {"state": {}}}
    (tmp_path / "g.pkl").write_bytes(pickle.dumps(content))
    convert(str(tmp_path / "g.pkl"), tmp_path / "converted")
    save_file({name: value.contiguous() for name, value in plain.items()}, tmp_path / "ours.safetensors")
    bare = {name.removeprefix("Model."): value for name, value in tensors.items()}
    save_file(bare, tmp_path / "bare.safetensors")
    for name in ("g.pkl", "converted/g.G_ema.state_dict.safetensors", "ours.safetensors", "bare.safetensors"):
        found = open_generator(options_named("generators", name, "auto", tmp_path), Context(tmp_path))
        assert "is of kind 'r3gan'" in found.notes[0]
        result = found.generator.state_dict()
        assert result.keys() == plain.keys() and all(torch.equal(result[name], value) for name, value in plain.items())


def without(name):
    return {each: value for each, value in drawn().items() if each != f"Model.{name}"}


def with_(name, value, **sizes):
    return {**drawn(**sizes), f"Model.{name}": value}


WIDE = "MainLayers.1.Layers.1.LinearLayer2.Layer.weight"


@pytest.mark.parametrize("tensors, words", [
    ({"layer1.weight": torch.zeros(2)}, r"not the weights of a r3gan generator in any layout .*layer1.weight"),
    (without("MainLayers.1.Layers.1.NonLinearity2.Bias"), "NonLinearity2.Bias is missing"),
    (without("AggregationLayer.Layer.weight"), "AggregationLayer.Layer.weight is missing"),
    (with_("MainLayers.1.Skip", torch.zeros(1)), "MainLayers.1.Skip is unknown"),
    (with_("MainLayers.1.Layers.0.Resampler.Kernel", torch.ones(3, 3)), r"Kernel is another filter than \[1, 3, 3, 1\]"),
    (with_("MainLayers.0.Layers.0.Basis", torch.zeros(6, 4)), r"stage1.0.weight of an r3gan generator is not \(6, 4\)"),
    (with_("MainLayers.0.Layers.0.Basis", torch.zeros(5, 4, 4)), r"linear.weight is \(6, 5\), not \(5, 5\)"),
    (with_(WIDE, torch.zeros(12, 0, 3, 3)), "sizes of 0"),
    (with_(WIDE, torch.zeros(12, 5, 3, 3)), "stage2.1 .* do not follow each other"),
    (with_("AggregationLayer.Layer.weight", torch.zeros(1, 4, 1, 1)), r"output.weight is \(1, 4, 1, 1\), not \(3, 4, 1, 1\)"),
    (with_("EmbeddingLayer.weight", torch.zeros(5, 3)), "5 inputs, of which 5 are of a class"),
    (with_(WIDE, torch.full((12, 6, 3, 3), float("nan"))), "not finite: stage2.1.weights.1"),
])  # fmt: skip
def test_a_file_that_is_none_gets_one_sentence_that_names_it(tmp_path, tensors, words):
    with pytest.raises(RequestError, match=rf"weights .*g\.safetensors.*{words}") as refused:
        opened(tmp_path, tensors)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


def test_a_class_that_it_does_not_have_is_refused(tmp_path):
    with pytest.raises(RequestError, match="label is 4, and this generator has 4 classes"):
        opened(tmp_path, drawn(**CLASSED), label=4)


# the audit


def test_it_is_sampled_parsed_and_inverted_at_its_own_layer(tmp_path):
    save_file(drawn(**CLASSED), tmp_path / "g.safetensors")
    whole = whole_audit(tmp_path, {"kind": "r3gan", "weights": str(tmp_path / "g.safetensors"), "label": 1})
    assert (whole.choice.residuals, whole.choice.feature) == (("linear", "stage1"), "stage2") and not whole.direction_only


def test_half_precision_gives_the_images_of_float32_up_to_its_rounding(tmp_path):
    check_half(tmp_path, "r3gan", drawn(), {"stage2", "stage3"}, 2**-8)


@pytest.mark.parametrize(("stages", "layers"), [
    ([-1], {"stage3"}), ([-1, -2], {"stage2", "stage3"}), ([-1, -2, -3], {"stage2", "stage3"}), ([], set()), (1, set()),
])  # fmt: skip
def test_on_a_gpu_those_stages_are_halved_that_a_file_says(tmp_path, stages, layers):
    check_said(tmp_path, "r3gan", drawn(), "init_kwargs", {"FP16Stages": stages}, layers)
