"""From what segmentation networks give to class ids, for every family: logits or label values, of any size, with an offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.parsers.class_names import KNOWN
from ganaudit.parsers.protocol import MAX_CLASS, VOID_NAMES, ClassInfo, Labels

AT_ONCE = {"cpu": 2**25, "other": 2**28}
"""Logits that are resized at once, by type of device: 336 classes of 256 × 256 pixels are 22 million an image."""
UNLABELLED = (*VOID_NAMES, "-")
"""What the first of a network's classes is called where it stands for none."""


@dataclass(frozen=True)
class Labelling:
    """ids: class id of each channel, or of each label value from 0 on; 0 is void. ignore: a value that stands for none."""

    classes: tuple[ClassInfo, ...]
    ids: tuple[int, ...]
    ignore: int | None = None

    @cached_property
    def _table(self) -> dict[torch.device, Tensor]:
        return {}

    def table(self, device: torch.device) -> Tensor:
        """The ids on a device."""
        if device not in self._table:
            self._table[device] = torch.tensor(self.ids, device=device)
        return self._table[device]

    def of_logits(self, logits: Sequence[Tensor], size: tuple[int, int]) -> Labels:
        """Logits (N, C, h, w), one tensor for each scale -> maps and confidences (N, *size), resized as `chosen` does."""
        best, confidence = chosen(logits, size)
        return Labels(self.table(best.device)[best], confidence)

    def of_values(self, values: Tensor, confidence: Tensor, instances: Tensor | None = None) -> Labels:
        """Label values (N, h, w), of any integer type, with confidences and perhaps numbers of instances -> class ids; what is
        ignored, or names no class, is void."""
        table, values = self.table(values.device), values.long()
        named = (values >= 0) & (values < len(table))
        if self.ignore is not None:
            named &= values != self.ignore
        maps = torch.where(named, table[values.clamp(0, len(table) - 1)], 0)
        return Labels(maps, confidence, None if instances is None else torch.where(maps > 0, instances, 0))


def labelling(names: Sequence[str] | Mapping[int, str], head: str = "object", ignore: int | None = None) -> Labelling:
    """That of a network whose channels, or label values, have these names. Where the first is called as what is no class
    (`UNLABELLED`), or has no name, it is void and each class's id is its channel; otherwise it is one more. What has an empty
    name is void. Raises RequestError for a label value that no class id can stand for."""
    listed = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    if max(listed, default=0) > MAX_CLASS:
        raise RequestError(f"classes name the label value {max(listed):,}, and class ids end at {MAX_CLASS:,}")
    named = {place: listed[place] for place in sorted(listed) if listed[place]}
    shift = 0 if named.get(0, UNLABELLED[0]).strip().casefold() in UNLABELLED else 1
    ids = [place + shift if place in named else 0 for place in range(max(listed, default=-1) + 1)]
    classes = tuple(ClassInfo(place + shift, name, head) for place, name in named.items() if place + shift)
    return Labelling(classes, tuple(ids), ignore)


def of_channels(classes: str | Sequence[str] | Mapping[int, str], channels: int, file: Path) -> Labelling:
    """That of so many channels: public names (`class_names`), names in order, or some by channel. Raises RequestError."""
    names = KNOWN[classes] if isinstance(classes, str) else classes
    named = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    if not isinstance(names, Mapping) and len(named) != channels:
        raise RequestError(
            f"parser.classes names {len(named)} classes and the network of {file} has {channels} channels; give as many names, "
            "or {channel: name} for some"
        )
    beyond = [channel for channel in named if not 0 <= channel < channels]
    if beyond:
        raise RequestError(f"parser.classes names channel {beyond[0]}, and the network of {file} has 0 to {channels - 1}")
    return labelling({channel: named.get(channel, "") for channel in range(channels)})


def chosen(logits: Sequence[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The channel with the greatest probability at each pixel, and that probability: logits (N, C, h, w) -> two (N, *size).

    Logits are resized bilinearly in float32, then softmax; of several scales the probabilities are averaged. Some images at a
    time: resized logits of a batch may not fit into memory.
    """
    n, channels = logits[0].shape[:2]
    group = max(1, AT_ONCE.get(logits[0].device.type, AT_ONCE["other"]) // (channels * size[0] * size[1]))
    parts = [_chosen([each[start : start + group] for each in logits], size) for start in range(0, n, group)]
    best, confidence = zip(*parts, strict=True)
    return torch.cat(best), torch.cat(confidence)


def _chosen(logits: Sequence[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    if len(logits) == 1:
        x = _resized(logits[0], size)
        best, channel = x.max(dim=1)
        return channel, (x.float() - best.float()[:, None]).exp_().sum(dim=1).reciprocal_()
    probability = torch.stack([_resized(each, size).float().softmax(dim=1) for each in logits]).mean(dim=0)
    best, channel = probability.max(dim=1)
    return channel, best


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape[2:]) == size:
        return x
    x = x.float().contiguous(memory_format=torch.channels_last)  # in which resizing and argmax over channels are faster
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
