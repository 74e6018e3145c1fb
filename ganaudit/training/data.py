"""Any collection of images as training data: batches by seed and step, at one size, kept in memory as far as a limit allows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import images
from ganaudit.datasets.label_maps import fitted
from ganaudit.datasets.protocol import Dataset
from ganaudit.errors import AuditError, ImageError, RequestError

LOG = logging.getLogger("ganaudit.training")
MEMORY = 4 * 2**30
"""Bytes of decoded images that a training keeps; beyond them, images are read again whenever they are used."""


def batch_indices(count: int, batch: int, seed: int, step: int) -> NDArray[np.int64]:
    """Members of the batch of `step`. An epoch's shuffle follows from seed and epoch: a resumed run draws the same."""
    per_epoch = count // batch
    order = np.random.default_rng([seed, step // per_epoch]).permutation(count)
    place = step % per_epoch
    return order[place * batch : (place + 1) * batch]


@dataclass(frozen=True)
class Data:
    """What is trained on: the first `count` images of a collection. names: the classes of its label maps, with ids 1, 2, 3 …"""

    images: Dataset
    count: int
    names: tuple[str, ...] = ()


class TrainingImages:
    """The images of `data` as squares of `size` pixels, cut to their centre, in batches of `batch`.

    labelled: with label maps; a pixel without label is 0. An image that cannot be used is set aside: in every batch the next
    one of the collection takes its place. Raises RequestError where there are fewer images than a batch takes, and, from
    `batch_of`, where all are set aside.
    """

    def __init__(
        self, data: Data, size: int, batch: int, seed: int, labelled: bool = False, memory: int = MEMORY
    ) -> None:  # fmt: skip
        self.dataset, self.count, self.size, self.batch = data.images, min(data.count, len(data.images)), size, batch
        self.seed, self.classes = seed, len(data.names) if labelled else 0
        self.set_aside: dict[int, str] = {}
        """Images that could not be used so far, by index, and why."""
        if batch < 1:
            raise RequestError(f"a batch of {batch} images; it needs one or more")
        if self.count < batch:
            raise RequestError(f"the training data have {self.count} images and a batch takes {batch}; give more images")
        kept = min(self.count, memory // (size * size * (5 if labelled else 3)))
        if kept < self.count:
            LOG.warning(
                "%s of %s images are kept in memory (%.1f GiB); the others are read again whenever they are used",
                f"{kept:,}", f"{self.count:,}", memory / 2**30,
            )  # fmt: skip
        self._pixels = np.empty((kept, size, size, 3), np.uint8)  # takes memory as it is filled
        self._labels = np.empty((kept if labelled else 0, size, size), np.int16)
        self._known = np.zeros(kept, bool)

    @cached_property
    def belongs(self) -> Mapping[str, Any]:
        """What the batches are a function of. Reads every file once."""
        return {"source": dict(self.dataset.recipe()), "images": self.count, "size": self.size, "decoding": images.VERSION}

    def batch_of(self, step: int) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
        """(batch, size, size, 3) pixels, and (batch, size, size) class ids, or none of them without classes."""
        members = [self._usable(int(index)) for index in batch_indices(self.count, self.batch, self.seed, step)]
        return np.stack([pixels for pixels, _ in members]), np.stack([labels for _, labels in members])

    def on(self, device: torch.device, step: int) -> Tensor:
        """The batch of `step` as images (batch, 3, size, size) in [-1, 1]."""
        return images.to_unit(self.batch_of(step)[0]).to(device).contiguous(memory_format=torch.channels_last)

    def _usable(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
        """Image `index`, or the next one that can be used."""
        for further in range(self.count):
            place = (index + further) % self.count
            if place not in self.set_aside:
                try:
                    return self._image(place)
                except ImageError as error:
                    self.set_aside[place] = str(error)
                    LOG.warning("image %d of the training data is set aside: %s", place, error)
                except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
                    reason = f"{type(error).__name__}: {error}"
                    raise AuditError(f"image {place} of the training data cannot be read ({reason})") from error
        reason = next(iter(self.set_aside.values()))
        raise RequestError(f"none of the {self.count:,} images of the training data can be used, the first because {reason}")

    def _image(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
        kept = index < len(self._known)
        if kept and self._known[index]:
            return self._pixels[index], self._labels[index] if self.classes else self._labels
        image, size = self.dataset.image(index), (self.size, self.size)
        if image.pixels.dtype != np.uint8 or image.pixels.ndim != 3 or image.pixels.shape[2] != 3 or not image.pixels.size:
            raise ImageError(f"{image.name} is {image.pixels.dtype} {image.pixels.shape}, not uint8 (H, W, 3)")
        pixels, labels = images.resize(image.pixels, size, "crop"), self._labels
        if self.classes:
            if image.labels is None:
                raise ImageError(f"{image.name} has no label map")
            if not 0 <= image.labels.min() <= image.labels.max() <= self.classes:
                raise ImageError(f"{image.name}: its label map holds other ids than 0 to {self.classes}")
            labels = fitted(image.labels, image.pixels.shape[:2], size, "crop").astype(np.int16)
        if kept:
            self._pixels[index], self._known[index] = pixels, True
            if self.classes:
                self._labels[index] = labels
        return pixels, labels
