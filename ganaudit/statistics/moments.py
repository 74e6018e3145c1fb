"""First and second moments of class pixel counts, as exact integers: small states that merge in any order.

A moment is kept in 64 bits where its value is sure to fit and in Python's own integers where it is not (the sum of
squares of 4096² pixels over some tens of thousands of images does not).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Integers = NDArray[Any]
"""An array of int64, or of Python integers (dtype object)."""
Rows = NDArray[np.integer[Any]] | csr_array
"""(N, C) pixel counts, one row per image, dense or sparse."""

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


@dataclass(frozen=True, eq=False)
class GroupMoments:
    """Moments of G disjoint groups of images: n (G,), total (G, C), product (G, C, C), exact; see `Moments`."""

    n: NDArray[np.int64]
    total: Integers
    product: Integers
    pixels: int

    def __len__(self) -> int:
        return len(self.n)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupMoments):
            return NotImplemented
        return self.pixels == other.pixels and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("n", "total", "product")
        )

    def group(self, g: int) -> Moments:
        """The moments of one group."""
        return Moments(int(self.n[g]), self.total[g], self.product[g], self.pixels)

    def all(self) -> Moments:
        """The moments of every image."""
        return self.some(range(len(self)))

    def some(self, members: Iterable[int]) -> Moments:
        """The moments of the images of some groups."""
        chosen = list(members)
        n = int(self.n[chosen].sum())
        total, product = (_summed(values[chosen]) for values in (self.total, self.product))
        return Moments(n, total, product, self.pixels)

    def leave_out(self, g: int) -> Moments:
        """The moments of every image but those of one group."""
        return self.some(other for other in range(len(self)) if other != g)

    def columns(self, chosen: NDArray[Any]) -> GroupMoments:
        """The same of some classes: their numbers, or one yes or no for each."""
        where = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        product = self.product[:, where[:, None], where[None, :]]
        return GroupMoments(self.n, self.total[:, where], product, self.pixels)


def group_moments(counts: Rows, groups: NDArray[np.integer[Any]], pixels: int, number: int) -> GroupMoments:
    """The moments of the images of each of `number` groups.

    counts: (N, C) pixel counts, dense or sparse; groups: (N,) group of each image, 0 to number - 1; pixels: of a label map.
    """
    order = np.argsort(groups, kind="stable")
    bounds = np.searchsorted(groups[order], np.arange(number + 1))
    states = [moments(counts[order[first:last]], pixels) for first, last in pairwise(bounds)]
    n = np.array([state.n for state in states], np.int64)
    return GroupMoments(n, np.stack([state.total for state in states]), np.stack([state.product for state in states]), pixels)


def summed_groups(
    parts: Iterable[tuple[csr_array, NDArray[np.integer[Any]]]], classes: int, pixels: int, number: int
) -> GroupMoments:
    """The same from parts of the images: sparse counts, and the group of each image, -1 for none."""
    state, sums = _nothing(classes, pixels, number), _GroupSums(classes, number)
    for counts, groups in parts:
        used = np.flatnonzero(groups >= 0)
        counts, groups = (counts, groups) if len(used) == len(groups) else (counts[used], groups[used])
        most = len(groups) * max(_peak(counts.data), 1) ** 2
        if sums.most + most > _INT64:
            state, sums = merge_groups(state, sums.moments(pixels)), _GroupSums(classes, number)
        if most > _INT64:
            state = merge_groups(state, group_moments(counts, groups, pixels, number))
        else:
            sums.add(counts, groups, most)
    return merge_groups(state, sums.moments(pixels))


def merge_groups(a: GroupMoments, b: GroupMoments) -> GroupMoments:
    """Of the same groups, of two disjoint sets of images. Exact."""
    return GroupMoments(a.n + b.n, _add(a.total, b.total), _add(a.product, b.product), _same_pixels(a, b))


def _nothing(classes: int, pixels: int, number: int) -> GroupMoments:
    n, total, product = (np.zeros(shape, np.int64) for shape in (number, (number, classes), (number, classes, classes)))
    return GroupMoments(n, total, product, pixels)


class _GroupSums:
    """Sums over groups of images that 64 bits are sure to hold; most: no sum of products is larger."""

    def __init__(self, classes: int, number: int) -> None:
        self.most = 0
        self._n = np.zeros(number, np.int64)
        self._total = np.zeros(number * classes, np.int64)
        self._product = np.zeros((classes, number * classes), np.int64)

    def add(self, counts: csr_array, groups: NDArray[np.integer[Any]], most: int) -> None:
        """One product of the counts with themselves, dealt into columns of each group."""
        rows, classes = counts.shape
        first = classes * np.repeat(groups.astype(np.int64), np.diff(counts.indptr))
        counts = counts.astype(np.int64)
        dealt = csr_array((counts.data, counts.indices + first, counts.indptr), shape=(rows, len(self._total)))
        crossed = (counts.T @ dealt).tocoo()
        self._product[crossed.coords] += crossed.data
        np.add.at(self._total, dealt.indices, dealt.data)
        self._n += np.bincount(groups, minlength=len(self._n))
        self.most += most

    def moments(self, pixels: int) -> GroupMoments:
        number, classes = len(self._n), len(self._product)
        product = self._product.reshape(classes, number, classes).transpose(1, 0, 2)
        return GroupMoments(self._n, self._total.reshape(number, classes), product, pixels)


def empty(classes: int, pixels: int) -> Moments:
    """The moments of no image: merging them changes nothing."""
    return Moments(0, np.zeros(classes, np.int64), np.zeros((classes, classes), np.int64), pixels)


def moments(counts: Rows, pixels: int) -> Moments:
    """The moments of (N, C) pixel counts, one row per image, dense or sparse, of label maps of `pixels` pixels."""
    state = empty(counts.shape[1], pixels)
    largest = _peak(counts) if isinstance(counts, np.ndarray) else _peak(counts.data)
    step = max(1, min(_ROWS, _FLOAT64 // max(largest, 1) ** 2))
    for start in range(0, counts.shape[0], step):
        few = counts[start : start + step]
        state = merge(state, _few(few if isinstance(few, np.ndarray) else few.toarray(), pixels))
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
        doubles = counts.astype(np.float64)
        product = np.rint(doubles.T @ doubles).astype(np.int64)
    else:
        exact = counts.astype(object)
        product = exact.T @ exact
    return Moments(len(counts), total, product, pixels)


def _summed(values: Integers) -> Integers:
    """The sum over the first axis, exact."""
    if values.dtype != object and len(values) * _peak(values) > _INT64:
        values = values.astype(object)
    added: Integers = values.sum(axis=0)
    return added


def _add(a: Integers, b: Integers) -> Integers:
    if a.dtype == object or b.dtype == object or _peak(a) + _peak(b) > _INT64:
        a, b = a.astype(object), b.astype(object)
    added: Integers = a + b
    return added


def _peak(values: Integers) -> int:
    return int(values.max()) if values.size else 0


def _same_pixels(a: Moments | GroupMoments, b: Moments | GroupMoments) -> int:
    if a.pixels != b.pixels:
        raise ValueError(f"label maps of {a.pixels} and of {b.pixels} pixels cannot be merged")
    return a.pixels
