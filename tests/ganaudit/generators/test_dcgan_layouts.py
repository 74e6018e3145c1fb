"""DCGANs of other people, against the same networks written with PyTorch's own modules: every layer on the same weights."""

from __future__ import annotations

import hashlib

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.dcgan import DcganSource
from ganaudit.generators.opening import open_generator
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.named import options_named


def opened(path, **options):
    torch.manual_seed(5)
    return open_generator(DcganSource(name="g", kind="dcgan", weights=str(path), **options), Context())


def random(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network in eval mode, all of it random: batch norm's statistics too."""
    torch.manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape) + 0.5 if name.endswith("running_var") else torch.randn(value.shape) * 0.3)
    return network.eval()


def tutorial(latent: int, widths: list[int], channels: int = 3, dropout: bool = False, bias: bool = False, kernel: int = 4):
    """PyTorch's DCGAN tutorial at any depth: `main.0`, `main.1`, …"""
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(zip([latent, *widths], widths, strict=False)):
        stride, padding = (1, 0) if place == 0 else (2, 1)
        size = kernel if place == 0 else 4
        layers += [nn.ConvTranspose2d(before, after, size, stride, padding, bias=bias), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.Dropout(0.2)] if dropout and place == 0 else []
    layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=bias), nn.Tanh()]
    return nn.Sequential(*layers)


class Tutorial(nn.Module):
    def __init__(self, *arguments, **options) -> None:
        super().__init__()
        self.main = tutorial(*arguments, **options)

    def forward(self, z):
        return self.main(z[:, :, None, None])


class Inverting(nn.Module):
    """InvertingGAN's generator, by its paper's list of layers and its names."""

    def __init__(self, side: int, width: int, latent: int, channels: int) -> None:
        super().__init__()
        f, self.first = width, side // 16
        self.gen1 = nn.Linear(latent, 8 * f * self.first**2)
        self.gen2, self.gen2b = nn.ConvTranspose2d(8 * f, 4 * f, 4, 2, 1, bias=False), nn.BatchNorm2d(4 * f)
        self.gen3, self.gen3b = nn.ConvTranspose2d(4 * f, 2 * f, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * f)
        self.gen4, self.gen4b = nn.ConvTranspose2d(2 * f, f, 4, 2, 1, bias=False), nn.BatchNorm2d(f)
        self.gen5 = nn.ConvTranspose2d(f, channels, 4, 2, 1, bias=False)

    def forward(self, z):
        leaky = nn.LeakyReLU(0.2)
        x = leaky(self.gen1(z)).view(len(z), -1, self.first, self.first)
        self.outputs = [x]
        for convolution, norm in ((self.gen2, self.gen2b), (self.gen3, self.gen3b), (self.gen4, self.gen4b)):
            x = leaky(norm(convolution(x)))
            self.outputs.append(x)
        return torch.tanh(self.gen5(x))


@torch.no_grad()
def layers_of(generator, state) -> list[torch.Tensor]:
    return [generator.run(state, upto=name)[name] for name in generator.layers]


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= 1e-5)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    latent=st.integers(1, 9), widths=st.lists(st.integers(1, 7), min_size=1, max_size=4), channels=st.sampled_from([1, 3]),
    dropout=st.booleans(), bias=st.booleans(), kernel=st.sampled_from([3, 4, 7]),
    key=st.sampled_from(["", "netG", "a/generator"]),
    parallel=st.booleans(), suffix=st.sampled_from(["pth", "safetensors"]), bare=st.booleans(),
)  # fmt: skip
@torch.no_grad()
def test_a_tutorial_s_dcgan_of_any_size_gives_what_its_own_modules_give_at_every_layer(
    tmp_path, latent, widths, channels, dropout, bias, kernel, key, parallel, suffix, bare
):
    own = random(Tutorial(latent, widths, channels, dropout, bias, kernel))
    tensors = own.main.state_dict() if bare else own.state_dict()
    path = tmp_path / f"n.{suffix}"
    if suffix == "safetensors":
        save_file(tensors, path)
    else:
        content = {f"module.{name}" if parallel else name: value for name, value in tensors.items()}
        for part in reversed(key.split("/") if key else []):
            content = {"epoch": 3, part: content, "netD": {"main.0.weight": torch.zeros(2, 2, 4, 4)}}
        torch.save(content, path)
    found = opened(path)
    generator = found.generator
    state = generator.latents(1, torch.arange(3))
    assert state["z"].shape == (3, latent) and generator.resolution == (kernel * 2 ** len(widths),) * 2
    x, expected = state["z"][:, :, None, None], []
    for module in own.main:
        x = module(x)
        expected += [x] if isinstance(module, nn.ReLU) else []
    assert all(map(close, layers_of(generator, state), expected)) and len(expected) == len(generator.layers) == len(widths)
    assert close(generator.run(state)["image"], x.expand(-1, 3, -1, -1))
    assert "a DCGAN of the tutorials" in found.notes[0]


