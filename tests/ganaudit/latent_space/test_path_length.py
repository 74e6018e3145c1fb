"""Path lengths of generators whose lengths are known: linear ones, and circles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganaudit.errors import RequestError
from ganaudit.generators.networks.stylegan import stylegan
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.latent_space.path_length import (
    PathLengths,
    lerp,
    path_lengths,
    perceptual_distance,
    slerp,
    squared_distance,
)
from ganaudit.random import normals

LATENT = 5


class Linear:
    """The image is a linear map of w, w is z: in 64 bits, so that a step of 1e-4 is seen."""

    resolution, layers = 4, ("only",)

    def __init__(self, scale=1.0):
        drawn = torch.Generator().manual_seed(1)
        self.matrix = scale * torch.randn(LATENT, 3 * 4 * 4, generator=drawn, dtype=torch.float64)

    def latents(self, seed, indices):
        return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), LATENT)).double()}

    def mapped(self, state):
        return state["z"]

    def run(self, state, after=None, upto=None):
        return {**state, "image": (state.get("w", state["z"]) @ self.matrix).view(-1, 3, 4, 4)}


def test_a_straight_path_of_a_linear_generator_is_twice_the_squared_norm_and_trimming_biases_it_low():
    generator = Linear()
    measured = path_lengths(generator, "w", 6000, squared_distance)
    expected = 2.0 * float(generator.matrix.square().sum())  # E|W(b - a)|² of independent normal ends
    error = 4.0 * measured.lengths.std() / math.sqrt(len(measured.lengths))
    assert abs(measured.mean() - expected) < error
    assert measured.trimmed() < measured.mean() and measured.trimmed() > 0.95 * expected


def test_trimming_leaves_out_what_is_beyond_the_percentiles_that_exist():
    lengths = np.arange(1.0, 201.0)
    inside = lengths[(lengths >= 2.0) & (lengths <= 199.0)]  # percentile 1 is between 2 and 3: the lower; 99: the higher
    assert PathLengths("z", lengths).trimmed() == pytest.approx(inside.mean())
    assert PathLengths("z", np.append(lengths, 1e6)).trimmed() < 120 < PathLengths("z", np.append(lengths, 1e6)).mean()


def test_on_the_circle_a_code_keeps_its_length_and_moves_by_radius_times_angle():
    drawn = torch.Generator().manual_seed(2)
    a, b = torch.randn(2, 7, LATENT, generator=drawn, dtype=torch.float64)
    angle = torch.arccos(torch.nn.functional.cosine_similarity(a, b))
    t, step = torch.linspace(0.1, 0.9, 7, dtype=torch.float64), 1e-6
    for radius in (1.0, 22.6):
        here, there = slerp(a, b, t, radius), slerp(a, b, t + step, radius)
        assert torch.allclose(here.norm(dim=1), torch.full((7,), radius, dtype=torch.float64))
        assert torch.allclose((there - here).norm(dim=1) / step, radius * angle, rtol=1e-5)
    assert torch.allclose(slerp(a, b, torch.zeros(7)), a) and torch.allclose(slerp(a, b, torch.ones(7)), b)
    between = slerp(a, b, t).norm(dim=1)
    assert torch.allclose(between, lerp(a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True), t)[:, 0])


def test_the_radius_of_a_linear_generator_matters_by_its_square():
    generator = Linear()
    one = path_lengths(generator, "z", 300, squared_distance, radius=1.0)
    wide = path_lengths(generator, "z", 300, squared_distance, radius=3.0)
    assert wide.lengths == pytest.approx(9.0 * one.lengths, rel=1e-6)


def test_pairs_are_the_same_in_any_number_and_at_the_end_t_is_0():
    generator, distance = Linear(), perceptual_distance(open_perceptual("pyramid"))
    few, many = (path_lengths(generator, "z", count, distance).lengths for count in (10, 70))
    assert few == pytest.approx(many[:10])
    ends = path_lengths(generator, "w", 10, squared_distance, ends=True).lengths
    full = path_lengths(generator, "w", 10, squared_distance).lengths
    assert ends == pytest.approx(full, rel=1e-4)  # a straight path of a linear generator is as long everywhere


@pytest.mark.parametrize("cutoff", [None, 1])
def test_both_ends_are_truncated_as_the_generators_images_are(cutoff):
    """Toward the mean w by half, a path of a generator whose image is a linear map of w is a quarter as long."""
    torch.manual_seed(3)
    body = stylegan(LATENT, 2, 4, ((4,), (4,)))
    seen = []
    body.layer, body.finish = lambda name, x, state: x, lambda x, beside, state: seen.append(state["w"]) or images(state["w"])

    def images(w):
        flat = w.double().flatten(1)
        return torch.nn.functional.pad(flat, (0, 48 - flat.shape[1])).view(-1, 3, 4, 4)

    whole = path_lengths(body, "w", 8, squared_distance, epsilon=1e-2).lengths
    body.sampled(truncation=0.5, cutoff=cutoff)
    cut = path_lengths(body, "w", 8, squared_distance, epsilon=1e-2).lengths
    if cutoff is None:
        assert cut == pytest.approx(whole / 4, rel=1e-3)
    else:  # one of three layers
        assert seen[-1].shape == (8, 3, LATENT) and cut == pytest.approx(whole * 2.25, rel=1e-3)


def test_z_that_is_cut_off_is_so_at_both_ends():
    class CutOff(Linear):
        def latents(self, seed, indices):
            return {"z": super().latents(seed, indices)["z"].clamp(-0.1, 0.1)}

    generator, seen = CutOff(), []
    generator.run = lambda state, run=generator.run: seen.append(state["z"].norm(dim=1)) or run(state)
    path_lengths(generator, "z", 20, squared_distance)
    assert max(float(lengths.max()) for lengths in seen) <= 0.1 * math.sqrt(LATENT) + 1e-9


def test_a_space_that_does_not_follow_from_z_is_refused():
    with pytest.raises(RequestError, match="no 'v'"):
        path_lengths(Linear(), "v", 4, squared_distance)
