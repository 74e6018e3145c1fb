"""A parser of your own: torchvision's LR-ASPP with the 20 classes of Pascal VOC, from a weights file that you have.

`kind: "voc_parser:make_parser"`, `weights: lraspp_mobilenet_v3_large.pth` (the file that torchvision publishes).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from ganaudit import ClassInfo, Labels

# fmt: off
NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on


class VocParser(torch.nn.Module):
    """Images (N, 3, 256, 256) in [-1, 1] in, one label map each out. Class 0, the background, is void."""

    resolution = 256
    classes = tuple(ClassInfo(number, name) for number, name in enumerate(NAMES, start=1))

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21)
        self.network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def parse(self, images: Tensor) -> Labels:
        normalised = ((images + 1) / 2 - self.mean) / self.std
        confidence, labels = self.network(normalised)["out"].softmax(1).max(1)
        return Labels(labels, confidence)


def make_parser(weights: str) -> VocParser:
    return VocParser(weights)