@pytest.mark.parametrize("side, channels", [(64, 3), (64, 1), (128, 3), (32, 3)])
@torch.no_grad()
def test_invertinggan_s_files_of_no_suffix_give_what_its_modules_give(tmp_path, side, channels):
    own = random(Inverting(side, 4, 10, channels))
    torch.save(own.state_dict(), tmp_path / "gen_params")
    generator = opened(tmp_path / "gen_params").generator
    state = generator.latents(2, torch.arange(3))
    image = own(state["z"])
    assert all(map(close, layers_of(generator, state), own.outputs)) and len(generator.layers) == 4
    assert close(generator.run(state)["image"], image.expand(-1, 3, -1, -1)) and generator.resolution == (side, side)


def test_its_parameters_number_as_many_as_the_reference_s():
    counts = {(64, 3): 3_583_872, (128, 3): 6_066_048, (64, 1): 3_581_824}
    for (side, channels), count in counts.items():
        assert sum(value.numel() for value in Inverting(side, 64, 100, channels).parameters()) == count


class Conditional(nn.Module):
    """A tutorial's DCGAN with an embedding of the class, after z or times z."""

    def __init__(self, latent: int, classes: int, width: int, joined: bool) -> None:
        super().__init__()
        self.joined = joined
        self.label_emb = nn.Embedding(classes, width)
        self.main = tutorial(latent + width if joined else latent, [6, 5])

    def forward(self, z, label):
        embedded = self.label_emb(label)
        return self.main((torch.cat([z, embedded], 1) if self.joined else z * embedded)[:, :, None, None])


@pytest.mark.parametrize("joined, width", [(True, 4), (False, 7)])
@torch.no_grad()
def test_a_class_that_is_embedded_enters_after_z_or_times_it(tmp_path, joined, width):
    own = random(Conditional(7, 5, width, joined))
    torch.save(own.state_dict(), tmp_path / "n.pth")
    generator = opened(tmp_path / "n.pth").generator
    state = generator.latents(3, torch.arange(40))
    assert state["z"].shape == (40, 7) and set(state["label"].tolist()) == set(range(5))
    assert close(generator.run(state)["image"], own(state["z"], state["label"]))
    alone = generator.latents(3, torch.tensor([17]))
    assert all(torch.equal(alone[name], state[name][17:18]) for name in state)
    fixed = opened(tmp_path / "n.pth", label=2)
    assert fixed.generator.latents(3, torch.arange(4))["label"].tolist() == [2] * 4 and fixed.recipe["options"] == {"label": 2}


@torch.no_grad()
def test_a_one_hot_class_enters_after_z_where_the_audit_file_says_how_many_there_are(tmp_path):
    own = random(Tutorial(9, [6, 5]))
    torch.save(own.state_dict(), tmp_path / "n.pth")
    generator = opened(tmp_path / "n.pth", classes=4).generator
    state = generator.latents(3, torch.arange(6))
    assert state["z"].shape == (6, 5)
    assert close(generator.run(state)["image"], own(torch.cat([state["z"], torch.eye(4)[state["label"]]], 1)))


@pytest.mark.parametrize("options, words", [
    ({"label": 0}, "label is 0, and this generator has no classes"), ({"classes": 9}, "9 inputs, 9 classes"),
    ({"classes": 4, "label": 4}, "has 4 classes, from 0"), ({"sha256": "0" * 64}, "another file, or a changed one"),
])  # fmt: skip
def test_a_class_that_cannot_be_is_refused(tmp_path, options, words):
    torch.save(random(Tutorial(9, [6, 5])).state_dict(), tmp_path / "n.pth")
    with pytest.raises(RequestError, match=words):
        opened(tmp_path / "n.pth", **options)


def test_the_shipped_one_has_no_classes():
    for options in ({"classes": 3}, {"label": 1}, {"label_shares": {1: 1.0}}):
        with pytest.raises(RequestError, match="classes"):
            opened("builtin:village-wgan-gp", **options)
    assert options_named("generators", "village-wgan-gp").kind == "dcgan"


