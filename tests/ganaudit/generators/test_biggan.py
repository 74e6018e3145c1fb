"""BigGAN and BigGAN-deep against the paper's formulas, written here one image at a time; layouts, classes, an audit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from biggans import DEEP, brock, deep, drawn
from safetensors.torch import save_file
from scipy.stats import kstest, truncnorm
from whole_audit import whole_audit

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.biggan import BigganSource
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import with_z
from ganaudit.generators.shapes import GeneratorShape, LayerShape, choose_layers, read_shape
from ganaudit.named import options_named
from ganaudit.records import catalog

PAGE = (Path(__file__).parents[3] / "docs" / "bring-your-model.md").read_text(encoding="utf-8")
(SHARES,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def opened(folder, content, kind="biggan", **options):
    """content: a state dict, written as safetensors, or a checkpoint that holds one, as a pickle."""
    plain = all(isinstance(value, torch.Tensor) for value in content.values())
    path = folder / ("g.safetensors" if plain else "g.pth")
    save_file({name: value.contiguous() for name, value in content.items()}, path) if plain else torch.save(content, path)
    asked = options_named("generators", path.name, kind, folder)
    return open_generator(type(asked).model_validate({**asked.model_dump(exclude_none=True), **options}), Context(folder))


def ours(generator, state):
    """Activations of each layer, one after another, and the image."""
    before, layers = None, {}
    for name in generator.layers:
        state = generator.run(state, after=before, upto=name)
        layers[name], before = state[name], name
    return {**layers, "image": generator.run(state, after=before)["image"]}


# the formulas, in float64, one image at a time


def weight(p, name):
    """W / σ: σ after a step of power iteration from the stored u, or uᵀWv of the stored pair."""
    if f"{name}.weight_orig" in p:
        matrix = p[f"{name}.weight_orig"]
        sigma = sum(p[f"{name}.weight_u"][k] * (matrix[k].flatten() @ p[f"{name}.weight_v"]) for k in range(len(matrix)))
        return matrix / sigma
    matrix = p[f"{name}.weight"]
    if f"{name}.u0" not in p:
        return matrix
    rows = matrix.flatten(1)
    v = rows.T @ p[f"{name}.u0"][0]
    v = v / v.norm()
    u = rows @ v
    return matrix / (u / u.norm() @ rows @ v)


def convolved(p, name, x):
    w = weight(p, name)
    return F.conv2d(x[None], w, p.get(f"{name}.bias"), padding=w.shape[2] // 2)[0]


def twice(x):
    return x.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)


def standardised(x, mean, var, gain, bias, eps):
    return torch.stack([(c - m) / (v + eps) ** 0.5 * g + b for c, m, v, g, b in zip(x, mean, var, gain, bias, strict=True)])


def looked_around(p, name, x, names):
    """Every position takes what it sees of the others, by the softmax of their products."""
    theta, phi, g = (convolved(p, f"{name}.{each}", x) for each in names[:3])
    phi, g = (
        torch.stack(
            [each[:, a : a + 2, b : b + 2].amax(dim=(1, 2)) for a in range(0, x.shape[1], 2) for b in range(0, x.shape[2], 2)]
        )
        for each in (phi, g)
    )
    seen = torch.zeros(g.shape[1], *x.shape[1:], dtype=x.dtype)
    for a in range(x.shape[1]):
        for b in range(x.shape[2]):
            likeness = torch.exp(phi @ theta[:, a, b])
            seen[:, a, b] = (likeness / likeness.sum()) @ g
    return p[f"{name}.gamma"] * convolved(p, f"{name}.{names[3]}", seen) + x


def brock_by_formula(tensors, z, labels, eps=1e-5):
    p = {name: value.double() for name, value in tensors.items()}
    blocks = 1 + max(int(name.split(".")[1]) for name in p if name.startswith("blocks."))
    results = []
    for latent, label in zip(z.double(), labels, strict=True):
        y, made = p["shared.weight"][label], {}
        hier = len(latent) != p["linear.weight"].shape[1]
        parts = latent.view(blocks + 1, -1) if hier else [latent, *[latent[:0]] * blocks]
        x = (weight(p, "linear") @ parts[0] + p["linear.bias"]).view(-1, 4, 4)
        made["linear"] = x
        for k in range(blocks):
            condition = torch.cat([y, parts[k + 1]])

            def batch_norm(name, x, condition=condition):
                gain, bias = (weight(p, f"{name}.{each}") @ condition for each in ("gain", "bias"))
                return standardised(x, p[f"{name}.stored_mean"], p[f"{name}.stored_var"], 1 + gain, bias, eps).clamp(min=0)

            block = f"blocks.{k}.0"
            inner = convolved(p, f"{block}.conv1", twice(batch_norm(f"{block}.bn1", x)))
            inner = convolved(p, f"{block}.conv2", batch_norm(f"{block}.bn2", inner))
            x = made[f"block{k + 1}"] = inner + convolved(p, f"{block}.conv_sc", twice(x))
            if f"blocks.{k}.1.gamma" in p:
                x = made[f"attention{k + 1}"] = looked_around(p, f"blocks.{k}.1", x, ("theta", "phi", "g", "o"))
        last = [p[f"output_layer.0.{each}"] for each in ("stored_mean", "stored_var", "gain", "bias")]
        made["image"] = torch.tanh(convolved(p, "output_layer.2", standardised(x, *last, 1e-5).clamp(min=0)))
        results.append(made)
    return {name: torch.stack([made[name] for made in results]) for name in results[0]}


def deep_by_formula(tensors, z, labels, rows, blocks=DEEP):
    """rows: which rows of statistics are averaged, with their weights."""
    p = {name: value.double() for name, value in tensors.items()}
    layers = 1 + max(int(name.split(".")[2]) for name in p if name.startswith("generator.layers."))

    def statistics(name):
        return (sum(share * p[f"{name}.running_{each}"][row] for row, share in rows.items()) for each in ("means", "vars"))

    results = []
    for latent, label in zip(z.double(), labels, strict=True):
        condition, made, number = torch.cat([latent, p["embeddings.weight"][:, label]]), {}, 0
        x = (weight(p, "generator.gen_z") @ condition + p["generator.gen_z.bias"]).view(4, 4, -1).permute(2, 0, 1)
        made["linear"] = x
        for k in range(layers):
            layer, inner = f"generator.layers.{k}", x
            if f"{layer}.gamma" in p:
                names = [f"snconv1x1_{each}" for each in ("theta", "phi", "g", "o_conv")]
                x = made[f"attention{number}"] = looked_around(p, layer, x, names)
                continue
            before, after = blocks[number]
            number += 1
            up = number % 2 == 0 or after < before
            for place in range(4):
                name = f"{layer}.bn_{place}"
                gain, bias = (weight(p, f"{name}.{each}") @ condition for each in ("scale", "offset"))
                inner = standardised(inner, *statistics(name), 1 + gain, bias, 1e-4).clamp(min=0)
                inner = convolved(p, f"{layer}.conv_{place}", twice(inner) if up and place == 1 else inner)
            past = x[: len(inner)]
            x = made[f"block{number}"] = inner + (twice(past) if up else past)
        last = standardised(x, *statistics("generator.bn"), p["generator.bn.weight"], p["generator.bn.bias"], 1e-4)
        made["image"] = torch.tanh(convolved(p, "generator.conv_to_rgb", last.clamp(min=0))[:3])
        results.append(made)
    return {name: torch.stack([made[name] for made in results]) for name in results[0]}


def alike(result, expected):
    assert list(result) == list(expected)
    for name, value in result.items():
        assert value.double() == pytest.approx(expected[name], abs=1e-5), name


@pytest.mark.parametrize("sizes", [{}, {"hier": False}, {"attention": (0, 2)}, {"channels": (16, 8, 4), "attention": ()}])
@torch.inference_mode()
def test_every_layer_of_a_biggan_is_its_formula(tmp_path, sizes):
    tensors = drawn(brock(**sizes))
    found = opened(tmp_path, {f"module.{name}": value for name, value in tensors.items()})
    state = found.generator.latents(4, torch.tensor([2, 9]))
    assert state["z"].shape == (2, 24) and found.generator.card["layout"] == "a BigGAN of ajbrock/BigGAN-PyTorch"
    alike(ours(found.generator, state), brock_by_formula(tensors, state["z"], state["label"]))


@torch.inference_mode()
def test_a_module_of_tf_hub_is_known_by_its_singular_values_and_has_another_epsilon(tmp_path):
    tensors = drawn(brock())
    tensors |= {name: value * 0.02 for name, value in tensors.items() if re.search(r"blocks.*var$", name)}
    for content in (
        {name: value for name, value in tensors.items() if not name.endswith("sv0")},
        {name: torch.ones(1) if name.endswith("sv0") else value for name, value in tensors.items()},
    ):
        generator = opened(tmp_path, content).generator
        state = generator.latents(4, torch.tensor([2, 9]))
        expected = brock_by_formula(tensors, state["z"], state["label"], eps=1e-4)["block1"]
        assert "TF-Hub" in generator.card["layout"]
        assert ours(generator, state)["block1"].double() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("truncation, rows", [
    (0.4, {20: 1.0}), (0.58, {29: 1.0}), (None, {50: 1.0}), (0.413, {20: 0.35, 21: 0.65}), (0.001, {0: 0.95, 1: 0.05})
])  # fmt: skip
@torch.inference_mode()
def test_every_layer_of_a_biggan_deep_is_its_formula_with_the_statistics_of_the_truncation(tmp_path, truncation, rows):
    tensors = drawn(deep())
    generator = opened(tmp_path, tensors, truncation=truncation).generator
    state = generator.latents(4, torch.tensor([2, 9]))
    assert generator.resolution == (64, 64) and generator.layers[3:5] == ("block3", "attention3")
    alike(ours(generator, state), deep_by_formula(tensors, state["z"], state["label"], rows))


@torch.inference_mode()
def test_the_known_numbers_of_the_official_networks_come_out(tmp_path):
    """Printed by the official modules with weights of RandomState(7), z of RandomState(1), classes 0 and 1."""

    def statistics(content, latent, **options):
        z = torch.tensor(np.random.RandomState(1).randn(2, latent), dtype=torch.float32)
        image = opened(tmp_path, content, **options).generator.run({"z": z, "label": torch.arange(2)})["image"]
        return image.mean().item(), image.std(correction=0).item()

    assert len(brock()) == 110
    assert statistics(drawn(brock()), 24) == pytest.approx((0.32322457, 0.92255265), abs=1e-5)
    for truncation, known in (
        (0.4, (-0.04599122, 0.81489617)), (0.5, (-0.00148949, 0.79671156)), (0.41, (0.04147406, 0.80866498))
    ):  # fmt: skip
        assert statistics(drawn(deep()), 8, truncation=truncation) == pytest.approx(known, abs=1e-4)


@torch.inference_mode()
def test_published_sizes_are_read_off_the_shapes(tmp_path):
    """Blocks and channels of the 128 px models, a 48th of their width."""
    generator = opened(tmp_path, drawn(brock(120, (32, 32, 16, 8, 8, 8), (3,)))).generator
    assert generator.layers == ("linear", "block1", "block2", "block3", "block4", "attention4", "block5")
    assert generator.resolution == (128, 128) and generator.parts[1] == slice(20, 40)
    blocks = ((16, 16), (16, 16), (16, 16), (16, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1))
    generator = opened(tmp_path, drawn(deep(4, 4, blocks, attention=8, rows=3))).generator
    assert generator.resolution == (128, 128) and generator.layers[8:10] == ("block8", "attention8")


# layouts


@torch.inference_mode()
def test_statistics_of_other_batch_norms_and_weights_without_spectral_norm(tmp_path):
    tensors = drawn(brock())
    plain = opened(tmp_path, tensors).generator.state_dict()

    def renamed(pattern, by, **more):
        changed = {re.sub(pattern, by, name): value for name, value in tensors.items()}
        return {**changed, **{name: torch.tensor([value]) for name, value in more.items()}}

    synchronised = renamed(r"\.stored_", ".bn.running_", **{"blocks.0.0.bn1.bn.num_batches_tracked": 4})
    accumulated = renamed(r"\.stored_", ".bn.stored_", **{"blocks.0.0.bn1.bn.accumulation_counter": 4.0})
    for each in ("mean", "var"):
        accumulated[f"blocks.0.0.bn1.bn.stored_{each}"] = accumulated[f"blocks.0.0.bn1.bn.stored_{each}"] * 4.0
    bare = {
        name: weight(tensors, name.removesuffix(".weight")) if name.endswith("weight") else value
        for name, value in tensors.items() if not name.endswith(("u0", "sv0"))
    }  # fmt: skip
    own = {name: value.clone() for name, value in plain.items()}
    for content in (synchronised, accumulated, bare, own, {"G_ema": tensors, "G": drawn(brock(latent=28))}):
        state = opened(tmp_path, content, kind="auto").generator.state_dict()
        assert state.keys() == plain.keys()
        assert all(value.numpy() == pytest.approx(plain[name].numpy(), abs=1e-6) for name, value in state.items())
    accumulated["blocks.0.0.bn1.bn.accumulation_counter"] = torch.tensor([3.2])
    with pytest.raises(RequestError, match=r"g\.safetensors.*mixture of standing statistics.*3\.2"):
        opened(tmp_path, accumulated)


@torch.inference_mode()
def test_a_class_that_is_not_shared_has_a_gain_and_a_bias_for_each_channel(tmp_path):
    """As a linear map of a one-hot class, whose columns the tables hold as rows."""
    tensors = {
        name: value for name, value in drawn(brock(hier=False, classes=8)).items() if not re.search(TABLES + "(u0|sv)", name)
    }
    linear = {name: 0.3 * value if re.search(TABLES, name) else value for name, value in tensors.items()}
    tables = {name: value.T if re.search(TABLES, name) else value for name, value in linear.items() if name != "shared.weight"}
    generator = opened(tmp_path, tables, kind="auto").generator
    state = generator.latents(1, torch.arange(2))
    alike(ours(generator, state), brock_by_formula({**linear, "shared.weight": torch.eye(8)}, state["z"], state["label"]))


def test_a_biggan_deep_without_spectral_norm_is_the_same(tmp_path):
    tensors = drawn(deep(rows=1))
    plain = opened(tmp_path, tensors).generator.state_dict()
    bare = {name: value for name, value in tensors.items() if not re.search("weight_[uv]|weight_orig", name)}
    bare |= {name[:-5]: weight(tensors, name[:-12]) for name in tensors if name.endswith("weight_orig")}
    state = opened(tmp_path, bare, kind="auto").generator.state_dict()
    assert all(value.numpy() == pytest.approx(plain[name].numpy(), abs=1e-6) for name, value in state.items())


TABLES = r"bn\d\.(gain|bias)\."


def without(name, of):
    return {each: value for each, value in of.items() if each != name}


@pytest.mark.parametrize("content, words", [
    (lambda: without("blocks.1.0.conv2.weight", drawn(brock())), "block2.convs.1.weight is missing|block2"),
    (lambda: without("blocks.1.0.bn1.stored_mean", drawn(brock())), "block2.norms.0.mean is missing"),
    (lambda: without("output_layer.0.gain", drawn(brock())), "in any layout that is known"),
    (lambda: {**drawn(brock()), "blocks.1.0.skip.weight": torch.ones(2)}, "block2.skip.weight is unknown"),
    (lambda: {**drawn(brock()), "blocks.0.0.conv1.u0": torch.ones(1, 4)}, r"conv1.u0 is \(1, 4\), not \(16,\)"),
    (lambda: {**drawn(brock()), "blocks.0.0.conv1.u0": torch.zeros(1, 16)}, "not finite"),
    (lambda: {**drawn(brock()), "blocks.0.0.conv1.weight": torch.ones(())}, r"conv1.weight is \(\), no matrix"),
    (lambda: {**drawn(brock()), "shared.weight": torch.ones(0, 8)}, r"shared.weight is \(0, 8\)"),
    (lambda: {**drawn(brock()), "shared.weight": torch.ones(5, 9)}, "the first layer has 6 inputs"),
    (lambda: {**drawn(brock()), "blocks.0.0.bn1.stored_mean": torch.ones(1, 16)}, "block1.norms.0.mean"),
    (lambda: without("generator.gen_z.weight_v", drawn(deep(rows=2))), "generator.gen_z.weight_v is missing"),
    (lambda: without("generator.gen_z.weight_orig", drawn(deep(rows=2))), "generator.gen_z.weight is missing"),
    (lambda: without("generator.layers.0.conv_1.weight_orig", drawn(deep(rows=2))), "block1"),
    (lambda: {**drawn(deep(rows=2)), "embeddings.weight": torch.ones(5)}, r"embeddings.weight is \(5,\)"),
    (lambda: {**drawn(deep(rows=2)), "generator.gen_z.bias": torch.ones(7)}, r"generator.gen_z.bias is \(7,\)"),
    (lambda: {**drawn(deep(rows=2)), "generator.bn.running_vars": torch.ones(8)}, "output.norm.variance"),
    (lambda: drawn(deep(rows=2, blocks=((16, 16), (8, 16)), attention=None)), "block2"),
])  # fmt: skip
def test_a_file_that_is_none_gets_one_sentence_that_names_it(tmp_path, content, words):
    with pytest.raises(RequestError, match=rf"weights .*g\.safetensors.*({words})") as refused:
        opened(tmp_path, content())
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


# latents


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("g"), drawn(brock())).generator


@pytest.mark.parametrize("content, truncation, scale", [
    (lambda: drawn(brock(latent=240)), 0.5, 0.5), (lambda: drawn(deep(rows=2, latent=64)), None, 1.0)
])  # fmt: skip
def test_a_truncated_z_is_a_normal_one_cut_off_at_two_and_made_smaller(tmp_path, content, truncation, scale):
    generator = opened(tmp_path, content(), truncation=truncation).generator
    z = generator.latents(3, torch.arange(200))["z"].numpy().ravel() / scale
    assert kstest(z, truncnorm(-2, 2).cdf).pvalue > 0.01 and abs(z).max() <= 2.0
    (space,) = generator.spaces
    assert f"between ±2, times {scale:g}" in str(space.prior)


def test_the_class_of_an_image_follows_from_its_index_and_the_shares(tmp_path):
    tensors = drawn(brock(classes=7))
    shares = opened(tmp_path, tensors, label_shares={5: 30, 2: 10}).generator
    labels = shares.latents(1, torch.arange(4000))["label"]
    assert set(labels.tolist()) == {2, 5} and (labels == 5).float().mean().item() == pytest.approx(0.75, abs=0.025)
    assert torch.equal(shares.latents(1, torch.tensor([17, 3]))["label"], labels[[17, 3]])
    assert not torch.equal(shares.latents(2, torch.arange(4000))["label"], labels)
    uniform = opened(tmp_path, tensors).generator.latents(1, torch.arange(7000))["label"]
    assert uniform.bincount(minlength=7).tolist() == pytest.approx([1000] * 7, abs=120)
    fixed = opened(tmp_path, tensors, label=4).generator.latents(1, torch.arange(3))["label"]
    assert fixed.tolist() == [4] * 3
    equal = opened(tmp_path, tensors, label_shares={label: 1 / 7 for label in range(7)}).generator
    assert torch.equal(equal.latents(1, torch.arange(1000))["label"], uniform[:1000])


def test_which_classes_are_made_is_in_the_key_and_is_told(tmp_path):
    tensors = drawn(brock(classes=7))

    def asked(**options):
        return opened(tmp_path, tensors, **options)

    plain, one, two = asked(), asked(label=3), asked(label_shares={3: 0.25, 5: 0.75})
    assert "options" not in plain.recipe and one.recipe["options"] == {"label": 3}
    assert two.recipe["options"] == {"label_shares": {"3": 0.25, "5": 0.75}}
    assert one.generator.sampling == {"label": 3} and two.generator.sampling == two.recipe["options"]
    assert any("of class 3 of 7" in note and "other classes" in note for note in one.notes)
    assert any("of 2 classes of 7" in note for note in two.notes)
    assert not any("classes" in note for note in (*plain.notes, *asked(label_shares={k: 1 / 7 for k in range(7)}).notes))


def source(**options):
    return BigganSource.model_validate({"name": "g", "kind": "biggan", "weights": "g.pth", **options})


def test_counts_in_the_same_proportions_are_the_same_shares():
    assert source(label_shares={5: 60, 3: 20, 4: 0}).label_shares == source(label_shares={"3": 0.25, "5": 0.75}).label_shares
    thirds = source(label_shares={0: 1, 1: 1, 2: 1})
    assert source(**thirds.model_dump(include={"label_shares"})) == thirds
    assert list(source(label_shares={5: 1, 3: 1}).label_shares) == [3, 5]


@pytest.mark.parametrize("options, words", [
    ({"label": 1, "label_shares": {1: 1}}, "both say"), ({"label": True}, "no number"), ({"truncation": 1.5}, "less"),
    ({"label_shares": {}}, "none is above 0"), ({"label_shares": {1: 0}}, "none is above 0"),
    ({"label_shares": {-1: 1}}, "greater"), ({"label_shares": {1: -1}}, "greater"), ({"label_shares": {"cat": 1}}, "integer"),
    ({"label_shares": {1: float("inf")}}, "finite"),
])  # fmt: skip
def test_shares_that_are_none_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        source(**options)


@pytest.mark.parametrize(
    "options, words", [({"label": 5}, "label is 5"), ({"label_shares": {2: 0.5, 9: 0.5}}, "label_shares is 9")]
)
def test_a_class_that_it_does_not_have_is_refused(tmp_path, options, words):
    with pytest.raises(RequestError, match=f"{words}, and this generator has 5 classes, from 0"):
        opened(tmp_path, drawn(brock()), **options)


@torch.inference_mode()
def test_a_run_goes_on_from_any_layer_and_keeps_the_class_of_another_z(generator):
    state = generator.latents(1, torch.arange(3))
    whole = generator.run(state)
    assert set(whole) == {"z", "label", "image"}
    for name in generator.layers:
        assert torch.equal(generator.run(generator.run(state, upto=name), after=name)["image"], whole["image"])
    other = with_z(generator.run(state, upto="block1"), state["z"].flip(0))
    assert torch.equal(other["label"], state["label"])
    free = {**state, "embedding": generator.shared(state["label"])}
    assert torch.equal(generator.run(free)["image"], whole["image"])
    assert not torch.equal(generator.run({**free, "embedding": free["embedding"] + 1.0})["image"], whole["image"])
    assert torch.equal(
        generator(state["z"]), generator.run({"z": state["z"], "label": torch.zeros(3, dtype=torch.int64)})["image"]
    )


def test_at_256_pixels_the_first_linear_layer_is_the_one_that_is_freed(generator):
    """Sizes of the 256 px model: its first block alone would be half of the pixel values."""
    assert [layer.name for layer in read_shape(generator).layers][:2] == ["linear", "block1"]
    assert not read_shape(generator).direction_only
    sides, channels = (4, 8, 16, 32, 64, 128, 256), (1536, 1536, 768, 768, 384, 192, 96)
    layers = [LayerShape(f"l{side}", width, side, side) for side, width in zip(sides, channels, strict=True)]
    choice = choose_layers(GeneratorShape(256, 140, tuple(layers), False))
    assert choice.residuals == ("l4",) and choice.feature == "l8" and choice.evidential


# the audit


def test_a_deep_one_is_sampled_parsed_and_inverted_at_its_first_linear_layer(tmp_path):
    shapes = deep(width=3, latent=4, blocks=((16, 16), (16, 8), (8, 4), (4, 1)), attention=None)
    torch.save(drawn(shapes), tmp_path / "g.bin")
    whole = whole_audit(tmp_path, {"kind": "biggan", "weights": str(tmp_path / "g.bin"), "truncation": 0.4})
    assert (whole.choice.residuals, whole.choice.feature) == (("linear",), "block1") and not whole.direction_only
    assert any("BigGAN-deep" in note for note in whole.result.notes)


def test_it_is_sampled_parsed_and_inverted_at_its_own_layer(tmp_path):
    torch.save({"G_ema": drawn(brock(channels=(8, 8, 8), attention=(0,)))}, tmp_path / "g.pth")
    shares = {"truncation": 0.7, "label_shares": {1: 1, 3: 2}}
    whole = whole_audit(tmp_path, {"kind": "biggan", "weights": str(tmp_path / "g.pth"), **shares})
    assert any("of 2 classes of 5" in note for note in whole.result.notes)
    assert any("class that its index draws" in note for note in whole.result.notes)
    (line,) = catalog.query(whole.store, SHARES.replace("'photos'", "'g'")).to_pylist()
    labels = whole.generator.latents(1, torch.arange(20))["label"].bincount(minlength=4).tolist()
    assert labels[0] == labels[2] == 0 and line["line"] == f"label_shares: {{0: {labels[1]}, 1: {labels[3]}}}"
