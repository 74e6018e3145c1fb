"""The invertible mapping network of LIA (Zhu et al., ECCV 2020): additive coupling steps (NICE, Dinh et al., 2014) z <-> w.

w is y in the paper. A step from z to w takes a function of one half of the numbers from the other half, and reverses their
order; the way back adds it. Its Jacobian's determinant is 1 or -1 whatever the weights: volumes stay.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.stylegan import GAIN, LatentMapping, SlowLinear

SLOW = 0.01
"""Share of the learning rate at which it learns, as published, for trainings of a million steps and more."""


class Coupling(nn.Module):
    """m, from one half (N, L/2) to what the other half moves by: leaky linear layers, the last one too."""

    def __init__(self, latent: int, layers: int, slow: float) -> None:
        super().__init__()
        widths = [latent // 2, *[latent] * (layers - 1), latent // 2]
        self.linears = nn.ModuleList(SlowLinear(a, b, slow) for a, b in pairwise(widths))

    def forward(self, half: Tensor) -> Tensor:
        for linear in self.linears:
            half = F.leaky_relu(linear(half * GAIN), 0.2)
        return half


class CouplingMapping(LatentMapping):
    """z (N, latent) -> w (N, latent), as a mapping network of a style generator, and back by `inverse`, with the same weights.

    Without steps, z is w. It computes in the precision of what it is given. Raises RequestError for an odd latent, which has no
    halves.
    """

    def __init__(self, latent: int, steps: int = 4, layers: int = 2, slow: float = SLOW) -> None:
        super().__init__()
        if latent % 2 or latent < 2 or steps < 0 or layers < 1:
            raise RequestError(
                f"a coupling mapping has steps of leaky layers between two halves of a latent; it cannot have {steps} steps of "
                f"{layers} layers on {latent} numbers"
            )
        self.steps = nn.ModuleList(Coupling(latent, layers, slow) for _ in range(steps))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        w = z
        for step in self.steps:
            kept, moved = w.chunk(2, dim=1)
            w = torch.cat([kept, moved - step(kept)], dim=1).flip(1)
        return w

    def inverse(self, w: Tensor) -> Tensor:
        """w (N, latent) -> z (N, latent)."""
        z = w
        for step in reversed(self.steps):
            kept, moved = z.flip(1).chunk(2, dim=1)
            z = torch.cat([kept, moved + step(kept)], dim=1)
        return z

    @torch.no_grad()
    def round_trip(self, z: Tensor) -> float:
        """The largest absolute error of z -> w -> z over latents (N, latent), computed in their precision."""
        return float((self.inverse(self(z)) - z).abs().max())
