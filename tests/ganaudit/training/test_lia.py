"""LIA's two stages: stopped and gone on, exported, opened; the generator stays what it was; R1; what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from ganaudit import weights
from ganaudit.context import Context
from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.named import options_named
from ganaudit.training import lia_stages, loop
from ganaudit.training.data import Data
from ganaudit.training.descent import faded
from ganaudit.training.discriminator import Discriminator, Judge
from ganaudit.training.exporting import halved
from ganaudit.training.joint import JointRecipe, JointTraining, paired
from ganaudit.training.lia import LiaRecipe, StyleTraining
from ganaudit.training.lia_encoder import EncoderRecipe, EncoderTraining
from ganaudit.training.lia_stages import FIRST as FIRST_FOLDER
from ganaudit.training.lia_stages import Lia, make_joint, make_lia
from ganaudit.training.loop import Budget, train
from ganaudit.training.losses import LOSSES
from ganaudit.training.recipes import changed, shared_out

CPU = torch.device("cpu")
DATA = Data(VillageDataset(3), 8)
FIRST = LiaRecipe(
    batch=4, penalty_every=2, latent=6, first=4, channels=((4,), (4,)), discriminator_widths=(4, 4), mapping_depth=2
)  # fmt: skip
SECOND = EncoderRecipe(batch=4, penalty_every=2, encoder_widths=(4, 5, 5), discriminator_widths=(4, 4))


def silent(*_):
    """No progress is shown."""


def first(**changes):
    return StyleTraining(replace(FIRST, **changes), 1, CPU, DATA)


def second(**changes):
    return EncoderTraining(first().settled(), None, replace(SECOND, **changes), 1, CPU, DATA)


def latents():
    return second(target="latents", norm="none")


def joint(method="vae-gan"):
    return JointTraining(JointRecipe(method), FIRST, SECOND, 1, CPU, DATA)


@pytest.mark.parametrize("start", [first, second, latents, joint, partial(joint, "ali")])
def test_stopped_and_gone_on_is_the_same_model_to_the_bit(start, stopped_and_gone_on):
    whole, last = stopped_and_gone_on(start)
    assert all(torch.equal(value, last.weights()[name]) for name, value in whole.weights().items())
    began = start().weights()
    assert any(not torch.equal(value, began[name]) for name, value in whole.weights().items())


def test_both_stages_make_a_file_whose_generator_is_that_of_the_first(tmp_path):
    made = make_lia(Lia(FIRST, SECOND, (12, 6)), "own", tmp_path, silent, Budget(steps=18), data=DATA, keep_every=6)
    before, after = (weights.load(str(path)).tensors for path in (tmp_path / "stage-1" / "own.safetensors", made))
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"encoder"}
    card = json.loads(made.with_name("own.card.json").read_text())
    assert (card["kind"], card["steps"], card["stage_1"]["steps"]) == ("lia", 6, 12)
    assert card["perceptual"]["perceptual"] == "pyramid" and card["stage_1"]["recipe"]["mapping"] == "coupling"
    opened = open_generator(options_named("generators", str(made)), Context())
    body = opened.generator
    photos = torch.rand(2, 3, 16, 16)
    assert body.run({body.encodes: body.encode(photos)})["image"].shape == photos.shape
    assert weights.load(str(made)).metadata["kind"] == "lia" and opened.training_step == 6
    bare = open_generator(options_named("generators", str(tmp_path / "stage-1" / "own.safetensors")), Context())
    assert bare.recipe == opened.recipe and not hasattr(bare.generator, "encodes")  # samples are the generator's alone
    rows = pq.read_table(tmp_path / "stage-1" / "curves.parquet").to_pylist()
    trip = {row["name"]: row["value"] for row in rows if row["name"].startswith("round trip")}
    assert trip["round trip, 64 bits"] < 1e-10 < trip["round trip, 32 bits"]
    names = set(pq.read_table(tmp_path / "curves.parquet").column("name").to_pylist())
    assert not names  # six steps are no row yet
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("steps/*")}
    assert kept == {
        "stage-1/steps/own-00000006.safetensors",
        "stage-1/steps/own-00000012.safetensors",
        "steps/own-00000006.safetensors",
    }
    alone = make_lia(Lia(FIRST, SECOND), "own", tmp_path / "other", silent, Budget(steps=1), data=DATA, generator=made)
    again = weights.load(str(alone)).tensors  # an encoder that the file had is left out
    assert all(torch.equal(value, again[name]) for name, value in before.items()) and again.keys() == after.keys()


def test_a_generator_that_changed_is_never_written():
    training = second()
    training.generator.layer1.constant += 1e-3
    with pytest.raises(AuditError, match="generator changed"):
        training.weights()


def test_the_second_stage_lowers_what_it_is_to_lower_and_goes_on_with_the_discriminator():
    generator, known = first().settled(), first().judge.network.state_dict()
    training = EncoderTraining(generator, known, replace(SECOND, rate=1e-2), 1, CPU, DATA)
    assert all(torch.equal(value, training.judge.network.state_dict()[name]) for name, value in known.items())
    curve = [training.step(step, 0.0) for step in range(25)]
    early, late = (sum(losses["pixels"] for losses in part) for part in (curve[:5], curve[-5:]))
    assert late < 0.98 * early  # what an untrained generator can give differs by a few percent
    assert {"perceptual", "adversarial", "D", "gradient, stem", "gradient, block 2", "gradient, last"} <= curve[0].keys()
    assert any(not torch.equal(value, training.judge.network.state_dict()[name]) for name, value in known.items())


def test_an_encoder_may_learn_from_own_samples_alone():
    training = latents()
    training.real.batch_of = lambda step: 1 / 0
    curve = [training.step(step, 0.0)["w"] for step in range(12)]
    assert sum(curve[-4:]) < sum(curve[:4])


class Quadratic(nn.Module):
    """Half of x' A x of the numbers x of an image, plus a constant."""

    def __init__(self, form, constant=0.0):
        super().__init__()
        self.form, self.constant = nn.Parameter(form), constant

    def forward(self, x):
        x = x.flatten(1)
        return 0.5 * (x[:, :, None] * self.form * x[:, None, :]).sum(dim=(1, 2)) + self.constant


