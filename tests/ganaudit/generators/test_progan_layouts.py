"""The generators of Bau et al. in their files' layouts: the reference's golden numbers, and PyTorch's own modules."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_pickles import arrays, convolved, network, pickled, repeated, scattered
from torch import nn
from whole_audit import whole_audit

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.networks import reference_progan
from ganaudit.generators.opening import open_generator
from ganaudit.generators.progan import ProganSource
from ganaudit.generators.protocol import LayeredGenerator, with_z
from ganaudit.records import catalog


def opened(path, **options):
    return open_generator(ProganSource(name="g", kind="progan", weights=str(path), **options), Context())


def keys(sizes: list[int]) -> dict[str, tuple[int, ...]]:
    """The keys and shapes of a reference's file: in-channels of the first block, then out-channels of every odd one."""
    shapes: dict[str, tuple[int, ...]] = {}
    before = sizes[0]
    for number in range(1, 2 * (len(sizes) - 1) + 1):
        after, kernel = sizes[(number + 1) // 2], 4 if number == 1 else 3
        shapes[f"layer{number}.conv.weight"] = (after, before, kernel, kernel)
        shapes[f"layer{number}.wscale.b"] = (after,)
        before = after
    side = 2 ** len(sizes)
    return shapes | {f"output_{side}x{side}.conv.weight": (3, before, 1, 1), f"output_{side}x{side}.wscale.b": (3,)}


def rs7(shapes) -> dict[str, torch.Tensor]:
    random = np.random.RandomState(7)
    return {name: torch.from_numpy(random.randn(*shape).astype(np.float32)) for name, shape in shapes.items()}


def old(tensors):
    """The older spelling of the same file."""
    named = {}
    for name, value in tensors.items():
        module, rest = name.split(".", 1)
        number = module.removeprefix("layer")
        named[f"features.{int(number) - 1}.{rest}" if number.isdigit() else f"output.{rest}"] = value
    return named


def plain(tensors, z) -> list[torch.Tensor]:
    """Every block's output and the image before the clamp, by the formulas of the paper alone."""
    blocks = sorted({int(name[5:].split(".")[0]) for name in tensors if name.startswith("layer")})
    x, outputs = z.double()[:, :, None, None], []
    for number in [*blocks, 0]:
        module = f"layer{number}" if number else next(name for name in tensors if name.startswith("output")).split(".")[0]
        weight, bias = tensors[f"{module}.conv.weight"].double(), tensors[f"{module}.wscale.b"].double()
        x = x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()
        if number >= 3 and number % 2:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        k = weight.shape[2]
        x = F.conv2d(x, weight, padding={4: 3, 3: 1, 1: 0}[k])
        scale = (math.sqrt(2) if number else 1.0) / k / math.sqrt(weight.shape[1])
        x = x * scale + bias[:, None, None]
        x = torch.where(x > 0, x, 0.2 * x) if number else x
        outputs.append(x)
    return outputs


def close(one, other) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= 1e-5 * max(1.0, float(other.abs().max())))


@torch.no_grad()
def test_the_reference_s_golden_numbers_with_and_without_clamp(tmp_path):
    torch.save(rs7(keys([16, 8, 8, 4])), tmp_path / "n.pth")
    generator = opened(tmp_path / "n.pth").generator
    z = torch.from_numpy(np.random.RandomState(1).standard_normal(3 * 16).reshape(3, 16).astype(np.float32))
    image = generator.run({"z": z})["image"]
    assert image.shape == (3, 3, 16, 16)
    assert image.mean().item() == pytest.approx(0.22323233, abs=1e-5)
    assert image.std().item() == pytest.approx(0.89054072, abs=1e-5)  # of a sample
    generator.output.clamped = False
    image = generator.run({"z": z})["image"]
    assert (image.mean().item(), image.std().item()) == pytest.approx((0.22947308, 1.55310738), abs=1e-5)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5), older=st.booleans(), scales=st.booleans(), wrapped=st.booleans()
)
@torch.no_grad()
def test_any_size_in_either_spelling_gives_what_the_formulas_give_at_every_layer(tmp_path, sizes, older, scales, wrapped):
    tensors = rs7(keys(sizes))
    stored = old(tensors) if older else tensors
    if scales and older:
        stored |= {name.replace("wscale.b", "wscale.scale"): torch.ones(1) for name in stored if name.endswith("wscale.b")}
    torch.save({"state_dict": stored} if wrapped else stored, tmp_path / "n.pth")
    found = opened(tmp_path / "n.pth")
    generator = found.generator
    state = generator.latents(1, torch.arange(3))
    expected = plain(tensors, state["z"])
    assert len(generator.layers) == 2 * (len(sizes) - 1) and generator.resolution == (2 ** len(sizes),) * 2
    before = None
    for name, output in zip(generator.layers, expected, strict=False):  # each alone in float32: rounding grows in a chain
        given_before = state if before is None else {before[0]: before[1].float()}
        assert close(generator.run(given_before, after=before and before[0], upto=name)[name], output.float()), name
        before = (name, output)
    exact = copy.deepcopy(generator).double().run({"z": state["z"].double()})["image"]
    assert close(exact, expected[-1].clamp(-1, 1)) and "a ProGAN of Bau et al." in found.notes[0]


