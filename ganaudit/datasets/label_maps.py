"""Label maps as people have them: grey or palette PNGs of class ids, colours that stand for classes, COCO's panoptic PNGs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganaudit import images
from ganaudit.errors import ImageError, RequestError
from ganaudit.parsers.protocol import MAX_CLASS
from ganaudit.paths import plain_file

_EXPECTED = "an 8-bit or 16-bit grey PNG whose values are class ids, or a palette PNG whose indices are"
_KINDS = {"RGB": "a colour image", "RGBA": "a colour image with transparency", "LA": "grey with transparency"}
_GREY, _CODED = ("1", "L", "P", "I;16", "I"), ("1", "L", "P", "RGB", "RGBA")
GREY = "grey"


@dataclass(frozen=True)
class Meaning:
    """What the values of a label map stand for.

    void: a value that becomes 0; offset is added to all others. colours: class ids by colour, red << 16 | green << 8 | blue; or
    `grey`, where three equal channels are one. segments: of COCO's panoptic PNGs, categories by id, for each file's stem.
    """

    void: int | None = None
    offset: int = 0
    colours: Mapping[int, int] | Literal["grey"] | None = None
    segments: Mapping[str, Mapping[int, int]] | None = field(default=None, repr=False)

    def of(self, name: str) -> Meaning:
        """That of one label map alone."""
        if self.segments is None:
            return self
        stem = PurePosixPath(name).stem
        return Meaning(self.void, self.offset, None, {stem: self.segments[stem]} if stem in self.segments else {})

    def class_ids(self, values: NDArray[np.int32]) -> NDArray[np.int32]:
        """(h, w) values => (h, w) class ids."""
        if self.void is None and not self.offset:
            return values
        return np.where(values == (-1 if self.void is None else self.void), 0, values + self.offset).astype(np.int32)

    def decode(self, file: str | os.PathLike[str] | bytes, *, name: str) -> NDArray[np.int32]:
        """A label map: path or bytes => (h, w) int32 class ids. ImageError where it is damaged or of another kind."""
        if self.segments is not None:
            stem = PurePosixPath(name).stem
            if stem not in self.segments:
                raise ImageError(f"{name} is not among the annotations of the panoptic file")
            red, green, blue = np.moveaxis(_colours(file, name), -1, 0)
            known = {0: -1} | dict(self.segments[stem])  # COCO's 0 is no segment
            coded = _looked_up(name, red | green << 8 | blue << 16, known, "segment {}, which the panoptic file does not have")
            return np.where(coded == -1, 0, self.class_ids(coded)).astype(np.int32)
        if self.colours is None:
            return self.class_ids(decode_labels(file, name=name))
        red, green, blue = np.moveaxis(_colours(file, name), -1, 0)
        if isinstance(self.colours, str):
            if not (np.array_equal(red, green) and np.array_equal(red, blue)):
                raise ImageError(f"{name} is a colour image, not grey in three channels: name its colours in `colours`")
            return self.class_ids(red)
        coded = _looked_up(
            name, red << 16 | green << 8 | blue, self.colours, "colour #{:06x}, of which `colours` says nothing"
        )  # fmt: skip
        return self.class_ids(coded)


def decode_labels(file: str | os.PathLike[str] | bytes, *, name: str | None = None) -> NDArray[np.int32]:
    """The class ids in a label map: path or bytes => (h, w) int32. ImageError where it is damaged or of another kind."""
    name = ("the label map" if isinstance(file, bytes) else Path(file).name) if name is None else name
    with images.opened(file, name) as image:
        kind = image.format if image.format != "PNG" else image.mode
        if kind not in _GREY:
            advice = "" if kind not in ("RGB", "RGBA") else "; `colours` says which colour is which class, or `colours: grey`"
            raise ImageError(f"{name} is {_KINDS.get(str(kind), f'a {kind} file')}: a label map has to be {_EXPECTED}{advice}")
        labels = np.array(image).astype(np.int32)
    bits = _start(file)[24]
    if kind == "L" and bits < 8:
        labels //= 255 // ((1 << bits) - 1)  # Pillow spreads grey of 2 and 4 bits over 0..255; class ids are as stored
    return labels


def _start(file: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(file, bytes):
        return file[:25]
    with open(file, "rb") as stream:
        return stream.read(25)


def _colours(file: str | os.PathLike[str] | bytes, name: str) -> NDArray[np.int32]:
    """(h, w, 3)"""
    with images.opened(file, name) as image:
        if image.format != "PNG" or image.mode not in _CODED:
            raise ImageError(f"{name} is {image.format} of mode {image.mode}: a colour-coded label map is a PNG of 8 bits")
        return np.asarray(image.convert("RGB")).astype(np.int32)


def _looked_up(name: str, codes: NDArray[np.int32], known: Mapping[int, int], unknown: str) -> NDArray[np.int32]:
    found, places = np.unique(codes, return_inverse=True)
    strange = [code for code in found.tolist() if code not in known]
    if strange:
        raise ImageError(f"{name}: its label map holds the {unknown.format(strange[0])}")
    ids = np.array([known[code] for code in found.tolist()], dtype=np.int32)
    return ids[places].reshape(codes.shape)


def read_panoptic(path: Path) -> tuple[dict[str, dict[int, int]], str]:
    """COCO's panoptic json => (categories by segment, by stem of the PNG's name; SHA-256). Raises RequestError."""
    try:
        data = plain_file(path, "panoptic").read_bytes()
        segments = {
            PurePosixPath(each["file_name"]).stem: {int(one["id"]): int(one["category_id"]) for one in each["segments_info"]}
            for each in json.loads(data)["annotations"]
        }
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        if isinstance(error, OSError):
            raise RequestError(f"panoptic {path} cannot be read: {error.strerror or error}") from None
        layout = '{"annotations": [{"file_name": …, "segments_info": [{"id": …, "category_id": …}]}]}'
        raise RequestError(f"panoptic {path} is not COCO's {layout}") from None
    beyond = next((each for file in segments.values() for each in file.values() if not 0 <= each <= MAX_CLASS), None)
    if beyond is not None:
        raise RequestError(f"panoptic {path} has the category {beyond:,}, and categories are class ids, 0 to {MAX_CLASS:,}")
    return segments, hashlib.sha256(data).hexdigest()


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
