"""Coordinates in which a search moves: directions of latents and residuals, the most visible ones apart from the least.

A generator's early layers are felt through a few directions of their channels thousands of times more than through most, and
every channel mixes both, so that Adam, which sets each variable's pace by itself, cannot tell them apart. Along eigenvectors of
the gradients' covariance it can: that is SOAP (Vyas et al., ICLR 2025) with Shampoo's factor (Gupta et al., ICML 2018) over
channels, but its covariance comes from the generator's own samples once, so that images stay independent of each other.
"""

from __future__ import annotations

import weakref
from dataclasses import replace

import torch
from torch import Tensor

from ganaudit.generators.protocol import Generator
from ganaudit.inversion.search_space import SearchSpace

SAMPLES, BATCH, LARGE, PROBES, SEED = 64, 8, 256, 4, 0
"""Own samples whose gradients are looked at, each for so many random images; so many at once, fewer of images above LARGE²."""
RECIPE = f"JᵀJ over channels: {SAMPLES} own samples, {PROBES} images each, seed {SEED}"
"""What enters a content key."""

_known: weakref.WeakKeyDictionary[Generator, dict[object, dict[str, Tensor]]] = weakref.WeakKeyDictionary()


def eigenbases(space: SearchSpace) -> dict[str, Tensor]:
    """By free variable (N, C, ...), the matrix (C, C) whose columns are its directions, the most visible first: eigenvectors of
    the covariance over C of the gradients of squared error, JᵀJ, at own samples. A latent that own samples do not tell, such as
    w, has none. They are a function of the generator and of what is free, and are kept as long as the generator is."""
    free = space.latent, space.space, space.residuals, space.feature, space.nonnegative_layers
    try:
        known = _known.setdefault(space.generator, {})
    except TypeError:  # another package's generator that cannot be a key
        known = {}
    if free not in known:
        known[free] = _eigenbases(space)
    return known[free]


def _eigenbases(space: SearchSpace) -> dict[str, Tensor]:
    draw, covariances = torch.Generator().manual_seed(SEED), dict[str, Tensor]()
    resolution = space.generator.resolution
    side = resolution if isinstance(resolution, int) else max(resolution)
    batch = max(1, BATCH * LARGE**2 // max(LARGE, side) ** 2)
    for first in range(0, SAMPLES, batch):
        state = space.generator.latents(SEED, torch.arange(first, first + batch))
        latent = space.latent and space.space in state
        own = replace(space, state=state, latent=latent, begin=None)
        free = {name: value.requires_grad_(True) for name, value in own.start().items()}
        if not free:
            break
        image = own.image(free)
        for probe in range(PROBES):
            noise = torch.randn(image.shape, generator=draw).to(image)
            gradients = torch.autograd.grad(image, list(free.values()), noise, retain_graph=probe + 1 < PROBES)
            for name, gradient in zip(free, gradients, strict=True):
                rows = gradient.cpu().double().reshape(*gradient.shape[:2], -1)  # not every device has 64 bits
                covariances[name] = covariances.get(name, 0.0) + torch.einsum("ncp,ndp->cd", rows, rows)
    return {name: torch.linalg.eigh(covariance)[1].flip(1).to(free[name]) for name, covariance in covariances.items()}
