"""StyleGAN3 against the paper's formulas, written here by positions of samples; its layout; its way through an audit."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import scipy.special
import torch
import torch.nn.functional as F
from half_precision import check_half, check_said
from safetensors.torch import save_file
from whole_audit import whole_audit

from ganaudit.context import Context
from ganaudit.conversion import convert
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import with_z
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.named import options_named
from ganaudit.random import normals

TAPS = 6
"""Of a filter, for each sample of the lower of its rates."""


def jinc(taps, cutoff, width, rate):
    """The radial low-pass filter of the paper's Appendix C.2, under Kaiser's window."""
    place = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.sqrt(place[:, None] ** 2 + place[None] ** 2)
    window = np.kaiser(taps, scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(taps, width / (rate / 2))))
    result = scipy.special.j1(2 * np.pi * cutoff * radius) / radius * window[:, None] * window[None]
    return result / result.sum()


def design(side=16, layers=4, critical=1, first=1.0, stop=1.9, margin=2, last_stop=2**0.3):
    """Cutoff, half of the transition band, sampling rate and size of each layer, the colours among them (Section 3.2)."""
    exponents = np.minimum(np.arange(layers + 1) / (layers - critical), 1)
    cutoffs = first * (side / 2 / first) ** exponents
    stops = stop * (side / 2 * last_stop / stop) ** exponents
    rates = (2 ** np.ceil(np.log2(np.minimum(2 * stops, side)))).astype(int)
    sizes = rates + 2 * margin
    sizes[-2:] = side
    return cutoffs, np.maximum(stops, rates / 2) - cutoffs, rates, sizes, [k >= layers - critical for k in range(layers + 1)]


def drawn(radial=False, kernel=3, latent=5, width=6, channels=(2, 4, 3, 5, 3), classes=0, **sizes):
    """NVIDIA's state dict, filters and names as published, no tensor of which hides behind a 0 or a 1."""
    rng = np.random.RandomState(3)
    cutoffs, half_widths, rates, sides, critical = design(layers=len(channels) - 1, **sizes)
    tensors = {
        "synthesis.input.weight": rng.randn(channels[0], channels[0]), "synthesis.input.affine.weight": rng.randn(4, width) / 3,
        "synthesis.input.affine.bias": np.array([1.0, 0.2, 0.1, -0.3]), "synthesis.input.freqs": rng.randn(channels[0], 2),
        "synthesis.input.phases": rng.rand(channels[0]) - 0.5,
        "synthesis.input.transform": np.array([[0.6, -0.8, 0.1], [0.8, 0.6, -0.2], [0, 0, 1]]),
        "mapping.fc0.weight": 100 * rng.randn(width, latent + width * (classes > 0)), "mapping.fc0.bias": 30 * rng.randn(width),
        "mapping.fc1.weight": 100 * rng.randn(width, width), "mapping.fc1.bias": 30 * rng.randn(width),
        "mapping.w_avg": rng.randn(width),
    }  # fmt: skip
    if classes:
        tensors |= {"mapping.embed.weight": rng.randn(width, classes), "mapping.embed.bias": rng.randn(width)}
    for k, after in enumerate(channels):
        last, before = k == len(channels) - 1, max(k - 1, 0)
        name, k_size = f"synthesis.L{k}_{sides[k]}_{after}", 1 if last else kernel
        tensors |= {
            f"{name}.affine.weight": rng.randn(channels[before], width), f"{name}.affine.bias": 1 + rng.randn(channels[before]),
            f"{name}.weight": rng.randn(after, channels[before], k_size, k_size), f"{name}.bias": rng.randn(after) / 3,
            f"{name}.magnitude_ema": np.array(0.3 + rng.rand()),
        }  # fmt: skip
        if last:
            tensors[f"{name}.weight"] *= 5
        else:
            fine, up = 2 * rates[k], 2 * rates[k] // rates[before]
            down = dict(cutoff=cutoffs[k], width=2 * half_widths[k], fs=fine)
            shape = jinc(2 * TAPS, *down.values()) if radial and not critical[k] else scipy.signal.firwin(2 * TAPS, **down)
            tensors[f"{name}.down_filter"] = shape
            own = dict(cutoff=cutoffs[before], width=2 * half_widths[before], fs=fine)
            tensors[f"{name}.up_filter"] = scipy.signal.firwin(up * TAPS, **own)
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in tensors.items()}


