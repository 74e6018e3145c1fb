"""torchvision's Mask R-CNN, shaped after a weights file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.detection.anchor_utils import AnchorGenerator

from ganaudit.parsers.networks.convolutions import size

LAST = "roi_heads.box_predictor.cls_score.weight"
"""The weight that gives one row a class."""
M = TypeVar("M", bound=nn.Module)


def from_weights(tensors: Mapping[str, Tensor], model: str, short_side: int, score: float, most: int) -> nn.Module:
    """The network of that name with as many classes as `tensors` (its parameters are not filled yet). Raises RequestError."""
    settings = {"min_size": short_side, "box_score_thresh": score, "box_detections_per_img": most}
    made: nn.Module = get_model(model, weights=None, weights_backbone=None, num_classes=size(tensors, LAST), **settings)
    return made


def complete(network: M, frozen: bool) -> M:
    """What is no tensor of the file: anchors, which are computed when a network is made, on whatever device that is. frozen:
    whether its batch norms were trained frozen, as published first, where nothing keeps variances from 0."""
    whole: Any = network
    generator = whole.rpn.anchor_generator
    with torch.device("cpu"):
        whole.rpn.anchor_generator = AnchorGenerator(generator.sizes, generator.aspect_ratios)
    for module in network.modules():
        if frozen and isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
    return network
