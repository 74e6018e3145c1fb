"""StyleGAN2 against the papers' formulas, written here one image at a time; its published layouts; its way through an audit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from half_precision import check_half, check_said, opened_as
from safetensors.torch import save_file
from tensorflow_pickles import generator as generator_of
from tensorflow_pickles import network, pickled
from whole_audit import whole_audit

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.networks.stylegan2 import Stylegan2, stylegan2
from ganaudit.generators.networks.stylegan2_names import named
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import with_z
from ganaudit.generators.shapes import generator_digest
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.named import options_named
from ganaudit.random import normals

FILTER = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64


def published(latent=5, width=6, channels=(7, 4, 3), size=(4, 4), depth=2, classes=0):
    """Shapes of NVIDIA's state dict in its own order, without the filters."""
    shapes = {}

    def style(name, inputs):
        shapes.update({f"{name}.affine.weight": (inputs, width), f"{name}.affine.bias": (inputs,)})

    for k, out in enumerate(channels):
        block, sides = f"synthesis.b{4 * 2**k}", (size[0] * 2**k, size[1] * 2**k)
        if k == 0:
            shapes[f"{block}.const"] = (out, *size)
        for name, inputs in ([("conv0", channels[k - 1])] if k else []) + [("conv1", out)]:
            name = f"{block}.{name}"
            shapes |= {f"{name}.weight": (out, inputs, 3, 3), f"{name}.noise_strength": (), f"{name}.bias": (out,)}
            shapes[f"{name}.noise_const"] = sides
            style(name, inputs)
        shapes |= {f"{block}.torgb.weight": (3, out, 1, 1), f"{block}.torgb.bias": (3,)}
        style(f"{block}.torgb", out)
    shapes["mapping.w_avg"] = (width,)
    for k in range(depth):
        inputs = width if k else latent + width * bool(classes)
        shapes |= {f"mapping.fc{k}.weight": (width, inputs), f"mapping.fc{k}.bias": (width,)}
    if classes:
        shapes |= {"mapping.embed.weight": (width, classes), "mapping.embed.bias": (width,)}
    return shapes


def drawn(**sizes):
    """Tensors of those shapes, none of which hides behind a 0, with the filters that the files hold."""
    rng = np.random.RandomState(3)
    tensors = {name: torch.tensor(rng.randn(*shape), dtype=torch.float32) for name, shape in published(**sizes).items()}
    for name in tensors:
        if name.endswith(("bias", "noise_strength")):
            tensors[name] = 0.4 * tensors[name] + (1.0 if "affine" in name else 0.3)
        tensors[name] = tensors[name] * (100.0 if ".fc" in name else 0.4 if name.endswith("torgb.weight") else 1.0)
    filters = {name.replace("noise_const", "resample_filter"): FILTER for name in tensors if name.endswith("noise_const")}
    return {**tensors, **filters, "synthesis.b4.resample_filter": FILTER}


def as_rosinality(tensors):
    """NVIDIA's names and shapes as rosinality's, by the order in which its modules stand."""
    made, sides = {}, sorted({int(name.split(".")[1][1:]) for name in tensors if name.startswith("synthesis.b")})
    styled = [
        (f"b{side}.{conv}", f"convs.{2 * k + j}")
        for k, side in enumerate(sides[1:])
        for j, conv in enumerate(("conv0", "conv1"))
    ]
    for k, (theirs, ours) in enumerate([("b4.conv1", "conv1"), *styled]):
        its = {part: tensors[f"synthesis.{theirs}.{part}"] for part in ("weight", "bias", "noise_strength", "noise_const")}
        made |= {f"{ours}.conv.weight": its["weight"][None], f"{ours}.activate.bias": its["bias"]}
        made |= {f"{ours}.noise.weight": its["noise_strength"].reshape(1), f"noises.noise_{k}": its["noise_const"][None, None]}
        if ours.startswith("convs") and k % 2:
            made[f"{ours}.conv.blur.kernel"] = FILTER * 4
    for k, side in enumerate(sides):
        ours, torgb = "to_rgb1" if k == 0 else f"to_rgbs.{k - 1}", f"synthesis.b{side}.torgb"
        made |= {
            f"{ours}.conv.weight": tensors[f"{torgb}.weight"][None],
            f"{ours}.bias": tensors[f"{torgb}.bias"].view(1, 3, 1, 1),
        }
        if k:
            made[f"{ours}.upsample.kernel"] = FILTER * 4
        styled.append((f"b{side}.torgb", ours))
    for theirs, ours in [*styled, ("b4.conv1", "conv1")]:
        made |= {f"{ours}.conv.modulation.{part}": tensors[f"synthesis.{theirs}.affine.{part}"] for part in ("weight", "bias")}
    fully = [name for name in tensors if name.startswith("mapping.fc")]
    made |= {f"style.{int(name[10]) + 1}.{name.split('.')[-1]}": tensors[name] for name in fully}
    return {f"g_ema.{name}": value for name, value in {**made, "input.input": tensors["synthesis.b4.const"][None]}.items()} | {
        "latent_avg": tensors["mapping.w_avg"], "d.convs.0.0.weight": torch.zeros(2), "g.input.input": torch.zeros(1)
    }  # fmt: skip


