"""Stored images of whatever kind: a shelf says what lies where, a collection gives it an order, a size and labels.

The same images under the same names have one key, whether they lie in a folder or in an archive.
"""

from __future__ import annotations

import hashlib
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets.contents import Contents
from ganaudit.datasets.grouped import Grouped, GroupedSource, Listed, Said, Way
from ganaudit.datasets.listing import Named
from ganaudit.datasets.protocol import Image
from ganaudit.errors import ImageError, RequestError
from ganaudit.fields import MAX_SIDE, Seed, Size, Whole

T = TypeVar("T")


PRESETS: Mapping[str, Mapping[str, Any]] = {"bau-2019": {"seed": 1, "resize": 256, "how": "crop", "count": 10_000}}
"""How a reference samples a collection. Bau et al. (ICCV 2019) shuffle the sorted listing by Python's `random`, seed 1."""


class StoredSource(GroupedSource):
    """Images that somebody stored: their order and their size."""

    preset: Literal["bau-2019"] | None = None
    """bau-2019: as the reference implementation samples photos: seed 1, resize 256, how crop, count 10,000."""
    list: Listed | None = None
    """A file with one relative name a line: those images and no others; their order says nothing. Or {csv: file, column: …,
    value: …}: those of the lines of a table whose column holds the value."""
    seed: Seed = 0
    """Of the order."""
    order: Literal["shuffled", "sorted"] = "shuffled"
    """sorted: by name, bytewise, whatever the seed is."""
    part: tuple[Whole, Whole] | None = None
    """[first, end]: the images of that order from place `first`, counted from 0, to before `end`; parts that do not meet share
    no image."""
    resize: Size | None = None
    """Side, or [height, width], in pixels; default: what the parser wants."""
    how: Literal["crop", "stretch"] = "crop"
    """crop: short side to size, centre cut out. stretch: both sides to size."""

    @model_validator(mode="before")
    @classmethod
    def _of_the_preset(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get("preset") not in PRESETS:
            return given
        for key, value in PRESETS[given["preset"]].items():
            if given.get(key, value) != value:
                raise ValueError(f"preset {given['preset']} sets {key} to {value} and {given[key]} is asked for; leave out one")
        return {**PRESETS[given["preset"]], **given}


class Shelf(ABC):
    """Stored images by their place in the sorted listing. Nothing of them is read before it is asked for.

    files: sorted bytewise by name. contents: what else there was. notes: what a person should know, in sentences. own: what it
    says itself of labels and clusters.
    """

    files: Sequence[Named]
    contents = Contents()
    notes: Sequence[str] = ()
    own: Mapping[str, Said] = {}
    decodes = True
    """Whether images have to be decoded: arrays are read as they lie."""

    def pixels(self, position: int, size: tuple[int, int] | None, how: images.Fit) -> NDArray[np.uint8]:
        """The image at a place of the listing, (H, W, 3) uint8; ImageError where it cannot be used."""
        return self.reading(position, partial(images.decode, size=size, how=how))()

    @abstractmethod
    def reading(self, position: int, decode: Callable[..., T]) -> Callable[[], T]:
        """What another process can do with a file at a place of the listing: decode(path or bytes, name=…), ImageError where it
        cannot be used. It holds nothing of the shelf but what it needs."""

    def digests(self, positions: Sequence[int]) -> Sequence[str | None]:
        """SHA-256 of the bytes at these places; None where they cannot be read."""
        raise NotImplementedError

    @abstractmethod
    def content(self) -> Mapping[str, Any]:
        """What it adds to a recipe: `kind` of what is digested, `files`, a digest of names and images, and versions."""


class StoredDataset:
    """The images of a shelf, in the order of their sorted names shuffled by `random.Random(seed)`.

    shelf: opens it, once the rest was found to be right. label, cluster: of each image, as in `grouped`. `resize` is a side or
    (height, width) in pixels, `how` as in images.resize.
    """

    def __init__(
        self,
        shelf: Callable[[], Shelf],
        seed: int = 0,
        resize: int | Sequence[int] | None = None,
        how: images.Fit = "crop",
        label: Way = "folder",
        cluster: Way | None = None,
        order: Literal["shuffled", "sorted"] = "shuffled",
        part: tuple[int, int] | None = None,
    ) -> None:
        self.seed, self.order, self.part = seed, order, part
        self.resize = size_in_pixels("resize", resize)
        self.how = checked_fit(how)
        self._shelf = shelf()
        count = len(self._shelf.files)
        if part is not None and not 0 <= part[0] < part[1] <= count:
            raise RequestError(
                f"part is {list(part)}: of {count:,} images it has to be [first, end] with 0 ≤ first < end ≤ {count}"
            )
        self._grouped = Grouped(self._shelf.files, label, cluster, self._shelf.own)
        self.contents = self._shelf.contents
        self.notes = [*self._shelf.notes, *self._grouped.notes]

    def __len__(self) -> int:
        return len(self._shelf.files) if self.part is None else self.part[1] - self.part[0]

    def name(self, index: int) -> str:
        """Name of image `index`, readable or not."""
        return self._shelf.files[place(self._order, index)].shown

    @cached_property
    def resolution(self) -> int | None:
        """Short side of the first image of the listing, in pixels, as it lies there; None where that cannot be read."""
        try:
            height, width = self._shelf.pixels(0, None, "crop").shape[:2]
        except ImageError:
            return None
        return min(int(height), int(width))

    def image(self, index: int) -> Image:
        """Image `index`; ImageError where it cannot be decoded, or changed after it was listed."""
        position = place(self._order, index)
        pixels = self._shelf.pixels(position, self.resize, self.how)
        return Image(pixels, self._shelf.files[position].shown, **self._grouped.of(position))

    def reading(self, indices: Sequence[int]) -> Sequence[Callable[[], Image]] | None:
        """The same of several as something that another process can do; None where nothing is decoded."""
        if not self._shelf.decodes:
            return None
        positions = [place(self._order, index) for index in indices]
        decode = partial(images.decode, size=self.resize, how=self.how)
        return [
            partial(_image, self._shelf.reading(each, decode), name=self._shelf.files[each].shown, **self._grouped.of(each))
            for each in positions
        ]

    def recipe(self) -> Mapping[str, Any]:
        """Content of the collection; every image is read once, and again only where it changed."""
        return dict(self._recipe)

    @cached_property
    def _recipe(self) -> dict[str, Any]:
        return {
            **self._shelf.content(),
            "images": len(self),
            "seed": self.seed,
            "resize": None if self.resize is None else list(self.resize),
            "how": None if self.resize is None else self.how,
            "decoding": images.VERSION,
            **({} if self.order == "shuffled" else {"order": self.order}),
            **({} if self.part is None else {"part": list(self.part)}),
            **self._grouped.recipe,
        }

    @cached_property
    def _order(self) -> Sequence[int]:
        count = len(self._shelf.files)
        order = shuffled(count, self.seed) if self.order == "shuffled" else range(count)
        return order if self.part is None else order[slice(*self.part)]


def _image(read: Callable[[], NDArray[np.uint8]], **said: Any) -> Image:
    return Image(read(), **said)


def size_asked(options: StoredSource, context: Context) -> Size | None:
    """The size that images get. Raises RequestError where neither the audit file nor the parser says it."""
    size = options.resize or context.size
    if size is None and not context.as_stored:
        raise RequestError(
            f"source {options.name!r}: the parser does not say which resolution it wants; set resize: [height, width]"
        )
    return size


def shuffled(n: int, seed: int) -> Sequence[int]:
    """The order of n sorted names: range(n) shuffled by `random.Random(seed)`, as Bau et al. sample a folder."""
    order = list(range(n))
    random.Random(seed).shuffle(order)
    return order


def place(order: Sequence[int], index: int) -> int:
    """Where image `index` stands in the sorted listing; negative indices are no images."""
    if not 0 <= index < len(order):
        raise IndexError(f"image {index} of a collection of {len(order)}")
    return order[index]


def size_in_pixels(key: str, size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """A side, or height and width => (height, width); RequestError names the key."""
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or not all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in sides):
        raise RequestError(f"{key} is {size!r}: give a side in pixels, or [height, width], both from 1 to {MAX_SIDE:,}")
    return int(sides[0]), int(sides[1])


def checked_fit(how: str) -> images.Fit:
    """`how` where it is a way to resize; RequestError otherwise."""
    for fit in images.FITS:
        if how == fit:
            return fit
    raise RequestError(f"how is {how!r}: it has to be one of {', '.join(images.FITS)}")


def fingerprint(files: Iterable[Named], contents: Iterable[str | None]) -> str:
    """sha256 over (name, size, sha256 of the bytes) of files sorted by name. A file without digest is unreadable."""
    whole = hashlib.sha256()
    for file, content in zip(files, contents, strict=True):
        whole.update(os.fsencode(file.name) + f"\0{file.size}\0{content or 'unreadable'}\n".encode())
    return whole.hexdigest()
