"""StyleGAN against the paper's formulas, written here as TensorFlow orders them; its published layouts; a whole audit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tensorflow_pickles import convolved, generator, network, pickled, repeated, scattered
from tensorflow_pickles import stylegan as variables
from whole_audit import whole_audit

from ganaudit.context import Context
from ganaudit.conversion import convert
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.named import options_named

SMALL, LARGE = (4, 4, 3), (4, 4, 3, 3, 2, 2)
"""Channels of a network of 16 px, and of one of 128 px, whose last upsampling is a transposed convolution."""


def as_genforce(tensors, channels=SMALL):
    """The same tensors by genforce's names, the averaged network beside the others."""
    made = {"truncation.w_avg": tensors["dlatent_avg"], "synthesis.lod": np.float32(0.0)}
    for k in range(2):
        weight = tensors[f"mapping/Dense{k}/weight"]
        made |= {f"mapping.dense{k}.weight": weight.T, f"mapping.dense{k}.bias": tensors[f"mapping/Dense{k}/bias"]}
    if "mapping/LabelConcat/weight" in tensors:
        made["mapping.label_weight"] = tensors["mapping/LabelConcat/weight"]
    number = 0
    for k in range(len(channels)):
        side = 4 * 2**k
        for name in ("Conv0_up", "Conv1") if k else ("Const", "Conv"):
            theirs, ours = f"synthesis/{side}x{side}/{name}", f"synthesis.layer{number}"
            if name == "Const":
                made[f"{ours}.const"] = tensors[f"{theirs}/const"]
            else:
                made[f"{ours}.weight"] = tensors[f"{theirs}/weight"].transpose(3, 2, 0, 1)
            made |= {f"{ours}.bias": tensors[f"{theirs}/bias"], f"{ours}.apply_noise.weight": tensors[f"{theirs}/Noise/weight"]}
            made |= {f"{ours}.apply_noise.noise": tensors[f"synthesis/noise{number}"]}
            made |= {
                f"{ours}.style.weight": tensors[f"{theirs}/StyleMod/weight"].T,
                f"{ours}.style.bias": tensors[f"{theirs}/StyleMod/bias"],
            }
            if name == "Conv0_up":
                blur = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]).astype(np.float32) / 16
                made[f"{ours}.blur.kernel"] = np.tile(blur, (channels[k], 1, 1, 1))
            number += 1
        theirs = f"synthesis/ToRGB_lod{len(channels) - 1 - k}"
        made |= {f"synthesis.output{k}.weight": tensors[f"{theirs}/weight"].transpose(3, 2, 0, 1)}
        made |= {f"synthesis.output{k}.bias": tensors[f"{theirs}/bias"]}
    smooth = {name: torch.tensor(np.ascontiguousarray(value)) for name, value in made.items()}
    training = {name: torch.zeros_like(value) for name, value in smooth.items()}
    return {"generator": training, "discriminator": {"layer0.weight": torch.ones(2)}, "generator_smooth": smooth}


def opened(folder, content, kind="stylegan", **sampling):
    path = folder / "g.pkl"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    return open_generator(options_named("generators", "g.pkl", kind, folder).model_copy(update=sampling), Context(folder))


def file_of(tensors):
    """(G, D, Gs), of which the last is the average."""
    other = {name: 0 * value for name, value in tensors.items()}
    return pickled((generator("G", other), network("D", {"4x4/Dense0/weight": np.ones(2)}), generator("Gs", tensors)))


# the formulas, in float64, by brute force


def smoothed(x):
    rows, columns = x.shape[2:]
    wide = torch.nn.functional.pad(x, (1, 1, 1, 1))
    weights = ((1, 2, 1), (2, 4, 2), (1, 2, 1))
    return sum(weights[i][j] / 16 * wide[:, :, i : i + rows, j : j + columns] for i in range(3) for j in range(3))


def crooked(x):
    return torch.where(x > 0, x, 0.2 * x)


def styled(x, style, epsilon):
    """Each channel of each image has mean 0 and variance 1, before a scale and a shift."""
    result = torch.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            channel = x[n, c] - x[n, c].mean()
            result[n, c] = channel / (channel.square().mean() + epsilon).sqrt() * style[n, c] + style[n, x.shape[1] + c]
    return result


def on_sphere(z):
    return z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()