@pytest.mark.parametrize("constant", [0.0, 7.0])
def test_r1_is_half_of_the_mean_square_of_the_slopes(constant):
    torch.manual_seed(4)
    form, real = torch.randn(12, 12), torch.randn(6, 3, 2, 2)
    form = form + form.T
    judge = Judge(Quadratic(form, constant), LOSSES["r1"], 1.0, 1.0, 1, 1, CPU)
    penalty = judge.loss.penalty(judge._slopes, real, real, list)
    x = real.flatten(1)[:3]  # it is of half of the batch
    assert float(penalty.detach()) == pytest.approx(float(((x @ form) ** 2).sum() / 6), rel=1e-4)
    unit = Judge(Quadratic(torch.eye(12)), LOSSES["r1"], 1.0, 1.0, 1, 1, CPU)
    assert float(unit.loss.penalty(unit._slopes, real, real, list).detach()) == pytest.approx(float((x**2).sum() / 6), rel=1e-4)


def test_the_penaltys_gradient_reaches_the_discriminators_weights():
    class Line(nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = nn.Parameter(torch.randn(12))

        def forward(self, x):
            return (x.flatten(1) * self.slope).sum(dim=1)

    judge, real = Judge(Line(), LOSSES["r1"], 1.0, 1.0, 1, 1, CPU), torch.randn(6, 3, 2, 2)
    (gradient,) = torch.autograd.grad(10.0 * judge.loss.penalty(judge._slopes, real, real, list), [judge.network.slope])
    assert gradient == pytest.approx(10.0 * judge.network.slope.detach(), rel=1e-4)  # of gamma / 2 times |w|^2


def test_an_ordinary_mapping_has_the_same_budget_and_no_round_trip():
    training = first(mapping="mlp")
    losses = training.step(0, 0.0)
    assert set(losses) == {"D", "G"} and len(training.generator.mapping.network.linears) == 4


@pytest.mark.parametrize(
    "changes, says",
    [
        (["mapping=affine"], ("affine", "coupling, mlp")),
        (["norm=layer"], ("layer", "whitened")),
        (["penalt=3"], ("penalt", "did you mean 'penalty'")),
        (["batch"], ("batch", "NAME=VALUE")),
        (["batch=many"], ("batch", "integer")),
        (["channels=[[4]]"], ("discriminator_widths", "one for each")),
    ],
)
def test_what_cannot_be_set_is_refused(changes, says):
    with pytest.raises(RequestError) as error:
        for recipe, own in zip((FIRST, SECOND), shared_out(changes, FIRST, SECOND), strict=True):
            changed(recipe, own)
    assert all(word in str(error.value) for word in says)


def test_what_is_set_is_set_in_each_recipe_that_has_it():
    own = shared_out(["batch=2", "encoder_widths=[1, 2, 3]", "rate=1e-3"], FIRST, SECOND)
    first, second = changed(FIRST, own[0]), changed(SECOND, own[1])
    assert (first.batch, second.batch, second.encoder_widths, second.rate) == (2, 2, (1, 2, 3), 0.001)


def test_the_second_stage_goes_on_from_a_built_in_model_too(tmp_path):
    body = lia_stages._body(weights.located("builtin:village-lia"), tmp_path)
    assert body.resolution == (64, 64) and not [name for name in body.state_dict() if name.startswith("encoder.")]


def test_stages_that_do_not_fit_are_refused(tmp_path):
    plan, budget = Lia(FIRST, SECOND), Budget(steps=1)
    with pytest.raises(RequestError, match="there is no first stage at"):
        make_lia(plan, "own", tmp_path, silent, budget, data=DATA, stage=2)
    other = weights.locate("builtin:village-stylegan")
    with pytest.raises(RequestError, match="no generator of kind lia"):
        make_lia(plan, "own", tmp_path, silent, budget, data=DATA, generator=other)
    with pytest.raises(RequestError, match="8 images and a batch takes 9"):
        make_lia(Lia(replace(FIRST, batch=9), SECOND), "own", tmp_path, silent, budget, data=DATA)
    with pytest.raises(RequestError, match="encoder_widths"):
        EncoderTraining(first().settled(), None, replace(SECOND, encoder_widths=(4, 4)), 1, CPU, DATA)
    with pytest.raises(RequestError, match="power of two"):
        Lia.published(100)


def test_the_published_sizes_fit_each_other():
    for side in (32, 64, 256):
        plan = Lia.published(side)
        widths = (len(plan.first.discriminator_widths), len(plan.second.encoder_widths) - 1)
        assert plan.first.side == side and widths == (len(plan.first.channels),) * 2
    assert Lia.published(128).second.encoder_widths == (64, 128, 256, 512, 1024, 1024)


def test_the_published_budget_is_of_the_published_images():
    plan = Lia.published(128)
    assert (plan.steps[0] * plan.first.batch, plan.steps[1] * plan.second.batch) == (25_000_000, 12_000_000)


def test_a_second_stage_that_cannot_follow_is_refused_before_the_first_is_trained(tmp_path):
    with pytest.raises(RequestError, match="encoder_widths has a number for each side from 16 to 4"):
        plan = Lia(FIRST, replace(SECOND, encoder_widths=(4, 4)))
        make_lia(plan, "own", tmp_path, silent, Budget(steps=2), data=DATA)
    assert not (tmp_path / FIRST_FOLDER).exists()


def test_another_discriminator_than_the_first_stage_left_is_refused_with_its_widths(tmp_path):
    make_lia(
        Lia(replace(FIRST, discriminator_widths=(4, 6)), SECOND), "own", tmp_path, silent, Budget(steps=1), data=DATA, stage=1
    )
    with pytest.raises(RequestError, match=r"discriminator_widths=\[4,6\]"):
        make_lia(Lia(FIRST, SECOND), "own", tmp_path, silent, Budget(steps=1), data=DATA, stage=2)


def test_values_that_no_training_can_have_are_refused_by_name():
    for recipe, wrong in (
        (LiaRecipe(), ("loss=wgan-gp", "loss=hinge", "penalty_every=0", "batch=1", "average=1", "critic_steps=0",
                       "mapping_rate=0", "generator_rate=nan", "decay_from=1.1")),
        (EncoderRecipe(), ("penalty_every=0", "batch=0", "rate=-1", "adversarial_share=nan")),
        (JointRecipe(), ("divergence=-1",)),
    ):  # fmt: skip
        for change in wrong:
            with pytest.raises(RequestError, match=f"--set {change.partition('=')[0]}="):
                changed(recipe, [change])


@pytest.mark.parametrize("count", [2, 6, 8])
def test_a_discriminator_sees_the_spread_of_any_batch(count):
    network, seen, images = Discriminator(True, (4, 5)), [], torch.randn(count, 3, 16, 16)
    network.last.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    network(images)
    (given,), groups = seen, 2 if count == 8 else 1
    for place in range(count):
        together = given[place % groups :: groups, :5].double().numpy()
        spread = np.sqrt(together.var(axis=0) + 1e-8).mean()
        assert given[place, 5].numpy() == pytest.approx(spread, rel=1e-4) and spread > 1e-3


def test_a_rate_that_never_falls():
    assert changed(LiaRecipe(), ["decay_from=1"]).decay_from == 1.0
    assert [faded(spent, 1.0) for spent in (0.0, 0.999)] == [1.0, 1.0]
    assert [faded(spent, 0.5) for spent in (0.25, 0.75, 1.0)] == pytest.approx([1.0, 0.51, 0.02])


def test_what_half_precision_cannot_hold_is_not_written():
    assert halved({"a": torch.tensor([65504.0])})["a"].dtype == torch.float16
    with pytest.raises(AuditError, match="variance holds 70000, which half precision does not"):
        halved({"fine": torch.ones(2), "variance": torch.tensor([1.0, 70000.0])})


def test_a_loss_that_is_no_number_ends_a_training_and_the_checkpoint_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    training = second()
    step = training.step
    training.step = lambda number, spent: step(number, spent) | ({"pixels": float("nan")} if number == 2 else {})
    with pytest.raises(AuditError, match="pixels is nan at step 3; the checkpoint of step 2 stands"):
        train(training, tmp_path, Budget(steps=4))


def test_a_pair_is_an_image_and_the_numbers_of_its_code():
    images, codes = torch.randn(2, 3, 16, 16), torch.arange(10.0).reshape(2, 5)
    made = paired(images, codes)
    assert made.shape == (2, 4, 16, 16) and torch.equal(made[:, :3], images)
    assert made[1, 3].unique().tolist() == [0.0, 5.0, 6.0, 7.0, 8.0, 9.0]  # and one rectangle of none
    assert paired(images, torch.ones(2, 8))[:, 3].min() == 1.0


@pytest.mark.parametrize("method", ["vae-gan", "ali"])
def test_what_learns_jointly_is_exported_as_a_generator_whose_w_is_its_z(method, tmp_path):
    made = make_joint(JointRecipe(method), Lia(FIRST, SECOND), tmp_path, silent, Budget(steps=1), data=DATA)
    body = open_generator(options_named("generators", str(made)), Context()).generator
    z = torch.randn(2, 6)
    assert torch.equal(body.to_w(z), z) and body.encode(torch.rand(2, 3, 16, 16)).shape == (2, 6)


def test_what_is_shipped_of_a_joint_training_is_the_average_of_weights_and_statistics():
    training = joint()
    parts = {"": training.generator, "encoder.": training.encoder}
    start = {f"{place}{name}": value.clone() for place, part in parts.items() for name, value in part.state_dict().items()}
    training.step(0, 0.0)
    shipped = training.weights()
    for place, part in parts.items():
        for name, value in part.state_dict().items():
            if value.is_floating_point():  # (1 + 0) / (10 + 0) is kept of the start
                assert torch.allclose(shipped[place + name], 0.1 * start[place + name] + 0.9 * value, atol=1e-6)
    moved = "encoder.stem.1.running_var"
    assert not torch.allclose(shipped[moved], training.encoder.state_dict()["stem.1.running_var"], atol=1e-4)


def test_a_joint_training_names_its_terms_and_weighs_the_divergence_by_pixels():
    training = joint()
    assert {"pixels", "perceptual", "adversarial", "divergence", "D", "gradient, stem"} <= training.step(0, 0.0).keys()
    assert {"encoder", "generator", "D"} <= joint("ali").step(0, 0.0).keys()
    with pytest.raises(RequestError, match="vae-gan, ali"):
        JointRecipe("bigan")
