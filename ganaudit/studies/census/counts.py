"""The pixel counts of a source, read once from its records: everything that the statistics need of its images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from ganaudit import freed
from ganaudit.errors import AuditError, RequestError
from ganaudit.records.reading import unsound
from ganaudit.records.schema import OK
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.records.used import Block, UsedSource
from ganaudit.statistics import grouping
from ganaudit.statistics.class_counts import Held, Pieces, placed
from ganaudit.statistics.moments import GroupMoments, summed_groups

CLUSTERED = 1.05
"""Images to an image's cluster from which the images of a source count as dependent; a repeat here and there does not."""
READERS = 2
"""Files read at once: decoding releases Python's lock, and two cores are everywhere."""
_NONE = np.zeros(0, np.int64)
PIECE = 2**15
"""Indices of one piece: whole blocks, so that sums are the same to the last digit however many images a block has."""


@dataclass(frozen=True, eq=False)
class Counts:
    """What N images that were read hold. classes: (C,) the class of each column; parts: what they hold of each, piece by piece.

    images: (N,) index of each image in its key; pixels: of one label map, 0 where no image was read; cluster: (N,) number of
    each image's cluster, None where all are independent. Images of one digest are one cluster.
    """

    source: UsedSource
    classes: tuple[int, ...]
    images: NDArray[np.int64]
    parts: Sequence[Held]
    pixels: int
    cluster: NDArray[np.int64] | None
    rank: NDArray[np.int64]
    """(N,) place of each image in an order that knows nothing of what it shows; clusters are kept together."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def held(self) -> Pieces:
        """What the images hold of all classes."""
        return Pieces((len(self), len(self.classes)), lambda: iter(self.parts))

    @cached_property
    def independent(self) -> float:
        """How many independent images these are worth at worst: n² / Σ size², over clusters."""
        return float(len(self)) if self.cluster is None else grouping.effective(self.cluster)

    @property
    def clustered(self) -> bool:
        """Whether an image has, on average, more than CLUSTERED images in its cluster."""
        return self.independent * CLUSTERED < len(self)

    @cached_property
    def groups(self) -> NDArray[np.int8]:
        """(N,) group of each image."""
        return grouping.by_rank(self.rank, self.cluster).astype(np.int8)

    def rows(self, classes: Sequence[int]) -> Iterator[tuple[int, csr_array]]:
        """Number of the first image of every piece, and the pixel counts of some classes in its images, sparse."""
        return ((first, piece.rows(piece.pixels)) for first, piece in placed(self.held_of(classes)))

    def of(self, classes: Sequence[int]) -> csr_array:
        """(N, K) pixel counts of some classes, sparse."""
        nothing = csr_array((0, len(classes)), dtype=np.int32)
        return csr_array(vstack([nothing, *(rows for _, rows in self.rows(classes))], "csr"))

    def held_of(self, classes: Sequence[int]) -> Pieces:
        """What the images hold of some classes, in that order."""
        return self.held.of_columns([self.classes.index(class_id) for class_id in classes])

    def moments(self, classes: Sequence[int]) -> GroupMoments:
        """Moments of the groups over these classes."""
        return self._moments(classes, self.groups, int(self.groups.max(initial=0)) + 1)

    def blocks(self, classes: Sequence[int], size: int, number: int) -> GroupMoments:
        """Moments of `number` blocks of exactly `size` images."""
        block = self.rank // size
        return self._moments(classes, np.where(block < number, block, -1).astype(np.int16), number)

    def _moments(self, classes: Sequence[int], groups: NDArray[np.integer], number: int) -> GroupMoments:
        parts = ((rows, groups[first : first + rows.shape[0]]) for first, rows in self.rows(classes))
        return summed_groups(parts, len(classes), self.pixels, number)


@dataclass(frozen=True, eq=False)
class Hashed:
    """The images of a source that were read, each digest once. unhashed: how many have no hash; those that have: (N,)."""

    source: UsedSource
    images: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    unhashed: int

    @classmethod
    def of(
        cls, source: UsedSource, images: NDArray[np.int64], codes: NDArray[np.int64], hashes: NDArray[np.uint64],
        has_hash: NDArray[np.bool_],
    ) -> Hashed:  # fmt: skip
        """codes: of the digests of all images."""
        once = np.ones(len(codes), bool)
        if codes.max(initial=-1) + 1 < len(codes):
            once[:] = False
            once[np.unique(codes, return_index=True)[1]] = True
        kept = once & has_hash
        whole = kept.all()
        return cls(source, images if whole else images[kept], hashes if whole else hashes[kept], int((once & ~has_hash).sum()))


@dataclass(frozen=True, eq=False)
class Read:
    """A source whose blocks were read. confidence: the parser's in each entry of every piece, NaN where there is none."""

    counts: Counts
    confidence: list[NDArray[np.float32]]
    hashed: Hashed

    def taken_confidence(self) -> Iterator[NDArray[np.float32]]:
        """Piece by piece; what was taken is kept no longer."""
        self.confidence.reverse()
        while self.confidence:
            yield self.confidence.pop()