RADIAL = dict(radial=True, kernel=1)


def opened(folder, tensors, kind="stylegan3", **sampling):
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, folder / "g.safetensors")
    options = options_named("generators", "g.safetensors", kind, folder).model_copy(update=sampling)
    return open_generator(options, Context(folder)).generator


# the formulas, in float64: a sample of a signal of n samples at rate s lies at (i + 1/2 - n/2) / s


def affine(p, name, w):
    return w @ p[f"{name}.affine.weight"].T / w.shape[1] ** 0.5 + p[f"{name}.affine.bias"]


def features(p, w, size, rate):
    """Waves at points (x, y) of the plane, complex numbers here: turned and shifted by the file's transform, then by w's."""
    result = []
    for cosine, sine, right, down in affine(p, "synthesis.input", w).numpy():
        place = (np.arange(size) + 0.5 - size / 2) / rate
        points = place[None] + 1j * place[:, None]
        a, b, shift = *p["synthesis.input.transform"].numpy()[:2, 0], p["synthesis.input.transform"].numpy()[:2, 2]
        length = np.hypot(cosine, sine)
        points = (
            (cosine + 1j * sine) / length * ((a + 1j * b) * points + shift[0] + 1j * shift[1] - (right + 1j * down) / length)
        )
        waves = [
            np.sin(2 * np.pi * (x * points.real + y * points.imag + phase))
            for (x, y), phase in zip(p["synthesis.input.freqs"].numpy(), p["synthesis.input.phases"].numpy(), strict=True)
        ]
        result.append(np.einsum("oc,chw->ohw", p["synthesis.input.weight"].numpy() / len(waves) ** 0.5, np.stack(waves)))
    return torch.tensor(np.stack(result))


def sampled_at(signal, start, step, count):
    """signal (h, h) at start, start + step and so on, in both directions, which are whole numbers; 0 where it has none."""
    place = start + step * np.arange(count)
    assert np.array_equal(place, np.round(place))
    inside = (place >= 0) & (place < len(signal))
    result = np.zeros((count, count))
    result[np.ix_(inside, inside)] = signal[np.ix_(place[inside].astype(int), place[inside].astype(int))]
    return result


def filtered(x, up_filter, down_filter, up, size):
    """One channel x (n, n), by positions on a fine grid that is wide enough: zeros between, filter, leaky ReLU, filter."""
    fine, first = 4 * size + 60, up * (0.5 - len(x) / 2)  # the first sample's position on the fine grid, from its centre
    between = np.zeros((len(x) * up,) * 2)
    between[::up, ::up] = x
    between = scipy.signal.convolve2d(between, np.outer(up_filter, up_filter)) * up**2
    start = 0.5 - fine / 2 - first + (len(up_filter) - 1) / 2
    grid = sampled_at(between, start, 1, fine)
    grid = np.clip(np.where(grid > 0, grid, 0.2 * grid) * 2**0.5, -256, 256)
    flat = down_filter if down_filter.ndim == 2 else np.outer(down_filter, down_filter)
    start = 2 * (0.5 - size / 2) - (0.5 - fine / 2) + (len(flat) - 1) / 2
    return sampled_at(scipy.signal.convolve2d(grid, flat), start, 2, size)


