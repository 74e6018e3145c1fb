"""First and second moments of class pixel counts, as exact integers: small states that merge in any order.

A moment is kept in 64 bits where its value is sure to fit and in Python's own integers where it is not (the sum of
squares of 4096² pixels over some tens of thousands of images does not).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[Any]
"""An array of int64, or of Python integers (dtype object)."""

_INT64 = 2**63 - 1
_FLOAT64 = 2**53
_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over n images whose label maps have `pixels` pixels each.

    total: (C,) summed counts. product: (C, C) summed products of counts. Both exact.
    """

    n: int
    total: Integers
    product: Integers
    pixels: int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Moments):
            return NotImplemented
        return (
            (self.n, self.pixels) == (other.n, other.pixels)
            and np.array_equal(self.total, other.total)
            and np.array_equal(self.product, other.product)
        )

    def mean(self) -> NDArray[np.float64]:
        """(C,) mean area of each class, percent of pixels. Needs one image."""
        return np.asarray(self.total, dtype=np.float64) * (100.0 / (self.n * self.pixels))

    def covariance(self) -> NDArray[np.float64]:
        """(C, C) covariance of the areas with N - 1 below, (percent of pixels)². Needs two images.

        n·Σxy - Σx·Σy is computed in integers: nothing cancels.
        """
        largest = max(_peak(self.total), 1)
        fits = self.n * max(_peak(self.product), 1) <= _INT64 and largest * largest <= _INT64
        total, product = (m.astype(np.int64 if fits else object) for m in (self.total, self.product))
        spread = self.n * product - np.outer(total, total)
        scale = self.n * (self.n - 1) * self.pixels**2 / 10_000
        return np.asarray(spread / scale, dtype=np.float64)


def empty(classes: int, pixels: int) -> Moments:
    """The moments of no image: merging them changes nothing."""
    return Moments(0, np.zeros(classes, np.int64), np.zeros((classes, classes), np.int64), pixels)


def moments(counts: NDArray[np.integer[Any]], pixels: int) -> Moments:
    """The moments of (N, C) pixel counts, one row per image, of label maps of `pixels` pixels."""
    state = empty(counts.shape[1], pixels)
    step = max(1, min(_ROWS, _FLOAT64 // max(_peak(counts), 1) ** 2))
    for start in range(0, len(counts), step):
        state = merge(state, _few(counts[start : start + step], pixels))
    return state


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of two disjoint sets of images. Exact: counts are integers."""
    return Moments(a.n + b.n, _add(a.total, b.total), _add(a.product, b.product), _same_pixels(a, b))


def without(all_images: Moments, some: Moments) -> Moments:
    """Moments of the images that are in `all_images` but not in `some`, which must be a part of it."""
    total, product = all_images.total - some.total, all_images.product - some.product
    return Moments(all_images.n - some.n, total, product, _same_pixels(all_images, some))


def _few(counts: NDArray[np.integer[Any]], pixels: int) -> Moments:
    """Moments of few enough rows that float64, whose matrix product is fast, holds every sum exactly."""
    total = counts.sum(axis=0, dtype=np.int64)
    if len(counts) * _peak(counts) ** 2 <= _FLOAT64:
        wide = counts.astype(np.float64)
        product = np.rint(wide.T @ wide).astype(np.int64)
    else:
        exact = counts.astype(object)
        product = exact.T @ exact
    return Moments(len(counts), total, product, pixels)


def _add(a: Integers, b: Integers) -> Integers:
    if a.dtype == object or b.dtype == object or _peak(a) + _peak(b) > _INT64:
        a, b = a.astype(object), b.astype(object)
    added: Integers = a + b
    return added


def _peak(values: Integers) -> int:
    return int(values.max()) if values.size else 0


def _same_pixels(a: Moments, b: Moments) -> int:
    if a.pixels != b.pixels:
        raise ValueError(f"label maps of {a.pixels} and of {b.pixels} pixels cannot be merged")
    return a.pixels