def read_counts(store: Store, source: UsedSource, classes: Sequence[int]) -> Counts:
    """Reads every block of a source. Raises RequestError where its label maps have several sizes."""
    return read_source(store, source, classes, ()).counts


def read_source(
    store: Store, source: UsedSource, classes: Sequence[int], columns: Sequence[str] = ("confidence",)
) -> Read:  # fmt: skip
    """The same, with all that findings need beside the counts."""
    column_of = np.full(2**15, -1)
    column_of[list(classes)] = np.arange(len(classes))
    stretches = [list(blocks) for _, blocks in groupby(source.blocks, lambda block: block[0] // PIECE)]
    with ThreadPoolExecutor(READERS, "ganaudit-records") as pool:
        read = pool.map(lambda blocks: list(_pieces(store, source, blocks, column_of, columns, len(classes))), stretches)
        pieces = [piece for some in read for piece in some]
    index = np.concatenate([_NONE, *(piece.images for piece in pieces)])
    codes = grouping.digest_codes([digests for piece in pieces for digests in piece.digests])
    cluster = grouping.clusters_of(_chunked(piece.clusters for piece in pieces), codes)
    rank = np.arange(len(index)) if source.role == "generated" else grouping.digest_rank(codes)
    if cluster is not None:
        first = np.full(int(cluster.max()) + 1, len(index))
        np.minimum.at(first, cluster, rank)
        order = np.lexsort((rank, first[cluster]))
        rank = np.empty(len(index), np.int64)
        rank[order] = np.arange(len(index))
    size = _one_size(source, (piece.sizes for piece in pieces))
    counts = Counts(source, tuple(classes), index, [piece.held for piece in pieces], size, cluster, rank)
    confidence = [piece.confidence for piece in pieces]
    hashes = np.concatenate([np.zeros(0, np.uint64), *(piece.hashes for piece in pieces)])
    has_hash = np.concatenate([np.zeros(0, bool), *(piece.has_hash for piece in pieces)])
    del pieces
    freed.give_back()
    return Read(counts, confidence, Hashed.of(source, index, codes, hashes, has_hash))


@dataclass(frozen=True, eq=False)
class _Piece:
    """Of consecutive images that the run uses and that were read: index, digest, cluster, pixels and hash, and what they hold.

    confidence: of each entry of held; empty where it was not asked for.
    """

    images: NDArray[np.int64]
    digests: list[grouping.Packed]
    clusters: pa.ChunkedArray
    sizes: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    has_hash: NDArray[np.bool_]
    held: Held
    confidence: NDArray[np.float32]


def _pieces(
    store: Store, source: UsedSource, blocks: Sequence[Block], column_of: NDArray[np.int64], further: Sequence[str],
    classes: int,
) -> Iterator[_Piece]:  # fmt: skip
    """What some blocks hold; in pieces of their own those whose regions an older ganaudit did not count."""
    read = (_block(store, source, block, column_of, further, classes) for block in blocks)
    for _, some in groupby(read, lambda piece: piece.held.parts is None):
        yield _joined(list(some))


def _joined(pieces: Sequence[_Piece]) -> _Piece:
    start = np.cumsum([0, *(len(piece.images) for piece in pieces)])
    held = [piece.held for piece in pieces]
    image = np.concatenate([part.image.astype(np.int64) + first for part, first in zip(held, start, strict=False)])
    column, pixels, largest = (
        np.concatenate([getattr(part, name) for part in held]) for name in ("column", "pixels", "largest")
    )
    parts = [part.parts for part in held if part.parts is not None]
    regions = np.concatenate(parts) if parts else None
    sizes, hashes, has_hash = (
        np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("sizes", "hashes", "has_hash")
    )
    return _Piece(
        np.concatenate([piece.images for piece in pieces]), [digests for piece in pieces for digests in piece.digests],
        _chunked(piece.clusters for piece in pieces), sizes, hashes, has_hash,
        Held((int(start[-1]), held[0].shape[1]), _narrow(image), column, pixels, largest, regions),
        np.concatenate([piece.confidence for piece in pieces]),
    )  # fmt: skip


def _block(
    store: Store, source: UsedSource, block: Block, column_of: NDArray[np.int64], further: Sequence[str], classes: int
) -> _Piece:  # fmt: skip
    rows = store.read_block(IMAGES, source.key, block, ["image", "digest", "cluster", "pixels", "phash", "status"])
    index = rows["image"].to_numpy()
    if not np.array_equal(np.sort(index), np.arange(block[0], block[1] + 1)):
        raise _unsound(store, IMAGES.name, source, block, f"does not hold each of the images {block[0]} to {block[1]} once")
    used = (index >= source.first) & (index < source.first + source.count)
    status = rows["status"]
    used &= (status.to_numpy() == OK) if len(status.unique()) > 1 else status[0].as_py() == OK
    held = store.read_block(CLASS_PIXELS, source.key, block, ["image", "class_id", "pixels", "largest", "parts", *further])
    place = np.full(len(index), -1)
    place[index[used] - block[0]] = np.arange(used.sum())
    within = held["image"].to_numpy() - block[0]
    if len(within) and not 0 <= within.min() <= within.max() < len(place):
        raise _unsound(store, CLASS_PIXELS.name, source, block, "holds class pixels of other images")
    row, column = place[within], column_of[held["class_id"].to_numpy()]
    counted = (row >= 0) & (column >= 0)
    order = np.flatnonzero(counted)
    if (np.diff(row[order]) < 0).any():
        order = order[np.argsort(row[order], kind="stable")]
    pixels = held["pixels"].to_numpy()[order]
    has_regions = not held["largest"].null_count
    largest = held["largest"].to_numpy()[order] if has_regions else pixels
    regions = _narrow(held["parts"].to_numpy()[order]) if has_regions else None
    kept = rows.filter(pa.array(used))
    return _Piece(
        index[used], [grouping.packed(kept["digest"])], kept["cluster"], kept["pixels"].fill_null(0).to_numpy(),
        kept["phash"].fill_null(0).to_numpy(), kept["phash"].is_valid().to_numpy(),
        Held((int(used.sum()), classes), row[order], _narrow(column[order]), pixels, largest, regions),
        held["confidence"].to_numpy()[order] if further else np.zeros(0, np.float32),
    )  # fmt: skip


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """In as few bytes as hold them."""
    return values.astype(np.min_scalar_type(values.max(initial=0)))


def _unsound(store: Store, table: str, source: UsedSource, block: Block, what: str) -> AuditError:
    (path,) = store.files_of(table, source.key, [block])
    return unsound(path, what)


def _one_size(source: UsedSource, sizes: Iterable[NDArray[np.int32]]) -> int:
    """sizes: those of each block's images."""
    found = dict.fromkeys(size for part in sizes for size in dict.fromkeys(part.tolist()))
    if len(found) > 1:
        first, other, *_ = found
        raise RequestError(f"{source.name!r} has label maps of {first} and of {other} pixels; give them one size")
    return next(iter(found), 0)


def _chunked(parts: Iterable[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())