@torch.no_grad()
def test_both_spellings_of_one_file_give_the_same_to_the_bit(tmp_path):
    tensors = rs7(keys([16, 8, 8, 4]))
    older = old(tensors)
    older |= {name.replace("wscale.b", "wscale.scale"): torch.ones(1) for name in older if "wscale" in name}
    torch.save(tensors, tmp_path / "new.pth")
    torch.save(older, tmp_path / "older.pth")
    assert not tensors.keys() & older.keys()
    new, legacy = (opened(tmp_path / f"{name}.pth").generator for name in ("new", "older"))
    state = new.latents(1, torch.arange(3))
    assert new.layers == legacy.layers
    for name in new.layers:
        assert torch.equal(new.run(state, upto=name)[name], legacy.run(state, upto=name)[name])
    assert torch.equal(new.run(state)["image"], legacy.run(state)["image"])


@torch.no_grad()
def test_the_shapes_of_the_reference_s_256_px_network():
    tensors = {name: torch.empty(shape, device="meta") for name, shape in keys([512, 512, 512, 512, 256, 128, 64, 32]).items()}
    assert len(tensors) == 30 and sum(value.numel() for value in tensors.values()) == 18_344_995
    assert reference_progan.is_progan(tensors)
    with torch.device("meta"):
        generator = reference_progan.body(reference_progan.translated(tensors), None)
    assert sum(value.numel() for value in generator.parameters()) == 18_344_995
    assert generator.resolution == (256, 256) and len(generator.layers) == 14
    x = torch.empty(1, 512, device="meta")
    shapes = [(x := generator.get_submodule(name)(x)).shape[1:] for name in generator.layers[:4]]
    assert [tuple(shape) for shape in shapes] == [(512, 4, 4), (512, 4, 4), (512, 8, 8), (512, 8, 8)]


class PixelNorm(nn.Module):
    def forward(self, x):
        return x / torch.sqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Wscale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale, self.b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return x * self.scale + self.b.view(1, -1, 1, 1)


class Ablation(nn.Module):
    """One of the 128 px ablations, as the reference's files name its parts."""

    def __init__(self, kind: str, latent: int, widths: list[int]) -> None:
        super().__init__()
        chain, self.kind = [latent, *widths], kind
        self.features = nn.ModuleList()
        for place, (before, after) in enumerate(zip(chain, widths, strict=False)):
            block = nn.ModuleDict()
            size, padding = (4, 3) if place == 0 else (3, 1)
            block["conv"] = nn.Conv2d(before, after, size, padding=padding, bias=kind == "minibatch")
            if kind == "simple":
                block["norm"] = nn.BatchNorm2d(after)
            if kind in ("ends", "everywhere"):
                block["wscale"] = Wscale(after)
            self.features.append(block)
        self.output = nn.ModuleDict({"conv": nn.Conv2d(widths[-1], 3, 1, bias=kind in ("simple", "minibatch"))})
        if kind in ("ends", "everywhere"):
            self.output["wscale"] = Wscale(3)

    def forward(self, z):
        x, self.outputs, pixel, kind = z[:, :, None, None], [], PixelNorm(), self.kind
        for place, block in enumerate(self.features):
            x = pixel(x) if kind == "everywhere" or (place == 0 and kind in ("minibatch", "ends")) else x
            x = nn.Upsample(scale_factor=2, mode="nearest")(x) if place >= 2 and place % 2 == 0 else x
            x = block["conv"](x)
            x = block["norm"](x) if "norm" in block else block["wscale"](x) if "wscale" in block else x
            x = nn.ReLU()(x) if kind == "simple" else nn.LeakyReLU(0.2)(x)
            self.outputs.append(x)
        x = self.output["conv"](pixel(x) if kind in ("ends", "everywhere") else x)
        return nn.Hardtanh()(self.output["wscale"](x) if "wscale" in self.output else x)