def changed(**values):
    tensors = dict(random(Tutorial(5, [6, 4])).state_dict())
    for name, value in values.items():
        name = name.replace("__", ".")
        tensors.pop(name) if value is None else tensors.__setitem__(name, value)
    return tensors


@pytest.mark.parametrize("tensors, words", [
    (changed(main__3__weight=torch.zeros(5, 4, 4, 4)), "not the weights of a dcgan generator .*they hold main"),
    (changed(main__3__weight=torch.zeros(6, 4, 5, 5)), "not the weights of"),
    (changed(main__4__weight=None), "not the weights of"),
    (changed(main__4__running_var=None), "main|running_var|missing"), (changed(extra=torch.zeros(1)), "not the weights of"),
    (changed(main__6__weight=torch.zeros(4, 5, 4, 4)), "of 5 channels; images have 1 or 3"),
    (changed(main__0__weight=torch.full((5, 6, 4, 4), float("nan"))), "not finite"),
    (changed(main__0__weight=torch.zeros(5, 6, 4, 3)), "not the weights of"), ({"a": torch.zeros(2)}, r"they hold a \(2,\)"),
    ({"epoch": 3}, "hold no state dict"), ({"netD": changed()}, "hold no state dict"), ([1, 2], "hold no state dict"),
])  # fmt: skip
def test_what_is_no_dcgan_is_told_by_the_keys_it_holds(tmp_path, tensors, words):
    torch.save(tensors, tmp_path / "n.pth")
    with pytest.raises(RequestError, match=words) as caught:
        opened(tmp_path / "n.pth")
    assert str(tmp_path / "n.pth") in str(caught.value) and "\n" not in str(caught.value)


def test_a_small_file_of_many_layers_is_no_huge_image(tmp_path):
    save_file(Tutorial(2, [1] * 20).state_dict(), tmp_path / "g.safetensors")
    with pytest.raises(RequestError, match=r"g\.safetensors.* 4,194,304 × 4,194,304 pixels; at most"):
        opened(tmp_path / "g.safetensors")