def convolved(p, name, x, w, size, up):
    style, images = affine(p, name, w), []
    for image, own in zip(x / p[f"{name}.magnitude_ema"] ** 0.5, style, strict=True):
        kernel = p[f"{name}.weight"] * own[None, :, None, None]
        kernel = kernel / (kernel.pow(2).sum(dim=(1, 2, 3), keepdim=True)).sqrt()
        flat = F.conv2d(image[None], kernel, padding=kernel.shape[-1] - 1)[0] + p[f"{name}.bias"][:, None, None]
        filters = [p[f"{name}.{each}_filter"].numpy() for each in ("up", "down")]
        images.append(np.stack([filtered(channel, *filters, up, size) for channel in flat.numpy()]))
    return torch.tensor(np.stack(images))


def by_formula(tensors, z, psi=1.0, cutoff=None, ws=None, label=None, **sizes):
    """What each layer gives, and the image before it is clamped."""
    p = {name: value.double() for name, value in tensors.items()}
    names = sorted({name.split(".")[1] for name in p if name.startswith("synthesis.L")})
    _, _, rates, sides, _ = design(layers=len(names) - 1, **sizes)
    w = z.double() / z.double().pow(2).mean(dim=1, keepdim=True).sqrt()
    if label is not None:
        embedded = p["mapping.embed.weight"][:, label].T / p["mapping.embed.weight"].shape[1] ** 0.5 + p["mapping.embed.bias"]
        w = torch.cat([w, embedded / embedded.pow(2).mean(dim=1, keepdim=True).sqrt()], dim=1)
    for k in range(2):
        w = w @ p[f"mapping.fc{k}.weight"].T * 0.01 / w.shape[1] ** 0.5 + 0.01 * p[f"mapping.fc{k}.bias"]
        w = torch.where(w > 0, w, 0.2 * w) * 2**0.5
    if ws is None:
        ws = w[:, None].repeat(1, len(names) + 1, 1)
        ws[:, :cutoff] = p["mapping.w_avg"] + psi * (ws[:, :cutoff] - p["mapping.w_avg"])
    x = features(p, ws[:, 0], sides[0], rates[0])
    result = {"input": x}
    for k, name in enumerate(names[:-1]):
        up = 2 * rates[k] // rates[max(k - 1, 0)]
        result[name] = x = convolved(p, f"synthesis.{name}", x, ws[:, k + 1], sides[k], up)
    last = f"synthesis.{names[-1]}"
    style = affine(p, last, ws[:, -1]) / (x.shape[1] * p[f"{last}.magnitude_ema"]) ** 0.5
    colours = torch.einsum("oi,ni,nihw->nohw", p[f"{last}.weight"][:, :, 0, 0], style, x) + p[f"{last}.bias"][:, None, None]
    return {**result, "image": 0.25 * colours.clamp(-256, 256)}


def ours(generator, state):
    """What each layer gives, one after another, and the image before it is clamped."""
    before, layers = None, {}
    for name in generator.layers:
        state = generator.run(state, after=before, upto=name)
        layers[name], before = state[name], name
    w = generator._truncated(generator.mapping(state["z"], state.get("label")), state)
    return {**layers, "image": generator.unclamped(layers[before], {**state, "w": w})}


