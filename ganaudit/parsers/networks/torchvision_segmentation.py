"""torchvision's segmentation networks, shaped after a weights file, as far as their logits."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.models import get_model

from ganaudit.errors import RequestError
from ganaudit.parsers.networks.convolutions import classified, size

LAST = ("classifier.4.weight", "classifier.low_classifier.weight")
"""The weight that gives one channel a class: of FCN and DeepLab, of LR-ASPP."""
UNREAD = "aux_classifier."
"""A head that trains the layers before the last."""


class Segmenter(nn.Module):
    """A network of torchvision's: (N, 3, H, W) -> logits (N, C, h, w) at the size of its features."""

    def __init__(self, model: str, channels: int) -> None:
        super().__init__()
        made = get_model(model, weights=None, weights_backbone=None, num_classes=channels)
        self.backbone, self.classifier = made.backbone, made.classifier

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone(x)
        if not isinstance(self.classifier, nn.Sequential):  # LR-ASPP's, which takes two maps
            logits: Tensor = self.classifier(features)
            return logits
        *before, last = self.classifier
        x = features["out"]
        for layer in before:
            x = layer(x)
        return classified(x, last)


def from_weights(tensors: Mapping[str, Tensor], model: str) -> Segmenter:
    """The network of that name with as many classes as `tensors` (its parameters are not filled yet). Raises RequestError."""
    last = next((name for name in LAST if name in tensors), None)
    if last is None:
        raise RequestError(f"these are not the weights of a segmentation network of torchvision (no {' and no '.join(LAST)})")
    return Segmenter(model, size(tensors, last))
