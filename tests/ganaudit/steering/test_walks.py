"""Walks by hand: the algebra of a direction, residual steps one at a time, spaces, files of other weights, NaN on the way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.shapes import generator_digest
from ganaudit.steering.baselines import BASELINES, at_length, closed_form_directions, principal_directions
from ganaudit.steering.files import find_walk, open_walk, published_walk, save_walk, walk_key
from ganaudit.steering.losses import masked_square_error
from ganaudit.steering.spaces import latent_of, space_named
from ganaudit.steering.walks import LinearWalk, ResidualWalk, WalkShape, images_along, new_walk


def shape_of(generator, space, *edits, kind="linear", **more):
    return WalkShape.of(generator, space_named(generator, space), kind, *edits, **more)


def latents(generator, count=3):
    return generator.latents(5, torch.arange(count))


def test_a_linear_walk_adds_its_directions_times_their_sliders(small):
    directions = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    walk, state = LinearWalk(shape_of(small, "z", "zoom", "shift-x"), directions), latents(small)
    alpha = torch.tensor([[2.0, 4.0], [1.0, 0.0], [0.5, -8.0]])
    moved = walk.state(small, state, alpha)["z"]
    by_hand = [
        z + math.log(a) * directions[0] + b / 8.0 * directions[1] for z, (a, b) in zip(state["z"], alpha.tolist(), strict=True)
    ]
    assert torch.allclose(moved, torch.stack(by_hand), atol=1e-6)
    assert torch.equal(moved[1], state["z"][1])
    assert torch.equal(small.run({"z": moved})["image"][1], small.run(state)["image"][1])
    with pytest.raises(RequestError, match="zoom, shift-x; α has 1 columns"):
        walk.state(small, state, alpha[:, 0])


def test_w_moves_every_layer_alike_and_w_plus_each_by_itself(styled):
    state, alpha = latents(styled), torch.tensor([4.0, 0.0, -8.0])
    w = styled.mapping(state["z"])
    direction = torch.randn(1, 6, generator=torch.Generator().manual_seed(0))
    moved = LinearWalk(shape_of(styled, "w", "shift-x"), direction).state(styled, state, alpha)
    wanted = w + (alpha / 8.0)[:, None] * direction
    assert torch.allclose(moved["w"], wanted, atol=1e-6) and torch.equal(moved["noise2"], state["noise2"])
    each = direction.expand(3, 6).contiguous()
    by_layer = LinearWalk(shape_of(styled, "w+", "shift-x"), each).state(styled, state, alpha)
    assert by_layer["w"].shape == (3, 3, 6)
    assert torch.allclose(styled.run(by_layer)["image"], styled.run(moved)["image"], atol=1e-5)
    each[1:] = 0.0
    first = LinearWalk(shape_of(styled, "w+", "shift-x"), each)
    assert torch.equal(first.state(styled, state, alpha)["w"][:, 1], w) and first.lengths().shape == (1, 3)
    styled.sampled(truncation=0.5, cutoff=1)
    assert torch.equal(latent_of(styled, state, "w+")[:, 2], w)
    assert LinearWalk(shape_of(styled, "w", "shift-x"), direction).state(styled, state, alpha)["w"].shape == (3, 3, 6)


def test_spaces_are_those_of_the_generator(styled, small):
    assert space_named(styled).name == "w" and space_named(small).name == "z"
    with pytest.raises(RequestError, match="no space 'w'; it has z"):
        space_named(small, "w")

    class Without:
        resolution, layers = 8, ()

        def latents(self, seed, indices):
            return {"index": indices}

    with pytest.raises(RequestError, match="no latent space to walk in"):
        space_named(Without())


def residual(generator, space="z", steps=4):
    walk = ResidualWalk(shape_of(generator, space, "rotate", kind="residual", steps=steps))
    torch.manual_seed(2)
    for parameter in walk.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return walk


def test_residual_steps_one_at_a_time_are_the_walk_and_keep_the_norm(small):
    walk, state = residual(small), latents(small, 5)
    alpha = torch.tensor([0.0, 11.25, 45.0, -22.5, 90.0])  # 0, 1, 4, -2 and, beyond the trained range, 8 steps
    moved, z = walk.state(small, state, alpha)["z"], state["z"]
    for place, (steps, network) in enumerate(
        [(0, walk.forwards), (1, walk.forwards), (4, walk.forwards), (2, walk.backwards), (8, walk.forwards)]
    ):
        one = z[place : place + 1]
        for _ in range(steps):
            one = one + network[2](torch.relu(network[0](one)))
            one = one * z[place].norm() / one.norm()
        assert torch.allclose(moved[place], one[0], atol=1e-5)
    assert torch.allclose(moved.norm(dim=1), z.norm(dim=1), rtol=1e-5) and torch.equal(moved[0], z[0])
    between = walk.state(small, latents(small, 1), torch.tensor([5.6]))["z"]
    assert not torch.equal(between[0], z[0]) and (between - z[:1]).norm() < (moved[1] - z[1]).norm() * 2


def test_in_w_a_residual_walk_is_free_to_grow(styled):
    walk, state = residual(styled, "w"), latents(styled)
    moved, w = walk.state(styled, state, torch.full((3,), 11.25))["w"], styled.mapping(state["z"])
    assert torch.allclose(moved, w + walk.forwards(w), atol=1e-5)
    with pytest.raises(RequestError, match="one slider"):
        shape_of(styled, "w", "zoom", "red", kind="residual")


def test_walks_start_where_nothing_moves(small):
    for kind in ("linear", "residual"):
        walk = new_walk(shape_of(small, "z", "zoom", kind=kind))
        assert torch.allclose(walk.state(small, latents(small), torch.tensor([3.0] * 3))["z"], latents(small)["z"], atol=1e-6)


def test_a_residual_walk_begins_as_its_seed_says_whatever_else_draws_meanwhile(small):
    shape, begun = shape_of(small, "z", "zoom", kind="residual"), []
    for state, seed in ((1, 7), (2, 7), (2, 8)):
        torch.manual_seed(state)
        begun.append(new_walk(shape, seed).state_dict())
    assert all(torch.equal(begun[0][name], begun[1][name]) for name in begun[0])
    first = begun[0]["forwards.0.weight"]
    assert not torch.equal(first, begun[2]["forwards.0.weight"]) and not torch.equal(first, begun[0]["backwards.0.weight"])
    assert first.abs().max() <= len(first) ** -0.5 < 1.2 * first.abs().max()  # the range of torch's own


def test_a_walk_that_leaves_the_numbers_says_where(small):
    walk = LinearWalk(shape_of(small, "z", "shift-x"), torch.full((1, 8), math.inf))
    with pytest.raises(AuditError, match=r"at shift-x 4, .* not finite"):
        images_along(walk, small, latents(small), torch.tensor([0.0, 4.0])[1:])


def test_masked_squares_are_means_over_what_the_mask_shows():
    images, targets, mask = torch.zeros(2, 3, 2, 2), torch.zeros(2, 3, 2, 2), torch.zeros(2, 1, 2, 2)
    images[0, :, 0, 0], images[0, :, 1, 1], mask[0, 0, 0] = 2.0, 100.0, 1.0
    assert masked_square_error(images, targets, mask).tolist() == [2.0, 0.0]


def test_files_bring_a_walk_back_and_name_their_generator(small, tmp_path):
    walk, digest = residual(small), generator_digest(small)
    key = walk_key(digest, {"recipe": 1}, {"steps": 3})
    save_walk(walk.shape, walk.state_dict(), digest, key, tmp_path / "walk.safetensors")
    back = open_walk(tmp_path / "walk.safetensors", digest)
    state, alpha = latents(small), torch.tensor([10.0, -20.0, 0.0])
    assert torch.equal(back.walk.state(small, state, alpha)["z"], walk.state(small, state, alpha)["z"])
    assert back.key == key and find_walk(key, [tmp_path]) == back.path and find_walk("other", [tmp_path]) is None
    with pytest.raises(RequestError, match=r"belongs to the generator .* ganaudit train walk"):
        open_walk(tmp_path / "walk.safetensors", "another")
    from safetensors.torch import save_file

    for said in (
        {},
        {"walk": "[1]"},
        {"walk": '{"kind": "linear", "space": "z", "shape": [0], "edits": ["zoom"], "size": [8, 8]}'},
    ):
        save_file({"directions": torch.zeros(1, 8)}, tmp_path / "bad.safetensors", said)
        with pytest.raises(RequestError, match="is no walk of ganaudit"):
            open_walk(tmp_path / "bad.safetensors")


def test_a_published_walk_is_raw_numbers_with_the_sliders_fastest(small, tmp_path):
    numbers = np.arange(24, dtype="<f4")
    numbers.tofile(tmp_path / "model.ckpt.data-00000-of-00001")
    shape = shape_of(small, "z", "red", "green", "blue")
    walk = published_walk(tmp_path / "model.ckpt.data-00000-of-00001", shape)
    assert walk.directions[1].tolist() == [3.0 * place + 1.0 for place in range(8)]
    with pytest.raises(RequestError, match="8 finite numbers of 4 bytes are wanted, and it has 96 bytes"):
        published_walk(tmp_path / "model.ckpt.data-00000-of-00001", shape_of(small, "z", "red"))
    with pytest.raises(RequestError, match="missing"):
        published_walk(tmp_path / "missing", shape)


def test_baselines_are_unit_directions_of_equal_length(styled, small):
    for generator, space in ((small, "z"), (styled, "z"), (styled, "w"), (styled, "w+")):
        for name, found in BASELINES.items():
            directions = found(generator, space, 2, 0)
            assert directions.shape == (2, *space_named(generator, space).shape), name
            assert torch.allclose(directions.flatten(1).norm(dim=1), torch.ones(2), atol=1e-5), name
            walk = at_length(shape_of(generator, space, "zoom"), directions[1], 2.5)
            assert float(walk.directions.norm()) == pytest.approx(2.5, rel=1e-5)


def test_closed_form_directions_are_singular_vectors_of_the_styles(styled):
    weights = torch.cat(
        [convolution.style.weight for name in styled.layers for convolution in getattr(styled, name).convolutions]
    )
    _, vectors = torch.linalg.eigh(weights.T @ weights)
    found = closed_form_directions(styled, "w", 2)
    for place in range(2):
        assert abs(float(found[place] @ vectors[:, -1 - place])) == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(RequestError, match="no closed-form directions"):
        closed_form_directions(
            type("Plain", (), {"resolution": 8, "layers": (), "latents": small_latents, "run": lambda *_: {}})(), "z", 1
        )


def small_latents(self, seed, indices):
    return {"z": torch.zeros(len(indices), 4)}


def test_principal_directions_are_those_of_most_variance_in_w(styled):
    w = styled.mapping(styled.latents(0, torch.arange(200))["z"])
    _, vectors = torch.linalg.eigh(torch.cov(w.T))
    found = principal_directions(styled, "w", 2, samples=200)
    assert abs(float(found[0] @ vectors[:, -1])) == pytest.approx(1.0, abs=1e-3)
