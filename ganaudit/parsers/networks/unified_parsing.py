"""Unified Perceptual Parsing (Xiao et al., ECCV 2018): a ResNet and a UPerNet with heads for objects, materials and parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ganaudit.parsers.networks.convolutions import classified, of_shape, size
from ganaudit.parsers.networks.fusion import fused
from ganaudit.parsers.networks.prroi import prroi_pool
from ganaudit.parsers.networks.upernet import FeaturePyramid

HEADS = ("object", "material", "part")


class UnifiedDecoder(FeaturePyramid):
    """Objects and parts are read off the fusion of all levels, materials off the finest level."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors, prroi_pool)
        self.conv_fusion = of_shape(tensors, "conv_fusion")
        for head in HEADS:
            convolution = of_shape(tensors, f"{head}_head.0")
            last = nn.Conv2d(size(tensors, f"{head}_head.1.weight", 1), size(tensors, f"{head}_head.1.weight"), 1)
            self.add_module(f"{head}_head", nn.Sequential(convolution, last))

    def forward(self, maps: list[Tensor], heads: Sequence[str]) -> dict[str, Tensor]:
        levels = self.levels(maps)
        fusion = fused(levels, self.conv_fusion) if set(heads) - {"material"} else None
        return {head: self.logits(head, levels[0] if head == "material" else fusion) for head in heads}

    def logits(self, head: str, x: Tensor | None) -> Tensor:
        """A head's logits, of what it is read off."""
        convolution, last = getattr(self, f"{head}_head")
        return classified(convolution(x), last)