COUNTS = {"simple": (128, 74, 10_482_659), "minibatch": (512, 26, 13_625_379), "everywhere": (512, 39, 13_625_392)}
WIDTHS = [512, 512, 512, 512, 256, 256, 128, 128, 64, 64, 32, 32]


@pytest.mark.parametrize("kind", list(COUNTS))
def test_the_ablations_of_this_test_have_the_reference_s_entries_and_parameters(kind):
    latent, entries, parameters = COUNTS[kind]
    with torch.device("meta"):
        own = Ablation(kind, latent, WIDTHS)
    assert len(own.state_dict()) == entries and sum(value.numel() for value in own.parameters()) == parameters


@pytest.mark.parametrize("kind", ["simple", "minibatch", "ends", "everywhere"])
@torch.no_grad()
def test_an_ablation_gives_what_its_own_modules_give_at_every_layer(tmp_path, kind):
    torch.manual_seed(3)
    own = Ablation(kind, 9, [8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3])
    for name, value in own.state_dict().items():
        if value.is_floating_point():
            value.copy_(
                torch.rand(value.shape) + 0.5 if name.endswith(("running_var", "scale")) else torch.randn(value.shape) * 0.3
            )
    own.eval()
    torch.save(own.state_dict(), tmp_path / "n.pth")
    generator = opened(tmp_path / "n.pth", **({"pixel_norm": kind} if kind in ("ends", "everywhere") else {})).generator
    state = {"z": generator.latents(4, torch.arange(3))["z"].double()}
    own, generator = own.double(), generator.double()  # rounding grows from layer to layer
    image = own(state["z"])
    for name, output in zip(generator.layers, own.outputs, strict=True):
        assert close(generator.run(state, upto=name)[name], output), name
    assert close(generator.run(state)["image"], image) and image.shape == (3, 3, 128, 128)


@pytest.fixture
def in_batches(tmp_path):
    """A small network of WGAN-GP's kind in training mode, and the same one opened to be sampled by the hundred."""
    torch.manual_seed(3)
    own = Ablation("simple", 9, [8, 7, 6, 5])
    for name, value in own.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape) + 0.2 if "norm" in name else torch.randn(value.shape) * 0.3)
    torch.save(own.state_dict(), tmp_path / "n.pth")
    return own.double(), opened(tmp_path / "n.pth", batch_norm="batch")


@torch.inference_mode()
def test_in_batches_an_image_is_what_training_mode_gives_among_its_hundred_and_the_same_alone(in_batches):
    own, found = in_batches
    generator = found.generator
    plain = LayeredGenerator.latents(generator, 4, torch.arange(200))["z"]
    state = generator.latents(4, torch.arange(90, 110))
    assert torch.equal(state["z"], plain[90:110])
    whole = [own(each.double()) for each in plain.split(100)]
    result = generator.run(state)["image"]
    assert (result.abs() < 1.0).float().mean() > 0.5  # most is not clamped
    assert result.double().numpy() == pytest.approx(torch.cat(whole)[90:110].numpy(), abs=1e-5)
    for name, output in zip(generator.layers, own.outputs, strict=True):  # of the second hundred
        assert generator.run(state, upto=name)[name][10:].double().numpy() == pytest.approx(output[:10].numpy(), abs=1e-5)
    alone = generator.run(generator.latents(4, torch.tensor([103])))["image"]
    assert alone.numpy() == pytest.approx(result[13:14].numpy(), abs=1e-6)
    assert generator.clusters(4, torch.tensor([7, 99, 100])) == ["batch 0", "batch 0", "batch 1"]
    assert found.recipe["options"] == {"batch_norm": "batch"} and generator.sampling == {"batch_norm": "batch"}


def test_in_batches_a_search_moves_one_image_and_keeps_the_statistics(in_batches):
    _, found = in_batches
    with torch.inference_mode():
        found.generator.latents(4, torch.arange(2))  # as sampling does before
    state = found.generator.latents(4, torch.arange(2))
    z = state["z"].clone().requires_grad_(True)
    image = found.generator.run(with_z(state, z))["image"]
    (slope,) = torch.autograd.grad(image[0].square().sum(), z)
    assert slope[0].abs().max() > 0 and slope[1].abs().max() == 0
    stored = found.generator.run({"z": state["z"]})["image"]
    assert torch.equal(stored, found.generator(state["z"])) and not torch.allclose(stored, image)


