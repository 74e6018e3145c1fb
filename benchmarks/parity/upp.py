"""Unified Perceptual Parsing as davidbau/ganseeing reads images with it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.parity.official import Official, filled
from benchmarks.parity.parsers import folder_of, pictures

OBJECTS, MATERIALS, SCENES, OWNERS, PART_CHANNELS = 336, 26, 365, 77, 427
"""Of the published weights."""


def cases(clone: Path) -> Mapping[str, Callable[[], Official]]:
    """At its own size."""
    return {"256 px": parsing}


def parsing() -> Official:
    """The encoder and the decoder of the reference, its own way from images to labels, and random names."""
    sys.modules |= {"seeing.upsegmodel.prroi_pool": pooling(), "skimage": ModuleType("skimage")}
    sys.modules["skimage.morphology"] = ModuleType("skimage.morphology")
    for each in (nn.Module, Tensor):
        setattr(each, "cuda", lambda self, *_: self)  # noqa: B010
    segmenter: Any = importlib.import_module("seeing.segmenter")
    models = importlib.import_module("seeing.upsegmodel.models")
    sizes = [PART_CHANNELS // OWNERS + (place < PART_CHANNELS % OWNERS) for place in range(OWNERS)]
    owned = {f"object {n}": ["-", *(f"part {n} {k}" for k in range(1, size))] for n, size in enumerate(sizes, start=1)}
    names = {
        "object": ["-", *(f"object {n}" for n in range(1, OBJECTS))], "scene": [f"scene {n}" for n in range(SCENES)],
        "material": ["-", *(f"material {n}" for n in range(1, MATERIALS))], "object_part": owned,
        "part": ["-", *(part for parts in owned.values() for part in parts[1:])],
    }  # fmt: skip
    encoder = filled(models.Resnet(importlib.import_module("seeing.upsegmodel.resnet").resnet50()))
    counts = {"object": OBJECTS, "scene": SCENES, "material": MATERIALS, "part": PART_CHANNELS}
    decoder: Any = filled(models.ModelBuilder().build_decoder(counts, "upernet", 2048, use_softmax=True))
    network = models.SegmentationModule(encoder, decoder, names).eval()
    segmenter.ensure_upp_segmenter_downloaded = lambda folder: None
    segmenter.load_unified_parsing_segmentation_model = lambda *asked: network
    given = {"images": pictures(256)}
    layers = {f"stage{n}": encoder.get_submodule(f"layer{n}") for n in range(1, 5)}
    layers |= {head: decoder.get_submodule(f"{head}_head") for head in ("object", "material", "part")}
    whole = segmenter.UnifiedParsingSegmenter()
    save = folder_of({"encoder": encoder, "decoder": decoder}, 40, {"labels.json": json.dumps(names)})
    return Official("upp", network, layers, given, lambda given: whole.segment_batch(given["images"].clone()), save)


def pooling() -> Any:
    """Precise RoI pooling, which the reference compiles for a GPU: the surface is linear between whole coordinates, so that the
    trapezoids between those and a bin's edges are its integral."""

    def weights(length: int, count: int) -> Tensor:
        found = np.zeros((count, length))
        for place in range(count):
            low, high = place * length / count, (place + 1) * length / count
            at = np.unique([low, high, *(n for n in range(length + 1) if low < n < high)])
            heights = np.stack([np.interp(at, range(-1, length + 1), np.eye(length + 2)[n + 1]) for n in range(length)])
            found[place] = ((heights[:, 1:] + heights[:, :-1]) / 2 * np.diff(at)).sum(axis=1) / (high - low)
        return torch.from_numpy(found).float()

    class Pool(nn.Module):
        def __init__(self, height: int, width: int, scale: float) -> None:
            super().__init__()
            self.side = height

        def forward(self, x: Tensor, regions: Tensor) -> Tensor:
            rows, columns = (weights(length, self.side) for length in x.shape[2:])
            return torch.einsum("ih,nchw,jw->ncij", rows, x, columns)

    module: Any = ModuleType("prroi_pool")
    module.PrRoIPool2D = Pool
    return module
