"""A segmentation network as a parser: images in, label maps and confidences out, at one precision and memory format."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.parsers.networks.unet import UNet, from_weights
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.weights import Weights
from ganaudit.weights import network as filled

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class SegmentationParser:
    """A network with one output: (N, 3, H, W) in [-1, 1] → logits (N, C, h, w), channel c being the class with id c + 1."""

    def __init__(self, network: nn.Module, classes: Sequence[ClassInfo], resolution: int, device: str, precision: str) -> None:
        self.classes = tuple(classes)
        self.resolution = resolution
        self.device = device
        self.dtype = DTYPES[precision]
        self.network = network.to(device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def parse(self, images: Tensor) -> Labels:
        """Images (N, 3, H, W) in [-1, 1] → maps (N, h, w) of class ids and the softmax probability of the class chosen."""
        height, width = images.shape[2:]
        parts = devices.parts(len(images), height, width, self.device, devices.PARSED)
        made = [self._parsed(images[part]) for part in parts]
        return Labels(torch.cat([each.maps for each in made]), torch.cat([each.confidence for each in made]))

    def _parsed(self, images: Tensor) -> Labels:
        logits = self.network(images.to(self.device, self.dtype, memory_format=torch.channels_last))
        best, chosen = logits.max(dim=1)
        confidence = logits.to(torch.float32, copy=True).sub_(best.float()[:, None]).exp_().sum(dim=1).reciprocal_()
        return Labels(chosen + 1, confidence)


def unet_parser(weights: Weights, device: str, precision: str) -> SegmentationParser:
    """The UNet of `weights`, whose metadata names the classes and the resolution it was trained at."""
    network = filled(weights, from_weights)
    try:
        names = json.loads(weights.metadata["classes"])
    except (KeyError, ValueError):
        names = None
    if not isinstance(names, list):
        raise RequestError(f"weights {weights.path} do not name their classes (metadata key 'classes', a JSON list)")
    resolution = weights.metadata.get("resolution", "64")
    if not resolution.isdecimal() or int(resolution) < 1:
        raise RequestError(f"weights {weights.path} have the resolution {resolution!r}, which is no number of pixels")
    if len(names) != network.head.out_channels:
        raise RequestError(f"weights {weights.path} name {len(names)} classes and have {network.head.out_channels} outputs")
    classes = [ClassInfo(number, str(name)) for number, name in enumerate(names, start=1)]
    return SegmentationParser(fused(network), classes, int(resolution), device, precision)


def fused(network: UNet) -> UNet:
    """The same function with each batch norm folded into the convolution before it."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for block in [*network.down, *network.up]:
        assert isinstance(block, nn.Sequential)
        for place in (0, 3):
            convolution, norm = block[place], block[place + 1]
            assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            block[place], block[place + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return network