def test_in_batches_it_is_sampled_parsed_and_inverted_at_its_own_layer(tmp_path):
    torch.manual_seed(3)
    torch.save(Ablation("simple", 9, [6, 6, 5, 5, 4, 4]).state_dict(), tmp_path / "n.pth")
    whole = whole_audit(tmp_path, {"kind": "progan", "weights": str(tmp_path / "n.pth"), "batch_norm": "batch"})
    assert (whole.choice.residuals, whole.choice.feature) == (("layer1", "layer2"), "layer3")
    clusters = catalog.query(whole.store, "SELECT DISTINCT cluster FROM audited_images WHERE source = 'g'").to_pylist()
    assert [row["cluster"] for row in clusters] == ["batch 0"]


def test_only_a_generator_with_batch_norms_is_sampled_in_batches(tmp_path):
    torch.save(rs7(keys([4, 4, 4])), tmp_path / "n.pth")
    with pytest.raises(RequestError, match=r"n\.pth: batch_norm is said of generators with batch norms"):
        opened(tmp_path / "n.pth", batch_norm="batch")


def test_the_two_ablations_with_the_same_keys_are_told_apart_by_the_audit_file_alone(tmp_path):
    torch.save(Ablation("ends", 4, [2] * 12).state_dict(), tmp_path / "n.pth")
    with pytest.raises(RequestError, match=r"say which: pixel_norm: ends, or pixel_norm: everywhere"):
        opened(tmp_path / "n.pth")
    torch.save(Ablation("simple", 4, [2] * 12).state_dict(), tmp_path / "m.pth")
    with pytest.raises(RequestError, match="of no such one"):
        opened(tmp_path / "m.pth", pixel_norm="ends")


@pytest.mark.parametrize("name, value", [
    ("layer1.conv.weight", torch.zeros(8, 16, 3, 3)), ("layer3.conv.weight", torch.zeros(8, 9, 3, 3)),
    ("layer2.wscale.b", None),
    ("output_16x16.conv.weight", torch.zeros(3, 4, 3, 3)), ("layer7.conv.weight", torch.zeros(4, 4, 3, 3)),
    ("layer4.wscale.b", torch.zeros(9)), ("output_16x16.conv.weight", torch.zeros(2, 4, 1, 1)), ("extra", torch.zeros(2)),
    ("layer5.conv.weight", torch.full((4, 8, 3, 3), float("nan"))),
])  # fmt: skip
def test_a_file_with_another_shape_or_key_is_refused(tmp_path, name, value):
    tensors = rs7(keys([16, 8, 8, 4]))
    tensors.pop(name, None) if value is None else tensors.__setitem__(name, value)
    torch.save(tensors, tmp_path / "n.pth")
    words = "not the weights of a progan|of another architecture|hold values|of 2 channels"
    with pytest.raises(RequestError, match=rf"n\.pth.* ({words})"):
        opened(tmp_path / "n.pth")


# NVIDIA's TensorFlow network


def variables(fused, channels=(5, 4, 3), latent=6):
    shapes = {"lod": (), "4x4/Dense/weight": (latent, 16 * channels[0]), "4x4/Dense/bias": (channels[0],)}
    shapes |= {"4x4/Conv/weight": (3, 3, channels[0], channels[0]), "4x4/Conv/bias": (channels[0],)}
    for k, (before, after) in enumerate(itertools.pairwise(channels), start=1):
        side = 4 * 2**k
        name, ends = ("Conv0_up", (after, before)) if fused else ("Conv0", (before, after))
        shapes |= {f"{side}x{side}/{name}/weight": (3, 3, *ends), f"{side}x{side}/{name}/bias": (after,)}
        shapes |= {f"{side}x{side}/Conv1/weight": (3, 3, after, after), f"{side}x{side}/Conv1/bias": (after,)}
    for k, width in enumerate(reversed(channels)):
        shapes |= {f"ToRGB_lod{k}/weight": (1, 1, width, 3), f"ToRGB_lod{k}/bias": (3,)}
    return {**arrays(shapes), "lod": np.float32(0.0)}


