"""What a set of images holds of each class: the counts from which every verdict on classes follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ganaudit.statistics.areas import Areas
from ganaudit.statistics.moments import Rows
from ganaudit.statistics.proportions import Floats

LEAST_PIXELS = 4
"""A class of fewer pixels is never present."""


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Counts of C classes over n images. A class is present from a threshold on; it touches an image with any pixel.

    n: a number, or (C,) where numbers are planned. present, touched: (C,) images; total, squares: (C,) summed pixels and
    their squares; design, area_design: (C,) by how much clusters widen the variance of presence and of area (Kish's
    design effect), 1 where images are independent.
    """

    n: Any
    present: Floats
    touched: Floats
    total: Floats
    squares: Floats
    design: Floats
    area_design: Floats

    @property
    def areas(self) -> Areas:
        """What the ratio of areas needs."""
        return Areas(self.n, self.touched, self.total, self.squares, self.area_design)

    def scaled(self, n: Floats | float, share: Floats | float = 1.0) -> ClassCounts:
        """The counts that n like images would have, if each class stood in `share` of those that hold it now."""
        by = np.asarray(share, np.float64) * (n / self.n)
        counts = (self.present * by, self.touched * by, self.total * by, self.squares * by)
        return ClassCounts(n, *counts, self.design, self.area_design)


def least_pixels(pixels: int, presence: float) -> int:
    """The pixels from which a class is present in a label map of `pixels`, at a threshold in percent, never below 4."""
    least = max(LEAST_PIXELS, int(presence * pixels / 100.0) - 1)
    while least * 100.0 < presence * pixels:
        least += 1
    return least


def count_classes(counts: Rows, pixels: int, presence: float, clusters: NDArray[np.integer] | None = None) -> ClassCounts:
    """Counts of (N, C) pixel counts of label maps of `pixels` pixels; presence: the threshold, percent of pixels.

    clusters: (N,) number of each image's cluster, where some are not independent of each other.
    """
    sparse = csr_array(counts)
    n, classes = sparse.shape
    least = least_pixels(pixels, presence)
    column, value = sparse.indices, sparse.data.astype(np.float64)

    def summed(weights: NDArray[np.float64]) -> Floats:
        return np.bincount(column, weights, minlength=classes).astype(np.float64)

    present, touched = summed((value >= least).astype(np.float64)), summed((value > 0).astype(np.float64))
    total, squares = summed(value), summed(value**2)
    independent = np.ones(classes)
    if clusters is None or len(np.unique(clusters)) == n:
        return ClassCounts(n, present, touched, total, squares, independent, independent)
    seen = csr_array(((value >= least).astype(np.float64), column, sparse.indptr), shape=sparse.shape)
    return ClassCounts(
        n, present, touched, total, squares,
        _design(seen, clusters, present, present), _design(sparse.astype(np.float64), clusters, total, squares),
    )  # fmt: skip


def _design(rows: csr_array, clusters: NDArray[np.integer], total: Floats, squares: Floats) -> Floats:
    """(C,) variance of the mean over clusters, divided by that over as many independent images; at least 1.

    Where nothing varies (a class in every image, or in none) there is no ratio, and each cluster counts as one image; so does
    a single cluster, which says nothing of any other.
    """
    n = rows.shape[0]
    _, number = np.unique(clusters, return_inverse=True)
    k = int(number.max()) + 1
    member = csr_array((np.ones(n), (number, np.arange(n))), shape=(k, n))
    sums, sizes = (member @ rows).toarray(), np.bincount(number)
    if k < 2:
        return np.full(len(total), float(n))
    mean = total / n
    clustered = ((sums - sizes[:, None] * mean) ** 2).sum(axis=0) * k / max(k - 1, 1)
    independent = np.maximum(squares - n * mean**2, 0.0) * n / max(n - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(independent > 0, clustered / independent, n / k)
    effect: Floats = np.maximum(ratio, 1.0)
    return effect


def pooled(counts: Rows, members: Sequence[Sequence[int]]) -> csr_array:
    """(N, G) pixel counts of groups of classes: the columns of each group added up."""
    sparse = csr_array(counts)
    pairs = [(column, group) for group, columns in enumerate(members) for column in columns]
    where = (np.array([c for c, _ in pairs], np.int64), np.array([g for _, g in pairs], np.int64))
    chosen = csr_array((np.ones(len(pairs), sparse.dtype), where), shape=(sparse.shape[1], len(members)))
    return csr_array(sparse @ chosen)