def close(value, expected):
    return (value - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("kind", [{}, RADIAL, {"kernel": 1}], ids=["t", "r", "1x1"])
@pytest.mark.parametrize("psi, cutoff", [(None, None), (0.6, None), (0.6, 3)])
@torch.inference_mode()
def test_every_layer_is_its_formula(tmp_path, kind, psi, cutoff):
    tensors = drawn(**kind)
    generator = opened(tmp_path, tensors, truncation=psi, cutoff=cutoff)
    state = generator.latents(4, torch.tensor([2, 9]))
    expected = by_formula(tensors, state["z"], 1.0 if psi is None else psi, cutoff)
    result = ours(generator, state)
    assert list(result) == ["input", "L0_8_2", "L1_12_4", "L2_20_3", "L3_16_5", "image"] and generator.resolution == (16, 16)
    assert all(close(value, expected[name]) for name, value in result.items())
    whole = generator.run(state)
    assert torch.equal(whole["image"], result["image"].clamp(-1, 1)) and set(whole) == {"z", "image"}


@pytest.mark.parametrize("kind, sizes", [
    ({}, {"side": 32, "first": 2.0, "stop": 2**2.1, "margin": 3}), (RADIAL, {"side": 8, "margin": 0}),
])  # fmt: skip
@torch.inference_mode()
def test_other_sizes_and_margins_are_read_off_the_names_and_filters(tmp_path, kind, sizes):
    tensors = drawn(**kind, channels=(2, 2, 3, 2, 3, 1), **sizes)
    generator = opened(tmp_path, tensors)
    state = generator.latents(4, torch.tensor([2]))
    expected, result = by_formula(tensors, state["z"], **sizes), ours(generator, state)
    assert all(close(value, expected[name]) for name, value in result.items())
    assert result["image"].shape == (1, 3, sizes["side"], sizes["side"])  # one grey channel, three times


@torch.inference_mode()
def test_activations_are_clamped_as_in_training(tmp_path):
    tensors = drawn()
    tensors["synthesis.L1_12_4.magnitude_ema"] = torch.tensor(1e-6)
    tensors["synthesis.L4_16_3.bias"] = torch.tensor([900.0, 0.0, -900.0])
    generator = opened(tmp_path, tensors)
    state = generator.latents(4, torch.tensor([2]))
    expected, result = by_formula(tensors, state["z"]), ours(generator, state)
    assert expected["image"].abs().max() == 64 and expected["L1_12_4"].abs().max() > 200
    assert all(close(value, expected[name]) for name, value in result.items())


def numbered(tensors):
    """Tensors of the same shapes from RandomState(7), drawn in the order of their names; filters as they are."""
    rng = np.random.RandomState(7)
    result = dict(tensors)
    for name in sorted(tensors):
        if name.endswith("magnitude_ema"):
            result[name] = torch.tensor(0.5 + rng.rand(), dtype=torch.float32)
        elif not name.endswith(("_filter", "transform")):
            result[name] = torch.tensor(rng.randn(*tensors[name].shape), dtype=torch.float32)
    return {**result, "synthesis.input.transform": torch.eye(3)}


PAPER = {"side": 32, "first": 2.0, "stop": 2**2.1, "margin": 10, "critical": 2, "channels": (8,) * 14 + (3,), "latent": 16}


@pytest.mark.parametrize("kind, psi, mean, deviation", [
    ({}, None, -0.24863508, 0.74271095), ({}, 0.7, -0.50507557, 1.04795790), (RADIAL, None, 0.11998102, 0.28890944),
])  # fmt: skip
@torch.inference_mode()
def test_the_known_numbers_of_the_official_network_come_out(tmp_path, kind, psi, mean, deviation):
    """Printed by NVIDIA's module of 14 layers and 32 pixels with the same weights, z of RandomState(1)."""
    generator = opened(tmp_path, numbered(drawn(**kind, **PAPER, width=16)), truncation=psi)
    z = torch.tensor(np.random.RandomState(1).randn(3, 16), dtype=torch.float32)
    result = ours(generator, {"z": z})["image"]
    assert (result.mean(), result.std(correction=0)) == pytest.approx((mean, deviation), abs=1e-5)


# the state


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("g"), drawn())


@torch.inference_mode()
def test_a_run_goes_on_from_any_layer(generator):
    state = generator.latents(1, torch.arange(3))
    whole = generator.run(state)["image"]
    for name in generator.layers:
        part = generator.run(state, upto=name)
        assert set(part) == {"z", name} and torch.equal(generator.run(part, after=name)["image"], whole)
        assert not torch.equal(generator.run({**part, name: part[name] + 1.0}, after=name)["image"], whole)
        other = generator.run(with_z(part, state["z"].flip(0)), after=name)["image"]
        assert not torch.equal(other, whole) and not torch.equal(other, whole.flip(0))


