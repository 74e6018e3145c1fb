"""What a set of images holds of each class: the counts from which every verdict on classes follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ganaudit.regions import LEAST_PIXELS
from ganaudit.statistics.areas import Areas
from ganaudit.statistics.moments import Rows
from ganaudit.statistics.proportions import Floats

OWN = 0.05
"""Share of the real images that hold a class whose largest region is smaller than the class's own size."""
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Held:
    """What N images hold of C classes, one entry for each class that an image holds a pixel of, sorted by image.

    image, column: (E,) of each entry; pixels: (E,) of the class; largest: (E,) pixels of its largest connected region; parts:
    (E,) regions, None where they were not counted: `largest` is then all pixels of the class.
    """

    shape: tuple[int, int]
    image: NDArray[np.integer]
    column: NDArray[np.integer]
    pixels: NDArray[np.integer]
    largest: NDArray[np.integer]
    parts: NDArray[np.integer] | None = None

    @property
    def pieces(self) -> Iterator[Held]:
        """This one alone; see `Pieces`."""
        yield self

    @classmethod
    def of_pixels(cls, counts: Rows) -> Held:
        """From (N, C) pixel counts, dense or sparse, of label maps whose regions were not counted."""
        sparse = csr_array(counts)
        image = np.repeat(np.arange(sparse.shape[0]), np.diff(sparse.indptr))
        return cls(sparse.shape, image, sparse.indices, sparse.data, sparse.data)

    def rows(self, values: NDArray[Any]) -> csr_array:
        """(N, C) one value for each entry, sparse."""
        bounds = np.concatenate([[0], np.cumsum(np.bincount(self.image, minlength=self.shape[0]))])
        return csr_array((values, self.column.astype(np.int32), bounds), shape=self.shape)

    def of_images(self, chosen: NDArray[np.bool_]) -> Held:
        """What those images hold; chosen: (N,)."""
        place = np.cumsum(chosen) - 1
        kept = self.of_entries(chosen[self.image], (int(chosen.sum()), self.shape[1]))
        return replace(kept, image=place[kept.image])

    def of_columns(self, columns: Sequence[int]) -> Held:
        """What the images hold of some of the classes, in that order."""
        place = np.full(self.shape[1], -1)
        place[list(columns)] = np.arange(len(columns))
        kept = self.of_entries(place[self.column] >= 0, (self.shape[0], len(columns)))
        return replace(kept, column=place[kept.column])

    def pooled(self, members: Sequence[Sequence[int]]) -> Held:
        """What the images hold of some groups of classes: pixels and parts added up, the largest region of any of them."""
        groups = len(members)
        parts = [self.of_columns(columns) for columns in members]
        code = np.concatenate([part.image.astype(np.int64) * groups + group for group, part in enumerate(parts)])
        order = np.argsort(code, kind="stable")
        code = code[order]
        first = np.flatnonzero(np.diff(code, prepend=-1))

        def joined(name: str, by: np.ufunc) -> Any:
            values = np.concatenate([getattr(part, name).astype(np.int64) for part in parts])
            return by.reduceat(values[order], first)

        image, column = np.divmod(code[first], groups)
        counted = None if self.parts is None else joined("parts", np.add)
        return Held((self.shape[0], groups), image, column, joined("pixels", np.add), joined("largest", np.maximum), counted)

    def of_entries(self, entries: NDArray[np.bool_], shape: tuple[int, int] | None = None) -> Held:
        """Some of the entries, (E,), of the same images and classes."""
        parts = None if self.parts is None else self.parts[entries]
        return Held(
            shape or self.shape, self.image[entries], self.column[entries], self.pixels[entries], self.largest[entries], parts
        )


@dataclass(frozen=True, eq=False)
class Pieces:
    """What N images hold, piece by piece: what is counted of each adds up, and one at a time is worked on.

    each: the pieces, made anew; of consecutive images, whose numbers begin at 0 in every piece.
    """

    shape: tuple[int, int]
    each: Callable[[], Iterator[Held]]

    @property
    def pieces(self) -> Iterator[Held]:
        return self.each()

    def of_columns(self, columns: Sequence[int]) -> Pieces:
        """What the images hold of some of the classes, in that order."""
        return Pieces((self.shape[0], len(columns)), lambda: (piece.of_columns(columns) for piece in self.each()))

    def pooled(self, members: Sequence[Sequence[int]]) -> Pieces:
        """What the images hold of some groups of classes."""
        return Pieces((self.shape[0], len(members)), lambda: (piece.pooled(members) for piece in self.each()))

    def of_images(self, chosen: NDArray[np.bool_]) -> Pieces:
        """What those images hold; chosen: (N,)."""
        return Pieces(
            (int(chosen.sum()), self.shape[1]),
            lambda: (piece.of_images(chosen[first : first + piece.shape[0]]) for first, piece in placed(self)),
        )

    def joined(self) -> Held:
        """All pieces as one; without regions where any has none."""
        some = list(placed(self))
        image = np.concatenate([_NONE, *(piece.image.astype(np.int64) + first for first, piece in some)])
        column, pixels, largest = (
            np.concatenate([_NONE, *(getattr(piece, name) for _, piece in some)]) for name in ("column", "pixels", "largest")
        )
        parts = [piece.parts for _, piece in some if piece.parts is not None]
        return Held(self.shape, image, column, pixels, largest, np.concatenate(parts) if len(parts) == len(some) > 0 else None)


