"""Unified Perceptual Parsing as a parser: one head each for objects, materials, and parts of the objects that won."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.parsers.labelling import UNLABELLED, chosen
from ganaudit.parsers.networks.convolutions import folded
from ganaudit.parsers.networks.unified_parsing import UnifiedDecoder
from ganaudit.parsers.preprocessing import Preprocessing
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.parsers.segmentation import DTYPES

MEAN = (102.9801, 115.9465, 122.7717)
"""Of blue, green and red, from 0 to 255."""
MOST_BYTES = 10_000_000
"""A labels.json is a page of names."""


@dataclass(frozen=True)
class PerceptualLabels:
    """Names of objects and materials by channel, the first of each standing for none; owners: (object's channel, class ids of
    the channels of its parts), in the order of the channels; parts: names of the parts, ids in order after the materials'.

    A part whose name is an object's has id 0: the object is counted, and pixels of one id would be counted for both.
    """

    objects: tuple[str, ...]
    materials: tuple[str, ...]
    parts: tuple[str, ...]
    owners: tuple[tuple[int, tuple[int, ...]], ...]

    def check(self, decoder: UnifiedDecoder, folder: Path) -> None:
        """Raises RequestError where a decoder has another number of channels."""
        counts = {
            "object": len(self.objects), "material": len(self.materials), "part": sum(len(ids) for _, ids in self.owners)
        }  # fmt: skip
        for head, named in counts.items():
            channels = getattr(decoder, f"{head}_head")[1].out_channels
            if channels != named:
                raise RequestError(
                    f"{folder}: labels.json names {named} channels of the {head} head, its decoder has {channels}; they are of "
                    "two trainings"
                )

    def classes(self, heads: Sequence[str]) -> tuple[ClassInfo, ...]:
        """Objects from 1 on, then materials, then parts."""
        named = [
            *(ClassInfo(place, name, "object") for place, name in enumerate(self.objects)),
            *(ClassInfo(place, name, "material") for place, name in enumerate(self.materials[1:], len(self.objects))),
            *(
                ClassInfo(place, name, "part")
                for place, name in enumerate(self.parts, len(self.objects) + len(self.materials) - 1)
            ),
        ]
        return tuple(info for info in named if info.id and info.head in heads)


def read_labels(path: Path) -> tuple[PerceptualLabels, str]:
    """The names of a labels.json, and the SHA-256 of its bytes. Raises RequestError where it is none, or
    lists the owners of parts in another order than that of the objects: the channels of parts are in that order."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
        said = json.loads(content)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}; it names the classes") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path} is no JSON: {error}") from None
    lists: list[Any] = [said.get(key) if isinstance(said, Mapping) else None for key in ("object", "material", "object_part")]
    objects, materials, owned = lists
    if not (_names(objects) and _names(materials) and isinstance(owned, Mapping) and all(map(_names, owned.values()))):
        raise RequestError(
            f"{path} is no labels.json of Unified Perceptual Parsing: it wants lists of names under object and material, and "
            "under object_part one for each object that has parts; each begins with '-', which stands for none"
        )
    places = {name: place for place, name in enumerate(objects)}
    unknown = [owner for owner in owned if owner not in places]
    if unknown:
        raise RequestError(f"{path}: object_part has {unknown[0]!r}, which is none of its objects")
    order = [places[owner] for owner in owned]
    for before, after in pairwise(order):
        if after < before:
            raise RequestError(
                f"{path}: object_part lists {objects[before]!r} (object {before}) before {objects[after]!r} (object {after}), "
                "and channels of parts are in the order of the objects: names would go to others' parts; sort it by object"
            )
    return _numbered(objects, materials, owned, places), hashlib.sha256(content).hexdigest()


def _numbered(
    objects: list[str], materials: list[str], owned: Mapping[str, list[str]], places: Mapping[str, int]
) -> PerceptualLabels:
    names = dict.fromkeys(part for parts in owned.values() for part in parts[1:] if part not in places)
    ids = {name: place for place, name in enumerate(names, len(objects) + len(materials) - 1)}
    owners = [(places[owner], tuple(ids.get(part, 0) for part in parts)) for owner, parts in owned.items()]
    return PerceptualLabels(tuple(objects), tuple(materials), tuple(names), tuple(owners))


def _names(value: Any) -> bool:
    """Whether it is a list of texts, of which the first stands for none."""
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value) and value[0] in UNLABELLED


class UnifiedParser:
    """Images (N, 3, H, W) in [-1, 1] -> maps (N, heads, H, W). Object 0 and material 0, which were never trained but may win,
    are void; so is a part where no owner of parts won."""

    def __init__(
        self, encoder: nn.Module, decoder: UnifiedDecoder, labels: PerceptualLabels, heads: Sequence[str],
        preprocessing: Preprocessing, resolution: tuple[int, int], device: str, precision: str,
    ) -> None:  # fmt: skip
        self.labels, self.heads, self.preprocessing = labels, tuple(heads), preprocessing
        self.classes = labels.classes(self.heads)
        self.resolution = resolution
        self.device, self.dtype = device, DTYPES[precision]
        networks: Any = [folded(encoder), folded(decoder)]
        self.encoder, self.decoder = (each.to(device, self.dtype, memory_format=torch.channels_last) for each in networks)

    @torch.inference_mode()
    def parse(self, images: Tensor) -> Labels:
        """Label maps and confidences of the heads that were asked for."""
        size = (int(images.shape[2]), int(images.shape[3]))
        needed = dict.fromkeys(["object", *self.heads] if "part" in self.heads else self.heads)
        scales = self.preprocessing.logits(images.to(self.device), partial(self._logits, heads=list(needed)))
        seen: dict[str, tuple[Tensor, Tensor]] = {}
        for head in needed:
            logits = [scale[head] for scale in scales]
            seen[head] = chosen(logits, size) if head != "part" else self._parts(logits, seen["object"][0])
        if "material" in seen:
            channel, confidence = seen["material"]
            seen["material"] = torch.where(channel > 0, channel + len(self.labels.objects) - 1, 0), confidence
        maps, confidences = zip(*(seen[head] for head in self.heads), strict=True)
        return Labels(torch.stack(maps, dim=1), torch.stack(confidences, dim=1))

    def _logits(self, x: Tensor, heads: Sequence[str]) -> dict[str, Tensor]:
        x = x.to(self.dtype, memory_format=torch.channels_last)
        logits: dict[str, Tensor] = self.decoder(self.encoder(x), heads)
        return logits

    def _parts(self, logits: Sequence[Tensor], objects: Tensor) -> tuple[Tensor, Tensor]:
        """Ids of the parts of the object that won at each pixel, and their confidences; of one without parts: void, 1."""
        maps, confidence = torch.zeros_like(objects), torch.ones(objects.shape, device=objects.device)
        won = objects.flatten().bincount(minlength=len(self.labels.objects)).tolist()
        size, first = (int(objects.shape[1]), int(objects.shape[2])), 0
        for owner, ids in self.labels.owners:
            slices = slice(first, first + len(ids))
            first += len(ids)
            if not won[owner]:
                continue
            where = objects == owner
            images = where.flatten(1).any(dim=1).nonzero()[:, 0]
            part, sure = chosen([each[images, slices] for each in logits], size)
            maps[images] = torch.where(where[images], torch.tensor(ids, device=maps.device)[part], maps[images])
            confidence[images] = torch.where(where[images], sure, confidence[images])
        return maps, confidence