def by_formula(tensors, z, fused):
    """What each convolution gives, and the image before the clamp."""
    p = {name: torch.tensor(value, dtype=torch.float64) for name, value in tensors.items()}

    def ended(x, name):
        x = x + p[f"{name}/bias"].view(-1, 1, 1)
        x = torch.where(x > 0, x, 0.2 * x)
        return x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()

    def equal(weight, inputs):
        return weight * 2**0.5 / (9 * inputs) ** 0.5

    on_sphere = z.double() / (z.double().square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    x = (on_sphere @ p["4x4/Dense/weight"] * 2**0.5 / 4 / z.shape[1] ** 0.5).view(len(z), -1, 4, 4)
    each = [ended(x, "4x4/Dense")]
    each.append(ended(convolved(each[-1], equal(p["4x4/Conv/weight"], x.shape[1])), "4x4/Conv"))
    for side in (8, 16):
        name, x = f"{side}x{side}/Conv0{'_up' if fused else ''}", each[-1]
        weight = equal(p[f"{name}/weight"], x.shape[1])
        x = scattered(x, weight.transpose(2, 3)) if fused else convolved(repeated(x), weight)
        each.append(ended(x, name))
        name = f"{side}x{side}/Conv1"
        each.append(ended(convolved(each[-1], equal(p[f"{name}/weight"], each[-1].shape[1])), name))
    colours = torch.einsum("nchw,co->nohw", each[-1], p["ToRGB_lod0/weight"][0, 0]) / each[-1].shape[1] ** 0.5
    return each, colours + p["ToRGB_lod0/bias"].view(-1, 1, 1)


def norm(x):
    return x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()


@pytest.mark.parametrize("fused", [True, False])
@torch.inference_mode()
def test_tensorflow_s_pickle_gives_what_its_formulas_give(tmp_path, fused):
    tensors = variables(fused)
    nets = (network("G", {name: 0 * value for name, value in tensors.items()}), network("D", {}), network("Gs", tensors))
    (tmp_path / "n.pkl").write_bytes(pickled(nets, "tfutil"))
    found = opened(tmp_path / "n.pkl")
    assert found.recipe["network"] == "Gs.state_dict" and found.generator.resolution == (16, 16)
    z = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    each, image = by_formula(tensors, z, fused)
    state, before = {"z": z}, None
    for name, expected in zip(found.generator.layers, each, strict=True):  # the pixel norm comes with what follows
        state = found.generator.run(state, after=before, upto=name)
        before = name
        assert norm(state[name].double()) == pytest.approx(expected, abs=1e-5)
    assert found.generator.run({"z": z})["image"].double() == pytest.approx(image.clamp(-1, 1), abs=1e-5)


def test_a_network_that_was_made_in_another_way_is_refused_though_its_tensors_fit(tmp_path):
    for said in ({"use_pixelnorm": True, "fmap_base": 8192}, {"use_pixelnorm": False}, {"label_size": 2}):
        (tmp_path / "n.pkl").write_bytes(pickled(network("Gs", variables(True), **said)))
        if "fmap_base" in said:
            assert opened(tmp_path / "n.pkl").generator.resolution == (16, 16)
            continue
        ((name, value),) = said.items()
        with pytest.raises(RequestError, match=f"n.pkl: this network was made with {name}={value}, and a ProGAN in TensorFlow"):
            opened(tmp_path / "n.pkl")


@pytest.mark.parametrize("name, value, words", [
    ("8x8/Conv1/bias", None, "8x8/Conv1/bias is missing"), ("lod", np.float32(1.0), "saved while it grew"),
    ("8x8/Conv2/bias", np.ones(4, np.float32), "8x8/Conv2/bias is unknown"),
    ("4x4/Dense/weight", np.ones((6, 79), np.float32), r"4x4/Dense/weight is \(6, 79\), which no such tensor"),
    ("4x4/Dense/weight", np.ones((0, 80), np.float32), "sizes of 0"),
    ("8x8/Conv1/weight", np.ones((5, 5, 4, 4), np.float32), "shapes .* not those of a ProGAN"),
    ("16x16/Conv0_up/weight", np.ones((4, 3, 3), np.float32), "16x16/Conv0_up/weight is"),
])  # fmt: skip
def test_another_network_of_tensorflow_s_gets_a_sentence(tmp_path, name, value, words):
    tensors = {**variables(True), name: value}
    kept = {each: array for each, array in tensors.items() if array is not None}
    (tmp_path / "n.pkl").write_bytes(pickled(network("Gs", kept)))
    with pytest.raises(RequestError, match=words) as told:
        opened(tmp_path / "n.pkl")
    assert "\n" not in str(told.value) and str(told.value).startswith(f"weights {tmp_path / 'n.pkl'}")
