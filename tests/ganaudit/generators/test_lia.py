"""The invertible mapping network: there and back, volumes, and what a generator of kind lia does with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.coupling import CouplingMapping
from ganaudit.generators.networks.lia import OrdinaryMapping, PooledEncoder, from_weights, lia
from ganaudit.generators.protocol import Encoding


def mapping(latent, steps=4, seed=1, bias=0.3):
    torch.manual_seed(seed)
    made = CouplingMapping(latent, steps, slow=0.5)
    for name, value in made.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(value, 0.0, bias)
    return made.requires_grad_(False)


def tiny(encoder=None, ordinary=False):
    torch.manual_seed(2)
    made = lia(6, OrdinaryMapping(6, 2, 0.1) if ordinary else mapping(6), 4, ((4,), (3,)), encoder)
    for name, value in made.named_parameters():
        if name.endswith(("strength", "bias")):
            nn.init.normal_(value, 0.0, 0.3)
    return made.eval().requires_grad_(False)


def test_the_way_back_is_the_published_formula():
    """From w to z: reverse the order, then add to the second half a function of the first; 32 numbers, 3 steps."""
    made = mapping(32, 3)
    p = {name: value.double().numpy() for name, value in made.named_parameters()}
    w = np.random.default_rng(1).normal(size=(5, 32))

    def leaky(x):
        return np.maximum(x, 0.2 * x)

    z = w
    for step in (2, 1, 0):
        z = z[:, ::-1].copy()
        x = z[:, :16]
        for layer in (0, 1):
            name = f"steps.{step}.linears.{layer}"
            gain = 2**0.5 / x.shape[1] ** 0.5
            x = leaky(x @ (0.5 * gain * p[f"{name}.weight"]).T + 0.5 * p[f"{name}.bias"])
        z[:, 16:] += x
    assert made.inverse(torch.from_numpy(w)).numpy() == pytest.approx(z, abs=1e-5)  # parameters are of 32 bits
    assert p["steps.0.linears.0.weight"].shape == (32, 16) and p["steps.0.linears.1.weight"].shape == (16, 32)


def test_there_and_back_is_exact_to_the_precision_it_is_computed_in():
    torch.manual_seed(1)
    made = CouplingMapping(512)
    z = torch.randn(64, 512, dtype=torch.float64)
    assert 0.0 < made.round_trip(z) < 1e-12
    w = made(z.float())
    assert float(((made.inverse(w) - z.float()).abs().max() / w.abs().max()).detach()) < 1e-5
    assert w.dtype == torch.float32 and made(z).dtype == torch.float64
    assert sum(value.numel() for value in made.parameters()) == 4 * 262_912


@pytest.mark.parametrize("steps, sign", [(4, 1.0), (3, -1.0)])
def test_it_keeps_volumes(steps, sign):
    made = mapping(6, steps)
    at, small = torch.randn(6, dtype=torch.float64, generator=torch.manual_seed(5)), 1e-6
    columns = [
        (made((at + e)[None]) - made((at - e)[None]))[0] / (2 * small) for e in small * torch.eye(6, dtype=torch.float64)
    ]
    assert float(torch.det(torch.stack(columns, dim=1))) == pytest.approx(sign, abs=1e-6)


def test_without_what_is_added_it_is_a_permutation():
    made = mapping(6, 3, bias=0.0)
    for step in made.steps:
        nn.init.zeros_(step.linears[-1].weight)
    z = torch.arange(6.0)[None]
    assert torch.equal(made(z), z.flip(1)) and torch.equal(made.inverse(made(z)), z)


@pytest.mark.parametrize("steps, moved", [(1, 1), (2, 4)])
def test_after_two_steps_every_number_moves_with_every_half(steps, moved):
    """Of one step a half is kept: of the four blocks of its Jacobian, beside the two of a permutation, one is not zero."""
    made = mapping(6, steps)
    slopes = torch.autograd.functional.jacobian(lambda z: made(z[None])[0], torch.randn(6, generator=torch.manual_seed(3)))
    plain = torch.eye(6).flip(0) if steps == 1 else torch.zeros(6, 6)
    blocks = (slopes - plain).reshape(2, 3, 2, 3).abs().amax(dim=(1, 3))
    assert int((blocks > 1e-6).sum()) == moved


def test_a_latent_without_halves_is_refused():
    with pytest.raises(RequestError, match="7 numbers"):
        CouplingMapping(7)


@torch.no_grad()
def test_a_style_and_its_latent_make_one_image():
    body = tiny()
    w = body.to_w(torch.randn(4, 6, dtype=torch.float64)) + 0.5
    z = body.to_z(w)
    images = body.run({"w": w.float()})["image"], body.run({"z": z.float()})["image"]
    assert float((images[0] - images[1]).norm() / images[0].norm()) < 1e-5
    assert float((body.to_w(z) - w).abs().max()) < 1e-12
    state = body.latents(3, torch.arange(2))
    rest = {name: value for name, value in state.items() if name != "z"}
    assert torch.equal(body.run(state)["image"], body.run({**rest, "w": body.to_w(state["z"])})["image"])
    with pytest.raises(RequestError, match="no z follows"):
        tiny(ordinary=True).to_z(w)


@torch.no_grad()
def test_a_settled_mapping_is_the_same_function():
    body, z = tiny(), torch.randn(3, 6)
    before = body.to_w(z)
    body.settle()
    assert body.to_w(z) == pytest.approx(before, abs=1e-5)
    again = from_weights(body.state_dict())
    again.load_state_dict(body.state_dict())
    assert torch.equal(again.to_w(z), body.to_w(z))


@torch.no_grad()
def test_an_encoder_answers_in_codes_that_run_takes():
    body = tiny(PooledEncoder(6, (4, 5, 5)).eval())
    code = body.encode(torch.rand(3, 3, 16, 16) * 2 - 1)
    assert isinstance(body, Encoding) and body.encodes == "w" and code.shape == (3, 6)
    assert body.run({body.encodes: code})["image"].shape == (3, 3, 16, 16)
    before = body.encoder_digest
    body.encoder.mean += 1.0
    assert body.encoder_digest != before and not isinstance(tiny(), Encoding)


@torch.no_grad()
def test_an_encoder_that_ends_in_a_batch_norm_has_the_spread_that_it_is_given():
    torch.manual_seed(1)
    encoder, images = PooledEncoder(6, (4, 5, 5)), torch.randn(64, 3, 16, 16)
    assert encoder(images).std(dim=0, correction=0) == pytest.approx(torch.ones(6), abs=1e-2)
    encoder.mean[:], encoder.deviation[:] = 5.0, torch.arange(1.0, 7.0)
    code = encoder(images)
    assert code.mean(dim=0) == pytest.approx(torch.full((6,), 5.0), abs=1e-3)
    assert code.std(dim=0, correction=0) == pytest.approx(torch.arange(1.0, 7.0), rel=1e-2)