def as_tensorflow(tensors):
    """NVIDIA's PyTorch names and shapes as its TensorFlow ones, whose dimensions are (height, width, in, out)."""
    made = {"dlatent_avg": tensors["mapping.w_avg"], "synthesis/4x4/Const/const": tensors["synthesis.b4.const"][None]}
    for name, value in tensors.items():
        if name.startswith("mapping.fc"):
            made[f"mapping/Dense{name[10]}/{name.split('.')[-1]}"] = value.T if value.ndim == 2 else value
        if name.startswith("mapping.embed"):
            made[f"mapping/LabelEmbed/{name.split('.')[-1]}"] = value.T if value.ndim == 2 else value
    for side in sorted({int(name.split(".")[1][1:]) for name in tensors if name.startswith("synthesis.b")}):
        for own, theirs in {"conv0": "Conv0_up", "conv1": "Conv" if side == 4 else "Conv1", "torgb": "ToRGB"}.items():
            its = {
                name.split(f".{own}.")[1]: value
                for name, value in tensors.items()
                if name.startswith(f"synthesis.b{side}.{own}.")
            }
            scope = f"synthesis/{side}x{side}/{theirs}"
            if not its:
                continue
            weight = its["weight"].flip(2, 3) if own == "conv0" else its["weight"]
            made |= {f"{scope}/weight": weight.permute(2, 3, 1, 0), f"{scope}/bias": its["bias"]}
            made |= {f"{scope}/mod_weight": its["affine.weight"].T, f"{scope}/mod_bias": its["affine.bias"] - 1.0}
            if own != "torgb":
                made[f"{scope}/noise_strength"] = its["noise_strength"]
                number = 2 * (side.bit_length() - 1) - (5 if own == "conv0" else 4) if side > 4 else 0
                made[f"synthesis/noise{number}"] = its["noise_const"][None, None]
    return {name: np.ascontiguousarray(value.numpy()) if value.ndim else np.float32(value) for name, value in made.items()}


def opened(folder, tensors, **sampling):
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, folder / "g.safetensors")
    options = options_named("generators", "g.safetensors", "stylegan2", folder).model_copy(update=sampling)
    return open_generator(options, Context(folder)).generator


# the formulas, in float64, by brute force


def upfirdn(x, up, before, after, gain):
    """Zeros between pixels, zeros around, and the filter as a convolution, pixel by pixel."""
    n, c, h, w = x.shape
    wide = torch.zeros(n, c, h * up, w * up, dtype=x.dtype)
    wide[:, :, ::up, ::up] = x
    wide = F.pad(wide, (before, after, before, after))
    kernel = (FILTER * gain).double().flip(0, 1)
    rows, columns = wide.shape[2] - 3, wide.shape[3] - 3
    return sum(kernel[i, j] * wide[:, :, i : i + rows, j : j + columns] for i in range(4) for j in range(4))


def affine(p, name, w):
    return w @ p[f"{name}.affine.weight"].T / w.shape[1] ** 0.5 + p[f"{name}.affine.bias"]


def crooked(x):
    return torch.where(x > 0, x, 0.2 * x) * 2**0.5