def mapped(p, z, label=None):
    w = on_sphere(z.double() if label is None else torch.cat([z.double(), p["mapping/LabelConcat/weight"][label]], dim=1))
    for k in range(2):
        weight = p[f"mapping/Dense{k}/weight"]
        w = crooked(w @ weight * (0.01 * 2**0.5 / weight.shape[0] ** 0.5) + 0.01 * p[f"mapping/Dense{k}/bias"])
    return w


def by_formula(tensors, ws, noises, channels=SMALL):
    """Activations of each resolution, and the image before it is clamped."""
    p = {name: torch.tensor(value, dtype=torch.float64) for name, value in tensors.items()}
    x, result, number = p["synthesis/4x4/Const/const"].repeat(len(ws), 1, 1, 1), {}, 0
    for k, after in enumerate(channels):
        side = 4 * 2**k
        for name in ("Conv0_up", "Conv1") if k else ("Const", "Conv"):
            layer = f"synthesis/{side}x{side}/{name}"
            if name != "Const":
                weight = p[f"{layer}/weight"]
                weight = weight * 2**0.5 / (9 * weight.shape[2]) ** 0.5
                if name == "Conv0_up":
                    x = smoothed(scattered(x, weight) if side >= 128 else convolved(repeated(x), weight))
                else:
                    x = convolved(x, weight)
            x = x + noises[number].double() * p[f"{layer}/Noise/weight"].view(-1, 1, 1) + p[f"{layer}/bias"].view(-1, 1, 1)
            style = ws[:, number] @ p[f"{layer}/StyleMod/weight"] / ws.shape[2] ** 0.5 + p[f"{layer}/StyleMod/bias"]
            style = style + torch.tensor([1.0] * after + [0.0] * after)
            x, number = styled(crooked(x), style, 1e-8), number + 1
        result[f"b{side}"] = x
    colours = torch.einsum("nchw,co->nohw", x, p["synthesis/ToRGB_lod0/weight"][0, 0] / channels[-1] ** 0.5)
    return {**result, "image": colours + p["synthesis/ToRGB_lod0/bias"].view(-1, 1, 1)}


def check(made, state, expected):
    """Every layer, given what comes to it by the formula, and the whole."""
    before, given = None, state
    for name in made.layers:
        result = made.run(given, after=before, upto=name)[name].double()
        size = max(1.0, float(expected[name].abs().max()))
        assert result == pytest.approx(expected[name], abs=1e-5 * size), name
        assert float(expected[name].std()) > 0.3
        given, before = {**state, name: expected[name].float()}, name
    image = made.output.torgb(given[before]).double()
    assert image == pytest.approx(expected["image"], abs=1e-5 * max(1.0, float(image.abs().max())))
    whole = made.run(state)["image"].double()
    assert whole == pytest.approx(expected["image"].clamp(-1, 1), abs=1e-4) and whole.abs().max() == 1


@pytest.mark.parametrize("channels, noise, psi, cutoff", [
    (SMALL, "index", None, None), (SMALL, "const", 0.6, None), (SMALL, "none", 0.5, 3), (LARGE, "index", 0.6, 5),
])  # fmt: skip
@torch.inference_mode()
def test_every_layer_is_its_formula(tmp_path, channels, noise, psi, cutoff):
    tensors = variables(channels)
    made = opened(tmp_path, file_of(tensors), noise=noise, truncation=psi, cutoff=cutoff).generator
    state = made.latents(4, torch.tensor([2, 9]))
    p = {name: torch.tensor(value, dtype=torch.float64) for name, value in tensors.items()}
    each = {
        "index": [state.get(f"noise{k}") for k in range(made.styles)], "none": [torch.zeros(1)] * made.styles,
        "const": [p[f"synthesis/noise{k}"] for k in range(made.styles)],
    }[noise]  # fmt: skip
    ws = mapped(p, state["z"])[:, None].repeat(1, made.styles, 1)
    ws[:, :cutoff] = p["dlatent_avg"] + (1.0 if psi is None else psi) * (ws[:, :cutoff] - p["dlatent_avg"])
    side = 4 * 2 ** (len(channels) - 1)
    assert made.resolution == (side, side) and made.styles == 2 * len(channels)
    check(made, state, by_formula(tensors, ws, each, channels))


