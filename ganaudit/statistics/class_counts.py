"""What a set of images holds of each class: the counts from which every verdict on classes follows."""

from __future__ import annotations

from collections.abc import Sequence
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

    @classmethod
    def of_pixels(cls, counts: Rows) -> Held:
        """From (N, C) pixel counts, dense or sparse, of label maps whose regions were not counted."""
        sparse = csr_array(counts)
        image = np.repeat(np.arange(sparse.shape[0]), np.diff(sparse.indptr))
        return cls(sparse.shape, image, sparse.indices, sparse.data, sparse.data)

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
class Threshold:
    """From which size on a class is present. least: (C,) pixels, of its largest region or, where `by_area`, of the class."""

    least: NDArray[np.int64]
    by_area: bool

    def seen(self, held: Held) -> NDArray[np.bool_]:
        """(E,) whether each entry is enough of its class."""
        sizes = held.pixels if self.by_area else held.largest
        seen: NDArray[np.bool_] = sizes >= self.least[held.column]
        return seen


def threshold(real: Held, pixels: int, presence: float | None = None) -> Threshold:
    """From which size on each class is present: its own, or `presence` percent of the pixels of a label map.

    A class's own size is that of the largest region which all but the share OWN of the real images that hold the class
    reach; images with less than LEAST_PIXELS of it in one place hold none. Of a class without real images any region counts.
    """
    if presence is not None:
        return Threshold(np.full(real.shape[1], least_pixels(pixels, presence)), True)
    enough = real.largest >= LEAST_PIXELS
    column, size = real.column[enough].astype(np.int64), real.largest[enough].astype(np.int64)
    order = np.lexsort((size, column))
    number = np.bincount(column, minlength=real.shape[1])
    start = np.cumsum(number) - number
    least = np.full(real.shape[1], LEAST_PIXELS, np.int64)
    some = number > 0
    least[some] = size[order][(start + np.floor(OWN * number).astype(np.int64))[some]]
    return Threshold(least, False)


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


def count_classes(held: Held, present_from: Threshold, clusters: NDArray[np.integer] | None = None) -> ClassCounts:
    """Counts of what N images hold. clusters: (N,) number of each image's cluster, where some are not independent."""
    n, classes = held.shape
    if clusters is not None and len(np.unique(clusters)) == n:
        clusters = None
    present = present_from.seen(held)
    parts = None if held.parts is None else _amounts(held, np.where(present, held.parts, 0), clusters)
    seen = np.bincount(held.column, present, minlength=classes).astype(np.float64)
    design = np.ones(classes) if clusters is None else _design(held, present.astype(np.float64), clusters, seen, seen)
    return ClassCounts(n, seen, design, _amounts(held, held.pixels, clusters), parts)


def _amounts(held: Held, amount: NDArray[np.integer], clusters: NDArray[np.integer] | None) -> Areas:
    n, classes = held.shape
    value = amount.astype(np.float64)
    holding, total, squares, cubes = (
        np.bincount(held.column, weights, minlength=classes).astype(np.float64)
        for weights in (value > 0, value, value**2, value**3)
    )
    design = np.ones(classes) if clusters is None else _design(held, value, clusters, total, squares)
    return Areas(n, holding, total, squares, cubes, design)


def _design(held: Held, values: NDArray[np.float64], clusters: NDArray[np.integer], total: Floats, squares: Floats) -> Floats:
    """(C,) variance of the mean over clusters, divided by that over as many independent images; at least 1.

    At least the mean of all classes, too, weighed by the images that hold them: which clusters hold a rare class is chance, and
    where few do, the class itself shows little of it. Where nothing varies (a class in every image, or in none) there is no
    ratio, and each cluster counts as one image; so does a single cluster, which says nothing of any other.
    """
    n, classes = held.shape
    _, number = np.unique(clusters, return_inverse=True)
    k = int(number.max()) + 1
    if k < 2:
        return np.full(classes, float(n))
    sums = csr_array((values, (number[held.image], held.column)), shape=(k, classes))
    sums.sum_duplicates()
    sizes, mean = np.bincount(number).astype(np.float64), total / n
    spread = (sums**2).sum(axis=0) - 2.0 * mean * (sizes @ sums) + mean**2 * (sizes**2).sum()
    clustered = np.maximum(spread, 0.0) * k / (k - 1)
    independent = np.maximum(squares - n * mean**2, 0.0) * n / max(n - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(independent > 0, clustered / independent, n / k)
    holding = np.bincount(held.column, values > 0, minlength=classes) * (independent > 0)
    shared = float(holding @ ratio / holding.sum()) if holding.any() else 1.0
    effect: Floats = np.maximum(ratio, max(1.0, shared))
    return effect
