"""Instances that may overlap, painted into one label map: where two lie, the surer one is on top."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganaudit.parsers.labelling import Labelling
from ganaudit.parsers.protocol import Labels


def painted(masks: Tensor, values: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Masks (K, H, W) of a label value (K,) and a score (K,) each -> label values, -1 where there is no instance, scores, 0
    there, and numbers of the instances from 1 on, the surest first, 0 there: three (H, W). Of equal scores the first is on
    top."""
    size, device = masks.shape[1:], masks.device
    label, sure = torch.full(size, -1, device=device), torch.zeros(size, device=device)
    number = torch.zeros(size, dtype=torch.int32, device=device)
    order = scores.argsort(descending=True, stable=True).tolist()
    for place in range(len(order) - 1, -1, -1):
        inside = masks[order[place]].bool()
        label[inside], sure[inside], number[inside] = values[order[place]].long(), scores[order[place]].float(), place + 1
    return label, sure, number


class InstanceParser:
    """Images (N, 3, H, W) in [-1, 1] -> maps of the classes of instances, whose confidence is their score; void elsewhere.

    network: one of torchvision's, from images (3, H, W) in [0, 1], each by itself, to masks, labels and scores.
    """

    def __init__(self, network: nn.Module, labelling: Labelling, resolution: tuple[int, int] | None, device: str) -> None:
        self.labelling, self.classes = labelling, labelling.classes
        self.resolution, self.device = resolution, device
        self.network = network.to(device)

    @torch.inference_mode()
    def parse(self, images: Tensor) -> Labels:
        """Label maps at the size of the images."""
        seen = []
        for image in images.to(self.device):
            (found,) = self.network([image.float() / 2 + 0.5])
            seen.append(painted(found["masks"][:, 0] >= 0.5, found["labels"], found["scores"]))
        values, sure, numbers = (torch.stack(each) for each in zip(*seen, strict=True))
        return self.labelling.of_values(values, sure, numbers)
