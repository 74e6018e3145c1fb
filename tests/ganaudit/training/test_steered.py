"""Training a generator with its walk: what one step changes, what the discriminator is shown, and that the edit is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganaudit.datasets.protocol import Image
from ganaudit.errors import RequestError
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.steering.edits import EDITS
from ganaudit.training.adversarial import AdversarialRecipe
from ganaudit.training.data import Data
from ganaudit.training.steered import SteeredRecipe, SteeredTraining, filled

CPU = torch.device("cpu")


class Greys:
    """Images of 16 pixels, each of one grey."""

    def __len__(self):
        return 64

    def image(self, index):
        return Image(np.full((16, 16, 3), 64 + 2 * index, np.uint8), f"grey {index}")

    def recipe(self):
        return {"kind": "greys"}


def training(loss="r1", generator_rate=4e-4, **changes):
    torch.manual_seed(1)
    recipe = AdversarialRecipe(loss=loss, batch=8, discriminator_widths=(8, 8), generator_rate=generator_rate)
    return SteeredTraining(dcgan(6, 8, (8, 8)), recipe, SteeredRecipe("luminance", **changes), 1, CPU, Data(Greys(), 64))


def copies(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_one_step_changes_generator_and_walk_and_the_discriminator_sees_walked_images_too():
    trained, shown = training(), []
    learn = trained.judge.learn
    trained.judge.learn = lambda step, real, fake, fade: (shown.append((real, fake)), learn(step, real, fake, fade))[1]
    generator, walk = copies(trained.generator), copies(trained.walk)
    losses = trained.step(0, 0.0)
    trained.step(1, 0.1)
    assert set(losses) == {"D", "G", "edit"} and len(shown[0][0]) == 8 and len(shown[0][1]) == 16
    assert torch.allclose(shown[0][1][:8], shown[0][1][8:], atol=0.05)  # a walk that has not begun
    assert not torch.allclose(shown[1][1][:8], shown[1][1][8:], atol=1e-6)
    assert any(not torch.equal(a, b) for a, b in zip(generator, trained.generator.parameters(), strict=True))
    assert not torch.equal(walk[0], trained.walk.directions)


def test_edited_images_alone_leave_the_walk_where_it_is():
    trained = training(together=False)
    assert set(trained.step(0, 0.0)) == {"D", "G"} and not trained.walk_weights()["directions"].any()


def test_the_edit_is_learned_with_the_generator():
    last = {}
    for weight in (0.0, 100.0):
        trained = training(weight=weight, rate=0.1, generator_rate=1e-2)
        last[weight] = sum([trained.step(step, step / 60)["edit"] for step in range(60)][-10:])
    assert last[100.0] < 0.7 * last[0.0]


def test_stopped_and_gone_on_is_the_same():
    whole, part = training(), training()
    for step in range(4):
        whole.step(step, step / 4)
    for step in range(2):
        part.step(step, step / 4)
    again = training()
    again.load(part.state())
    for step in range(2, 4):
        again.step(step, step / 4)
    assert torch.equal(whole.walk.directions, again.walk.directions)
    assert all(torch.equal(a, b) for a, b in zip(whole.generator.parameters(), again.generator.parameters(), strict=True))


def test_real_images_are_edited_with_their_borders_going_on():
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    moved = filled(EDITS["shift-x"], images, torch.tensor([3.0]))
    assert torch.allclose(moved[..., 3:], images[..., :-3], atol=1e-6)
    assert torch.allclose(moved[..., :3], images[..., :1].expand(-1, -1, -1, 3), atol=1e-6)
    assert filled(EDITS["luminance"], images, torch.tensor([1.4])).max() == 1.0


def test_another_loss_is_refused():
    with pytest.raises(RequestError, match="by the loss r1, not by 'wgan-gp'"):
        training("wgan-gp")
