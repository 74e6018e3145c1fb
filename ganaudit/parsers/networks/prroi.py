"""Precise RoI pooling (Jiang et al., ECCV 2018) of a whole map, exactly, on any device: two matrix products."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def prroi_pool(x: Tensor, side: int) -> Tensor:
    """(N, C, h, w) -> (N, C, side, side): the mean over each of side × side bins of the surface that interpolates `x`
    bilinearly.

    The surface has its samples at whole coordinates and is 0 outside of them; the bins part [0, w] × [0, h] equally. Its
    integral over a bin is a product of integrals along each axis, so that pooling is rows · x · columnsᵀ, in float32.
    """
    rows, columns = (bins(length, side).to(x.device, torch.float32) for length in x.shape[2:])
    return (rows @ x.float() @ columns.T).to(x.dtype)


@lru_cache(maxsize=64)
def bins(length: int, count: int) -> Tensor:
    """What each of `length` samples weighs in the mean over each of `count` bins: (count, length) float64.

    Weights are differences of the integral of the interpolation's triangle around a sample, max(0, 1 − |t|): up to t that is
    (1 + t)² / 2 below 0 and 1 − (1 − t)² / 2 above, 0 and 1 outside of [−1, 1].
    """
    edges = torch.arange(count + 1, dtype=torch.float64) * length / count
    t = (edges[:, None] - torch.arange(length, dtype=torch.float64)).clamp(-1.0, 1.0)
    up_to = torch.where(t < 0, (1 + t).square() / 2, 1 - (1 - t).square() / 2)
    return up_to.diff(dim=0) * count / length
