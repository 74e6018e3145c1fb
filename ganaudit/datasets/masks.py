"""Photos with label maps that were made elsewhere: kind `masks`.

Beside each image `a/b.jpg` lies its label map `a/b.labels.png`, or in a tree of its own `<labels>/a/b.png`. A label
map is a grey PNG of 8 or 16 bits whose values are class ids, or a palette PNG whose palette indices are.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets.contents import LABELS, suffix_of
from ganaudit.datasets.folder import digest_cache, digests, read
from ganaudit.datasets.grouped import Grouped, GroupedSource, Way, located
from ganaudit.datasets.listing import ListedFile, list_file, list_images, names_version
from ganaudit.datasets.protocol import Image
from ganaudit.datasets.stored import checked_fit, fingerprint, place, shuffled, size_in_pixels
from ganaudit.errors import ImageError, RequestError
from ganaudit.fields import PathText, Place, Seed, Side, Whole
from ganaudit.kinds import Kind

_EXPECTED = "an 8-bit or 16-bit grey PNG whose values are class ids, or a palette PNG whose indices are"
_KINDS = {"RGB": "a colour image", "RGBA": "a colour image with transparency", "LA": "grey with transparency"}


class MasksSource(GroupedSource):
    """Images whose label maps were made elsewhere: a label PNG beside each image."""

    path: Place
    """The folder of the images."""
    labels: Place | None = None
    """Folder of label maps with the images' relative names; default: beside the images."""
    suffix: PathText = ".labels.png"
    """What a label map's name ends in, where it lies beside its image."""
    void: Annotated[Whole, Field(ge=0, le=65_535)] | None = None
    """A label value that means `no label`, such as 255; it becomes class 0."""
    offset: Annotated[Whole, Field(ge=0, le=32_767)] = 0
    """Added to all other values: 1 where the label maps count classes from 0, which is void here."""
    size: tuple[Side, Side] | None = None
    """[height, width] to which label maps are resampled (nearest); default: they must all have one size."""
    seed: Seed = 0
    """Of the order."""


