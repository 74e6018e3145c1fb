"""Pictures as text that fits into a page: photos, label maps and outlines, all within a given number of bytes."""

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ganaudit.report.data import Picture
from ganaudit.report.palette import class_colours

SMALL = 128
"""Pictures with no side longer than this are shown enlarged with hard pixels."""


@dataclass(frozen=True)
class Encoding:
    """How pictures are stored: their longest side, and the WebP quality (None: lossless)."""

    side: int
    quality: int | None


LADDER = (
    Encoding(SMALL, None),
    Encoding(SMALL, 92),
    Encoding(256, 80),
    Encoding(192, 75),
    Encoding(160, 75),
    Encoding(128, 75),
    Encoding(96, 65),
    Encoding(64, 60),
    Encoding(48, 40),
    Encoding(32, 30),
)
"""From the best to the smallest. The first two are for small pictures, which are never scaled up to fill a rung."""


@dataclass(frozen=True)
class Encoded:
    """A picture and its label map as data URLs, with the size of each in pixels; no label map where it is not needed."""

    photo: str
    labels: str
    width: int
    height: int

    @property
    def small(self) -> bool:
        return max(self.width, self.height) <= SMALL


def encode(pictures: Sequence[Picture], budget: int, bare: Sequence[Picture] = ()) -> Mapping[int, Encoded]:
    """Each picture by `id()`, at the best rung of the ladder at which all of them fit into `budget` bytes, each as often as it
    is given: a page holds it wherever it stands.

    bare: more pictures, of which the label map is not needed. Where not even the smallest rung fits it is taken all the same: a
    page that is larger than it should be still shows what it is about.
    """
    mapped = {id(picture) for picture in pictures}
    uses = Counter(id(picture) for picture in (*pictures, *bare))
    unique = list({id(picture): picture for picture in (*pictures, *bare)}.values())
    if not unique:
        return {}
    largest = max(max(picture.image.shape[:2]) for picture in unique)
    probe = unique[:: max(1, len(unique) // 16)]
    for encoding in LADDER[0 if largest <= SMALL else 2 : -1]:
        tried = [_encoded(picture, encoding, id(picture) in mapped) for picture in probe]
        if sum(map(_bytes, tried)) * uses.total() > budget * len(probe):
            continue
        encoded = {id(picture): _encoded(picture, encoding, id(picture) in mapped) for picture in unique}
        if sum(count * _bytes(encoded[place]) for place, count in uses.items()) <= budget:
            return encoded
    return {id(picture): _encoded(picture, LADDER[-1], id(picture) in mapped) for picture in unique}


def thumbnail(picture: Picture, side: int = 64) -> str:
    """A small photo as a data URL."""
    return _webp(_resized(picture.image, side, Image.Resampling.BOX), 70)


def coloured(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """A label map (H, W) in the colours of its classes, uint8 (H, W, 3)."""
    known = np.maximum(labels, 0)
    image: npt.NDArray[np.uint8] = class_colours(int(known.max()) + 1)[known]
    return image


def outline(labels: npt.NDArray[np.integer], class_id: int, side: int = SMALL) -> tuple[str, int, int]:
    """The border of a class as an SVG path in units of pixels, with the width and height of its drawing.

    The path runs along pixel edges: every horizontal and every vertical run of edges between the class and the rest is
    one stroke. Large label maps are thinned to `side` first; what holds a pixel of the class stays in it, however small.
    """
    step = max(1, -(-max(labels.shape) // side))
    mask = labels == class_id
    for axis in (0, 1):
        mask = np.logical_or.reduceat(mask, np.arange(0, mask.shape[axis], step), axis=axis)
    mask = np.pad(mask, 1)
    height, width = mask.shape[0] - 2, mask.shape[1] - 2
    across = [f"M{x} {y}h{n}" for y, x, n in _runs(mask[1:, 1:-1] != mask[:-1, 1:-1])]
    down = [f"M{x} {y}v{n}" for x, y, n in _runs((mask[1:-1, 1:] != mask[1:-1, :-1]).T)]
    return "".join(across + down), width, height


def _runs(edges: npt.NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """(row, start, length) of every run of True along the rows."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return [(int(row), int(start), int(end - start)) for row, start, end in zip(rows, starts, ends, strict=True)]


def _encoded(picture: Picture, encoding: Encoding, mapped: bool) -> Encoded:
    photo = _resized(picture.image, encoding.side, Image.Resampling.BOX)
    labels = _webp(Image.fromarray(coloured(_thinned(picture.labels, encoding.side))), None) if mapped else ""
    return Encoded(_webp(photo, encoding.quality), labels, photo.width, photo.height)


def _thinned(labels: npt.NDArray[np.integer], side: int) -> npt.NDArray[np.integer]:
    """A label map no longer than `side`, of evenly spaced pixels: labels cannot be averaged."""
    scale = min(1.0, side / max(labels.shape))
    rows, columns = (
        ((np.arange(max(1, round(size * scale))) + 0.5) * size / max(1, round(size * scale))).astype(int)
        for size in labels.shape
    )
    return labels[np.ix_(rows, columns)]


def _resized(image: npt.NDArray[np.uint8], side: int, how: Image.Resampling) -> Image.Image:
    """No longer than `side`; never enlarged."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    scale = side / max(picture.size)
    if scale >= 1:
        return picture
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), how)


def _webp(image: Image.Image, quality: int | None) -> str:
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=quality is None, quality=75 if quality is None else quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _bytes(encoded: Encoded) -> int:
    return len(encoded.photo) + len(encoded.labels)