def placed(held: Held | Pieces) -> Iterator[tuple[int, Held]]:
    """Every piece, with the number of its first image among all."""
    first = 0
    for piece in held.pieces:
        yield first, piece
        first += piece.shape[0]


@dataclass(frozen=True, eq=False)
class Threshold:
    """From which size on a class is present. least: (C,) pixels, of its largest region or, where `by_area`, of the class."""

    least: NDArray[np.int64]
    by_area: bool

    def seen(self, held: Held) -> NDArray[np.bool_]:
        """(E,) whether each entry is enough of its class."""
        sizes = held.pixels if self.by_area else held.largest
        seen: NDArray[np.bool_] = sizes >= self.least[held.column]
        return seen


@dataclass(frozen=True, eq=False)
class OwnSizes:
    """The sizes that real images set, (C,) each: that which all but the share OWN of the images with the class reach with
    their largest region, and the least that does the same, see `threshold`; both LEAST_PIXELS where no image holds it."""

    reached: NDArray[np.int64]
    least: NDArray[np.int64]

    @classmethod
    def of(cls, *real: Held | Pieces) -> OwnSizes:
        """Of the images of all these sources together."""
        classes = real[0].shape[1]
        bits = max((int(piece.largest.max(initial=0)) for held in real for piece in held.pieces), default=0).bit_length()
        kind = np.min_scalar_type(classes << bits)  # a class and a size make one small number, which is fast to sort
        sizes = np.concatenate([np.zeros(0, kind), *(_sizes(piece, bits, kind) for held in real for piece in held.pieces)])
        sizes.sort()
        bounds = np.searchsorted(sizes, np.arange(classes + 1, dtype=kind) << kind.type(bits))
        sizes = sizes & kind.type((1 << bits) - 1)
        number = np.diff(bounds)
        some, below = number > 0, np.floor(OWN * number).astype(np.int64)
        place = (bounds[:-1] + below)[some]
        at, before = sizes[place].astype(np.int64), sizes[place - 1].astype(np.int64)
        lowest = np.where(below[some] > 0, before + 1, at // 2)
        reached, least = np.full(classes, LEAST_PIXELS, np.int64), np.full(classes, LEAST_PIXELS, np.int64)
        reached[some], least[some] = at, np.maximum(np.minimum(lowest, at), LEAST_PIXELS)
        return cls(reached, least)


def _sizes(piece: Held, bits: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """Class and size of the largest regions of LEAST_PIXELS and more."""
    enough = piece.largest >= LEAST_PIXELS
    sizes: NDArray[Any] = (piece.column[enough].astype(kind) << kind.type(bits)) | piece.largest[enough].astype(kind)
    return sizes


def threshold(real: Held | Pieces, pixels: int, presence: float | None = None) -> Threshold:
    """From which size on each class is present: its own, or `presence` percent of the pixels of a label map.

    A class's own size is the lowest that all but the share OWN of the real images that hold the class reach with their largest
    region: one pixel above the largest of the others, or half of the smallest where there are no others. Were it the size of a
    real image itself, that image would pass its own test and one in n + 1 others fail. Images with less than LEAST_PIXELS of a
    class in one place hold none. Of a class without real images any region counts.
    """
    if presence is not None:
        return Threshold(np.full(real.shape[1], least_pixels(pixels, presence)), True)
    return Threshold(OwnSizes.of(real).least, False)


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Counts of C classes over n images. A class is present from a threshold on; it touches an image with any pixel.

    n: a number, or (C,) where numbers are planned. present: (C,) images; design: (C,) by how much clusters widen the variance
    of presence (Kish's design effect), 1 where images are independent. areas: of its pixels. parts: of its regions in the
    images where it is present; None where they were not counted.
    """

    n: Any
    present: Floats
    design: Floats
    areas: Areas
    parts: Areas | None = None

    @property
    def touched(self) -> Floats:
        """(C,) images with any pixel of each class."""
        return self.areas.holding

    def amounts(self, measure: str) -> Areas:
        """What the ratio of areas, or of counts of regions, needs."""
        if measure == "area":
            return self.areas
        if self.parts is None:
            raise ValueError("regions were not counted")
        return self.parts

    def holding(self, measure: str) -> Floats:
        """(C,) images that count for a measure."""
        return self.present if measure == "presence" else self.amounts(measure).holding

    def scaled(self, n: Floats | float, share: Floats | float = 1.0) -> ClassCounts:
        """The counts that n like images would have, if each class stood in `share` of those that hold it now."""
        by = np.asarray(share, np.float64) * (n / self.n)
        parts = None if self.parts is None else self.parts.scaled(n, by)
        return ClassCounts(n, self.present * by, self.design, self.areas.scaled(n, by), parts)


def least_pixels(pixels: int, presence: float) -> int:
    """The pixels from which a class is present in a label map of `pixels`, at a threshold in percent, never below 4."""
    least = max(LEAST_PIXELS, int(presence * pixels / 100.0) - 1)
    while least * 100.0 < presence * pixels:
        least += 1
    return least


def count_classes(
    held: Held | Pieces, present_from: Threshold, clusters: NDArray[np.integer] | None = None
) -> ClassCounts:  # fmt: skip
    """Counts of what N images hold. clusters: (N,) number of each image's cluster, where some are not independent."""
    linked = None if clusters is None else _Clusters.of(clusters)
    presence, pixels, parts = (_Sums(held.shape, linked) for _ in range(3))
    has_parts = True
    for first, piece in placed(held):
        seen = present_from.seen(piece)
        image, column = piece.image.astype(np.int64) + first, piece.column.astype(np.int64)
        presence.add(image, column, seen)
        pixels.add(image, column, piece.pixels)
        has_parts = has_parts and piece.parts is not None
        if has_parts and piece.parts is not None:
            parts.add(image, column, np.where(seen, piece.parts, 0))
    present = presence.areas()
    return ClassCounts(held.shape[0], present.total, present.design, pixels.areas(), parts.areas() if has_parts else None)


@dataclass(frozen=True, eq=False)
class _Clusters:
    """number: (N,) of each image's cluster; sizes: (K,) images of each."""

    number: NDArray[np.int64]
    sizes: Floats

    @classmethod
    def of(cls, clusters: NDArray[np.integer]) -> _Clusters | None:
        """None where every image is a cluster of its own."""
        values, number = np.unique(clusters, return_inverse=True)
        return None if len(values) == len(clusters) else cls(number, np.bincount(number).astype(np.float64))


class _Sums:
    """What adds up, over the images of all pieces, of one amount that an image holds of each class."""

    def __init__(self, shape: tuple[int, int], clusters: _Clusters | None) -> None:
        self.n, self.classes = shape
        self.clusters = clusters
        self.holding, self.total, self.squares, self.cubes = np.zeros((4, self.classes))
        self.by_size = np.zeros(self.classes)
        self.alone = np.zeros(self.classes)
        self.together: list[tuple[NDArray[Any], ...]] = []

    def add(self, image: NDArray[np.int64], column: NDArray[np.int64], amount: NDArray[Any]) -> None:
        value = amount.astype(np.float64)
        square = value * value
        held = self._by_class(column, (value > 0).astype(np.float64))
        self.holding += held
        self.total += held if amount.dtype == bool else self._by_class(column, value)
        self.squares += held if amount.dtype == bool else self._by_class(column, square)
        self.cubes += held if amount.dtype == bool else self._by_class(column, square * value)
        if self.clusters is not None:
            number = self.clusters.number[image]
            size = self.clusters.sizes[number]
            self.by_size += self._by_class(column, size * value)
            shared = size > 1
            self.alone += self._by_class(column[~shared], square[~shared])
            code, place = np.unique(number[shared] * self.classes + column[shared], return_inverse=True)
            self.together.append((code, np.bincount(place, value[shared], len(code))))

    def _by_class(self, column: NDArray[np.int64], values: Floats) -> Floats:
        return np.bincount(column, values, minlength=self.classes).astype(np.float64, copy=False)

    def areas(self) -> Areas:
        design = np.ones(self.classes) if self.clusters is None else self._design(self.clusters)
        return Areas(self.n, self.holding, self.total, self.squares, self.cubes, design)

    def _design(self, clusters: _Clusters) -> Floats:
        """(C,) variance of the mean over clusters, divided by that over as many independent images; at least 1.

        At least the mean of all classes, too, weighed by the images that hold them: which clusters hold a rare class is chance,
        and where few do, the class itself shows little of it. Where nothing varies (a class in every image, or in none) there
        is no ratio, and each cluster counts as one image; so does a single cluster, which says nothing of any other.
        """
        n, k = self.n, len(clusters.sizes)
        if k < 2:
            return np.full(self.classes, float(n))
        mean = self.total / n
        code, values = (np.concatenate(part) for part in zip(*self.together, strict=True)) if self.together else (_NONE, _NONE)
        code, place = np.unique(code, return_inverse=True)
        squared = self.alone + np.bincount(code % self.classes, np.bincount(place, values, len(code)) ** 2, self.classes)
        spread = squared - 2.0 * mean * self.by_size + mean**2 * (clusters.sizes**2).sum()
        clustered = np.maximum(spread, 0.0) * k / (k - 1)
        independent = np.maximum(self.squares - n * mean**2, 0.0) * n / max(n - 1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(independent > 0, clustered / independent, n / k)
        holding = self.holding * (independent > 0)
        shared = float(holding @ ratio / holding.sum()) if holding.any() else 1.0
        effect: Floats = np.maximum(ratio, max(1.0, shared))
        return effect
