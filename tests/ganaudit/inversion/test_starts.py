"""Starts: twins are one image, curves are read as they should be, and a linear generator comes to one end from each of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ganaudit.encoders.own import own_encoder
from ganaudit.generators.protocol import Space
from ganaudit.generators.shapes import GeneratorShape, LayerChoice
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.search import Search
from ganaudit.inversion.starts import StartCurves, apart_at_start, searched_from, start_codes
from ganaudit.random import normals

LATENT, COUNT, SIDE = 4, 6, 8


class Linear(nn.Module):
    """The image is a linear map of w; w is z, or z³ + z, whose way back is found by halving."""

    resolution, layers, encodes, encoder_digest = SIDE, ("only",), "w", "e0"

    def __init__(self, bent):
        super().__init__()
        torch.manual_seed(2)
        self.bent, self.matrix = bent, nn.Parameter(torch.randn(LATENT, 3 * SIDE * SIDE) / 20)

    @property
    def spaces(self):
        return (Space("z", (LATENT,), "normal"), Space("w", (LATENT,), None, "only", torch.full((LATENT,), 0.5)))

    def latents(self, seed, indices):
        return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), LATENT))}

    def to_w(self, z):
        return z**3 + z if self.bent else z

    def to_z(self, w):
        if not self.bent:
            return w
        low, high = torch.full_like(w, -9.0), torch.full_like(w, 9.0)
        for _ in range(60):
            middle = (low + high) / 2
            above = self.to_w(middle) > w
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return (low + high) / 2

    def run(self, state, after=None, upto=None):
        w = state["w"] if "w" in state else self.to_w(state["z"])
        return {**state, "image": (w.to(self.matrix) @ self.matrix).view(-1, 3, SIDE, SIDE)}

    def encode(self, images):
        return images.flatten(1) @ torch.linalg.pinv(self.matrix) + 0.1


def searched(bent, steps=150):
    generator = Linear(bent).requires_grad_(False)
    truth = generator.latents(5, torch.arange(COUNT))
    images, objective = generator.run(truth)["image"], Objective("mse")
    codes = start_codes(generator, images, {"own_encoder": own_encoder(generator)})
    shape = GeneratorShape(SIDE, LATENT, (), False)
    task = InversionTask(
        generator, shape, LayerChoice((), "only", 0.0), objective.targets(images), range(COUNT), objective,
        Search(steps, "adam", 0.05, log_every=5),
    )  # fmt: skip
    return codes, searched_from(task, codes)


@pytest.mark.parametrize("bent", [False, True])
def test_twins_are_one_image_before_the_first_step(bent):
    codes, curves = searched(bent, steps=1)
    assert {(each.start, each.space) for each in curves} == {
        (start, space) for start in ("random", "mean", "own_encoder") for space in ("z", "w")
    }
    assert apart_at_start(curves) < (1e-4 if bent else 1e-5)  # the cube magnifies the rounding of z
    assert torch.allclose(codes["mean"]["w"], torch.full((COUNT, LATENT), 0.5))
    firsts = {each.start: each.loss[:, 0] for each in curves if each.space == "w"}
    assert np.abs(firsts["random"] - firsts["mean"]).min() > 1e-4  # starts themselves differ


def test_a_linear_generator_ends_in_one_place_from_each_start_and_alike_in_both_spaces():
    _, curves = searched(bent=False)
    assert all((each.best[:, -1] < 1e-4).all() for each in curves)
    by = {(each.start, each.space): each for each in curves}
    for start in ("random", "mean", "own_encoder"):
        assert np.allclose(by[start, "z"].loss, by[start, "w"].loss, rtol=1e-4, atol=1e-9)
        assert np.allclose(by[start, "z"].gradient[:, 0], by[start, "w"].gradient[:, 0], rtol=1e-4)


def test_areas_and_steps_to_a_threshold_are_those_of_the_best_so_far():
    loss = np.array([[4.0, 2.0, 3.0, 1.0], [1.0, 5.0, 5.0, 5.0]])
    curves = StartCurves("random", "z", np.array([0, 10, 20, 40]), loss, np.array([[1.0, 2.0, 1.0, 2.0], [3.0] * 4]))
    assert curves.best.tolist() == [[4.0, 2.0, 2.0, 1.0], [1.0] * 4]
    assert curves.area() == pytest.approx([(10 * 3 + 10 * 2 + 20 * 1.5) / 40, 1.0])
    assert curves.steps_to(2.0).tolist() == [10.0, 0.0] and curves.steps_to(0.5).tolist() == [np.inf, np.inf]
    assert curves.steps_to(np.array([1.0, 0.9])).tolist() == [40.0, np.inf]
    assert curves.volatility() == pytest.approx([np.log(2.0), 0.0])
