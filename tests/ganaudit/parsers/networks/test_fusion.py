"""Fusing a pyramid's levels: the convolution of all of them, made large and put side by side."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganaudit.parsers.networks.fusion import fused


@pytest.mark.parametrize("sizes", [[(16, 16), (8, 8), (4, 4), (2, 2)], [(15, 22), (8, 11), (4, 6), (1, 3)], [(3, 3), (3, 3)]])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_convolution_of_levels_made_large(sizes, bias):
    torch.manual_seed(0)
    levels = [torch.randn(2, 3 + place, *size) for place, size in enumerate(sizes)]
    layer = nn.Sequential(nn.Conv2d(sum(level.shape[1] for level in levels), 5, 3, padding=1, bias=bias), nn.ReLU())
    large = [F.interpolate(level, size=sizes[0], mode="bilinear", align_corners=False) for level in levels]
    with torch.no_grad():
        assert fused(levels, layer) == pytest.approx(layer(torch.cat(large, 1)), abs=1e-5)
