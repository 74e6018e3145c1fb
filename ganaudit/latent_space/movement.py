"""Codes moved along the normal of a boundary, and what moves with the class that the boundary is of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.statistics import resampling

Floats = NDArray[np.float64]


def moved(codes: Tensor, normal: Tensor, distance: float) -> Tensor:
    """Codes (N, L) a distance along a direction (L,), whose length does not matter: distance 0 are the codes themselves."""
    unit: Tensor = normal / normal.norm()
    return codes + distance * unit


@dataclass(frozen=True)
class Movement:
    """How areas changed, by class (K,), with 95 % intervals over images; `aside`: the sum over the other classes of the mean
    absolute change, by that of the class itself, (value, low, high)."""

    change: Floats
    low: Floats
    high: Floats
    aside: tuple[float, float | None, float | None]


def movement(before: Floats, after: Floats, target: int) -> Movement:
    """before, after: (N, K) areas of classes in images of the same N codes, moved and not; target: the column of the class.
    Images are resampled. `aside` is at least 1 where areas sum to a constant: what a class gains others lose."""
    difference = after - before
    ones = np.ones(len(difference))
    means = np.array([[np.nan if end is None else end for end in each] for each in resampling.means(difference, ones)])
    size = np.abs(difference)
    others = size.sum(axis=1) - size[:, target]
    ((value, low, high),) = resampling.ratios(others[:, None], size[:, [target]], ones)
    return Movement(means[:, 0], means[:, 1], means[:, 2], (float("inf") if value is None else value, low, high))


def mixed(coarse: Tensor, fine: Tensor, crossover: int, layers: int) -> Tensor:
    """Styles (N, layers, L): the first `crossover` layers' those of codes `coarse` (N, L), the others' those of `fine`. 0 is
    all of `fine`, `layers` all of `coarse`."""
    early = torch.arange(layers, device=coarse.device)[None, :, None] < crossover
    return torch.where(early, coarse[:, None], fine[:, None])
