"""Decoders of one head: pyramid pooling (Zhao et al., CVPR 2017), UPerNet (Xiao et al., ECCV 2018), in mit_semseg's layout."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.parsers.networks.convolutions import classified, convolution, of_shape, size
from ganaudit.parsers.networks.fusion import fused
from ganaudit.parsers.networks.upernet import POOLED, FeaturePyramid, resized


class ScenePyramid(FeaturePyramid):
    """UPerNet with one head; maps of an encoder, finest first -> logits (N, C, h, w) at the finest map's size."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors, F.adaptive_avg_pool2d)
        self.channels, last = size(tensors, "conv_last.1.weight"), size(tensors, "conv_last.1.weight", 1)
        self.conv_last = nn.Sequential(of_shape(tensors, "conv_last.0"), nn.Conv2d(last, self.channels, 1))

    def forward(self, maps: list[Tensor]) -> Tensor:
        features, last = self.conv_last
        return classified(fused(self.levels(maps), features), last)


class PyramidPooling(nn.Module):
    """The coarsest map of an encoder with its context -> logits (N, C, h, w) at that map's size."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        weights = [f"ppm.{place}.1.weight" for place in range(len(POOLED))]
        branches = [convolution(size(tensors, name, 1), size(tensors, name), 1) for name in weights]
        self.ppm = nn.ModuleList(nn.Sequential(nn.Identity(), *branch) for branch in branches)
        features = convolution(size(tensors, "conv_last.0.weight", 1), size(tensors, "conv_last.0.weight"))
        self.channels, last = size(tensors, "conv_last.4.weight"), size(tensors, "conv_last.4.weight", 1)
        self.conv_last = nn.Sequential(*features, nn.Identity(), nn.Conv2d(last, self.channels, 1))

    def forward(self, maps: list[Tensor]) -> Tensor:
        top, branches = maps[-1], zip(POOLED, self.ppm, strict=True)
        context = [resized(branch(F.adaptive_avg_pool2d(top, side)), top.shape[2:]) for side, branch in branches]
        return classified(self.conv_last[:-1](torch.cat([top, *context], dim=1)), self.conv_last[-1])


def from_weights(tensors: Mapping[str, Tensor]) -> ScenePyramid | PyramidPooling:
    """The decoder that has such tensors (its parameters are not filled yet). Raises RequestError."""
    if "fpn_in.0.0.weight" in tensors:
        return ScenePyramid(tensors)
    if "ppm.0.1.weight" in tensors:
        return PyramidPooling(tensors)
    raise RequestError(
        "it is neither a UPerNet (fpn_in.0.0.weight) nor a pyramid pooling decoder (ppm.0.1.weight); they are what is known"
    )