@torch.inference_mode()
def test_every_layer_takes_a_style_of_its_own_and_a_class_enters_with_z(tmp_path):
    tensors = variables(classes=3)
    made = opened(tmp_path, file_of(tensors)).generator
    state = made.latents(1, torch.arange(6))
    assert set(state["label"].tolist()) == {0, 1, 2} and made.latents(1, torch.tensor([4]))["label"] == state["label"][4]
    p = {name: torch.tensor(value, dtype=torch.float64) for name, value in tensors.items()}
    w = mapped(p, state["z"], state["label"])
    assert made.mapping(state["z"], state["label"]).double() == pytest.approx(w, abs=1e-5)
    ws = torch.stack([w.roll(k, dims=0) for k in range(6)], dim=1)
    noises = [state[f"noise{k}"] for k in range(6)]
    check(made, {**state, "w": ws.float()}, by_formula(tensors, ws, noises))
    again = opened(tmp_path, as_genforce(tensors), label=2).generator
    assert again.latents(1, torch.arange(6))["label"].tolist() == [2] * 6
    assert torch.equal(again.mapping.embed.weight, made.mapping.embed.weight)
    with pytest.raises(RequestError, match="label is 3, and this generator has 3 classes, from 0"):
        opened(tmp_path, file_of(tensors), label=3)


@pytest.mark.parametrize("channels", [SMALL, LARGE])
def test_every_layout_of_the_same_tensors_is_the_same_generator_and_so_is_its_conversion(tmp_path, channels):
    tensors = variables(channels)
    found = opened(tmp_path, file_of(tensors), "auto")
    plain = found.generator.state_dict()
    assert found.recipe["kind"] == "stylegan" and "g.pkl is of kind 'stylegan'" in found.notes[0]
    convert(str(tmp_path / "g.pkl"), tmp_path)
    converted = options_named("generators", "g.Gs.state_dict.safetensors", "auto", tmp_path)
    others = [opened(tmp_path, as_genforce(tensors, channels), "auto"), open_generator(converted, Context(tmp_path))]
    for other in others:
        result = other.generator.state_dict()
        assert result.keys() == plain.keys() and all(torch.equal(result[name], value) for name, value in plain.items())


# rosinality's network: other factors, biases before the blur, one noise a resolution, and always 1024 px


def rosinality(channels=(4, 4, 3), width=5, trained=None, fused=()):
    random = torch.Generator().manual_seed(5)
    made = {}
    for k in (1, 3):
        made |= {f"style.{k}.linear.weight_orig": (width, width), f"style.{k}.linear.bias": (width,)}
    for k, after in enumerate(channels):
        block = f"generator.progression.{k}"
        if k == 0:
            made[f"{block}.conv1.input"] = (1, after, 4, 4)
        elif k in fused:
            made |= {f"{block}.conv1.0.weight": (channels[k - 1], after, 3, 3), f"{block}.conv1.0.bias": (after,)}
        else:
            made |= {
                f"{block}.conv1.1.conv.weight_orig": (after, channels[k - 1], 3, 3),
                f"{block}.conv1.1.conv.bias": (after,),
            }
        made |= {f"{block}.conv2.conv.weight_orig": (after, after, 3, 3), f"{block}.conv2.conv.bias": (after,)}
        for own in (1, 2):
            made[f"{block}.noise{own}.weight_orig"] = (1, after, 1, 1)
            style = f"{block}.adain{own}.style.linear"
            made |= {f"{style}.weight_orig": (2 * after, width), f"{style}.bias": (2 * after,)}
        made |= {f"generator.to_rgb.{k}.conv.weight_orig": (3, after, 1, 1), f"generator.to_rgb.{k}.conv.bias": (3,)}
    tensors = {name: torch.randn(shape, generator=random) for name, shape in made.items()}
    for name in tensors:
        if trained is not None and int(name.split(".")[2] if name.startswith("gen") else 0) >= trained and (
            name.endswith("conv.bias") or "noise" in name
        ):  # fmt: skip
            tensors[name] = torch.zeros_like(tensors[name])
    blur = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16
    for k in range(1, len(channels)):
        name = f"generator.progression.{k}.conv1.{1 if k in fused else 2}"
        tensors |= {f"{name}.weight{end}": blur.expand(channels[k], 1, 3, 3) for end in ("", "_flip")}
    return tensors


