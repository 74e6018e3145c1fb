"""The sprite village: its range is known, so what is switched off is nowhere, and what stands there stands there exactly."""

from __future__ import annotations

import pytest
import torch

from benchmarks.sprites import LATENT, NAMES, SPRITES, SpriteParser, SpriteVillage
from ganaudit import images
from ganaudit.errors import RequestError
from ganaudit.generators.opening import check_protocol
from ganaudit.inversion.search_space import SearchSpace

CLASSES = {"sun": "sun", "cloud": "cloud", "road": "road", "house": "building", "tree": "tree", "fence": "fence", "car": "car",
           "person": "person"}  # fmt: skip


def parameter(sprite, name):
    number = [sprite.name for sprite in SPRITES].index(sprite)
    return 2 + 5 * number + ("presence", "x", "y", "size", "light").index(name)


def alone(kind, **values):
    """z of a scene that holds one sprite for sure, everything else away, its other numbers in the middle of their spans."""
    z = torch.zeros(1, LATENT)
    for sprite in SPRITES:
        z[0, parameter(sprite.name, "presence")] = 9.0 if sprite.name == kind else -9.0
    for name, value in values.items():
        z[0, parameter(kind, name)] = value
    return z


def share(labels, name):
    return float((labels == 1 + NAMES.index(name)).float().mean())


def test_it_is_a_generator_as_the_protocol_asks():
    village = SpriteVillage()
    check_protocol(village, "sprites", 1)
    state = village.latents(3, torch.arange(5))
    whole = village.run(state)["image"]
    assert whole.shape == (5, 3, 64, 64) and float(whole.abs().max()) <= 1.0
    for layer in village.layers:
        part = village.run(state, upto=layer)
        assert torch.equal(village.run({layer: part[layer], "z": state["z"]}, after=layer)["image"], whole)
    with pytest.raises(RequestError, match="layer 'road' does not exist; this generator has scene, sprites"):
        village.run(state, upto="road")


@pytest.mark.parametrize("kind", list(CLASSES))
def test_a_sprite_that_is_switched_off_is_nowhere_whatever_the_latent(kind):
    z = torch.cat([alone(kind), 3.0 * SpriteVillage().latents(1, torch.arange(8))["z"]])
    on, off = SpriteVillage(), SpriteVillage(off=[kind])
    assert share(on.labels({"z": z[:1]}), CLASSES[kind]) > 0.003
    assert share(off.labels({"z": z}), CLASSES[kind]) == 0.0
    empty = alone("nobody")
    assert torch.allclose(off.run({"z": z[:1]})["image"], on.run({"z": empty})["image"], atol=1e-4)
    free = {"scene": 50.0 * torch.randn(len(z), LATENT, 1, 1, generator=torch.Generator().manual_seed(0))}
    moved = SearchSpace(off, {"z": z}, residuals=("scene",)).image(free)
    others = SpriteVillage(off=[sprite.name for sprite in SPRITES if sprite.name != kind])
    assert moved.isfinite().all() and share(others.labels({"z": z[:1]}), CLASSES[kind]) > 0.003


def test_what_is_switched_on_is_drawn_as_before():
    z = SpriteVillage().latents(1, torch.arange(8))["z"]
    on, off = SpriteVillage().labels({"z": z}), SpriteVillage(off=["person"]).labels({"z": z})
    elsewhere = on != 1 + NAMES.index("person")
    assert torch.equal(on[elsewhere], off[elsewhere]) and not torch.equal(on, off)


def test_a_sprite_stands_where_its_parameters_say():
    village = SpriteVillage()
    for x in (-1.0, 0.0, 2.0):
        z = alone("car", x=x)
        seen = village.labels({"z": z})[0] == 1 + NAMES.index("car")
        scene = village.run({"z": z}, upto="scene")["scene"][0, :, 0, 0]
        columns = seen.any(dim=0).nonzero().flatten().float() + 0.5
        centre, size = scene[parameter("car", "x")], scene[parameter("car", "size")]
        assert abs(float(columns.mean()) - float(centre)) <= 0.5
        assert abs(len(columns) - 2 * float(size)) <= 1.0
        assert float(centre) == pytest.approx(8 + 48 * torch.special.ndtr(torch.tensor(x)).item(), abs=1e-4)


