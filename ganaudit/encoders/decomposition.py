"""A vector taken apart: average, deviation, and what is left of it, of length √n and at right angles to the ones (Su, 2019).

An O-GAN's critic is the average of what its encoder says, its latent is what is left: for n of at least 3 the three parts do
not depend on each other, so that each can be trained without a word on the others (arXiv:1903.01931).
"""

from __future__ import annotations

from torch import Tensor

SMALLEST = 1e-12
"""A deviation below it counts as this: the vector is constant, and what is left of it is 0."""


def average(v: Tensor) -> Tensor:
    """avg v of vectors (N, n): (N,)."""
    return v.mean(dim=1)


def deviation(v: Tensor) -> Tensor:
    """std v of vectors (N, n), as of a whole population (divided by n): (N,)."""
    return _centred(v).square().mean(dim=1).clamp_min(SMALLEST**2).sqrt()


def standardised(v: Tensor) -> Tensor:
    """N(v) = (v − avg v) / std v of vectors (N, n): (N, n), of average 0 and deviation 1."""
    return _centred(v) / deviation(v)[:, None]


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's ρ of each vector of a with that of b, both (N, n), over their n entries: (N,). 0 where one is constant."""
    return (standardised(a) * standardised(b)).mean(dim=1)


def _centred(v: Tensor) -> Tensor:
    return v - v.mean(dim=1, keepdim=True)
