"""Draws are functions of (seed, purpose, index): against SplitMix64 in plain integers, and against the distributions."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ganaudit.random import bits, normals, normals_of_words, normals_on, uniforms, words_on

GAMMA, WORD = 0x9E3779B97F4A7C15, 2**64
indices_drawn = st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=6)


def mixed(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % WORD
    return x ^ (x >> 31)


def splitmix(seed: int, purpose: str, index: int, n: int) -> list[int]:
    """The same words without NumPy."""
    start = int.from_bytes(hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest(), "little")
    state = mixed(mixed(index * GAMMA % WORD) ^ start)
    return [mixed((state + (k + 1) * GAMMA) % WORD) for k in range(n)]


@settings(deadline=None, max_examples=50)
@given(st.integers(-5, 2**63), st.sampled_from(["latent z", "village scene", "ä"]), indices_drawn, st.integers(0, 5))
def test_every_word_is_splitmix64_s(seed, purpose, indices, n):
    result = bits(seed, purpose, indices, n)
    assert result.dtype == np.uint64
    assert result.tolist() == [splitmix(seed, purpose, index, n) for index in indices]


def test_the_words_are_those_of_every_other_machine():
    assert bits(1, "latent z", [0, 1023, 2**40 - 1], 2).tolist() == [
        [10809859317002478385, 15422969169504325430],
        [16326742346464211074, 676994643964065181],
        [2813505716244636978, 13959326606516852290],
    ]
    assert uniforms(7, "x", [5], 2)[0].tolist() == [pytest.approx(0.25638157, abs=1e-8), pytest.approx(0.62244631, abs=1e-8)]
    assert normals(1, "latent z", [0], 3)[0] == pytest.approx([0.2172767, 0.97847724, 0.1974272], abs=1e-6)


@pytest.mark.parametrize("draw", [bits, uniforms, normals])
def test_an_image_has_its_draws_alone_in_any_batch_in_any_order_and_asked_for_more(draw):
    indices = np.random.default_rng(0).permutation(200)
    together = draw(3, "p", indices, 12)
    for place in (0, 57, 199):
        assert (draw(3, "p", [int(indices[place])], 12)[0] == together[place]).all()
    assert (draw(3, "p", indices[::-1], 12) == together[::-1]).all()
    assert (draw(3, "p", indices, 30)[:, :12] == together).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(-5, 2**63), indices_drawn, st.integers(0, 5))
def test_a_device_s_words_are_those_of_plain_integers(seed, indices, n):
    words = words_on(torch.device("cpu"), seed, "latent z", torch.tensor(indices), n)
    assert [[word % WORD for word in row] for row in words.tolist()] == [splitmix(seed, "latent z", i, n) for i in indices]


def test_a_device_s_normal_draws_are_the_processor_s():
    here, indices = torch.device("cpu"), torch.arange(5)
    expected = stats.norm.ppf((np.array(bits(2, "noise", range(5), 40_000) >> np.uint64(12), float) + 0.5) * 2.0**-52)
    for drawn in (normals_of_words(words_on(here, 2, "noise", indices, 40_000)), normals_on(here, 2, "noise", indices, 40_000)):
        assert drawn.dtype == torch.float32
        np.testing.assert_allclose(drawn.numpy(), expected, rtol=1e-6, atol=1e-9)


def test_seed_purpose_and_index_each_make_a_stream_of_their_own():
    streams = [
        tuple(bits(seed, purpose, [index], 4)[0].tolist())
        for seed in range(-2, 8)
        for purpose in ("a", "b", "a:1")
        for index in range(40)
    ]
    assert len(set(streams)) == len(streams)
    words = [word for stream in streams for word in stream]
    assert len(set(words)) == len(words)


def test_uniforms_are_uniform_and_do_not_know_their_neighbours():
    draws = uniforms(0, "test", range(4000), 5)
    assert draws.min() >= 0.0 and draws.max() < 1.0
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
    for k in range(5):
        assert stats.kstest(draws[:, k], "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 4 / np.sqrt(4000)  # images beside each other
    assert np.abs(np.corrcoef(draws.T) - np.eye(5)).max() < 4.5 / np.sqrt(4000)  # draws of one image


def test_normals_are_normal_and_finite():
    draws = normals(2, "test", range(2000), 20)
    n = draws.size
    assert draws.dtype == np.float32 and np.isfinite(draws).all()
    assert abs(draws.mean()) < 4 / np.sqrt(n)
    assert abs(draws.std() - 1.0) < 4 / np.sqrt(2 * n)
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-3


def test_normals_are_the_quantiles_of_the_words():
    words = bits(5, "p", [1, 2], 4)
    expected = stats.norm.ppf(((words >> np.uint64(12)).astype(float) + 0.5) / 2**52)
    assert normals(5, "p", [1, 2], 4) == pytest.approx(expected, abs=1e-6)


def test_no_images_are_no_draws():
    assert bits(0, "p", [], 3).shape == uniforms(0, "p", [], 3).shape == normals(0, "p", [], 3).shape == (0, 3)
