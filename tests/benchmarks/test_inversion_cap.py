"""Residuals under a cap: as large as it at most, and untouched where they are smaller."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.inversion_cap import Capped, word
from ganaudit.generators.networks.progan import progan
from ganaudit.inversion.search_space import with_residuals
from ganaudit.studies.inversion.verdicts import INCONCLUSIVE, MADE, NOT_MADE, proportion


def test_residuals_are_scaled_back_to_the_cap_and_smaller_ones_are_left_as_they_are():
    torch.manual_seed(3)
    generator = progan(8, 12, ((12,), (8,))).eval().requires_grad_(False)
    state = generator.latents(1, torch.arange(3))
    free = {
        name: torch.randn_like(value)
        for name, value in Capped(generator, state, residuals=("layer1", "layer2")).start().items()
    }
    for value in free.values():
        value[1] *= 0.01
    space = Capped(generator, state, residuals=("layer1", "layer2"), cap=0.5)
    kept = space.residual_parts(free)
    for row in range(3):
        size = sum(float((value[row] ** 2).mean()) for value in free.values())
        by = math.sqrt(0.5 / size) if size > 0.5 else 1.0
        assert (by == 1.0) == (row == 1)
        for name, value in free.items():
            assert torch.allclose(kept[name][row], value[row] * by, rtol=1e-5)
    assert torch.equal(space.image(free), with_residuals(generator, state, kept)["image"])
    free_of_it = Capped(generator, state, residuals=("layer1", "layer2"))
    assert torch.equal(free_of_it.image(free), with_residuals(generator, state, free)["image"])


@pytest.mark.parametrize("hits, said", [(0, NOT_MADE), (1, INCONCLUSIVE), (10, MADE)])
def test_what_comes_back_says_whether_a_class_is_made(hits, said):
    assert word(proportion(hits, 20)) == said
