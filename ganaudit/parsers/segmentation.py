"""A segmentation network as a parser: images in, label maps and confidences out, at one precision and memory format."""

from __future__ import annotations

import json

import torch
from torch import Tensor, nn

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.parsers.labelling import Labelling
from ganaudit.parsers.networks.convolutions import folded
from ganaudit.parsers.networks.unet import from_weights
from ganaudit.parsers.preprocessing import Preprocessing
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.weights import Weights
from ganaudit.weights import network as filled

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Encoded(nn.Module):
    """An encoder and the decoder of its maps as one network."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.encoder(x))
        return logits


class SegmentationParser:
    """A network with one output: images (N, 3, H, W) → logits (N, C, h, w). preprocessing: what images are made before it;
    label maps then have the images' size. None: images stay in [-1, 1], and label maps have the size of the logits."""

    def __init__(
        self, network: nn.Module, labelling: Labelling, resolution: int | tuple[int, int] | None, device: str, precision: str,
        preprocessing: Preprocessing | None = None,
    ) -> None:  # fmt: skip
        self.labelling = labelling
        self.classes = labelling.classes
        self.resolution = resolution
        self.preprocessing = preprocessing
        self.device = device
        self.dtype = DTYPES[precision]
        self.network = network.to(device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def parse(self, images: Tensor) -> Labels:
        """Images (N, 3, H, W) in [-1, 1] → maps (N, h, w) of class ids and the probability of the class chosen."""
        height, width = images.shape[2:]
        parts = devices.parts(len(images), height, width, self.device, devices.PARSED)
        made = [self._parsed(images[part].to(self.device)) for part in parts]
        return Labels(torch.cat([each.maps for each in made]), torch.cat([each.confidence for each in made]))

    def _parsed(self, images: Tensor) -> Labels:
        if self.preprocessing is None:
            logits = [self._logits(images)[""]]
            return self.labelling.of_logits(logits, (int(logits[0].shape[2]), int(logits[0].shape[3])))
        scales = [seen[""] for seen in self.preprocessing.logits(images, self._logits)]
        return self.labelling.of_logits(scales, (int(images.shape[2]), int(images.shape[3])))

    def _logits(self, x: Tensor) -> dict[str, Tensor]:
        return {"": self.network(x.to(self.dtype, memory_format=torch.channels_last))}


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
    named = Labelling(tuple(ClassInfo(n, str(name)) for n, name in enumerate(names, 1)), tuple(range(1, len(names) + 1)))
    return SegmentationParser(folded(network), named, int(resolution), device, precision)