def convolved(p, name, x, w, noise):
    images = []
    for image, style in zip(x, affine(p, name, w), strict=True):
        kernel = p[f"{name}.weight"] * style[None, :, None, None]
        kernel = kernel / (kernel.pow(2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if name.endswith("conv0"):  # a convolution of the image with zeros in it, which a flipped kernel makes of a correlation
            c, h, w_ = image.shape
            wide = torch.zeros(1, c, 2 * h - 1, 2 * w_ - 1, dtype=x.dtype)
            wide[:, :, ::2, ::2] = image
            images.append(upfirdn(F.conv2d(wide, kernel.flip(2, 3), padding=2), 1, 1, 1, 4))
        else:
            images.append(F.conv2d(image[None], kernel, padding=1))
    x = torch.cat(images) + noise * p[f"{name}.noise_strength"]
    return crooked(x + p[f"{name}.bias"][:, None, None])


def colours(p, name, x, w):
    style = affine(p, name, w) / x.shape[1] ** 0.5
    made = torch.stack(
        [torch.einsum("oi,ihw->ohw", p[f"{name}.weight"][:, :, 0, 0] * s, image) for s, image in zip(style, x, strict=True)]
    )
    return made + p[f"{name}.bias"][:, None, None]


def by_formula(tensors, z, noise, psi=1.0, cutoff=None, ws=None, label=None):
    """Activations of each block, and the image. noise: `const`, `none`, or one for each convolution."""
    p = {name: value.double() for name, value in tensors.items()}
    blocks = sorted({int(name.split(".")[1][1:]) for name in p if name.startswith("synthesis.b")})
    w = z.double() / (z.double().pow(2).mean(dim=1, keepdim=True) + 1e-8).sqrt()
    if label is not None:
        table = p["mapping.embed.weight"].T / p["mapping.embed.weight"].shape[1] ** 0.5 + p["mapping.embed.bias"]
        table = table / (table.pow(2).mean(dim=1, keepdim=True) + 1e-8).sqrt()
        w = torch.stack([torch.cat([its, table[each]]) for its, each in zip(w, label.tolist(), strict=True)])
    for k in range(sum(name.startswith("mapping.fc") for name in p) // 2):
        w = crooked(w @ p[f"mapping.fc{k}.weight"].T * 0.01 / w.shape[1] ** 0.5 + 0.01 * p[f"mapping.fc{k}.bias"])
    if ws is None:
        ws = w[:, None].repeat(1, 2 * len(blocks), 1)
        ws[:, :cutoff] = p["mapping.w_avg"] + psi * (ws[:, :cutoff] - p["mapping.w_avg"])
    x, image, result, place, number = p["synthesis.b4.const"].repeat(len(z), 1, 1, 1), None, {}, 0, 0
    for side in blocks:
        block = f"synthesis.b{side}"
        for name in ["conv1"] if side == 4 else ["conv0", "conv1"]:
            constant = p[f"{block}.{name}.noise_const"]
            its = {"const": constant, "none": 0 * constant}.get(noise) if isinstance(noise, str) else noise[number].double()
            x = convolved(p, f"{block}.{name}", x, ws[:, place], its)
            place, number = place + 1, number + 1
        own = colours(p, f"{block}.torgb", x, ws[:, place])
        image = own if image is None else upfirdn(image, 2, 2, 1, 4) + own
        result[f"b{side}"] = x
    return {**result, "image": image}


def ours(generator, state):
    """Activations of each layer, one after another, and the image before it is clamped."""
    before, layers = None, {}
    for name in generator.layers:
        state = generator.run(state, after=before, upto=name)
        layers[name], before = state[name], name
    within = {**state, "w": generator._truncated(generator.mapping(state["z"], state.get("label")), state)}
    return {**layers, "image": generator.unclamped(layers[before], state.get(f"{before}.beside"), within)}


@pytest.mark.parametrize("noise", ["index", "const", "none"])
@pytest.mark.parametrize("psi, cutoff", [(None, None), (0.6, None), (0.6, 3), (0.0, 1)])
@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
@torch.inference_mode()
def test_every_layer_is_its_formula(tmp_path, noise, psi, cutoff, size):
    tensors = drawn(size=size)
    generator = opened(tmp_path, tensors, noise=noise, truncation=psi, cutoff=cutoff)
    state = generator.latents(4, torch.tensor([2, 9]))
    each = [state[f"noise{k}"] for k in range(5)] if noise == "index" else noise
    expected = by_formula(tensors, state["z"], each, 1.0 if psi is None else psi, cutoff)
    result = ours(generator, state)
    assert list(result) == ["b4", "b8", "b16", "image"] and generator.resolution == (4 * size[0], 4 * size[1])
    for name, value in result.items():
        assert value.double() == pytest.approx(expected[name], abs=1e-5), name
    whole = generator.run(state)
    assert torch.equal(whole["image"], result["image"].clamp(-1, 1)) and set(whole) == {*state, "image"}


@torch.inference_mode()
def test_the_known_numbers_of_the_official_network_come_out():
    """Printed by NVIDIA's module with weights of RandomState(7), z of RandomState(1)."""
    rng = np.random.RandomState(7)
    shapes = published(latent=64, width=64, channels=(32, 32, 32, 16))
    tensors = {name: torch.tensor(rng.randn(*shape), dtype=torch.float32) for name, shape in shapes.items()}
    generator = stylegan2(64, (64, 64), (32, 32, 32, 16))
    generator.load_state_dict(named(tensors))
    z = torch.tensor(np.random.RandomState(1).randn(3, 64), dtype=torch.float32)
    generator.sampled(noise="const")
    result = ours(generator.eval(), {**generator.latents(0, torch.arange(3)), "z": z})["image"]
    assert (result.mean(), result.std(correction=0)) == pytest.approx((0.85457951, 4.00175953), abs=1e-5)
    generator.sampled(truncation=0.7, noise="none")
    result = ours(generator, {"z": z})["image"]
    assert (result.mean(), result.std(correction=0)) == pytest.approx((0.22024831, 2.88587379), abs=1e-5)


# the state


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("g"), drawn())


@torch.inference_mode()
def test_a_run_goes_on_from_any_layer_with_or_without_what_passed_it_by(generator):
    state = generator.latents(1, torch.arange(3))
    whole = generator.run(state)["image"]
    for name in generator.layers:
        part = generator.run(state, upto=name)
        assert set(part) - set(state) == ({name} if name == "b4" else {name, f"{name}.beside"})
        assert torch.equal(generator.run(part, after=name)["image"], whole)
        other = with_z(part, state["z"].flip(0))
        assert f"{name}.beside" not in other and torch.equal(other["noise1"], state["noise1"])
        assert torch.equal(generator.run({**state, name: part[name]}, after=name)["image"], whole)
        moved = {**part, name: part[name] + 1.0}
        assert not torch.equal(generator.run(moved, after=name)["image"], whole)  # the last layer's too: its colours follow


@torch.inference_mode()
def test_each_convolution_and_colour_takes_its_own_of_the_styles(generator):
    state = generator.latents(1, torch.arange(2))
    every = torch.from_numpy(normals(0, "styles", range(2), 36)).view(2, 6, 6)
    result = generator.run({**state, "w": every})["image"]
    expected = by_formula(drawn(), state["z"], [state[f"noise{k}"] for k in range(5)], ws=every.double())["image"]
    assert result.double() == pytest.approx(expected.clamp(-1, 1), abs=1e-5)
    assert [(space.name, space.shape) for space in generator.spaces] == [("z", (5,)), ("w", (6,)), ("w+", (6, 6))]


@torch.inference_mode()
def test_noise_follows_from_the_index_of_an_image_alone(generator):
    pair, alone = generator.latents(1, torch.tensor([5, 8])), generator.latents(1, torch.tensor([8]))
    assert all(torch.equal(pair[name][1:], value) for name, value in alone.items())
    assert {name: tuple(value.shape[2:]) for name, value in alone.items() if name != "z"} == {
        "noise0": (4, 4), "noise1": (8, 8), "noise2": (8, 8), "noise3": (16, 16), "noise4": (16, 16)
    }  # fmt: skip
    assert not torch.equal(pair["noise1"][0], pair["noise2"][0])


def test_a_search_gets_a_gradient_from_what_is_out_of_range_and_through_the_residuals(generator):
    state = generator.latents(1, torch.arange(2))
    space = SearchSpace(generator, state, residuals=("b4", "b8"))
    free = {name: value.requires_grad_(True) for name, value in space.start().items()}
    image = space.image(free)
    assert image.abs().max() == 1 and torch.equal(image, generator.run(state)["image"])
    gradients = torch.autograd.grad((image + image.sign()).square().sum(), list(free.values()))
    assert all(gradient.abs().min() > 0 for gradient in gradients)
    feature = SearchSpace(generator, generator.run(state, upto="b8"), feature="b8")
    assert torch.equal(feature.image(feature.start()), image)


# classes


@torch.inference_mode()
def test_a_class_enters_with_z_and_follows_from_the_index(tmp_path):
    tensors = drawn(classes=3)
    made = opened(tmp_path, tensors, truncation=0.6)
    state = made.latents(4, torch.arange(6))
    assert set(state["label"].tolist()) == {0, 1, 2} and made.latents(4, torch.tensor([5]))["label"] == state["label"][5]
    each = [state[f"noise{k}"] for k in range(5)]
    expected = by_formula(tensors, state["z"], each, 0.6, label=state["label"])
    for name, value in ours(made, state).items():
        assert value.double() == pytest.approx(expected[name], abs=1e-5), name
    kept = with_z(state, state["z"].flip(0))  # a search moves z, and the class stays
    expected = by_formula(tensors, kept["z"], each, 0.6, label=state["label"])["image"]
    assert made.run(kept)["image"].double() == pytest.approx(expected.clamp(-1, 1), abs=1e-5)
    zero = {name: value for name, value in state.items() if name != "label"}
    expected = by_formula(tensors, state["z"], each, 0.6, label=torch.zeros(6, dtype=torch.int64))["image"]
    assert made.run(zero)["image"].double() == pytest.approx(expected.clamp(-1, 1), abs=1e-5)


@torch.inference_mode()
def test_truncation_goes_to_the_average_of_the_image_s_own_class_where_asked(tmp_path):
    tensors = drawn(classes=3)
    made = opened(tmp_path, tensors, truncation=0.25, cutoff=2, center="class")
    state = made.latents(4, torch.arange(6))
    z = torch.from_numpy(normals(0, "statistics of w", range(1000), 5))
    means = torch.stack([made.mapping(z, torch.full((1000,), k)).double().mean(dim=0) for k in range(3)])[state["label"]]
    w = made.mapping(state["z"], state["label"]).double()
    nearer = means + 0.25 * (w - means)
    wanted = torch.stack([nearer, nearer, w, w, w, w], dim=1).float()
    assert made.run(state)["image"] == pytest.approx(made.run({**state, "w": wanted})["image"], abs=1e-5)
    assert (
        made.run(state)["image"] - opened(tmp_path, tensors, truncation=0.25, cutoff=2).run(state)["image"]
    ).abs().max() > 0.01
    assert made.sampling == {"truncation": 0.25, "cutoff": 2, "center": "class"}
    with pytest.raises(RequestError, match="center is class, and this generator has no classes"):
        opened(tmp_path, drawn(), truncation=0.5, center="class")


@torch.inference_mode()
def test_of_one_class_all_images_are_and_the_statistics_of_styles(tmp_path):
    tensors = drawn(classes=3)
    shared = opened(tmp_path, tensors, label_shares={0: 0.25, 2: 0.75})
    of = shared.latents(4, torch.arange(200))["label"]
    assert set(of.tolist()) == {0, 2} and 0.65 < (of == 2).float().mean() < 0.85
    made, every = opened(tmp_path, tensors, label=1), opened(tmp_path, tensors)
    assert made.latents(4, torch.arange(6))["label"].tolist() == [1] * 6 and made.sampling == {"label": 1}
    z = torch.from_numpy(normals(0, "statistics of w", range(10_000), 5))
    of_one = made.mapping(z, torch.ones(10_000, dtype=torch.int64)).mean(dim=0)
    assert made.statistics()[0] == pytest.approx(of_one, abs=1e-5)
    assert (every.statistics()[0] - of_one).abs().max() > 0.1
    assert torch.equal(
        made.center(), tensors["mapping.w_avg"]
    )  # what truncation goes to is that in the weights, of all classes
    with pytest.raises(RequestError, match="label is 3, and this generator has 3 classes, from 0"):
        opened(tmp_path, tensors, label=3)
    with pytest.raises(RequestError, match="label is 0, and this generator has no classes"):
        opened(tmp_path, drawn(), label=0)


# layouts


@pytest.mark.parametrize("classes", [0, 3])
def test_tensorflow_s_pickle_is_the_same_generator(tmp_path, classes):
    tensors = drawn(classes=classes)
    plain = opened(tmp_path, tensors).state_dict()
    theirs = as_tensorflow(tensors)
    other = {name: 0 * value for name, value in theirs.items()}
    (tmp_path / "g.pkl").write_bytes(pickled((generator_of("G", other), network("D", {}), generator_of("Gs", theirs))))
    found = open_generator(options_named("generators", "g.pkl", "auto", tmp_path), Context(tmp_path))
    result = found.generator.state_dict()
    assert found.recipe["kind"] == "stylegan2" and found.recipe["network"] == "Gs.state_dict"
    assert result.keys() == plain.keys()
    for name, value in plain.items():  # styles around 0, and around 1, are rounded
        assert torch.equal(result[name], value) or (result[name] == pytest.approx(value, abs=1e-6) and "affine.bias" in name), (
            name
        )


def test_an_older_class_is_joined_to_z_before_both_are_on_one_sphere(tmp_path):
    theirs = as_tensorflow(drawn(classes=3))
    theirs = {name: value for name, value in theirs.items() if "LabelEmbed" not in name}
    table = theirs["mapping/LabelConcat/weight"] = np.random.RandomState(1).randn(3, 6).astype(np.float32)
    (tmp_path / "g.pkl").write_bytes(pickled((generator_of("Gs", theirs),)))
    made = open_generator(options_named("generators", "g.pkl", "stylegan2", tmp_path), Context(tmp_path)).generator
    z, label = torch.randn(4, 5), torch.tensor([2, 0, 1, 1])
    joined = torch.cat([z, torch.from_numpy(table)[label]], dim=1).double()
    w = joined / (joined.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for k in range(2):
        weight, bias = (torch.from_numpy(theirs[f"mapping/Dense{k}/{part}"]).double() for part in ("weight", "bias"))
        w = crooked(w @ weight * 0.01 / weight.shape[0] ** 0.5 + 0.01 * bias)
    assert made.mapping(z, label).double() == pytest.approx(w, abs=1e-5)


def test_every_layout_of_the_same_tensors_is_the_same_generator(tmp_path):
    tensors = drawn(latent=6)
    plain = opened(tmp_path, tensors).state_dict()
    assert torch.equal(plain["b8.conv0.weight"], tensors["synthesis.b8.conv0.weight"])
    nested = {f"{part}.{name}": value * (part == "G_ema") for name, value in tensors.items() for part in ("G", "G_ema")}
    module = {f"module.{name}": value for name, value in tensors.items()}
    for other in (nested, module, as_rosinality(tensors), plain):
        result = opened(tmp_path, other).state_dict()
        assert result.keys() == plain.keys() and all(torch.equal(result[name], value) for name, value in plain.items())


def test_a_pickled_checkpoint_of_either_layout_opens_without_its_family_named(tmp_path):
    """Nested as published files are, with an optimiser's state beside the network."""
    tensors = drawn(latent=6)
    expected = opened(tmp_path, tensors).state_dict()
    nested = {name.removeprefix("g_ema."): value for name, value in as_rosinality(tensors).items() if name.startswith("g_ema.")}
    beside = {"state": {}, "param_groups": [{"lr": 0.002}]}
    average = {"latent_avg": tensors["mapping.w_avg"]}
    for content in (tensors, {"G_ema": tensors}, {"g_ema": nested, "g_optim": beside, **average}):
        torch.save(content, tmp_path / "g.pt")
        options = options_named("generators", "g.pt", "auto", tmp_path)
        state = open_generator(options, Context(tmp_path)).generator.state_dict()
        assert state.keys() == expected.keys() and all(torch.equal(value, state[name]) for name, value in expected.items())


def test_without_an_average_style_truncation_goes_to_that_of_ten_thousand(tmp_path):
    tensors = as_rosinality(drawn(latent=6))
    del tensors["latent_avg"]
    generator = opened(tmp_path, tensors, truncation=0.5)
    assert isinstance(generator, Stylegan2) and generator.w_avg is None
    assert torch.equal(generator.center(), generator.statistics()[0])


def without(name, of=drawn):
    return {each: value for each, value in of().items() if each != name}


def with_(name, value, of=drawn):
    return {**of(), name: value}


def squares():
    return as_rosinality(drawn(latent=6))


@pytest.mark.parametrize("tensors, words", [
    ({"layer1.weight": torch.zeros(2)}, r"not the weights of a stylegan2 generator in any layout .*layer1.weight"),
    (without("synthesis.b8.conv0.bias"), "synthesis.b8.conv0.bias is missing"),
    (without("synthesis.b16.conv1.weight"), "synthesis.b16.conv1.weight is missing"),
    (without("g_ema.to_rgbs.0.bias", squares), "g_ema.to_rgbs.0.bias is missing"),
    (without("g_ema.noises.noise_2", squares), "g_ema.noises.noise_2 is missing"),
    (with_("synthesis.b8.skip.weight", torch.zeros(1)), "synthesis.b8.skip.weight is unknown"),
    (with_("synthesis.b999999.skip.weight", torch.zeros(1)), "synthesis.b32.conv0.weight is missing"),
    (with_("mapping.embed.weight", torch.zeros(6, 3)), "mapping.embed.bias is missing"),
    ({**with_("mapping.embed.weight", torch.zeros(6, 3)), "mapping.embed.bias": torch.zeros(6)}, "network has sizes of 0"),
    (with_("synthesis.b8.resample_filter", torch.ones(4, 4)), r"b8.resample_filter is another filter than \[1, 3, 3, 1\]"),
    (with_("synthesis.b8.conv0.weight", torch.zeros(4, 7, 1, 1)), r"b8.conv0.weight is \(4, 7, 1, 1\), not \(4, 7, 3, 3\)"),
    (with_("synthesis.b4.const", torch.zeros(7, 8, 8)), r"noise_const is \(16, 16\), not \(32, 32\)"),
    (with_("synthesis.b4.const", torch.zeros(7)), r"b4.const of .* is \(channels, height, width\), not \(7,\)"),
    (with_("synthesis.b4.const", torch.zeros(7, 0, 4)), "sizes of 0"),
    (with_("mapping.fc1.weight", torch.zeros(())), "no usable"),
    (with_("synthesis.b8.torgb.weight", torch.zeros(1, 4, 1, 1)), r"torgb.weight is \(1, 4, 1, 1\), not \(3, 4, 1, 1\)"),
    (with_("synthesis.b8.conv1.weight", torch.full((4, 4, 3, 3), float("nan"))), "not finite: b8.conv1.weight"),
    (with_("other.synthesis.b4.const", torch.zeros(7, 4, 4)), "several generators"),
    (without("b8.torgb.bias", lambda: dict(named(drawn()))), "b8.torgb.bias is missing"),
    (without("b8.conv1.weight", lambda: dict(named(drawn()))), "no usable 'b8.conv1.weight'"),
])  # fmt: skip
def test_a_file_that_is_none_gets_one_sentence_that_names_it(tmp_path, tensors, words):
    with pytest.raises(RequestError, match=rf"weights .*g\.safetensors.*{words}") as refused:
        opened(tmp_path, tensors)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


def test_a_cutoff_beyond_its_styles_is_refused(tmp_path):
    with pytest.raises(RequestError, match="cutoff is 7, and this generator has 6 layers that take a style"):
        opened(tmp_path, drawn(), truncation=0.5, cutoff=7)


# the audit


def test_it_is_sampled_parsed_and_inverted_at_its_own_layer(tmp_path):
    weights = tmp_path / "g.safetensors"
    save_file({name: value.clone() for name, value in drawn(latent=6).items()}, weights)
    whole = whole_audit(tmp_path, {"kind": "stylegan2", "weights": str(weights), "truncation": 0.7})
    assert (whole.choice.residuals, whole.choice.feature) == (("b4",), "b8") and whole.direction_only


# half precision

MANY = {"channels": (6, 6, 4, 4, 3)}
HIGHEST = {"b8", "b16", "b32", "b64"}


def test_half_precision_gives_the_images_of_float32_up_to_its_rounding(tmp_path):
    check_half(tmp_path, "stylegan2", drawn(**MANY), HIGHEST, 2**-11)


def test_nothing_is_beyond_the_largest_number_of_float16(tmp_path):
    tensors = drawn(**MANY)
    for name in ("b16.conv0.weight", "b32.conv1.weight", "b32.conv1.affine.weight", "b32.conv1.affine.bias"):
        tensors[f"synthesis.{name}"] *= 1e5  # which demodulation takes out again
    plain, half = (opened_as(tmp_path, "stylegan2", tensors, precision=said).generator for said in ("float32", "half"))
    latents = plain.latents(1, torch.arange(2))
    with torch.inference_mode():
        assert torch.allclose(plain.run(latents)["image"], half.run(latents)["image"], atol=0.02)
        half.b32.conv1.bias.fill_(1e4)
        assert float(half.run(latents, upto="b32")["b32"].max()) == 256.0  # as in training


@pytest.mark.parametrize(("key", "said", "layers"), [
    ("init_kwargs", {"synthesis_kwargs": {"num_fp16_res": 2, "conv_clamp": 256}}, {"b32", "b64"}),
    ("init_kwargs", {"synthesis_kwargs": {"channel_max": 8}}, set()),
    ("init_kwargs", {"channel_base": 16384}, HIGHEST),  # StyleGAN3's repository has a default
    ("init_kwargs", {"num_fp16_res": 0}, set()),
    ("init_kwargs", {"num_fp16_res": 64}, HIGHEST),
    ("init_kwargs", {"num_fp16_res": "4"}, set()),
    ("static_kwargs", {"num_fp16_res": 3}, {"b16", "b32", "b64"}),
    ("static_kwargs", {"resolution": 128}, set()),
    ("said", {"num_fp16_res": 4}, set()),
])  # fmt: skip
def test_on_a_gpu_those_layers_are_halved_that_a_file_says(tmp_path, key, said, layers):
    check_said(tmp_path, "stylegan2", drawn(**MANY), key, said, layers)


@pytest.mark.parametrize(("key", "said", "limit"), [
    ("init_kwargs", {"synthesis_kwargs": {"conv_clamp": 3.5}}, 3.5), ("init_kwargs", {"synthesis_kwargs": {}}, None),
    ("init_kwargs", {"channel_base": 16384}, 256.0), ("init_kwargs", {"conv_clamp": None}, None),  # StyleGAN3's repository
    ("static_kwargs", {"conv_clamp": 2}, 2.0), ("static_kwargs", {"resolution": 128}, None), ("said", {"conv_clamp": 2}, None),
])  # fmt: skip
def test_in_float32_too_activations_are_clamped_where_a_file_says_so(tmp_path, key, said, limit):
    tensors = drawn(**MANY)
    for name in ("b8.conv1.bias", "b16.conv1.bias"):
        tensors[f"synthesis.{name}"] += 1e3
    opened = opened_as(tmp_path, "stylegan2", {"G_ema": {key: said, "state_dict": tensors}})
    assert opened.recipe.get("clamp") == limit
    unclamped = opened_as(tmp_path, "stylegan2", tensors).generator
    assert (generator_digest(opened.generator) == generator_digest(unclamped)) == (limit is None)
    latents = opened.generator.latents(1, torch.arange(2))
    most = [float(opened.generator.run(latents, upto=name)[name].abs().max()) for name in ("b8", "b16")]
    assert most == [limit, limit] if limit else min(most) > 300


@pytest.mark.parametrize("limit", ["2", -1, 0, True, [256], float("nan"), float("inf"), 1e300])
def test_a_clamp_that_is_none_is_told(tmp_path, limit):
    said = {"synthesis_kwargs": {"conv_clamp": limit}}
    with pytest.raises(RequestError, match=r"stylegan2\.pt: this network was made with conv_clamp="):
        opened_as(tmp_path, "stylegan2", {"G_ema": {"init_kwargs": said, "state_dict": drawn(**MANY)}})


def test_float32_is_no_part_of_a_key_and_half_precision_is(tmp_path):
    tensors = drawn(**MANY)
    asked = ({}, {"precision": "float32"}, {"precision": "half"})
    recipes = [opened_as(tmp_path, "stylegan2", tensors, **said).recipe for said in asked]
    assert recipes[0] == recipes[1] and not {"precision", "options"} & set(recipes[0])
    assert recipes[2] == {**recipes[0], "precision": {"float16": ["b8", "b16", "b32", "b64"]}}
