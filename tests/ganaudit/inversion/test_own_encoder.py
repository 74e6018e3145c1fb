"""What a generator with an encoder of its own is inverted by, where its codes are of w: a toy whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from ganaudit.encoders.own import own_encoder
from ganaudit.errors import RequestError
from ganaudit.generators.protocol import Space
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.penalty import own_penalties
from ganaudit.inversion.search import Search
from ganaudit.random import normals
from ganaudit.studies.inversion.photos import encoders_for

LATENT, SIDE, COUNT = 4, 16, 6


class Toy(nn.Module):
    """w = 2 z + 1; 4x4 maps of w, a layer after them, an image. Its encoder says w off by a known amount."""

    resolution, layers, encodes, encoder_digest = SIDE, ("first", "second"), "w", "e0"

    def __init__(self):
        super().__init__()
        torch.manual_seed(8)
        self.first, self.second = nn.Linear(LATENT, 2 * 16), nn.Conv2d(2, 3, 1)
        self.off = 0.25

    @property
    def spaces(self):
        return (
            Space("z", (LATENT,), "normal"),
            Space("w", (LATENT,), None, "first", torch.ones(LATENT), torch.full((LATENT,), 2.0)),
        )

    def latents(self, seed, indices):
        return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), LATENT))}

    def to_w(self, z):
        return 2.0 * z + 1.0

    def to_z(self, w):
        return (w - 1.0) / 2.0

    def run(self, state, after=None, upto=None):
        w = state["w"] if "w" in state else self.to_w(state["z"])
        for name in self.layers[0 if after is None else self.layers.index(after) + 1 :]:
            x = self.first(w).view(-1, 2, 4, 4) if name == "first" else self.second(state["first"])
            state = {**state, name: x}
            if name == upto:
                return state
        return {**state, "image": torch.tanh(nn.functional.interpolate(state["second"], (SIDE, SIDE)))}

    def encode(self, images):
        return self.known + self.off


@pytest.fixture(scope="module")
def task():
    generator = Toy().eval().requires_grad_(False)
    truth = generator.latents(3, torch.arange(COUNT))
    generator.known = generator.to_w(truth["z"])
    shape, objective = read_shape(generator), Objective("mse")
    return InversionTask(
        generator, shape, choose_layers(shape), objective.targets(generator.run(truth)["image"]), range(COUNT), objective,
        Search(200, "adam", 0.05), encoders={"own_encoder": own_encoder(generator)},
    )  # fmt: skip


def test_the_code_alone_is_the_encoders_w_and_its_z_is_exact(task):
    made = inverter("own_encoder")(task)
    expected = task.generator.known + task.generator.off
    assert made.layer == "w" and made.ratio == LATENT / (3 * SIDE**2) and torch.equal(made.w, expected)
    assert torch.allclose(task.generator.to_w(made.z), expected)
    assert torch.allclose(made.found.image, task.generator.run({"w": expected})["image"])


def test_the_search_in_w_starts_from_the_code_and_comes_to_what_was_hidden(task):
    made = inverter("own_encoder+latent")(task)
    assert torch.allclose(made.found.loss_first, inverter("own_encoder")(task).found.loss_best)
    assert bool((made.found.loss_best < 1e-5).all()) and set(made.found.free) == {"w"}
    assert torch.equal(made.w, made.found.free["w"]) and torch.allclose(made.z, (made.w - 1.0) / 2.0)


def test_further_starts_in_w_are_as_wide_as_w(task):
    many = replace(task, search=Search(0), further_starts=200)
    made = inverter("own_encoder+latent")(many)
    off = torch.stack([found.free["w"] for found in made.every[1:]]) - made.every[0].free["w"]
    assert float(off.std()) == pytest.approx(2.0 * 2.0, rel=0.05)


def test_residuals_start_at_the_codes_image(task):
    made = inverter("own_encoder+layerwise")(task)
    assert torch.allclose(made.found.loss_first, inverter("own_encoder")(task).found.loss_best)
    assert set(made.found.free) == set(task.choice.residuals) and bool((made.found.loss_best < made.found.loss_first).all())
    assert torch.equal(made.w, task.generator.known + task.generator.off)
    penalties = own_penalties(task, "own_encoder+layerwise")
    assert all(bool((value > 0).all()) for value in (penalties.size, penalties.gain, penalties.penalty))


def test_photos_are_inverted_by_it_without_a_file(task):
    assert set(encoders_for(task.generator, task.shape, "own_encoder+latent")) == {"own_encoder"}
    with pytest.raises(RequestError, match="brings none"):
        encoders_for(object(), task.shape, "own_encoder")


def test_a_generator_without_one_says_so(task):
    assert own_encoder(object()) is None
    with pytest.raises(RequestError, match="encoder that the generator brings"):
        inverter("own_encoder")(replace(task, encoders={}))
