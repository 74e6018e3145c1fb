"""The pixel counts of a source, read once from its records: everything that the statistics need of its images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ganaudit.errors import AuditError, RequestError
from ganaudit.records.reading import unsound
from ganaudit.records.schema import OK
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.records.used import Block, UsedSource
from ganaudit.statistics import grouping
from ganaudit.statistics.class_counts import Held
from ganaudit.statistics.moments import GroupMoments, group_moments

CLUSTERED = 1.05
"""Images to an image's cluster from which the images of a source count as dependent; a repeat here and there does not."""
READERS = 2
"""Files read at once: decoding releases Python's lock, and two cores are everywhere."""


@dataclass(frozen=True, eq=False)
class Counts:
    """What N images that were read hold. classes: (C,) the class of each column; held: (N, C) what they hold of each.

    images: (N,) index of each image in its key; pixels: of one label map, 0 where no image was read; cluster: (N,) number of
    each image's cluster, None where all are independent. Images of one digest are one cluster.
    """

    source: UsedSource
    classes: tuple[int, ...]
    images: NDArray[np.int64]
    held: Held
    pixels: int
    cluster: NDArray[np.int64] | None
    rank: NDArray[np.int64]
    """(N,) place of each image in an order that knows nothing of what it shows; clusters are kept together."""

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def independent(self) -> float:
        """How many independent images these are worth at worst: n² / Σ size², over clusters."""
        return float(len(self)) if self.cluster is None else grouping.effective(self.cluster)

    @property
    def clustered(self) -> bool:
        """Whether an image has, on average, more than CLUSTERED images in its cluster."""
        return self.independent * CLUSTERED < len(self)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """(N,) group of each image."""
        return grouping.by_rank(self.rank, self.cluster)

    def of(self, classes: Sequence[int]) -> csr_array:
        """(N, K) pixel counts of some classes, sparse."""
        held = self.held_of(classes)
        bounds = np.concatenate([[0], np.cumsum(np.bincount(held.image, minlength=len(self)))])
        return csr_array((held.pixels, held.column, bounds), shape=held.shape)

    def held_of(self, classes: Sequence[int]) -> Held:
        """What the images hold of some classes, in that order."""
        return self.held.of_columns([self.classes.index(class_id) for class_id in classes])

    def moments(self, classes: Sequence[int]) -> GroupMoments:
        """Moments of the groups over these classes."""
        return group_moments(self.of(classes), self.groups, self.pixels, int(self.groups.max(initial=0)) + 1)

    def blocks(self, classes: Sequence[int], size: int, number: int) -> GroupMoments:
        """Moments of `number` blocks of exactly `size` images."""
        used = self.rank < size * number
        return group_moments(self.of(classes)[np.flatnonzero(used)], self.rank[used] // size, self.pixels, number)


def read_counts(store: Store, source: UsedSource, classes: Sequence[int]) -> Counts:
    """Reads every block of a source. Raises RequestError where its label maps have several sizes."""
    column_of = np.full(2**15, -1)
    column_of[list(classes)] = np.arange(len(classes))
    with ThreadPoolExecutor(READERS, "ganaudit-records") as pool:
        parts = list(pool.map(lambda block: _block(store, source, block, column_of), source.blocks))
    images, digests, clusters, sizes, rows, column, pixels, largest, regions = (
        (list(part) for part in zip(*parts, strict=True)) if parts else ([] for _ in range(9))
    )
    index = _joined(images)
    size = _one_size(source, _joined(sizes))
    start = np.concatenate([[0], np.cumsum([len(part) for part in images])])
    row = _joined([part + first for part, first in zip(rows, start, strict=False)], np.int32)
    counted = None if any(part is None for part in regions) else _joined(regions, np.int32)
    held = Held(
        (len(index), len(classes)),
        row,
        _joined(column, np.int32),
        _joined(pixels, np.int32),
        _joined(largest, np.int32),
        counted,
    )
    cluster = grouping.clusters_of(_chunked(clusters), _chunked(digests))
    rank = np.arange(len(index)) if source.role == "generated" else _rank(digests, len(index))
    if cluster is not None:
        first = np.full(int(cluster.max()) + 1, len(index))
        np.minimum.at(first, cluster, rank)
        order = np.lexsort((rank, first[cluster]))
        rank = np.empty(len(index), np.int64)
        rank[order] = np.arange(len(index))
    return Counts(source, tuple(classes), index, held, size, cluster, rank)


def _block(store: Store, source: UsedSource, block: Block, column_of: NDArray[np.int64]) -> tuple[Any, ...]:
    """Of the images of one block that the run uses and that were read: index, digest, cluster and pixels; then of every class
    in them, sorted by image: place of the image, column, pixels, pixels of the largest region, and regions, None where an
    older ganaudit did not count them."""
    rows = store.read_block(IMAGES, source.key, block, ["image", "digest", "cluster", "pixels", "status"])
    index = rows["image"].to_numpy()
    if not np.array_equal(np.sort(index), np.arange(block[0], block[1] + 1)):
        raise _unsound(store, IMAGES.name, source, block, f"does not hold each of the images {block[0]} to {block[1]} once")
    used = (index >= source.first) & (index < source.first + source.count)
    status = rows["status"]
    used &= (status.to_numpy() == OK) if len(status.unique()) > 1 else status[0].as_py() == OK
    classes = store.read_block(CLASS_PIXELS, source.key, block, ["image", "class_id", "pixels", "largest", "parts"])
    place = np.full(len(index), -1)
    place[index[used] - block[0]] = np.arange(used.sum())
    within = classes["image"].to_numpy() - block[0]
    if len(within) and not 0 <= within.min() <= within.max() < len(place):
        raise _unsound(store, CLASS_PIXELS.name, source, block, "holds class pixels of other images")
    row, column = place[within], column_of[classes["class_id"].to_numpy()]
    counted = (row >= 0) & (column >= 0)
    order = np.flatnonzero(counted)
    if (np.diff(row[order]) < 0).any():
        order = order[np.argsort(row[order], kind="stable")]
    pixels = classes["pixels"].to_numpy()[order]
    has_regions = not classes["largest"].null_count
    largest = classes["largest"].to_numpy()[order] if has_regions else pixels
    regions = classes["parts"].to_numpy()[order] if has_regions else None
    kept = rows.filter(pa.array(used))
    sizes = kept["pixels"].fill_null(0).to_numpy()
    return index[used], kept["digest"], kept["cluster"], sizes, row[order], column[order], pixels, largest, regions


def _unsound(store: Store, table: str, source: UsedSource, block: Block, what: str) -> AuditError:
    (path,) = store.files_of(table, source.key, [block])
    return unsound(path, what)


def _joined(parts: Sequence[Any], kind: Any = np.int64) -> Any:
    return np.concatenate(parts).astype(kind, copy=False) if parts else np.zeros(0, kind)


def _one_size(source: UsedSource, sizes: NDArray[np.int64]) -> int:
    if not len(sizes):
        return 0
    other = sizes[sizes != sizes[0]]
    if len(other):
        raise RequestError(f"{source.name!r} has label maps of {sizes[0]} and of {other[0]} pixels; give them one size")
    return int(sizes[0])


def _chunked(parts: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())


def _rank(parts: Sequence[pa.ChunkedArray], n: int) -> NDArray[np.int64]:
    if not n:
        return np.zeros(0, np.int64)
    return grouping.digest_rank(_chunked(parts))
