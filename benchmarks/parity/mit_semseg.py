"""The scene parsers of CSAILVision/semantic-segmentation-pytorch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.parity.official import Given, Official, filled
from benchmarks.parity.parsers import folder_of, pictures

CLASSES = 150


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """The encoders and decoders that it publishes together."""
    return {
        "ResNet-18 dilated, pyramid pooling": partial(scene, "resnet18", True, "ppm_deepsup", 512),
        "ResNet-50 dilated, pyramid pooling": partial(scene, "resnet50", True, "ppm_deepsup", 2048),
        "ResNet-50, UPerNet": partial(scene, "resnet50", False, "upernet", 2048),
    }


def scene(depth: str, dilated: bool, kind: str, width: int) -> Official:
    """Labels at the images' size."""
    models: Any = importlib.import_module("mit_semseg.models")
    plain = importlib.import_module("mit_semseg.models.resnet").__dict__[depth](pretrained=False)
    inner = importlib.import_module("mit_semseg.models.models")
    encoder: Any = filled(inner.ResnetDilated(plain, 8) if dilated else inner.Resnet(plain))
    decoder: Any = filled(models.ModelBuilder.build_decoder(kind, width, CLASSES, use_softmax=True))
    network = models.SegmentationModule(encoder, decoder, None).eval()
    given = {"images": pictures(256)}
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def run(given: Given) -> Tensor:
        normal = ((given["images"] + 1) / 2 - mean) / std
        scores: Tensor = network({"img_data": normal}, segSize=(256, 256))
        return scores.argmax(dim=1) + 1

    layers = {f"stage{n}": encoder.get_submodule(f"layer{n}") for n in range(1, 5)} | {"scene": decoder.conv_last}
    save = folder_of({"encoder": encoder, "decoder": decoder}, 20)
    return Official("mit_semseg", network, layers, given, run, save)