def by_its_formula(p, z, noises, blocks, fused):
    p = {name: value.double() for name, value in p.items()}
    w = on_sphere(z.double())
    for k in (1, 3):
        weight = p[f"style.{k}.linear.weight_orig"]
        w = crooked(w @ weight.T * (2 / weight.shape[1]) ** 0.5 + p[f"style.{k}.linear.bias"])
    x, result = p["generator.progression.0.conv1.input"].repeat(len(z), 1, 1, 1), {}

    def equal(weight):
        return weight.permute(2, 3, 1, 0) * (2 / (9 * weight.shape[1])) ** 0.5

    for k in range(blocks):
        block = f"generator.progression.{k}"
        for own in (1, 2):
            if own == 2:
                x = convolved(x, equal(p[f"{block}.conv2.conv.weight_orig"])) + p[f"{block}.conv2.conv.bias"].view(-1, 1, 1)
            elif k in fused:
                weight = p[f"{block}.conv1.0.weight"].transpose(0, 1)
                x = smoothed(scattered(x, equal(weight) / 4) + p[f"{block}.conv1.0.bias"].view(-1, 1, 1))
            elif k:
                x = convolved(repeated(x), equal(p[f"{block}.conv1.1.conv.weight_orig"]))
                x = smoothed(x + p[f"{block}.conv1.1.conv.bias"].view(-1, 1, 1))
            strength = p[f"{block}.noise{own}.weight_orig"]
            x = crooked(x + noises[k].double() * strength * (2 / strength.shape[1]) ** 0.5)
            its = p[f"{block}.adain{own}.style.linear.weight_orig"]
            x = styled(x, w @ its.T * (2 / its.shape[1]) ** 0.5 + p[f"{block}.adain{own}.style.linear.bias"], 1e-5)
        result[f"b{4 * 2**k}"] = x
    last = p[f"generator.to_rgb.{blocks - 1}.conv.weight_orig"][:, :, 0, 0]
    colours = torch.einsum("nchw,oc->nohw", x, last) * (2 / last.shape[1]) ** 0.5
    return {**result, "image": colours + p[f"generator.to_rgb.{blocks - 1}.conv.bias"].view(-1, 1, 1)}


@pytest.mark.parametrize("fused", [(), (2,)])
@torch.inference_mode()
def test_rosinality_s_layers_are_its_formulas(tmp_path, fused):
    tensors = rosinality(fused=fused)
    content = {"g_running": tensors, "generator": {name: 0 * value for name, value in tensors.items()}, "g_optimizer": {}}
    made = opened(tmp_path, content, "auto").generator
    state = made.latents(2, torch.arange(2))
    assert sorted(state) == ["noise0", "noise1", "noise2", "z"]
    check(made, state, by_its_formula(tensors, state["z"], [state[f"noise{k}"] for k in range(3)], 3, fused))
    constant = opened(tmp_path, content, noise="const").generator.latents(2, torch.arange(2))
    assert torch.equal(constant["noise1"][0], constant["noise1"][1])
    assert torch.equal(
        constant["noise1"], opened(tmp_path, content, noise="const").generator.latents(5, torch.arange(2))["noise1"]
    )


@torch.inference_mode()
def test_blocks_that_training_has_not_reached_are_left_out(tmp_path):
    tensors = rosinality((4, 4, 3, 3, 2), trained=3, fused=(3,))
    found = opened(tmp_path, tensors)
    assert found.generator.resolution == (16, 16) and "16×16 pixels" in found.notes[0]
    state = found.generator.latents(2, torch.arange(2))
    expected = by_its_formula(tensors, state["z"], [state[f"noise{k}"] for k in range(3)], 3, (3,))
    check(found.generator, state, expected)


# what is none


def without(name):
    return lambda: {each: value for each, value in variables().items() if each != name}


def with_(name, value):
    return lambda: {**variables(), name: value}


