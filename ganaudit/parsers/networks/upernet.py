"""UPerNet (Xiao et al., ECCV 2018): pooled context on the coarsest map of an encoder, then a feature pyramid of all maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.parsers.networks.convolutions import of_shape

POOLED = (1, 2, 3, 6)
"""Sides of what the coarsest map is pooled to (Zhao et al., CVPR 2017)."""
Pool = Callable[[Tensor, int], Tensor]


def resized(x: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """(N, C, h, w) -> (N, C, *size), bilinear, samples at the middles of pixels."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class FeaturePyramid(nn.Module):
    """What decoders of this family share; each adds its heads."""

    def __init__(self, tensors: Mapping[str, Tensor], pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.ppm_conv = nn.ModuleList(of_shape(tensors, f"ppm_conv.{place}", 1) for place in range(len(POOLED)))
        self.ppm_last_conv = of_shape(tensors, "ppm_last_conv")
        self.fpn_in = nn.ModuleList(of_shape(tensors, f"fpn_in.{place}", 1) for place in range(3))
        self.fpn_out = nn.ModuleList(nn.Sequential(of_shape(tensors, f"fpn_out.{place}.0")) for place in range(3))

    def levels(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of an encoder, finest first -> the levels of the pyramid, likewise."""
        top, branches = maps[-1], zip(POOLED, self.ppm_conv, strict=True)
        context = [branch(resized(self.pool(top, side), top.shape[2:])) for side, branch in branches]
        x: Tensor = self.ppm_last_conv(torch.cat([top, *context], dim=1))
        levels = [x]
        for level in (2, 1, 0):
            x = resized(x, maps[level].shape[2:]) + self.fpn_in[level](maps[level])
            levels.insert(0, self.fpn_out[level](x))
        return levels
