"""Residuals on early layers: zero changes nothing, and what they do is what the layers would do by hand."""

from __future__ import annotations

import pytest
import torch
from reference import LAYERS, SIZES, TinyProGAN, standard_sample

from ganaudit.errors import RequestError
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.inversion.search_space import SearchSpace, nonnegative_layers, with_residuals


@pytest.fixture
def generator():
    return TinyProGAN()


def test_the_copy_of_the_reference_gives_the_figures_of_the_reference(generator):
    state = generator.run({"z": standard_sample(3, SIZES[0], 1)}, upto=LAYERS[-1])
    clamped, plain = (generator.output(state[LAYERS[-1]], clamp) for clamp in (True, False))
    figures = [clamped.mean(), clamped.std(), plain.mean(), plain.std()]
    assert [float(figure) for figure in figures] == pytest.approx([0.22323233, 0.89054072, 0.22947308, 1.55310738], abs=1e-5)


def residuals(generator, z, value):
    return {name: torch.full_like(generator.run({"z": z}, upto=name)[name], value) for name in LAYERS[:3]}


def test_zero_residuals_are_the_plain_generator_to_the_bit(generator):
    z = standard_sample(1, SIZES[0], 3)
    result = with_residuals(generator, {"z": z}, residuals(generator, z, 0.0))["image"]
    assert torch.equal(result, generator.run({"z": z})["image"])


def test_residuals_are_added_behind_each_layer(generator):
    z = standard_sample(1, SIZES[0], 3)
    by_hand = z[:, :, None, None]
    for number in (1, 2, 3, 4):
        by_hand = generator.layer(number, by_hand) + (0.1 if number < 4 else 0.0)
    state, before = {"z": z}, None
    for name, d in residuals(generator, z, 0.1).items():
        state = generator.run(state, after=before, upto=name)
        state[name], before = state[name] + d, name
    result = generator.run(state, after=before, upto="layer4")["layer4"]
    assert torch.equal(result, by_hand)
    assert float(result.mean()) == pytest.approx(0.65986931, abs=1e-6)
    image = with_residuals(generator, {"z": z}, residuals(generator, z, 0.1))["image"]
    assert torch.equal(image, generator.run({"layer4": by_hand}, after="layer4")["image"])


def test_a_layer_that_does_not_exist_is_told_with_those_that_do(generator):
    z = standard_sample(1, SIZES[0], 3)
    with pytest.raises(RequestError, match="layer 'layer9' does not exist; this generator has layer1, layer2"):
        with_residuals(generator, {"z": z}, {"layer9": z})
    with pytest.raises(RequestError, match="layer 'layer9' does not exist"):
        SearchSpace(generator, {"z": z}, residuals=("layer9",)).start()


def test_outputs_of_a_rectifier_stay_at_zero_or_above():
    torch.manual_seed(1)
    generator = dcgan(4, 8, (8, 4)).eval().requires_grad_(False)
    assert nonnegative_layers(generator) == {"layer1", "layer2", "layer3"} and not nonnegative_layers(TinyProGAN())
    state = generator.latents(0, torch.arange(2))
    space = SearchSpace(generator, state, residuals=("layer1",), nonnegative_layers=nonnegative_layers(generator))
    free = {"layer1": space.start()["layer1"] - 100.0}
    dark = generator.run({"layer1": torch.zeros_like(free["layer1"])}, after="layer1")["image"]
    assert torch.equal(space.image(free), dark)
    start = {"layer1": space.start()["layer1"].requires_grad_(True)}
    (slope,) = torch.autograd.grad(space.image(start).sum(), start["layer1"])
    off = generator.run(state, upto="layer1")["layer1"] == 0
    assert bool(off.any()) and bool((slope[off] != 0).any())  # what is off can be turned on


def test_a_free_feature_leaves_nothing_of_what_comes_before(generator):
    z = standard_sample(2, SIZES[0], 3)
    space = SearchSpace(generator, {"z": z}, feature="layer4")
    start = space.start()
    assert list(start) == ["layer4"] and torch.allclose(space.image(start), generator.run({"z": z})["image"])
    other = SearchSpace(generator, {"z": z.flip(0)}, feature="layer4")
    assert torch.equal(space.image(start), other.image(start))
