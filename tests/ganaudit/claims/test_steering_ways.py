"""Three ways to a generator that can be steered: what is exported is what was trained, and the claims count seed by seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganaudit.claims import steerability
from ganaudit.claims.steering_ways import STEPS, TOGETHER, WAYS, WORLDS, followed, made, make_way, squares, started
from ganaudit.claims.workshop import Workshop
from ganaudit.steering.edits import edit_named
from ganaudit.training import adversarial
from ganaudit.training.loop import Budget


@pytest.fixture(autouse=True)
def few_statistics(monkeypatch):
    monkeypatch.setattr(adversarial, "NORM_BATCHES", 2)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_exported_is_what_was_trained(tmp_path, way):
    world = WORLDS["digits"]()
    path = make_way(world, way, 1, tmp_path / "digits", Budget(steps=2))
    generator, walk = made(path)
    training = started(world, way, 1, torch.device("cpu"))
    for step in range(2):
        training.step(step, step / 2)
    latents = generator.latents(3, torch.arange(2))
    assert torch.equal(generator.run(latents)["image"], training.settled().run(latents)["image"])
    assert walk.shape.edits == (world.edit,)
    if way == TOGETHER:
        assert all(torch.equal(value, walk.state_dict()[name]) for name, value in training.walk_weights().items())
    again = path.stat().st_mtime_ns
    assert make_way(world, way, 1, tmp_path / "digits", Budget(steps=2)) == path
    assert way == TOGETHER or path.stat().st_mtime_ns == again


def test_squares_are_those_of_the_edited_image_and_of_a_walk_that_goes_nowhere_none_are_taken_away(tmp_path):
    generator, walk = made(make_way(WORLDS["digits"](), TOGETHER, 1, tmp_path, Budget(steps=1)))
    with torch.no_grad():
        for value in walk.parameters():
            value.zero_()
    alphas = torch.tensor([-20.0, 0.0, 20.0])
    rows = squares(generator, walk, alphas)
    assert np.array_equal(rows[:, 0], rows[:, 1]) and followed(rows) == 0 and np.argmin(rows[:, 1]) == 1
    images = generator.run(generator.latents(99, torch.arange(256)))["image"].double()
    target, mask = edit_named("rotate").apply(images, alphas[:1].double().expand(256))
    by_hand = [float((m * (a - b) ** 2).sum() / m.expand_as(a).sum()) for a, b, m in zip(images, target, mask, strict=True)]
    assert rows[0, 1] == pytest.approx(np.mean(by_hand) / 4, rel=1e-4)


def test_a_claim_is_the_mean_over_seeds_of_what_is_followed_more(tmp_path, monkeypatch):
    monkeypatch.setattr(steerability, "DIGITS", {way: trainings[:3] for way, trainings in steerability.DIGITS.items()})
    shares = {way: iter(values) for way, values in zip(WAYS, ([0.1, 0.2, 0.3], [0.2, 0.4, 0.3], [0.5, 0.6, 0.7]), strict=True)}
    monkeypatch.setattr(steerability.steering_ways, "make_way", lambda world, way, *_: way)
    monkeypatch.setattr(steerability.steering_ways, "made", lambda way: (way, None))
    monkeypatch.setattr(steerability.steering_ways, "squares", lambda way, *_: np.array([[1 - next(shares[way]), 1.0]]))
    claims = {claim.name: claim for claim in steerability.CLAIMS}
    found = claims["edited-images-help"].measure(Workshop(tmp_path))
    assert (found.effect, found.n, found.of) == (pytest.approx(0.1), 3, "seeds")
    half = 4.302653 * np.std([0.1, 0.2, 0.0], ddof=1) / 3**0.5
    assert (found.low, found.high) == (pytest.approx(0.1 - half, rel=1e-5), pytest.approx(0.1 + half, rel=1e-5))
    assert {training.budget.steps for training in claims["together-is-best"].trainings} == {STEPS}
