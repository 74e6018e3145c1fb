"""The families' bodies against their formulas; sizes are read back from weights; the shipped ones keep their promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganaudit import kinds, weights
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.networks import dcgan, progan, stylegan
from ganaudit.generators.opening import open_generator
from ganaudit.named import options_named
from ganaudit.training.builtin import FIRST, MODELS


@pytest.mark.parametrize("family, body", [
    (dcgan, dcgan.dcgan(5, 7, (6, 4, 3))), (dcgan, dcgan.dcgan(1, 1, (1,))),
    (progan, progan.progan(5, 7, ((6, 5), (4,), (3, 3, 2)))), (progan, progan.progan(1, 1, ((1,),))),
    (stylegan, stylegan.stylegan(5, 3, 7, ((6, 5), (4,), (3, 3, 2)))), (stylegan, stylegan.stylegan(1, 1, 1, ((1,),))),
])  # fmt: skip
def test_a_body_is_built_again_from_its_weights_alone(family, body):
    state = body.state_dict()
    again = family.from_weights(state)
    assert {name: value.shape for name, value in again.state_dict().items()} == {k: v.shape for k, v in state.items()}
    again.load_state_dict(state)
    z = torch.randn(2, body.latent)
    assert (again.resolution, again.layers) == (body.resolution, body.layers)
    assert torch.equal(again.eval()(z), body.eval()(z))


@pytest.mark.parametrize("family, whole", [
    (dcgan, dcgan.dcgan(4, 4, (4,))), (progan, progan.progan(4, 4, ((4,),))), (stylegan, stylegan.stylegan(4, 1, 4, ((4,),))),
])  # fmt: skip
def test_weights_without_a_usable_body_are_refused(family, whole):
    whole = dict(whole.state_dict())
    one_layer = {name: value for name, value in whole.items() if not name.startswith("layer2")}
    odd = {"layer1.linear.weight": torch.zeros(50, 4), "layer2.convolutions.0.weight": torch.zeros(4, 4, 3, 3)}
    for wrong in ({}, one_layer, odd, {"layer1.linear.weight": torch.zeros(3)}):
        with pytest.raises(RequestError, match=r"not the weights of a (dcgan|progan|stylegan) generator"):
            family.from_weights(wrong)


def test_pixel_norm_gives_every_position_the_root_mean_square_1():
    x = torch.randn(3, 5, 4, 4) * 7
    assert progan.pixel_norm(x).square().mean(dim=1) == pytest.approx(torch.ones(3, 4, 4), abs=1e-5)
    assert progan.pixel_norm(torch.zeros(1, 4)).abs().sum() == 0
    assert progan.pixel_norm(x) == pytest.approx(progan.pixel_norm(3 * x), abs=1e-5)


@torch.inference_mode()
def test_the_progan_chain_is_its_formula():
    torch.manual_seed(0)
    body = progan.progan(3, 4, ((5, 4), (2,))).eval()
    p = dict(body.named_parameters())
    z = torch.randn(2, 3)

    def normed(x):
        return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()

    x = normed(z) @ p["layer1.linear.weight"].T + p["layer1.linear.bias"]
    x = normed(F.leaky_relu(x.reshape(2, 4, 4, 4), 0.2))
    for layer, count in (("layer2", 2), ("layer3", 1)):
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        for k in range(count):
            x = F.conv2d(x, p[f"{layer}.convolutions.{k}.weight"], p[f"{layer}.convolutions.{k}.bias"], padding=1)
            x = normed(F.leaky_relu(x, 0.2))
    expected = torch.tanh(F.conv2d(x, p["output.convolution.weight"], p["output.convolution.bias"], padding=1))
    assert body(z) == pytest.approx(expected, abs=1e-4)


@torch.inference_mode()
def test_the_dcgan_chain_is_its_formula():
    torch.manual_seed(0)
    body = dcgan.dcgan(3, 4, (5,)).eval()
    p = body.state_dict()
    for name in ("layer1", "layer2"):
        p[f"{name}.norm.running_mean"].normal_()
        p[f"{name}.norm.running_var"].uniform_(0.5, 2)
    z = torch.randn(2, 3)

    def normed(x, name):
        mean, var, scale, shift = (
            p[f"{name}.norm.{k}"][:, None, None] for k in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (var + 1e-5).sqrt() * scale + shift).clamp(min=0)

    x = normed((z @ p["layer1.linear.weight"].T).reshape(2, 4, 4, 4), "layer1")
    x = normed(F.conv_transpose2d(x, p["layer2.convolution.weight"], stride=2, padding=1), "layer2")
    expected = torch.tanh(F.conv2d(x, p["output.convolution.weight"], p["output.convolution.bias"], padding=1))
    assert body(z) == pytest.approx(expected, abs=1e-4)


def nudged(body):
    """With every parameter moved, so that none hides behind a zero."""
    torch.manual_seed(0)
    for value in body.parameters():
        value.data += 0.3 * torch.randn_like(value)
    return body.eval()


@torch.inference_mode()
def test_the_stylegan_chain_is_its_formula():
    body = nudged(stylegan.stylegan(3, 2, 4, ((5, 4), (2,))))
    p = dict(body.named_parameters())
    state = body.latents(7, torch.tensor([2, 9]))
    z = state["z"]

    def crooked(x):
        return torch.where(x > 0, x, 0.2 * x) * 2**0.5

    w = z / (z.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()
    for k in range(2):
        w = crooked(w @ (p[f"mapping.linears.{k}.weight"] * 0.1 / 3**0.5).T + p[f"mapping.linears.{k}.bias"] * 0.1)
    x = p["layer1.constant"].repeat(2, 1, 1, 1)
    for layer, count in ((1, 1), (2, 2), (3, 1)):
        if layer > 1:
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        for k in range(count):
            name = f"layer{layer}.convolutions.{k}"
            style = w @ p[f"{name}.style.weight"].T + p[f"{name}.style.bias"] + 1
            rows = []
            for n in range(2):  # one kernel for each image, scaled and then normalised, as the paper writes it
                kernel = p[f"{name}.weight"] * style[n][None, :, None, None]
                kernel = kernel / (kernel.pow(2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
                rows.append(F.conv2d(x[n : n + 1], kernel, padding=1))
            x = torch.cat(rows) + p[f"{name}.bias"][None, :, None, None]
            x = crooked(x + (p[f"layer{layer}.strength"] * state[f"noise{layer}"] if k == 0 else 0))
    expected = torch.tanh(F.conv2d(x, p["output.convolution.weight"], p["output.convolution.bias"], padding=1))
    assert body.run(state)["image"] == pytest.approx(expected, abs=1e-4)


@torch.inference_mode()
def test_the_noise_of_an_image_follows_from_its_index_and_changes_it():
    body = nudged(stylegan.stylegan(3, 2, 4, ((4,), (4,))))
    pair, alone = body.latents(1, torch.tensor([5, 8])), body.latents(1, torch.tensor([8]))
    assert all(torch.equal(pair[name][1:], value) for name, value in alone.items())
    assert {name: tuple(value.shape) for name, value in alone.items() if name != "z"} == {
        "noise1": (1, 1, 4, 4), "noise2": (1, 1, 8, 8), "noise3": (1, 1, 16, 16),
    }  # fmt: skip
    silent = body.run({"z": alone["z"]})["image"]
    assert torch.equal(silent, body(alone["z"])) and not torch.equal(silent, body.run(alone)["image"])


@torch.inference_mode()
def test_a_run_goes_on_from_any_layer_and_from_one_style_a_layer():
    body = nudged(stylegan.stylegan(3, 2, 4, ((4, 3), (2,))))
    state = body.latents(1, torch.arange(3))
    whole = body.run(state)["image"]
    for layer in body.layers:
        assert torch.equal(body.run(body.run(state, upto=layer), after=layer)["image"], whole)
    w = body.mapping(state["z"])
    rest = {name: value for name, value in state.items() if name != "z"}
    assert torch.equal(body.run({**rest, "w": w})["image"], whole)
    each = w[:, None].repeat(1, 3, 1)
    assert torch.equal(body.run({**rest, "w": each})["image"], whole)
    each[:, 1] = w.flip(0)
    mixed = body.run({**rest, "w": each}, upto="layer2")
    assert torch.equal(
        body.run({**rest, "w": w}, upto="layer1")["layer1"], body.run({**rest, "w": each}, upto="layer1")["layer1"]
    )
    assert not torch.equal(mixed["layer2"], body.run({**rest, "w": w}, upto="layer2")["layer2"])
    with pytest.raises(RequestError, match="layer1, layer2, layer3"):
        body.run(state, upto="layer9")


FAMILIES = kinds.names("generators")
SHIPPED = [name for name, model in MODELS.items() if model.kind in FAMILIES and name in weights.builtin_names()]


def test_the_three_generators_ship():
    assert {"village-wgan-gp", "village-progan", "village-no-people"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
@torch.inference_mode()
def test_a_shipped_generator_opens_is_small_and_its_first_layer_is_a_quarter_of_the_pixels(name):
    loaded = weights.load(f"builtin:{name}")
    assert loaded.path.stat().st_size <= 2 * 2**20
    generator = open_generator(options_named("generators", name), Context()).generator
    state = generator.run(generator.latents(1, torch.arange(2)), upto="layer1")
    assert state["layer1"][0].numel() <= 3072 == FIRST * 16
    image = generator.run(state, after="layer1")["image"]
    assert tuple(image.shape) == (2, 3, 64, 64) and image.abs().max() <= 1 and image.std() > 0.1
