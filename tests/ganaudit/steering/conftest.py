"""Generators so small that a walk in them can be followed by hand."""

from __future__ import annotations

from types import MappingProxyType

import pytest
import torch
from torch import nn

from ganaudit.generators.networks.progan import progan
from ganaudit.generators.networks.stylegan import stylegan
from ganaudit.random import normals


class Linear(nn.Module):
    """G(z) = Az: an image of S pixels a side whose brightness is z's first number along a planted direction."""

    resolution, layers = (8, 8), ()

    def __init__(self, latent=12, size=8):
        super().__init__()
        draws = torch.Generator().manual_seed(3)
        self.planted = torch.nn.functional.normalize(torch.randn(latent, generator=draws), dim=0)
        self.resolution = (size, size)
        mixed = 0.3 * torch.randn(3 * size * size, latent, generator=draws)
        mixed -= mixed.mean(dim=0)  # nothing but the planted direction changes the mean
        mixed -= (mixed @ self.planted)[:, None] * self.planted
        self.register_buffer("mix", mixed + 0.5 * self.planted)

    def latents(self, seed, indices):
        return MappingProxyType({"z": torch.from_numpy(normals(seed, "latent z", indices.numpy(), self.mix.shape[1]))})

    def run(self, state, after=None, upto=None):
        image = (state["z"].float() @ self.mix.T).view(-1, 3, *self.resolution)
        return {**state, "image": image}


@pytest.fixture
def linear():
    return Linear()


@pytest.fixture
def small():
    """A ProGAN of 16 pixels."""
    torch.manual_seed(1)
    return progan(8, 16, ((16,), (8,))).eval().requires_grad_(False)


@pytest.fixture
def styled():
    """A StyleGAN of 16 pixels and three layers."""
    torch.manual_seed(1)
    return stylegan(6, 2, 12, ((12,), (8,))).eval().requires_grad_(False)
