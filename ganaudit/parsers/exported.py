"""A network that was exported as one function, as a parser: what it gives told apart by its type and shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.parsers.class_names import KNOWN
from ganaudit.parsers.labelling import Labelling, labelling, of_channels
from ganaudit.parsers.options import ExportedParser
from ganaudit.parsers.preprocessing import Preprocessing
from ganaudit.parsers.protocol import Labels

Names = str | Sequence[str] | Mapping[int, str]


class ExportedSegmenter:
    """Images (N, 3, H, W) in [-1, 1] -> label maps at their size, of channels; of label values at the size of the map that the
    network gives, with confidence 1: it says none.

    network: the network's input (N, 3, h, w) -> logits or probabilities (N, C, h, w), or label values (N, h, w) or (N, 1, h, w)
    of an integer type. names: by channel or label value. Raises RequestError for what gives none of these.
    """

    def __init__(
        self, network: Callable[[Tensor], Tensor], names: Names | None, options: ExportedParser, size: tuple[int, int],
        file: Path, device: str,
    ) -> None:  # fmt: skip
        self.network, self.probabilities = network, options.gives == "probabilities"
        training = {name: getattr(options, name) for name in ("mean", "std", "white", "order")}
        self.preprocessing = Preprocessing.of(options, size, **training)
        self.resolution, self.device = size, device
        grey = torch.zeros(1, 3, *size, device=device)
        with torch.inference_mode():
            first = self._made(self.preprocessing.first(grey))
        self.values = not first.is_floating_point()
        if self.values and (len(self.preprocessing.sizes) > 1 or self.preprocessing.tiling is not None):
            raise RequestError(
                f"{file} gives label values, and those of several scales or tiles cannot be averaged; leave scales and tile "
                "out, or export it as far as its logits"
            )
        if names is None:
            raise RequestError(
                f"{file} does not name its classes (no `classes` in its metadata); name them in parser.classes: a list in the "
                "order of its channels or label values, {channel: name}, ade20k or voc"
            )
        self.labelling = replace(_labelling(names, None if self.values else int(first.shape[1]), file), ignore=options.ignore)
        self.classes = self.labelling.classes

    @torch.inference_mode()
    def parse(self, images: Tensor) -> Labels:
        """Label maps and confidences."""
        height, width = images.shape[2:]
        parts = devices.parts(len(images), height, width, self.device, devices.PARSED)
        made = [self._parsed(images[part].to(self.device)) for part in parts]
        return Labels(torch.cat([each.maps for each in made]), torch.cat([each.confidence for each in made]))

    def _parsed(self, images: Tensor) -> Labels:
        scales = [seen[""] for seen in self.preprocessing.logits(images, lambda x: {"": self._given(x)})]
        if self.values:
            return self.labelling.of_values(scales[0], torch.ones(scales[0].shape, device=self.device))
        return self.labelling.of_logits(scales, (int(images.shape[2]), int(images.shape[3])))

    def _made(self, x: Tensor) -> Tensor:
        """What the network gives: (N, C, h, w), or label values (N, h, w). Raises RequestError for anything else."""
        made = self.network(x)
        whole = not made.is_floating_point() and not made.is_complex() and made.dtype != torch.bool
        if whole and made.ndim == 4 and made.shape[1] == 1:
            made = made[:, 0]
        if made.shape[:1] != x.shape[:1] or made.ndim != (3 if whole else 4) or made.is_complex() or 0 in made.shape:
            shape = "×".join(map(str, made.shape)) or "one number"
            raise RequestError(
                f"of {len(x)} image it gives {shape} of {str(made.dtype).removeprefix('torch.')}; a parser gives logits "
                "(N, classes, height, width), or whole numbers (N, height, width)"
            )
        return made

    def _given(self, x: Tensor) -> Tensor:
        """Logits (N, C, h, w) of two channels or more, or label values (N, h, w)."""
        made = self._made(x)
        if not made.is_floating_point():
            return made
        made = made.float()
        if self.probabilities:
            tiny = torch.finfo(torch.float32).tiny
            made = made.clamp(min=tiny).log() if made.shape[1] > 1 else torch.logit(made, eps=1e-7)
        return F.pad(made, (0, 0, 0, 0, 1, 0)) if made.shape[1] == 1 else made


def _labelling(names: Names, channels: int | None, file: Path) -> Labelling:
    """That of so many channels of the network, None where label values are given. One channel is a class against none, which
    is put before it; one name for two channels is the second's."""
    if channels is None:
        return labelling(KNOWN[names] if isinstance(names, str) else names)
    listed = not isinstance(names, str | Mapping)
    if isinstance(names, Mapping) and channels == 1 and set(names) == {0}:
        names = {1: names[0]}
    elif listed and channels <= 2 and len(names) == 1:
        names = ["background", *names]
    return of_channels(names, max(channels, 2), file)


def said_names(text: str | None) -> Names | None:
    """Names of classes as a file's metadata say them: a JSON list, or an object by channel; None where it says none."""
    try:
        said: Any = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    if isinstance(said, list) and said and all(isinstance(name, str) for name in said):
        return said
    if isinstance(said, Mapping) and said and all(key.isdecimal() and isinstance(said[key], str) for key in said):
        return {int(key): name for key, name in said.items()}
    return None