def test_the_card_says_what_was_loaded_and_the_key_what_of_the_file(tmp_path):
    path = tmp_path / "n.pth"
    torch.save({"netG": random(Tutorial(5, [6, 4])).state_dict(), "seen": b"123"}, path)
    found = opened(path)
    assert found.generator.card == {
        "layout": "a DCGAN of the tutorials", "network": "netG", "latent": 5, "resolution": [16, 16],
        "layers": ["layer1", "layer2"], "left_out": ["seen: 3 bytes that are no tensor"],
        "parameters": sum(value.numel() for value in Tutorial(5, [6, 4]).parameters()),
    }  # fmt: skip
    assert found.digests == {"weights": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert found.recipe["network"] == "netG" and "under 'netG': z of 5, 2 layers, 16×16 pixels" in found.notes[0]


def test_its_layers_are_those_that_inversion_frees(tmp_path):
    torch.save(random(Tutorial(10, [8, 6, 4, 3])).state_dict(), tmp_path / "n.pth")
    shape = read_shape(opened(tmp_path / "n.pth").generator)
    assert [(layer.channels, layer.height) for layer in shape.layers] == [(8, 4), (6, 8), (4, 16), (3, 32)]
    assert choose_layers(shape).residuals == ("layer1", "layer2", "layer3") and choose_layers(shape).evidential


def test_a_digest_is_insisted_on_though_the_very_model_is_open_already(tmp_path):
    torch.save(random(Tutorial(5, [6, 4])).state_dict(), tmp_path / "n.pth")
    digest = opened(tmp_path / "n.pth").digests["weights"]
    opened(tmp_path / "n.pth", sha256=digest)
    with pytest.raises(RequestError, match="another file, or a changed one"):
        opened(tmp_path / "n.pth", sha256="0" * 64)


def test_how_many_of_its_inputs_are_a_class_is_in_the_key(tmp_path):
    torch.save(random(Tutorial(5, [6, 4])).state_dict(), tmp_path / "n.pth")
    recipes = [opened(tmp_path / "n.pth", **said).recipe for said in ({}, {"classes": 2}, {"classes": 3})]
    assert recipes[0] != recipes[1] != recipes[2]


class Named(nn.Module):
    """A chain whose modules have names of their own, in the order in which they were made."""

    def __init__(self, convolutions: list[str], norms: list[str], widths=(8, 6, 4), latent: int = 12) -> None:
        super().__init__()
        self.names = convolutions, norms
        for place, (before, after) in enumerate(zip((latent, *widths), (*widths, 3), strict=True)):
            made = nn.ConvTranspose2d(before, after, 4, 2 if place else 1, 1 if place else 0, bias=place == 1)
            self._put(convolutions[place], made)
            if place < len(norms):
                self._put(norms[place], nn.BatchNorm2d(after))

    def _put(self, name: str, module: nn.Module) -> None:
        holder, _, last = name.rpartition(".")
        if holder and holder not in dict(self.named_children()):
            self.add_module(holder, nn.Module())
        self.get_submodule(holder).add_module(last, module)

    def forward(self, z):
        x = z[:, :, None, None]
        for place, name in enumerate(self.names[0]):
            x = self.get_submodule(name)(x)
            x = torch.relu(self.get_submodule(self.names[1][place])(x)) if place < 3 else torch.tanh(x)
        return x


NAMES = {
    "znxlwm": ([f"deconv{k}" for k in range(1, 5)], [f"deconv{k}_bn" for k in range(1, 4)]),
    "Natsu6767": ([f"tconv{k}" for k in range(1, 5)], [f"bn{k}" for k in range(1, 4)]),
    "a Sequential each": (["layer1.0", "layer2.0", "layer3.0", "output.0"], ["layer1.1", "layer2.1", "layer3.1"]),
    "words": (["project", "grow", "again", "colours"], ["first_norm", "norm_of_grow", "b"]),
}


def same(path, network) -> None:
    generator = opened(path).generator
    state = generator.latents(1, torch.arange(2))
    with torch.no_grad():
        assert torch.allclose(generator.run(state)["image"], network(state["z"]), atol=1e-5)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_chain_is_known_by_its_shapes_whatever_its_modules_are_called(tmp_path, names, suffix):
    network = random(Named(*NAMES[names]))
    path = tmp_path / f"g{suffix}"
    state = {name: value.clone() for name, value in network.state_dict().items()}
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    if (names, suffix) == ("words", ".safetensors"):  # which keep no order
        with pytest.raises(RequestError, match=r"in any layout that is known.*they hold"):
            opened(path)
    else:
        same(path, network)


SPLITS = (nn.utils, nn.utils.parametrizations)


@pytest.mark.parametrize("split", [each for ways in SPLITS for each in (ways.spectral_norm, ways.weight_norm)])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")
def test_weights_that_are_kept_in_parts_are_put_together_as_in_eval_mode(tmp_path, split):
    network = random(Tutorial(12, [8, 8, 4]))  # 8 to 8 channels: which side is which no shape shows
    for name in ("0", "3", "6", "9"):
        split(network.main.get_submodule(name))
    network.train()(torch.randn(3, 12))
    network.eval()
    assert not any(name.endswith("0.weight") for name in network.state_dict())
    torch.save(network.state_dict(), tmp_path / "g.pth")
    same(tmp_path / "g.pth", network)
    broken = {name: value for name, value in network.state_dict().items() if not name.endswith(("_v", "original1"))}
    torch.save(broken, tmp_path / "broken.pth")
    with pytest.raises(RequestError, match=r"broken\.pth .*they hold"):
        opened(tmp_path / "broken.pth")


@pytest.mark.parametrize("normed", [False, True])
def test_a_linear_first_layer_may_be_normalised_before_it_is_an_image(tmp_path, normed):
    first = [nn.Linear(12, 8 * 16), *([nn.BatchNorm1d(8 * 16)] if normed else []), nn.ReLU(), nn.Unflatten(1, (8, 4, 4))]
    rest = [nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh()]
    network = random(nn.Sequential(*first, *rest))
    torch.save(network.state_dict(), tmp_path / "g.pth")
    same(tmp_path / "g.pth", network)


def test_a_linear_layer_before_the_first_is_refused_since_nothing_says_what_follows_it(tmp_path):
    network = nn.Sequential(nn.Linear(12, 12), nn.Unflatten(1, (12, 1, 1)), *tutorial(12, [8, 6]))
    torch.save(random(network).state_dict(), tmp_path / "g.pth")
    with pytest.raises(RequestError, match=r"g\.pth .*0\.weight \(12, 12\)"):
        opened(tmp_path / "g.pth")