@torch.inference_mode()
def test_each_layer_and_the_colours_take_their_own_of_the_styles(generator):
    state = generator.latents(1, torch.arange(2))
    every = torch.from_numpy(normals(0, "styles", range(2), 36)).view(2, 6, 6)
    result = generator.run({**state, "w": every})["image"]
    assert close(result, by_formula(drawn(), state["z"], ws=every.double())["image"].clamp(-1, 1))
    assert [(space.name, space.shape) for space in generator.spaces] == [("z", (5,)), ("w", (6,)), ("w+", (6, 6))]


def test_an_image_follows_from_its_index_alone(generator):
    pair, alone = (generator.run(generator.latents(1, torch.tensor(each)))["image"] for each in ([5, 8], [8]))
    assert pair[1].numpy() == pytest.approx(alone[0].numpy(), abs=1e-5)


def test_a_search_gets_a_gradient_from_what_is_out_of_range_and_through_the_residuals(generator):
    state = generator.latents(1, torch.arange(2))
    space = SearchSpace(generator, state, residuals=("input", "L0_8_2"))
    free = {name: value.requires_grad_(True) for name, value in space.start().items()}
    image = space.image(free)
    assert image.abs().max() == 1 and torch.equal(image, generator.run(state)["image"])
    gradients = torch.autograd.grad((image + image.sign()).square().sum(), list(free.values()))
    assert all(gradient.norm() > 0 for gradient in gradients)
    feature = SearchSpace(generator, generator.run(state, upto="L1_12_4"), feature="L1_12_4")
    assert torch.equal(feature.image(feature.start()), image)


# classes


@torch.inference_mode()
def test_the_class_of_an_image_enters_beside_its_z(tmp_path):
    tensors = drawn(classes=4)
    generator = opened(tmp_path, tensors)
    state = generator.latents(1, torch.arange(20))
    assert set(state) == {"z", "label"} and set(state["label"].tolist()) == {0, 1, 2, 3}
    few = {name: value[:3] for name, value in state.items()}
    assert close(generator.run(few)["image"], by_formula(tensors, few["z"], label=few["label"])["image"].clamp(-1, 1))
    one = opened(tmp_path, tensors, label=2)
    assert one.latents(1, torch.arange(3))["label"].tolist() == [2, 2, 2]


# layouts


def test_a_pickled_checkpoint_a_converted_one_and_ours_are_the_same_generator(tmp_path):
    tensors = drawn()
    plain = opened(tmp_path, tensors).state_dict()
    assert torch.equal(plain["L1_12_4.down_filter"], tensors["synthesis.L1_12_4.down_filter"])
    torch.save({"G_ema": tensors, "G": {name: 0 * value for name, value in tensors.items()}, "D": None}, tmp_path / "g.pt")
    convert(str(tmp_path / "g.pt"), tmp_path / "converted")
    save_file({name: value.contiguous() for name, value in plain.items()}, tmp_path / "ours.safetensors")
    for name in ("g.pt", "converted/g.G_ema.safetensors", "ours.safetensors"):
        found = open_generator(options_named("generators", name, "auto", tmp_path), Context(tmp_path))
        assert "is of kind 'stylegan3'" in found.notes[0]
        result = found.generator.state_dict()
        assert result.keys() == plain.keys() and all(torch.equal(result[name], value) for name, value in plain.items())


def without(name):
    return {each: value for each, value in drawn().items() if each != name}


def with_(name, value):
    return {**drawn(), name: value}


def slower():
    """Leaky ReLUs at four times the rate, by their filters."""
    wide = torch.tensor(scipy.signal.firwin(4 * TAPS, 8, width=7.4, fs=64), dtype=torch.float32)
    return {name: wide if name.endswith("_filter") else value for name, value in drawn().items()}


FILTER = "synthesis.L1_12_4.down_filter"


