"""O-GANs: every body is built again from its weights, its encoder answers with a latent, and padding is that of Keras."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ganaudit.encoders.ogan import BODIES, ConvolutionalEncoder, OganGenerator, from_weights, ogan
from ganaudit.errors import RequestError
from ganaudit.generators.networks.ogan import Residual, SelfModulated, Transposed
from ganaudit.generators.shapes import generator_digest


@pytest.fixture(params=BODIES)
def made(request):
    torch.manual_seed(3)
    network = ogan(request.param, 32, 6, 16).train()
    for _ in range(3):  # running statistics that are those of something
        network.encoder(network(torch.randn(8, 6)))
    return network.eval().requires_grad_(False)


def test_a_body_and_its_encoder_are_built_again_from_their_weights_alone(made):
    state = made.state_dict()
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in from_weights(state).state_dict().items()}
    assert shapes == {name: value.shape for name, value in state.items()}
    again, z = from_weights(state), torch.randn(3, 6)
    again.load_state_dict(state)
    again.eval()
    assert (again.resolution, again.layers, again.latent) == ((32, 32), made.layers, 6) and made.layers[0] == "layer1"
    assert torch.equal(again(z), made(z)) and torch.equal(again.encode(made(z)), made.encode(made(z)))
    halves = made.run(made.run({"z": z}, upto=made.layers[1]), after=made.layers[1])["image"]
    assert halves.shape == (3, 3, 32, 32) and torch.equal(halves, made(z)) and halves.abs().max() <= 1
    assert made.run({"z": z}, upto="layer1")["layer1"].shape == (3, 16, 4, 4)


def test_a_code_is_a_latent_of_average_0_and_the_deviation_asked_for_and_the_score_is_not_in_it(made):
    images = torch.rand(5, 3, 32, 32) * 2 - 1
    for scale in (0.9, 1.0):
        made.reconstruction_scale = scale
        code = made.encode(images).double()
        assert code.mean(dim=1).abs().max() < 1e-6 and np.allclose(code.numpy().std(axis=1), scale, atol=1e-6)
    assert torch.allclose(made.encode(images[2:3]), code[2:3].float(), atol=1e-5)  # alone as in a batch
    last, size = made.encoder.latent, made.encoder(images).std()
    last.weight.mul_(2.5)
    last.bias.mul_(2.5).add_(3.0 * size)
    assert torch.allclose(made.encode(images).double(), code, atol=1e-4)


def test_what_it_is_known_by():
    network = ogan("growing", 16, 4, 8)
    samples, codes = generator_digest(network), network.encoder_digest
    nn.init.zeros_(network.encoder.latent.bias.data.add_(1.0))
    network.encoder.latent.bias.data.add_(1.0)
    assert generator_digest(network) == samples and network.encoder_digest != codes
    codes = network.encoder_digest
    network.reconstruction_scale = 1.0
    assert network.encoder_digest != codes
    next(network.layer1.parameters()).data.add_(1.0)
    assert generator_digest(network) != samples


@pytest.mark.parametrize(("body", "encoder", "generator"), [("dcgan", 19.5, 19.5), ("self-modulated", 13.3, 13.9)])
def test_published_sizes_at_128_pixels(body, encoder, generator):
    with torch.device("meta"):
        network = ogan(body, 128, 128, 1024)
    millions = {
        part: sum(value.numel() for name, value in network.state_dict().items()
                  if name.startswith("encoder.") == (part == "encoder") and "batches" not in name) / 1e6
        for part in ("encoder", "generator")
    }  # fmt: skip
    assert [round(millions["encoder"], 1), round(millions["generator"], 1)] == [encoder, generator]


@pytest.mark.parametrize("kernel", [4, 5])
def test_convolutions_that_halve_and_double_lie_as_in_keras(kernel):
    """same: the side halved, with the larger half of the padding at the end; its transpose doubles."""
    torch.manual_seed(1)
    encoder = ConvolutionalEncoder(8, 3, [2], kernel, norms=False).double().requires_grad_(False)
    encoder.latent = nn.Identity()
    x, (convolution,) = torch.randn(1, 3, 8, 8, dtype=torch.float64), encoder.convolutions
    before = (kernel - 2) // 2
    expected = torch.zeros(1, 2, 4, 4, dtype=torch.float64) + convolution.bias[:, None, None]
    for row, column, i, j in np.ndindex(4, 4, kernel, kernel):
        y, across = 2 * row + i - before, 2 * column + j - before
        if 0 <= y < 8 and 0 <= across < 8:
            expected[0, :, row, column] += convolution.weight[:, :, i, j] @ x[0, :, y, across]
    assert torch.allclose(encoder(x), nn.functional.leaky_relu(expected, 0.2).flatten(1))
    doubling = Transposed(2, 3, kernel).double()
    doubling.convolution.weight.data.copy_(convolution.weight)
    doubling.convolution.bias.data.zero_()
    inside, outside = torch.randn(1, 2, 4, 4, dtype=torch.float64), (expected - convolution.bias[:, None, None])
    assert torch.allclose((doubling(inside) * x).sum(), (inside * outside).sum())  # <Aᵀu, x> = <u, Ax>


def test_self_modulation_and_a_residual_layer_by_their_formulas():
    torch.manual_seed(2)
    norm, x, z = SelfModulated(3, 5).train(), torch.randn(4, 3, 2, 2), torch.randn(4, 5)
    flat = x - x.mean(dim=(0, 2, 3), keepdim=True)
    plain = flat / (flat.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-3).sqrt()
    scale, shift = ((torch.relu(z @ a.weight.T + a.bias) @ b.weight.T + b.bias)[:, :, None, None]
                    for a, _, b in (norm.scale, norm.shift))  # fmt: skip
    assert torch.allclose(norm(x, z), (1 + scale) * plain + shift, atol=1e-5)
    layer = Residual(3, 2).eval().requires_grad_(False)
    layer.convolutions[1].weight.zero_()
    layer.convolutions[1].bias.zero_()
    alone = layer.beside(x).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.allclose(layer(x), alone)


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [(("vae", 32, 8, 16), "no O-GAN of body 'vae'; there are dcgan"), (("dcgan", 48, 8, 16), "not 48"),
     (("dcgan", 8, 8, 16), "not 8"), (("dcgan", 32, 2, 16), "3 or more"), (("dcgan", 32, 8, 12), "multiple of 8")],
)  # fmt: skip
def test_sizes_that_it_cannot_have(wanted, sentence):
    with pytest.raises(RequestError, match=sentence):
        ogan(*wanted)


def test_weights_that_are_none_of_an_ogan_are_refused():
    whole = ogan("dcgan", 16, 4, 4).state_dict()
    for changes in (
        {"encoder.convolutions.0.weight": torch.zeros(4, 3, 7, 7)}, {"encoder.convolutions.0.weight": torch.zeros(())},
        {"layer1.linear.linear.weight": torch.zeros(3)}, {"layer2.linear.convolution.weight": torch.zeros(4, 2, 3, 3)},
        {"encoder.latent.weight": torch.zeros(5, 32)}, {"encoder.latent.weight": torch.zeros(())},
    ):  # fmt: skip
        with pytest.raises(RequestError, match="not the weights of an O-GAN"):
            from_weights(whole | changes)
    assert isinstance(from_weights(whole), OganGenerator)