def zeros(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize("tensors, words", [
    (without("synthesis/8x8/Conv0_up/weight"), "than StyleGAN in TensorFlow: synthesis/8x8/Conv0_up/weight is missing"),
    (without("synthesis/noise3"), "synthesis/noise3 is missing"), (without("mapping/Dense0/bias"), "Dense0/bias is missing"),
    (without("synthesis/ToRGB_lod0/bias"), "synthesis/ToRGB_lod0/bias is missing"),
    (with_("synthesis/8x8/Skip/weight", zeros(1, 1, 4, 4)), "synthesis/8x8/Skip/weight is unknown"),
    (with_("synthesis/4x4/Dense/weight", zeros(6, 64)), "synthesis/4x4/Dense/weight is unknown"),
    (with_("synthesis/999999x999999/Conv1/weight", zeros(1)), "32x32/Conv0_up/weight is missing"),
    (with_("synthesis/lod", np.float32(2.5)), r"saved while it grew \(lod is 2.5, not 0\).*take a later one"),
    (with_("synthesis/8x8/Conv0_up/weight", zeros(3, 3, 4)), r"Conv0_up/weight is \(3, 3, 4\), which no such tensor"),
    (with_("synthesis/8x8/Conv1/weight", zeros(5, 5, 4, 4)), r"b8.conv1.weight is \(4, 4, 5, 5\), not \(4, 4, 3, 3\)"),
    (with_("synthesis/4x4/Const/const", zeros(4)), "Const/const is|constant is"),
    (with_("synthesis/4x4/Const/const", zeros(1, 0, 4, 4)), "sizes of 0"),
    (with_("synthesis/noise2", zeros(1, 1, 9, 9)), r"b8.conv0.noise_const is \(9, 9\), not \(8, 8\)"),
    (with_("mapping/Dense1/weight", zeros(7)), r"mapping/Dense1/weight is \(7,\), which no such tensor"),
    (with_("mapping/LabelConcat/weight", zeros(2, 5)), "sizes of 0"),
    (with_("synthesis/8x8/Conv1/bias", np.full(4, np.nan, np.float32)), "not finite: b8.conv1.bias"),
    (with_("synthesis/8x8/Conv1/StyleMod/bias", np.float32(1.0)), r"StyleMod/bias is \(\), which no such tensor"),
    (with_("synthesis/8x8/Conv1/StyleMod/bias", zeros(7)), r"b8.conv1.affine.bias is \(7,\), not \(8,\)"),
])  # fmt: skip
def test_a_file_that_is_none_gets_one_sentence_that_names_it(tmp_path, tensors, words):
    with pytest.raises(RequestError, match=rf"weights .*g\.pkl.*({words})") as refused:
        opened(tmp_path, file_of(tensors()))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


def test_another_filter_and_a_missing_name_are_refused_in_pytorch_s_layouts(tmp_path):
    other = as_genforce(variables())["generator_smooth"]
    box = {**other, "synthesis.layer2.blur.kernel": torch.ones(4, 1, 3, 3)}
    with pytest.raises(RequestError, match=r"layer2.blur.kernel is another filter than \[1, 2, 1\] in both directions"):
        opened(tmp_path, box)
    with pytest.raises(RequestError, match=r"synthesis.layer3.style.bias is missing"):
        opened(tmp_path, {name: value for name, value in other.items() if name != "synthesis.layer3.style.bias"})
    with pytest.raises(RequestError, match=r"generator.progression.1.adain2.style.linear.bias is missing"):
        opened(tmp_path, {name: value for name, value in rosinality().items() if "1.adain2.style.linear.bias" not in name})
    with pytest.raises(RequestError, match=r"generator.progression.1.conv3.weight is unknown"):
        opened(tmp_path, {**rosinality(), "generator.progression.1.conv3.weight": torch.ones(2)})


def test_a_network_that_fuses_other_layers_is_refused_though_its_tensors_fit(tmp_path):
    for fused, blur in (("auto", [1, 2, 1]), (True, [1, 2, 1]), ("auto", None)):
        (tmp_path / "g.pkl").write_bytes(
            pickled(generator("Gs", variables(), fused_scale=fused, blur_filter=blur, resolution=16))
        )
        if (fused, blur) != ("auto", [1, 2, 1]):
            with pytest.raises(
                RequestError, match=r"was made with (fused_scale=True|blur_filter=None), and a StyleGAN in TensorFlow"
            ):
                open_generator(options_named("generators", "g.pkl", "stylegan", tmp_path), Context(tmp_path))
        else:
            open_generator(options_named("generators", "g.pkl", "stylegan", tmp_path), Context(tmp_path))


def test_a_cutoff_beyond_its_styles_is_refused(tmp_path):
    with pytest.raises(RequestError, match="cutoff is 7, and this generator has 6 layers that take a style"):
        opened(tmp_path, file_of(variables()), truncation=0.5, cutoff=7)


# the audit


def test_it_is_sampled_parsed_and_inverted_at_its_own_layer(tmp_path):
    (tmp_path / "g.pkl").write_bytes(file_of(variables(latent=6)))
    whole = whole_audit(tmp_path, {"kind": "stylegan", "weights": str(tmp_path / "g.pkl"), "truncation": 0.7})
    assert (whole.choice.residuals, whole.choice.feature) == (("b4",), "b8") and whole.direction_only
