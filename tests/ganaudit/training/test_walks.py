"""Training walks: a planted direction is found, draws follow from seed and index, the same whether stopped or not."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.steering.edits import EDITS
from ganaudit.steering.files import open_walk
from ganaudit.steering.losses import masked_perceptual
from ganaudit.training.loop import Budget
from ganaudit.training.making_walks import key_of, make_walk, seconds_a_step, start_walk
from ganaudit.training.walks import WalkRecipe, WalkTraining

CPU = torch.device("cpu")


def linear():
    path = Path(__file__).parents[1] / "steering" / "conftest.py"
    spec = importlib.util.spec_from_file_location("steering_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Linear()


def generator():
    torch.manual_seed(1)
    return progan(8, 16, ((16,), (8,))).eval().requires_grad_(False)


def training(*edits, seed=1, **changes):
    return WalkTraining(generator(), WalkRecipe(edits or ("shift-x",), images=4, alphas=3, **changes), seed, CPU)


def test_a_planted_direction_is_found():
    planted = linear()
    for kind in ("linear", "residual"):
        trained = WalkTraining(planted, WalkRecipe(("luminance",), kind=kind, reach=1.0), 1, CPU)
        for step in range(80):
            trained.step(step, step / 80)
        z = planted.latents(9, torch.arange(16))["z"]
        moved = trained.walk.moved(z, torch.full((16, 1), 0.5)).detach() - z
        if kind == "linear":
            assert float(torch.cosine_similarity(trained.weights()["directions"][0], planted.planted, dim=0)) > 0.95
            assert float(trained.weights()["directions"].norm()) == pytest.approx(2.0, rel=0.1)  # 0.5 brightness a unit of z
            assert trained.figures(4)["followed"] > 0.9
        assert float(torch.cosine_similarity(moved.mean(dim=0), planted.planted, dim=0)) > (0.95 if kind == "linear" else 0.7)


def test_every_image_meets_every_part_of_the_range():
    trained = training("shift-x", "zoom", reach=0.5)
    sliders = trained.sliders(0, 7).view(4, 3, 2) / torch.tensor([EDITS["shift-x"].limit, EDITS["zoom"].limit])
    thirds = torch.floor((sliders + 0.5) * 3.0).long()
    assert torch.equal(thirds.sort(dim=1).values, torch.arange(3).view(1, 3, 1).expand(4, 3, 2))
    assert torch.equal(trained.sliders(0, 7)[6:9], replaced(trained, images=1).sliders(2, 7))


def replaced(trained, **changes):
    return WalkTraining(trained.generator, replace(trained.recipe, **changes), 1, CPU)


@pytest.mark.parametrize("kind", ["linear", "residual"])
def test_the_loss_falls(kind):
    trained = training("shift-x", kind=kind, reach=1.0)
    losses = [trained.step(step, step / 80)["l2"] for step in range(80)]
    assert sum(losses[-20:]) < sum(losses[:20])


def test_a_step_lowers_the_masked_squares_of_the_definition():
    trained = training("shift-x")
    sliders = trained.sliders(0, 5)
    z = trained.generator.latents(5, torch.arange(4))["z"].repeat_interleave(3, dim=0)
    images = trained.generator.run({"z": z})["image"]
    by_hand = []
    for image, slider in zip(images, sliders[:, 0].tolist(), strict=True):
        alpha = 8.0 * slider
        target, mask = EDITS["shift-x"].apply(image[None], torch.tensor([alpha]))
        seen = mask[0, 0].bool()
        by_hand.append(float(((image - target[0])[:, seen] ** 2).mean()))
    assert trained.losses(5, 0)["l2"].tolist() == pytest.approx(by_hand, rel=0.1, abs=2e-3)


def test_a_perceptual_loss_is_lowered_in_the_range_that_is_asked_for():
    pyramid = open_perceptual("pyramid")
    trained = WalkTraining(generator(), WalkRecipe(("red",), images=4, alphas=2), 1, CPU, pyramid)
    losses = trained.step(0, 0.0)
    assert set(losses) == {"l2", "perceptual"} and trained.weights()["directions"].any()
    a, b, mask = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    now = masked_perceptual(pyramid, a, b, mask)
    assert torch.allclose(masked_perceptual(pyramid, a, b, mask, legacy_range=True), 4.0 * now)  # squares of 2x - 1
    assert masked_perceptual(pyramid, a, a, mask).item() == 0.0
    mask[..., 8:] = 0.0
    a[..., 8:], b[..., 8:] = 5.0, -5.0
    assert masked_perceptual(pyramid, a, a + (b - a) * (1 - mask), mask).item() == 0.0


def test_stopped_and_gone_on_is_the_same_walk(tmp_path):
    whole = make_walk(training("zoom"), "whole", tmp_path / "whole", budget=Budget(steps=6))
    stopped = training("zoom")
    real, count = stopped.step, iter(range(3))

    def step(number, spent):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return real(number, spent)

    from ganaudit.training import loop

    stopped.step = step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SAVE_EVERY", 0.0)
        with pytest.raises(KeyboardInterrupt):
            make_walk(stopped, "part", tmp_path / "part", budget=Budget(steps=6))
    part = make_walk(training("zoom"), "part", tmp_path / "part", budget=Budget(steps=6))
    one, other = open_walk(whole), open_walk(part)
    assert torch.equal(one.walk.directions, other.walk.directions) and one.key == other.key
    card = json.loads(part.with_name("part.card.json").read_text())
    assert card["steps"] == 6 and card["walk"] == "zoom" and {"l2", "l2_unmoved", "followed", "lengths"} <= set(card["figures"])
    untouched = training("zoom")
    untouched.step = None
    assert make_walk(untouched, "part", tmp_path / "part", budget=Budget(steps=6)) == part


def test_the_key_follows_from_generator_edit_and_options():
    keys = {
        key_of(training(*edits, seed=seed, **changes), budget)
        for edits, seed, changes, budget in [
            (("zoom",), 1, {}, None), (("red",), 1, {}, None), (("zoom",), 2, {}, None), (("zoom",), 1, {"reach": 1.0}, None),
            (("zoom",), 1, {}, Budget(steps=7)), (("zoom",), 1, {"reference_rims": True}, None),
        ]
    }  # fmt: skip
    assert len(keys) == 6 and key_of(training("zoom")) in keys


def test_a_look_at_the_cost_changes_nothing():
    one, other = training(), training()
    assert seconds_a_step(one) > 0.0
    one.step(0, 0.0), other.step(0, 0.0)
    assert torch.equal(one.walk.directions, other.walk.directions)


def test_bad_requests_are_one_sentence(tmp_path):
    for recipe, words in (
        ({"edits": ()}, "name one"),
        ({"edits": ("zoom",), "reach": 1.5}, "reach is 1.5"),
        ({"edits": ("zom",)}, "zoom"),
    ):
        with pytest.raises(RequestError, match=words):
            WalkRecipe(**recipe)
    fixed = generator()
    fixed.not_inverted = "it has no gradients"
    with pytest.raises(RequestError, match="it has no gradients"):
        start_walk(fixed, WalkRecipe(("zoom",)))
    broken = generator()
    broken.output.convolution.bias.fill_(float("nan"))
    with pytest.raises(AuditError, match="loss l2 is nan at step 1"):
        make_walk(
            start_walk(broken, WalkRecipe(("zoom",), images=2, alphas=2), device="cpu"),
            "broken",
            tmp_path,
            budget=Budget(steps=2),
        )


@pytest.mark.parametrize("edit", ["rotate", "shift-x", "lab-l"])
def test_targets_are_those_of_the_edit_also_where_networks_compute_in_bfloat16(edit, monkeypatch):
    """bfloat16 has eight bits: it moves pixels to wrong places."""
    monkeypatch.setattr("ganaudit.devices.has_bfloat16", lambda _: True)
    trained = training(edit)
    sliders = trained.sliders(0, 7)
    with trained._precision(), torch.no_grad():
        targets, mask, _ = trained._targets(7, 0, sliders)
        still = trained.generator.run(trained.generator.latents(7, torch.arange(4)))["image"].float()
    still = still.repeat_interleave(3, dim=0)
    wanted, known = EDITS[edit].apply(still, EDITS[edit].alpha(sliders[:, 0], (16, 16)))
    assert torch.equal(mask, known) and torch.allclose(targets * mask, wanted * known, atol=1e-5)