def test_kinds_stand_as_often_as_they_say():
    village = SpriteVillage()
    scene = village.run(village.latents(7, torch.arange(4000)), upto="scene")["scene"]
    for sprite in SPRITES:
        result = float((scene[:, parameter(sprite.name, "presence"), 0, 0] > 0.5).float().mean())
        assert result == pytest.approx(sprite.prevalence, abs=4 * (0.25 / 4000) ** 0.5)


def test_the_image_follows_every_latent_smoothly():
    village = SpriteVillage()
    z = village.latents(2, torch.arange(6))["z"].double().requires_grad_(True)
    village = village.double()
    (slope,) = torch.autograd.grad(village.run({"z": z})["image"].square().sum(), z)
    step = 1e-5 * torch.randn(z.shape, generator=torch.Generator().manual_seed(1)).double()
    ahead, behind = (village.run({"z": z + s * step})["image"].square().sum() for s in (1, -1))
    assert float((ahead - behind).detach() / 2) == pytest.approx(float((slope * step).sum()), rel=1e-4)
    still = (slope.abs().sum(dim=0) == 0).nonzero().flatten().tolist()
    assert still == [parameter("road", "x")]  # a road goes from side to side


def test_the_parser_reads_what_was_drawn():
    village = SpriteVillage()
    state = village.latents(5, torch.arange(64))
    pixels = images.to_unit(images.to_bytes(village.run(state)["image"]))
    labels, seen = village.labels(state), SpriteParser().parse(pixels)
    said = seen.maps > 0  # outlines, and sprites that are half there, are of no class
    assert float(said.float().mean()) > 0.95 and float((labels == seen.maps)[said].float().mean()) > 0.995
    for name in NAMES:
        number = 1 + NAMES.index(name)
        assert float((seen.maps[labels == number] == number).float().mean()) > 0.65, name
    low, mean, high = (float(result) for result in (seen.confidence.min(), seen.confidence.mean(), seen.confidence.max()))
    assert low > 0.0 and high <= 1.0 and mean > 0.95


@pytest.mark.parametrize("sprite", SPRITES, ids=lambda one: one.name)
def test_the_parser_never_reads_what_is_switched_off(sprite):
    """Colours lie so that no mixture of others is taken for the class."""
    village = SpriteVillage([sprite.name])
    shown = village.run(village.latents(6, torch.arange(200)))["image"]
    maps = SpriteParser().parse(images.to_unit(images.to_bytes(shown))).maps
    for name in {part.name for part in sprite.parts}:
        assert int((maps == 1 + NAMES.index(name)).flatten(1).sum(dim=1).max()) < 12, name


def test_layer_by_layer_and_at_once_the_same_image_is_painted():
    village = SpriteVillage()
    state = village.latents(6, torch.arange(6))
    at_once = village.run(state)["image"]
    by_layer = village.run(village.run(village.run(state, upto="scene"), after="scene", upto="sprites"), after="sprites")[
        "image"
    ]
    assert torch.allclose(at_once, by_layer, atol=1e-5)
    sprites = village.run(state, upto="sprites")["sprites"]
    shapes = sprites.shape[1] // 4
    painted = village.colours[0].view(1, 3, 1, 1).expand(6, 3, 64, 64)
    for number in range(shapes):  # back to front, one over the other
        cover = sprites[:, number : number + 1]
        painted = painted + cover * (sprites[:, shapes + 3 * number : shapes + 3 * number + 3] - painted)
    assert torch.allclose(by_layer, painted.clamp(-1.0, 1.0), atol=1e-5)


def test_a_rare_sprite_is_seldom_drawn_and_within_reach():
    usual, rare = SpriteVillage(), SpriteVillage(prevalence={"tree": 0.01})
    number, state = 1 + NAMES.index("tree"), rare.latents(2, torch.arange(300))
    drawn = (SpriteParser().parse(rare.run(state)["image"]).maps == number).flatten(1).any(dim=1).float().mean()
    assert drawn < 0.05
    z = alone("tree")
    assert torch.equal(rare.run({"z": z})["image"], usual.run({"z": z})["image"])


def test_unknown_sprites_are_refused():
    with pytest.raises(RequestError, match="no sprite 'people'; it has sun, cloud, road, house, tree, fence, car, person"):
        SpriteVillage(off=["people"])
