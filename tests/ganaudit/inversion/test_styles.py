"""Generators whose state carries more than z: styles follow from z, noise stays what it was, and neither is searched."""

from __future__ import annotations

from types import MappingProxyType

import pytest
import torch
from torch import nn

from ganaudit.encoders.networks import LayeredEncoder, LayeredShape
from ganaudit.generators.networks.stylegan import StyleGenerator, stylegan
from ganaudit.generators.protocol import with_z
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.search import Search
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.random import normals


class Styled(nn.Module):
    """z → w; constant 4×4 → modulated layers with noise → image; `latents` has already computed w."""

    resolution, layers = 8, ("first", "second")

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.mapping = nn.Linear(6, 6)
        self.constant = nn.Parameter(torch.randn(1, 2, 4, 4))
        self.styles = nn.ModuleDict({"first": nn.Linear(6, 2), "second": nn.Linear(6, 4)})
        self.convs = nn.ModuleDict({"first": nn.Conv2d(2, 2, 3, padding=1), "second": nn.Conv2d(2, 4, 3, padding=1)})
        self.out = nn.Conv2d(4, 3, 1)

    def latents(self, seed, indices):
        z, noise = (torch.from_numpy(normals(seed, name, indices.numpy(), n)) for name, n in (("z", 6), ("noise", 64)))
        return MappingProxyType({"z": z, "w": self.mapping(z), "noise": noise.reshape(-1, 1, 8, 8)})

    def run(self, state, after=None, upto=None):
        w = state["w"] if "w" in state else self.mapping(state["z"])
        for name in self.layers[0 if after is None else self.layers.index(after) + 1 :]:
            x = state[after] if after else self.constant.expand(len(w), -1, -1, -1)
            x = x if name == "first" else nn.functional.interpolate(x, scale_factor=2)
            x = self.convs[name](x) * self.styles[name](w)[:, :, None, None]
            x = x + 0.1 * state["noise"][:, :, : x.shape[2], : x.shape[3]]
            state, after = {**state, "w": w, name: x}, name
            if name == upto:
                return state
        return {**state, "image": torch.tanh(self.out(state["second"]))}


def of_the_family():
    """A generator of the shipped style family, whose noise and biases are no longer nothing."""
    torch.manual_seed(4)
    made = stylegan(6, 2, 4, ((3,), (2,))).eval()
    for name, value in made.named_parameters():
        if name.endswith(("strength", "bias")):
            torch.nn.init.normal_(value, 0.0, 0.3)
    return made


@pytest.fixture(scope="module", params=[Styled, of_the_family])
def generator(request):
    return request.param().requires_grad_(False)


def test_another_z_has_its_own_styles_and_the_same_noise(generator):
    result, other = generator.latents(1, torch.arange(3)), generator.latents(2, torch.arange(3))
    swapped, whole = (
        generator.run(with_z(result, other["z"])),
        generator.run({**result, **{"z": other["z"], "w": w_of(generator, other)}}),
    )
    noises = [name for name in result if "noise" in name]
    assert noises and all(torch.equal(swapped[name], result[name]) for name in noises)
    assert torch.equal(swapped["image"], whole["image"])
    assert not torch.equal(swapped["image"], generator.run(result)["image"])
    assert not torch.equal(swapped["image"], generator.run(other)["image"])


def w_of(generator, state):
    return generator.mapping(state["z"])


def test_a_search_on_z_moves_the_image(generator):
    state = generator.latents(1, torch.arange(3))
    space = SearchSpace(generator, state, latent=True)
    free = {"z": state["z"].clone().requires_grad_(True)}
    (gradient,) = torch.autograd.grad(space.image(free).sum(), free["z"])
    assert gradient.abs().max() > 0


def test_noise_stays_that_of_the_image_whatever_is_searched(generator):
    """A search that could change noise would embed anything: the found image is that of the image's own noise."""
    objective = Objective("mse")
    shape = read_shape(generator)
    with torch.no_grad():
        target = generator.run(generator.latents(5, torch.arange(3)))["image"]
    indices = [4, 0, 9]
    task = InversionTask(generator, shape, choose_layers(shape), objective.targets(target), indices, objective, Search(4), 7)
    made = inverter("latent")(task)
    assert set(made.found.free) == {"z"}
    state = generator.latents(7, torch.tensor(indices))
    again = generator.run({**{name: value for name, value in state.items() if name != "w"}, "z": made.z})["image"]
    assert torch.allclose(made.found.image, again, atol=1e-5)
    other = generator.latents(7, torch.arange(3))
    apart = generator.run({**{name: value for name, value in other.items() if name != "w"}, "z": made.z})["image"]
    assert not torch.allclose(made.found.image[0], apart[0], atol=1e-4)


def test_z_and_early_layers_are_evidence_a_free_feature_is_a_bound(generator):
    shape = read_shape(generator)
    assert shape.direction_only == isinstance(generator, StyleGenerator)  # its mapping network sees z's direction alone
    choice = choose_layers(shape)
    assert choice.residuals == generator.layers[: len(choice.residuals)] and choice.residuals and choice.evidential
    encoders = {"layered": LayeredEncoder(LayeredShape.of(shape, choice.feature, 4, 8)).eval()}
    objective = Objective("mse")
    with torch.no_grad():
        target = generator.run(generator.latents(5, torch.arange(3)))["image"]
    task = InversionTask(
        generator, shape, choice, objective.targets(target), range(3), objective, Search(8), 7, encoders=encoders
    )  # fmt: skip
    for method, evidential in (("latent", True), ("layered+latent", True), ("layerwise", True), ("feature", False)):
        made = inverter(method)(task)
        assert made.evidential is evidential
        assert bool((made.found.loss_best < made.found.loss_first).any()), method
        assert made.z.shape == (3, 6)


def test_a_search_that_goes_on_from_residuals_starts_at_their_image(generator):
    state = generator.latents(1, torch.arange(2))
    first = generator.layers[0]
    begin = {first: 0.3 + torch.arange(2.0)[:, None, None, None] + torch.zeros_like(generator.run(state, upto=first)[first])}
    space = SearchSpace(generator, state, residuals=(first,), begin=begin)
    plain = SearchSpace(generator, state, residuals=(first,))
    assert torch.equal(space.image(space.start()), plain.image(begin))
    assert not torch.equal(space.image(space.start()), plain.image(plain.start()))
    assert torch.equal(space.take(torch.tensor([1])).start()[first], begin[first][1:])
