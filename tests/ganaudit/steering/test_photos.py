"""Edited photos come back as far as the generator reaches: in one where brightness is a direction and shifts are none."""

from __future__ import annotations

import pytest
import torch

from ganaudit.errors import RequestError
from ganaudit.generators.shapes import GeneratorShape, LayerChoice
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.search import Search
from ganaudit.steering.edits import EDITS
from ganaudit.steering.photos import photos_along, reconstructed
from ganaudit.steering.spaces import space_named
from ganaudit.steering.walks import LinearWalk, WalkShape


@pytest.fixture
def photos(linear):
    return linear.run(linear.latents(2, torch.arange(3)))["image"]


def task_of(linear, photos):
    objective, shape = Objective("mse"), GeneratorShape(8, 12, (), False)
    search = Search(120, "adam", 0.3, (60, 90))
    return InversionTask(linear, shape, LayerChoice((), "", 0.0), objective.targets(photos), range(3), objective, search)


def test_what_the_generator_can_follow_comes_back_and_what_it_cannot_goes_back(linear, photos):
    task = task_of(linear, photos)
    bright = reconstructed(task, "latent", photos, EDITS["luminance"], torch.tensor([-0.5, 0.0, 0.5]))
    assert bright.errors.max() < 1e-3 and torch.equal(bright.reached, bright.alphas[:, None].expand(3, 3))
    moved = reconstructed(task, "latent", photos, EDITS["shift-x"], torch.tensor([-3.0, 0.0, 3.0]))
    assert moved.errors[1].max() < 1e-3 and moved.errors[[0, 2]].min() > 10 * moved.errors[1].max()
    with pytest.raises(RequestError, match="has no 0"):
        reconstructed(task, "latent", photos, EDITS["shift-x"], torch.tensor([-3.0, 3.0]))


def test_inverted_photos_are_walked_from_the_latents_that_were_found(linear, photos):
    shape = WalkShape.of(linear, space_named(linear), "linear", "luminance")
    walk = LinearWalk(shape, 2.0 * linear.planted[None])
    state, z = linear.latents(0, torch.arange(3)), linear.latents(2, torch.arange(3))["z"]
    along = photos_along(walk, linear, state, z, torch.tensor([0.0, 0.5]))
    assert torch.equal(along[0], photos) and torch.allclose(along[1], photos + 0.5, atol=1e-5)
