"""Directions of free variables: against a generator that is one matrix, whose JᵀJ is known, and for what a search gains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganaudit.generators.networks.progan import progan
from ganaudit.inversion import eigenbasis
from ganaudit.inversion.eigenbasis import eigenbases
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.search import Search, search
from ganaudit.inversion.search_space import SearchSpace

CHANNELS = 6
SCALES = torch.tensor([30.0, 10.0, 3.0, 1.0, 0.3, 0.1])


def orthogonal(seed, size):
    return torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed)))[0]


class Mixed(torch.nn.Module):
    """Its one layer is (N, 6, 2, 2); its image is each place's channels, turned and then stretched by SCALES, and turned."""

    resolution, layers = 2, ("layer1",)

    def __init__(self):
        super().__init__()
        self.directions = orthogonal(0, CHANNELS)
        self.matrix = orthogonal(1, CHANNELS) @ (SCALES[:, None] * self.directions.T)
        self.asked = 0

    def latents(self, seed, indices):
        self.asked += 1
        return {"z": torch.randn(len(indices), CHANNELS * 4, generator=torch.Generator().manual_seed(seed))}

    def run(self, state, after=None, upto=None):
        if after is None:
            state = {**state, "layer1": state["z"].reshape(-1, CHANNELS, 2, 2)}
        image = torch.einsum("ij,njhw->nihw", self.matrix, state["layer1"]).reshape(-1, 3, 4, 2)
        return state if upto == "layer1" else {**state, "image": image}


def layer_space(generator, count=4):
    return SearchSpace(generator, generator.latents(9, torch.arange(count)), residuals=("layer1",))


def test_directions_are_the_eigenvectors_of_what_the_image_feels_the_most_visible_first(monkeypatch):
    monkeypatch.setattr(eigenbasis, "PROBES", 400)
    (basis,) = eigenbases(layer_space(Mixed())).values()
    assert torch.allclose(basis.T @ basis, torch.eye(CHANNELS), atol=1e-5)
    alike = (basis * Mixed().directions).sum(dim=0).abs()
    assert bool((alike > 0.99).all()), alike


def test_they_are_a_function_of_the_generator_and_of_what_is_free_and_are_found_once():
    generator = Mixed()
    first = eigenbases(layer_space(generator))["layer1"]
    asked = generator.asked
    assert eigenbases(layer_space(generator, 2))["layer1"] is first and generator.asked == asked + 1
    assert torch.equal(eigenbases(layer_space(Mixed(), 7))["layer1"], first)
    free_latent = SearchSpace(generator, generator.latents(1, torch.arange(2)), latent=True)
    assert eigenbases(free_latent)["z"].shape == (CHANNELS * 4, CHANNELS * 4)
    assert eigenbases(replace(free_latent, space="w")) == {}, "own samples are told by z alone"


@pytest.mark.parametrize("residuals, feature", [((), "layer2"), (("layer1", "layer2"), None)])
def test_every_layer_that_is_free_has_its_own(residuals, feature):
    torch.manual_seed(1)
    generator = progan(8, 16, ((16,), (8,))).eval().requires_grad_(False)
    space = SearchSpace(generator, generator.latents(1, torch.arange(3)), residuals=residuals, feature=feature)
    channels = {name: value.shape[1] for name, value in space.start().items()}
    assert {name: basis.shape for name, basis in eigenbases(space).items()} == {k: (c, c) for k, c in channels.items()}


def test_a_search_along_them_ends_lower_and_says_values_in_the_generators_own_channels():
    generator = Mixed()
    space = layer_space(generator)
    target = generator.run(generator.latents(5, torch.arange(4)))["image"] / 3
    objective = Objective("mse")
    how = Search(60, "adam", 0.1, falls=(1.0,))
    along, plain = (
        search(space, objective, objective.targets(target), replace(how, eigenbasis=asked)) for asked in (True, False)
    )
    assert torch.allclose(along.image, space.image(along.free), atol=1e-4)
    assert torch.allclose(along.loss_first, plain.loss_first)
    assert bool((along.loss_best < 0.7 * plain.loss_best).all())
    assert "eigenbasis" in replace(how, eigenbasis=True).recipe() and "eigenbasis" not in how.recipe()


def test_an_image_alone_and_in_a_batch_takes_the_same_steps_along_them():
    torch.manual_seed(1)
    generator = progan(8, 16, ((16,), (8,))).eval().requires_grad_(False)
    target = generator.run(generator.latents(1, torch.arange(5)))["image"]
    space = SearchSpace(generator, generator.latents(2, torch.arange(5)), residuals=("layer1",))
    objective, how = Objective("mse"), Search(30, "adam", 0.1, falls=(1.0, 2.0, 1.0), eigenbasis=True)
    together = search(space, objective, objective.targets(target), how)
    rows = torch.tensor([3])
    alone = search(space.take(rows), objective, objective.targets(target[rows]), how)
    assert alone.loss_best[0] == pytest.approx(float(together.loss_best[3]), rel=1e-4)
