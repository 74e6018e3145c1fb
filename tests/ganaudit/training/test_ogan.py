"""Training an O-GAN: its losses by their formulas, one step for both players, resumption, and an early word."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from ganaudit.datasets.village import VillageDataset
from ganaudit.encoders.ogan import from_weights, ogan
from ganaudit.errors import AuditError, RequestError
from ganaudit.images import to_bytes
from ganaudit.spec.checkpoints import steps_of
from ganaudit.training import builtin
from ganaudit.training import ogan as training
from ganaudit.training.data import Data
from ganaudit.training.loop import Budget, train
from ganaudit.training.ogan import OganRecipe, OganTraining
from ganaudit.training.ogan_losses import LATENTS, score, together
from ganaudit.training.recipes import changed

CPU = torch.device("cpu")
DATA = Data(VillageDataset(3), 8)
SMALL = OganRecipe(resolution=16, latent=5, width=8, batch=4)


def test_the_quadratic_loss_is_lowest_where_the_paper_says():
    loss, d = score("qp", 0.25), torch.tensor([0.3], dtype=torch.float64)
    ts = np.linspace(-2.0, 2.0, 4001)
    values = [loss.critic(torch.tensor([t]), torch.tensor([0.0]), d).item() for t in ts]
    best = int(np.argmin(values))
    assert ts[best] == pytest.approx(-0.6) and values[best] == pytest.approx(-0.3, abs=1e-6)
    assert loss.lowest(0.3) == pytest.approx(-0.6) and score("qp", 0.5).lowest(0.3) == pytest.approx(-0.3)
    assert score("hinge", 0.25).lowest(0.3) == -math.inf


def test_the_other_losses_by_their_formulas_and_who_wants_what():
    real, fake, d = torch.tensor([-3.0, 0.5]), torch.tensor([2.0, -0.5]), torch.ones(2)
    assert score("hinge", 1.0).critic(real, fake, d).item() == pytest.approx((0.0 + 1.5) / 2 + (0.0 + 1.5) / 2)
    expected = np.log1p(np.exp(real.numpy())).mean() + np.log1p(np.exp(-fake.numpy())).mean()
    assert score("logistic", 1.0).critic(real, fake, d).item() == pytest.approx(expected, rel=1e-6)
    for name in ("qp", "hinge", "logistic"):
        x, y = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
        loss = score(name, 0.25)
        loss.critic(x, y, torch.ones(3)).backward()
        assert bool((x.grad > 0).all() and (y.grad < 0).all())  # the critic pushes reals down, fakes up
        y.grad = None
        loss.generator(y).backward()
        assert bool((y.grad > 0).all())  # the generator pushes its own down


def test_what_codes_lose_against_z():
    z, code = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[1.0, 3.0, 2.0, 4.0]])
    assert LATENTS["correlation"](z, 5 * code + 1).item() == pytest.approx(-0.8)
    assert LATENTS["mse"](z, code).item() == pytest.approx(0.5 * (1 + 1) / 4)


@pytest.mark.parametrize("name", ["qp", "hinge", "logistic"])
def test_one_loss_has_the_gradients_of_two(name):
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 48), nn.Tanh()).double()
    encoder = nn.Sequential(nn.Linear(48, 16), nn.Tanh(), nn.Linear(16, 6)).double()
    real, z = torch.rand(5, 48).double() * 2 - 1, torch.randn(5, 6).double()
    loss, weight = score(name, 0.25), 0.5
    both = [*generator.parameters(), *encoder.parameters()]
    fake = generator(z)
    code = encoder(fake)
    d = (real - fake.detach()).square().mean(dim=1)
    one = together(loss, encoder(real), code, encoder(fake.detach()), d) + weight * LATENTS["correlation"](z, code)
    result = torch.autograd.grad(one, both)

    def rho(codes):
        x, y = z - z.mean(1, keepdim=True), codes - codes.mean(1, keepdim=True)
        return nn.functional.cosine_similarity(x, y, dim=1).mean()

    fixed = generator(z).detach()
    critic = loss.critic(encoder(real).mean(1), encoder(fixed).mean(1), d) - weight * rho(encoder(fixed))
    own = loss.generator(encoder(generator(z)).mean(1)) - weight * rho(encoder(generator(z)))
    expected = [
        *torch.autograd.grad(own, list(generator.parameters())),
        *torch.autograd.grad(critic, list(encoder.parameters())),
    ]
    assert max((a - b).abs().max().item() for a, b in zip(result, expected, strict=True)) < 1e-10
    assert min(value.abs().max().item() for value in expected) > 1e-6


def test_a_step_is_that_of_the_formula_with_batch_norms_of_their_own():
    """One step of RMSprop from the same start, written out for the published loss."""
    mine, r = OganTraining(SMALL, 1, CPU, DATA), SMALL
    torch.manual_seed(1)
    model = ogan("dcgan", 16, 5, 8).train()
    x = mine.real.batch_of(0)[0].astype(np.float32) / 127.5 - 1.0
    x, z = torch.from_numpy(x).permute(0, 3, 1, 2), mine._z("training z", range(4))
    fake = model(z)
    ex, ef, e0 = model.encoder(x), model.encoder(fake), model.encoder(fake.detach())
    t1, t2 = ex.mean(1) - e0.mean(1), ef.mean(1) - e0.mean(1)
    rho = nn.functional.cosine_similarity(z - z.mean(1, keepdim=True), ef - ef.mean(1, keepdim=True), dim=1)
    loss = (t1 + t2 + 0.25 * t1.square() / (x - fake.detach()).square().mean((1, 2, 3)) - 0.5 * rho).mean()
    loss.backward()
    shown = mine.step(0, 0.0)
    assert shown["t_loss"] == pytest.approx(t1.mean().item(), abs=1e-5) and shown["z_corr"] == pytest.approx(
        rho.mean().item(), abs=1e-5
    )
    for (name, value), old in zip(mine.model.named_parameters(), model.parameters(), strict=True):
        step = r.generator_rate * old.grad / ((0.01 * old.grad.square()).sqrt() + 1e-7)
        clear = old.grad.abs() > 1e-4
        assert torch.allclose(value[clear], (old - step)[clear], atol=1e-5), name
    statistics = dict(mine.model.named_buffers())
    for name, value in model.named_buffers():
        assert torch.allclose(statistics[name].float(), value.float(), atol=1e-5), name


VARIANTS = [
    {}, {"body": "self-modulated", "score_loss": "hinge", "latent_loss": "mse"},
    {"body": "residual", "latent_loss": "linear", "optimiser": "adam"},
    {"body": "growing", "score_loss": "logistic", "optimiser": "adam", "penalty": 0.2, "penalty_every": 2, "warm_up": 1,
     "decay_from": 0.5, "precision": "bfloat16"},
]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.get("body", "dcgan"))
def test_stopped_and_gone_on_is_the_same_model_to_the_bit(variant, stopped_and_gone_on, tmp_path):
    recipe = replace(SMALL, **variant)
    whole, last = stopped_and_gone_on(lambda: OganTraining(recipe, 1, CPU, DATA), 11, (2, 9))
    for result, expected in ((last.weights(), whole.weights()), (last.beside()["slow"], whole.beside()["slow"])):
        assert all(torch.equal(value, result[name]) for name, value in expected.items())
    rows = pq.read_table(tmp_path / "parts" / "curves.parquet")
    assert {"t_loss", "z_corr"} <= set(rows["name"].to_pylist())
    assert Image.open(tmp_path / "parts" / "picture.png").size == (1024, 5 * 128)


def test_two_averages_of_weights_and_statistics():
    mine = OganTraining(replace(SMALL, average=0.2, slow_average=0.7), 1, CPU, DATA)
    start = {name: value.clone() for name, value in mine.model.state_dict().items()}
    mine.step(0, 0.0)
    mine.step(18, 0.0)  # from then on both keep what they are told to: 19 / 28 is above 0.2, not 0.7
    new = mine.model.state_dict()
    names = ("encoder.norms.0.running_var", "layer1.linear.linear.weight")
    assert all(not torch.equal(new[name], start[name]) for name in names)
    other = OganTraining(replace(SMALL, average=0.0, slow_average=0.0), 1, CPU, DATA)
    other.step(0, 0.0)
    first = {name: value.clone() for name, value in other.weights().items()}
    other.step(18, 0.0)
    for name in names:
        after_one = 0.1 * start[name] + 0.9 * first[name]  # (1 + 0) / (10 + 0) is kept of the start
        for result, keep in ((mine.weights(), 0.2), (mine.beside()["slow"], 19 / 28)):
            assert torch.allclose(result[name], keep * after_one + (1 - keep) * new[name], atol=1e-6)


def test_a_learned_matrix_is_averaged_like_the_encoder_and_becomes_a_part_of_it(tmp_path):
    mine = OganTraining(replace(SMALL, latent_loss="linear", average=0.5, encoder_rate=0.1), 1, CPU, DATA)
    mine.matrix.weight.data.copy_(torch.randn(5, 5))
    mine.average_matrix.load_state_dict(mine.matrix.state_dict())
    expected = mine.matrix.weight.detach().double().clone()
    for step in range(4):
        mine.step(step, 0.0)
        keep = min(0.5, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * mine.matrix.weight.detach().double()
    assert not torch.allclose(expected.float(), mine.matrix.weight, atol=1e-3)
    made, images = from_weights(mine.weights()), torch.rand(3, 3, 16, 16)
    made.load_state_dict(mine.weights(), strict=False)
    assert torch.allclose(made.eval().encoder(images), mine.average.encoder(images) @ expected.float().T, atol=1e-4)
    mine.picture(tmp_path / "picture.png")  # shows what is shipped: the second of its pairs of a photo and what comes back
    real = mine.real.on(CPU, 0)
    with torch.no_grad():
        wanted = to_bytes(made(made.encode(real)))[0].numpy()
    larger = 1024 // (8 * 16)
    shown = np.asarray(Image.open(tmp_path / "picture.png"))[::larger, ::larger]
    rows = shown.shape[0] // 16
    cells = [shown[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] for row in range(rows) for column in range(8)]
    assert np.abs(cells[8 * 4 + 1].astype(int) - wanted).max() <= 1


def test_the_latents_loss_alone_warms_up_and_does_what_it_says():
    mine = OganTraining(
        replace(SMALL, body="growing", optimiser="adam", warm_up=40, encoder_rate=2e-3, generator_rate=2e-3), 1, CPU, DATA
    )
    seen = [mine.step(step, 0.0) for step in range(40)]
    assert all(losses["loss"] == pytest.approx(-0.5 * losses["z_corr"]) for losses in seen)
    assert np.mean([losses["z_corr"] for losses in seen[-5:]]) > 0.5 > abs(seen[0]["z_corr"]) + 0.2


def test_a_training_that_diverges_says_so_early_and_once_and_ends_where_nothing_is_finite(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(training, "FIRST_LOOK", 3)
    mine = OganTraining(replace(SMALL, score_loss="qp"), 1, CPU, DATA)
    with caplog.at_level(logging.WARNING):
        train(mine, tmp_path / "well", Budget(steps=6))
    assert "diverges" not in caplog.text
    mine.model.encoder.latent.bias.data.copy_(torch.zeros(5))
    for step in range(3, 6):
        mine._look(step, -10.0, 0.3)
    again = OganTraining(replace(SMALL, score_loss="qp"), 1, CPU, DATA)
    again.load(mine.state())
    again._look(6, -10.0, 0.3)
    assert caplog.text.count("t_loss is -10") == 1 and "at its best it would be -0.6" in caplog.text
    burst = OganTraining(SMALL, 1, CPU, DATA)
    burst.model.encoder.latent.bias.data.fill_(float("inf"))
    with pytest.raises(AuditError, match=r"is (nan|inf) at step 1"):
        train(burst, tmp_path / "burst", Budget(steps=3))


def test_a_recipe_with_changes_and_what_is_none():
    assert changed(OganRecipe(), ["latent_weight=0.25", "body=residual", "latent=16"]) == OganRecipe(
        body="residual", latent=16, latent_weight=0.25
    )
    with pytest.raises(RequestError, match=r"no 'latent_wait'; did you mean 'latent_weight'\?.* decay_from"):
        changed(OganRecipe(), ["latent_wait=1"])
    for wrong, sentence in (
        ("latent_weight", "NAME=VALUE"), ("batch=1", "batch=1: .*equal to 2"), ("latent=0", "latent=0: "),
        ("batch=x", "--set batch=x: .*integer"),
        ("score_loss=wgan", "'qp', 'hinge' or 'logistic'"), ("encoder_rate=nan", "finite|greater"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=sentence):
            changed(OganRecipe(), [wrong])


def test_too_few_images_for_a_batch(tmp_path):
    with pytest.raises(RequestError, match="have 8 images and a batch takes 9"):
        OganTraining(replace(SMALL, batch=9), 1, CPU, DATA)


def test_it_is_exported_with_both_averages_and_opens(tmp_path):
    from ganaudit.context import Context
    from ganaudit.generators.opening import open_generator
    from ganaudit.named import options_named

    model = builtin.BuiltinModel("ogan", 0, lambda *rest: OganTraining(SMALL, *rest))
    path = builtin.make_model(
        model, "mine", tmp_path, lambda *_: None, Budget(steps=2), device="cpu", data=DATA, command="how", keep_every=1
    )
    assert {"mine.card.json", "mine.safetensors", "mine-slow.safetensors"} <= {file.name for file in tmp_path.iterdir()}
    steps, source = steps_of(sorted((tmp_path / "steps").iterdir()))
    assert (steps, source) == ([1, 2], "metadata")
    for file in (path, tmp_path / "mine-slow.safetensors"):
        opened = open_generator(options_named("generators", str(file)), Context())
        codes = opened.generator.encode(torch.zeros(2, 3, 16, 16))
        assert (opened.recipe["kind"], opened.generator.encodes, tuple(codes.shape)) == ("ogan", "z", (2, 5))
