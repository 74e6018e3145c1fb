"""Probes, boundaries, style mixing and monotone paths, on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganaudit.errors import RequestError
from ganaudit.generators.networks.stylegan import stylegan
from ganaudit.latent_space.monotone import monotone
from ganaudit.latent_space.movement import mixed, moved, movement
from ganaudit.latent_space.probes import auc, conditional_entropy, fit_probe, separability


def test_a_probe_finds_the_hyperplane_that_answers_were_made_with():
    rng = np.random.default_rng(1)
    codes = rng.normal(1.0, [1.0, 5.0, 0.2], (3000, 3))
    normal = np.array([3.0, 0.5, -4.0])
    normal /= np.linalg.norm(normal)
    present = codes @ normal > 0.4
    probe = fit_probe(codes, present, ridge=1e-5)
    assert np.linalg.norm(probe.normal) == pytest.approx(1.0) and probe.normal @ normal > 0.999
    assert probe.offset == pytest.approx(0.4, abs=0.05)
    fresh = rng.normal(1.0, [1.0, 5.0, 0.2], (1000, 3))
    assert auc(probe.side(fresh), fresh @ normal > 0.4) > 0.999
    blind = fit_probe(codes, rng.random(3000) < 0.3)
    assert auc(blind.side(fresh), rng.random(1000) < 0.3) == pytest.approx(0.5, abs=0.1)
    with pytest.raises(RequestError, match="2 of 3000"):
        fit_probe(codes, np.arange(3000) < 2)


def test_areas_and_entropies_are_those_of_a_plain_count():
    scores, present = np.array([3.0, 1.0, 2.0, 2.0]), np.array([True, False, True, False])
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[present] for b in scores[~present]]
    assert auc(scores, present) == pytest.approx(np.mean(pairs))
    assert np.isnan(auc(scores, np.ones(4, bool)))
    said = np.array([True] * 4 + [False] * 4)
    truth = np.array([True, True, True, False, False, False, False, False])
    three_quarters = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert conditional_entropy(said, truth) == pytest.approx(0.5 * three_quarters)
    assert conditional_entropy(truth, truth) == 0.0 and separability(np.array([1.0, 0.5, 0.5])) == pytest.approx(4.0)


def test_a_code_moves_by_the_distance_along_the_unit_normal_and_back():
    codes, normal = torch.randn(2, 6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    step = moved(codes, normal, 1.5) - codes
    assert torch.allclose(step, (1.5 * normal / normal.norm()).expand(2, -1))
    assert torch.allclose(moved(codes, -normal, 1.5) - codes, -step) and torch.equal(moved(codes, normal, 0.0), codes)
    assert torch.allclose(moved(codes, 7.0 * normal, 1.5), moved(codes, normal, 1.5))


def test_what_else_moves_is_what_the_others_change_by_the_class_itself():
    rng = np.random.default_rng(2)
    before = rng.random((50, 3))
    after = before + np.array([2.0, -1.5, -0.5])
    seen = movement(before, after, 0)
    assert seen.change == pytest.approx([2.0, -1.5, -0.5]) and seen.aside == pytest.approx((1.0, 1.0, 1.0))
    assert movement(before, after + np.array([0.0, 0.0, 3.0]), 0).aside[0] == pytest.approx((1.5 + 2.5) / 2.0)
    assert movement(before, before, 0).aside[0] == np.inf


def test_at_either_end_a_mixture_of_styles_is_one_of_its_sources():
    torch.manual_seed(3)
    generator = stylegan(6, 2, 4, ((3,), (2,))).eval().requires_grad_(False)
    state = {"z": torch.zeros(2, 6)}
    a, b = generator.to_w(torch.randn(2, 6)), generator.to_w(torch.randn(2, 6))
    images = {cut: generator.run({**state, "w": mixed(a, b, cut, generator.styles)})["image"] for cut in range(4)}
    pure = {name: generator.run({**state, "w": w})["image"] for name, w in (("a", a), ("b", b))}
    assert torch.allclose(images[0], pure["b"], atol=1e-6) and torch.allclose(images[generator.styles], pure["a"], atol=1e-6)
    assert not torch.allclose(images[1], pure["a"], atol=1e-3) and not torch.allclose(images[1], pure["b"], atol=1e-3)
    same = generator.run({**state, "w": mixed(a, a, 1, generator.styles)})["image"]
    assert torch.allclose(same, pure["a"], atol=1e-6)


def test_a_path_is_monotone_by_how_straight_its_attribute_goes():
    rising = np.stack([np.linspace(0, step, 9) for step in (1.0, 2.0, -3.0)])
    there_and_back = np.concatenate([rising, rising[:, ::-1]], axis=1)
    half = rising.copy()
    half[:, 4] += 0.5 * np.abs(rising[:, -1])  # a bump of half the way up and down: twice half the way more
    still = np.zeros_like(rising)
    values = np.stack([rising, half, still], axis=2)
    seen = monotone(values)
    way = np.abs(np.diff(half, axis=1)).sum()
    assert seen.value[0] == pytest.approx(1.0) and seen.value[1] == pytest.approx(6.0 / way) and np.isnan(seen.value[2])
    assert seen.low[0] == seen.high[0] == pytest.approx(1.0)
    assert monotone(there_and_back[:, :, None]).value[0] == pytest.approx(0.0)
