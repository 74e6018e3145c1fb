"""Images that somebody else's inverter made, paired with photos by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ganaudit import images, kinds
from ganaudit.context import Context
from ganaudit.datasets.protocol import Dataset
from ganaudit.errors import ImageError, RequestError
from ganaudit.keys import digest
from ganaudit.spec import Reconstructed

PROBED = 64
"""Reconstructions at most that are tried for the size that all have."""


class Collection:
    """Somebody's reconstructions by the names of photos: the relative name, without the ending of an image. Raises RequestError
    for a collection without names or without an end."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        if getattr(dataset, "endless", False) or not callable(getattr(dataset, "name", None)):
            raise RequestError(f"reconstructions {name!r}: images without names cannot be paired with photos")
        self._dataset, self.name, self.length = dataset, name, len(dataset)

    @cached_property
    def key(self) -> str:
        """Of their content; every image is read once."""
        return digest(dict(self._dataset.recipe()))

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for index in range(self.length):
            places.setdefault(stem(self.name_of(index)), []).append(index)
        return places

    @cached_property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the first that can be read; None where none can."""
        for index in range(min(self.length, PROBED)):
            try:
                height, width = self._dataset.image(index).pixels.shape[:2]
            except ImageError:
                continue
            return int(height), int(width)
        return None

    def name_of(self, index: int) -> str:
        return str(self._dataset.name(index))  # type: ignore[attr-defined]

    def holds(self, photo: str) -> bool:
        """Whether a photo has a reconstruction here."""
        return stem(photo) in self._places

    def pixels(self, photo: str, proportion: tuple[int, int]) -> NDArray[np.uint8]:
        """The reconstruction of a photo that is parsed at `proportion` = (height, width). Raises ImageError saying why not."""
        places = self._places.get(stem(photo), [])
        if len(places) != 1:
            several = ", ".join(map(self.name_of, places[:3]))
            raise ImageError(f"{photo} has several reconstructions: {several}" if places else f"{photo} has no reconstruction")
        pixels = self._dataset.image(places[0]).pixels
        height, width = pixels.shape[:2]
        if self.size is None:
            raise ImageError(f"none of the first {PROBED} of {self.name!r} can be read, so that the size of all is not known")
        if (height, width) != self.size:
            raise ImageError(
                f"the reconstruction of {photo} has {height} x {width} pixels (height x width), others {self.size[0]} x "
                f"{self.size[1]}: set resize"
            )
        if abs(height * proportion[1] - width * proportion[0]) > max(height, width, *proportion):
            raise ImageError(
                f"the reconstruction of {photo} has {height} x {width} pixels (height x width), which are not the proportions "
                f"in which the photo is parsed ({proportion[0]} x {proportion[1]}): it shows another part of it"
            )
        return pixels


def stem(name: str) -> str:
    """A relative name without the ending of an image."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in images.taken() else str(path)


def open_collection(asked: Reconstructed, context: Context) -> Collection:
    """What the audit file names. Raises RequestError."""
    opened = kinds.at("real", asked.images.kind).open(asked.images, replace(context, size=None, as_stored=True))
    return Collection(opened, asked.images.name)


def check_names(collection: Collection, generator: str, photos: Iterable[str]) -> None:
    """Raises RequestError where no photo at all has a reconstruction."""
    first = None
    for photo in photos:
        if collection.holds(photo):
            return
        first = first or photo
    raise RequestError(
        f"reconstructions {collection.name!r} of {generator!r}: none has the name of a held-out photo. A photo is called "
        f"{first!r}, a reconstruction {collection.name_of(0)!r}: names have to be alike but for their endings"
    )