class MasksDataset:
    """The images below a folder, as in FolderDataset, each with its label map.

    `suffix` replaces the image's own suffix and names the label map beside it; with a folder `labels` the maps lie
    there under the image's name with `.png`; either may be written in capitals. Label maps are no images of the
    collection; `contents` counts those that no image has. A label `void` becomes 0, and `offset` is added to all others:
    1 makes ids that count from 0 count from 1.
    Label maps have one size: `size` (height, width), to which all are resampled by nearest neighbour, or else the size
    of the first readable one in the sorted listing. They always cover the whole photo: `resize` and `how` are about
    the pixels only.

    Raises RequestError where FolderDataset does, and where no image has a label map.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        labels: Path | None = None,
        suffix: str = ".labels.png",
        void: int | None = None,
        offset: int = 0,
        size: int | Sequence[int] | None = None,
        seed: int = 0,
        how: images.Fit = "crop",
        resize: int | Sequence[int] | None = None,
        cache: Path | None = None,
        label: Way = "folder",
        cluster: Way | None = None,
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self.seed = seed
        self.void = void
        self.offset = offset
        self.size = size_in_pixels("size", size)
        self.resize = size_in_pixels("resize", resize)
        self.how = checked_fit(how)
        self._cache = cache
        self._tree = None if labels is None else Path(os.path.abspath(labels))
        self._suffix = suffix if self._tree is None else ".png"
        if not self._suffix.lower().endswith(".png"):
            raise RequestError(f"suffix is {suffix!r}: label maps are PNG files, so it has to end in .png")
        if any(part in self._suffix for part in ("/", "\\", "..", "\0")):
            raise RequestError(f"suffix is {suffix!r}: it is the end of a file's name; a folder of label maps goes into labels")
        if self._tree is not None and not os.path.isdir(self._tree):
            raise RequestError(f"there is no folder {self._tree}: labels has to be the folder of the label maps")
        beside: list[str] = []

        def skip(name: str) -> bool:
            if is_label := self._is_label(name):
                beside.append(name)
            return is_label

        self._files, listed = list_images(self.path, skip)
        self._grouped = Grouped(self._files, label, cluster)
        self.notes = self._grouped.notes
        self._alike: dict[Path, dict[str, list[str]]] = {}
        self._labels = [self._label(file) for file in self._files]
        if not any(self._labels):
            first = (self._tree or self.path) / self._label_name(self._files[0])
            raise RequestError(f"none of the {len(self)} images in {self.path} has a label map: expected {first}")
        used = {label.path for label in self._labels if label is not None}
        unused = Counter(suffix_of(name) for name in beside if os.path.join(self.path, name) not in used)
        left_out = {**listed.left_out, **{(LABELS, suffix): count for suffix, count in unused.items()}}
        self.contents = replace(listed, left_out=left_out)
        self._order = shuffled(len(self._files), seed)
        self._recipe: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """Name of image `index`, readable or not."""
        return self._files[place(self._order, index)].shown

    def image(self, index: int) -> Image:
        """Image `index` with its labels, (h, w) int32; ImageError where either file cannot be used."""
        position = place(self._order, index)
        file, label = self._files[position], self._labels[position]
        if label is None:
            where = "beside it" if self._tree is None else "in the folder of label maps"
            raise ImageError(f"{file.shown} has no label map: expected {self._label_name(file)} {where}")
        labels = read(label, decode_labels)
        height, width = self.label_size
        if labels.shape != (height, width):
            if self.size is None:
                raise ImageError(
                    f"{label.shown} is {labels.shape[0]} x {labels.shape[1]} (height x width), the collection's label "
                    f"maps are {height} x {width}: `size: [{height}, {width}]` resamples them by nearest neighbour"
                )
            labels = resample(labels, self.size)
        pixels = read(file, partial(images.decode, size=self.resize, how=self.how))
        if self.void is not None or self.offset:
            labels = np.where(labels == (-1 if self.void is None else self.void), 0, labels + self.offset)
        return Image(pixels, file.shown, labels, **self._grouped.of(position))

    def recipe(self) -> Mapping[str, Any]:
        """Content of the collection, label maps included; where those lie does not matter."""
        if self._recipe is None:
            pairs = [(file, label) for file, label in zip(self._files, self._labels, strict=True) if label is not None]
            labels = [label for _, label in pairs]
            named = [replace(label, name=file.name) for file, label in pairs]
            self._recipe = {
                "kind": "masks",
                "files": fingerprint(self._files, digests(self.path, self._files, self._cache)),
                "labels": fingerprint(named, digests(self._tree or self.path, labels, self._cache)),
                "images": len(self),
                "seed": self.seed,
                "void": self.void,
                **({"offset": self.offset} if self.offset else {}),  # keys without one are those of before there were any
                "size": None if self.size is None else list(self.size),
                "resize": None if self.resize is None else list(self.resize),
                "how": None if self.resize is None else self.how,
                "decoding": images.VERSION,
                **names_version(self._files),
                **self._grouped.recipe,
            }
        return dict(self._recipe)

    @cached_property
    def label_size(self) -> tuple[int, int]:
        """(height, width) of every label map; ImageError where none can be read."""
        if self.size is not None:
            return self.size
        reason = ""  # not the error itself, which would keep the image that it is about in memory
        for label in self._labels:
            if label is None:
                continue
            try:
                height, width = read(label, decode_labels).shape
            except ImageError as error:
                reason = reason or str(error)
            else:
                return height, width
        raise ImageError(f"no label map in {self.path} can be read, the first because {reason}")

    def _is_label(self, name: str) -> bool:
        if self._tree is None or self._tree == self.path:
            return name.lower().endswith(self._suffix.lower())
        return (self.path / name).is_relative_to(self._tree)

    def _label_name(self, file: ListedFile) -> str:
        return str(PurePosixPath(file.name).with_suffix("")) + self._suffix

    def _label(self, file: ListedFile) -> ListedFile | None:
        """The label map of an image: of this very name, or else the one whose name differs in capitals alone."""
        name = self._label_name(file)
        path = (self._tree or self.path) / name
        listed_file = list_file(name, path)
        if listed_file is None:
            alike = self._in_lower_case(path.parent).get(path.name.lower(), [])
            listed_file = (
                list_file(str(PurePosixPath(name).with_name(alike[0])), path.with_name(alike[0])) if len(alike) == 1 else None
            )
        return listed_file

    def _in_lower_case(self, folder: Path) -> dict[str, list[str]]:
        """The names in a folder by what they are in lower case."""
        if folder not in self._alike:
            self._alike[folder] = {}
            with contextlib.suppress(OSError):
                for name in os.listdir(folder):
                    self._alike[folder].setdefault(name.lower(), []).append(name)
        return self._alike[folder]


def decode_labels(path: str | os.PathLike[str], *, name: str | None = None) -> NDArray[np.int32]:
    """The class ids in a label map: path => (h, w) int32. ImageError where it is damaged or of another kind."""
    name = Path(path).name if name is None else name
    with images.opened(path, name) as image:
        kind = image.format if image.format != "PNG" else image.mode
        if kind not in ("1", "L", "P", "I;16", "I"):
            raise ImageError(f"{name} is {_KINDS.get(str(kind), f'a {kind} file')}: a label map has to be {_EXPECTED}")
        labels = np.array(image).astype(np.int32)
        with open(path, "rb") as stream:
            bits = stream.read(25)[24]
    if kind == "L" and bits < 8:
        labels //= 255 // ((1 << bits) - 1)  # Pillow spreads grey of 2 and 4 bits over 0..255; class ids are as stored
    return labels


def fitted(labels: NDArray[np.integer[Any]], photo: Sequence[int], size: tuple[int, int], how: images.Fit) -> NDArray[np.int32]:
    """A label map that covers a photo of `photo` = (height, width) pixels, as `images.resize` shows the photo in `size`."""
    (h, w), (height, width) = (photo[0], photo[1]), size
    if how == "stretch" or (h, w) == (height, width):
        return resample(labels.astype(np.int32, copy=False), size)
    scale = max(height / h, width / w)
    resized = labels
    for axis, (shown, whole) in enumerate(((height, scale * h), (width, scale * w))):
        share, have = min(1.0, shown / whole), labels.shape[axis]
        at = ((np.arange(shown) + 0.5) / shown * share + (1.0 - share) / 2.0) * have
        resized = np.take(resized, np.minimum(at.astype(np.int64), have - 1), axis=axis)
    return resized.astype(np.int32)


def resample(labels: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Nearest neighbour between pixel centres: (h, w) => (H, W) = size."""
    rows, columns = ((2 * np.arange(to) + 1) * have // (2 * to) for to, have in zip(size, labels.shape, strict=True))
    sampled: NDArray[np.int32] = labels[rows[:, None], columns]
    return sampled


def open_masks(options: MasksSource, context: Context) -> MasksDataset:
    """Its images and label maps."""
    return MasksDataset(
        context.path(options.path), None if options.labels is None else context.path(options.labels), suffix=options.suffix,
        void=options.void, offset=options.offset, size=options.size, seed=options.seed, cache=digest_cache(context),
        label=located(options.label, context), cluster=located(options.cluster, context),
    )  # fmt: skip


KIND = Kind(
    "masks", MasksSource, open_masks, "images and label maps made elsewhere: a label PNG beside each image",
    offers=frozenset({"labels", "maps"}),
)  # fmt: skip