@pytest.mark.parametrize("tensors, words", [
    ({"layer1.weight": torch.zeros(2)}, r"not the weights of a stylegan3 generator in any layout .*layer1.weight"),
    (without("synthesis.L1_12_4.bias"), "L1_12_4.bias is missing"),
    (without("synthesis.L1_12_4.weight"), "no usable 'L1_12_4.weight'"),
    (without(FILTER), "no usable 'L1_12_4.down_filter'"),
    (without("mapping.fc0.weight"), "no usable 'mapping.linears.0.weight'"),
    (without("mapping.w_avg"), "w_avg is missing"),
    (with_("synthesis.input.skip", torch.zeros(1)), "input.skip is unknown"),
    (with_("synthesis.L1_12_4.magnitude_ema", torch.zeros(2)), r"magnitude_ema is \(2,\), not \(\)"),
    (with_("synthesis.L1_12_4.weight", torch.zeros(4, 2, 3, 1)), "not square"),
    (with_("synthesis.L1_12_4.weight", torch.zeros(4, 0, 3, 3)), "sizes of 0"),
    (with_("synthesis.L4_16_3.weight", torch.zeros(4, 5, 1, 1)), "4 channels; images have 1 or 3"),
    (with_(FILTER, torch.zeros(12, 6)), r"L1_12_4: a filter is .*\(12, 6\)"),
    (with_(FILTER, torch.zeros(12, 12, 12)), "L1_12_4: a filter is "),
    (with_(FILTER, torch.zeros(0)), "L1_12_4: filters of 24 and 0 taps"),
    (with_(FILTER, torch.zeros(9)), "L1_12_4: filters of 24 and 9 taps"),
    (with_(FILTER, torch.zeros(24)), r"wider than their sampling rates by \[.*\] pixels"),
    (slower(), r"L3_16_5.down_filter is no filter for half of its rate"),
    (with_("synthesis.input.transform", torch.diag(torch.tensor([2.0, 2.0, 1.0]))), "transform is known as turn and shift"),
    (with_("synthesis.input.freqs", torch.full((2, 2), float("nan"))), "not finite: input.freqs"),
])  # fmt: skip
def test_a_file_that_is_none_gets_one_sentence_that_names_it(tmp_path, tensors, words):
    with pytest.raises(RequestError, match=rf"weights .*g\.safetensors.*{words}") as refused:
        opened(tmp_path, tensors)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


@pytest.mark.parametrize("sampling, words", [
    ({"truncation": 0.5, "cutoff": 7}, "cutoff is 7, and this generator has 6"), ({"label": 0}, "has no classes"),
])  # fmt: skip
def test_what_it_does_not_have_is_refused(tmp_path, sampling, words):
    with pytest.raises(RequestError, match=words):
        opened(tmp_path, drawn(), **sampling)


# the audit


def test_it_is_sampled_parsed_and_inverted_at_its_own_layer(tmp_path):
    save_file(drawn(**RADIAL), tmp_path / "g.safetensors")
    whole = whole_audit(tmp_path, {"kind": "stylegan3", "weights": str(tmp_path / "g.safetensors"), "truncation": 0.7})
    assert (whole.choice.residuals, whole.choice.feature) == (("input",), "L0_8_2") and whole.direction_only


CONVOLUTIONS = {"L0_8_2", "L1_12_4", "L2_20_3", "L3_16_5"}


def test_half_precision_gives_the_images_of_float32_up_to_its_rounding(tmp_path):
    check_half(tmp_path, "stylegan3", drawn(), CONVOLUTIONS, 2**-11)


@pytest.mark.parametrize(("said", "layers"), [
    ({"z_dim": 5}, CONVOLUTIONS), ({"num_fp16_res": 2}, CONVOLUTIONS - {"L0_8_2"}), ({"num_fp16_res": 0}, set()),
    ({"num_fp16_res": 1}, {"L2_20_3", "L3_16_5"}),  # of 16 pixels as the image, the others of 4 and 8
])  # fmt: skip
def test_on_a_gpu_those_layers_are_halved_that_a_file_says(tmp_path, said, layers):
    check_said(tmp_path, "stylegan3", drawn(), "init_kwargs", said, layers)
