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
from ganaudit.records.schema import OK
from ganaudit.records.store import Store, unsound
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.records.used import Block, UsedSource
from ganaudit.statistics import grouping
from ganaudit.statistics.moments import GroupMoments, group_moments

READERS = 2
"""Files read at once: decoding releases Python's lock, and two cores are everywhere."""


@dataclass(frozen=True, eq=False)
class Counts:
    """What N images that were read hold. classes: (C,) the class of each column; matrix: (N, C) pixels, sparse.

    images: (N,) index of each image in its key; pixels: of one label map, 0 where no image was read; cluster: (N,) number of
    each image's cluster, None where all are independent.
    """

    source: UsedSource
    classes: tuple[int, ...]
    images: NDArray[np.int64]
    matrix: csr_array
    pixels: int
    cluster: NDArray[np.int64] | None
    rank: NDArray[np.int64]
    """(N,) place of each image in an order that knows nothing of what it shows; clusters are kept together."""

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """(N,) group of each image."""
        return grouping.by_rank(self.rank, self.cluster)

    def of(self, classes: Sequence[int]) -> csr_array:
        """(N, K) pixel counts of some classes."""
        return csr_array(self.matrix[:, [self.classes.index(class_id) for class_id in classes]])

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
    images, digests, clusters, sizes, class_numbers, column, pixels = (
        (list(part) for part in zip(*parts, strict=True)) if parts else ([] for _ in range(7))
    )
    index = _joined(images)
    size = _one_size(source, _joined(sizes))
    bounds = np.concatenate([[0], np.cumsum(_joined(class_numbers))])
    matrix = csr_array((_joined(pixels, np.int32), _joined(column, np.int32), bounds), shape=(len(index), len(classes)))
    cluster = _clusters(clusters)
    rank = np.arange(len(index)) if source.role == "generated" else _rank(digests, len(index))
    if cluster is not None:
        first = np.full(int(cluster.max()) + 1, len(index))
        np.minimum.at(first, cluster, rank)
        order = np.lexsort((rank, first[cluster]))
        rank = np.empty(len(index), np.int64)
        rank[order] = np.arange(len(index))
    return Counts(source, tuple(classes), index, matrix, size, cluster, rank)


def _block(store: Store, source: UsedSource, block: Block, column_of: NDArray[np.int64]) -> tuple[Any, ...]:
    """Of the images of one block that the run uses and that were read: index, digest, cluster, pixels, classes held; then
    column and pixels of every class in them, sorted by image."""
    rows = store.read_block(IMAGES, source.key, block, ["image", "digest", "cluster", "pixels", "status"])
    index = rows["image"].to_numpy()
    if not np.array_equal(np.sort(index), np.arange(block[0], block[1] + 1)):
        raise _unsound(store, IMAGES.name, source, block, f"does not hold each of the images {block[0]} to {block[1]} once")
    used = (index >= source.first) & (index < source.first + source.count)
    status = rows["status"]
    used &= (status.to_numpy() == OK) if len(status.unique()) > 1 else status[0].as_py() == OK
    classes = store.read_block(CLASS_PIXELS, source.key, block, ["image", "class_id", "pixels"])
    place = np.full(len(index), -1)
    place[index[used] - block[0]] = np.arange(used.sum())
    within = classes["image"].to_numpy() - block[0]
    if len(within) and not 0 <= within.min() <= within.max() < len(place):
        raise _unsound(store, CLASS_PIXELS.name, source, block, "holds class pixels of other images")
    row, column = place[within], column_of[classes["class_id"].to_numpy()]
    counted = (row >= 0) & (column >= 0)
    row, column, pixels = row[counted], column[counted], classes["pixels"].to_numpy()[counted]
    if len(row) and (np.diff(row) < 0).any():
        order = np.argsort(row, kind="stable")
        row, column, pixels = row[order], column[order], pixels[order]
    kept = rows.filter(pa.array(used))
    sizes = kept["pixels"].fill_null(0).to_numpy()
    return index[used], kept["digest"], kept["cluster"], sizes, np.bincount(row, minlength=int(used.sum())), column, pixels


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


def _clusters(parts: Sequence[pa.ChunkedArray]) -> NDArray[np.int64] | None:
    if all(part.null_count == len(part) for part in parts):
        return None
    return grouping.cluster_numbers([name for part in parts for name in part.to_pylist()])


def _rank(parts: Sequence[pa.ChunkedArray], n: int) -> NDArray[np.int64]:
    if not n:
        return np.zeros(0, np.int64)
    return grouping.digest_rank(pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string()))
