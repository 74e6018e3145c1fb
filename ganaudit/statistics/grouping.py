"""Dealing images into groups of equal size, so that what follows needs sums over groups only.

A group is a small sample of its source: leaving one out shows how much an estimate hangs on its images. Generated images
are ranked by their index, whose latents are independent draws; real ones by their digest, which knows nothing of names or
of the order of the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csgraph, csr_array

GROUPS = 20
"""Groups of a source; fewer where a group would hold less than two images."""

Labels = NDArray[np.int64]


Texts: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray


Packed: TypeAlias = NDArray[np.uint64] | pa.ChunkedArray
"""(n, 2) digests of 32 hexadecimal digits as two numbers each, which take half the room; others as they are."""


def packed(digests: Texts) -> Packed:
    """Digests as numbers of the same order, where they are of that form."""
    column = digests if isinstance(digests, pa.ChunkedArray) else pa.chunked_array([pa.array(digests, pa.string())])
    words = [_words(chunk) for chunk in column.chunks]
    known = [part for part in words if part is not None]
    return np.concatenate([np.zeros((0, 2), np.uint64), *known]) if len(known) == len(words) else column


def digest_codes(parts: Sequence[Packed]) -> Labels:
    """(n,) place of each digest among all that are different, in their order; -1 for None."""
    words = [part for part in parts if isinstance(part, np.ndarray)]
    if len(words) < len(parts):
        chunks = [chunk for part in parts for chunk in ([_text(part)] if isinstance(part, np.ndarray) else part.chunks)]
        encoded = pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode()
        place = np.append(np.argsort(pc.sort_indices(encoded.dictionary).to_numpy()), -1)
        coded: Labels = place[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        return coded
    first, second = np.concatenate([np.zeros((0, 2), np.uint64), *words]).T
    order = np.lexsort((second, first))
    new = np.ones(len(order), np.int64)
    new[1:] = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
    codes = np.empty(len(order), np.int64)
    codes[order] = np.cumsum(new) - 1
    return codes


def _text(words: NDArray[np.uint64]) -> pa.Array:
    digits = words.astype(">u8").tobytes().hex()
    return pa.array([digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)], pa.string())


def _words(digests: pa.Array) -> NDArray[np.uint64] | None:
    """None where some are of another form."""
    n, (_, ends, text) = len(digests), digests.buffers()
    bounds = np.frombuffer(ends, np.int32)[digests.offset : digests.offset + n + 1] if n else np.zeros(1, np.int32)
    if digests.null_count or (np.diff(bounds) != _DIGITS).any():
        return None
    letters = np.frombuffer(b"" if text is None else text, np.uint8)[bounds[0] : bounds[-1]].reshape(n, _DIGITS)
    digits = _VALUES[letters]
    if (digits > 15).any():
        return None
    return (digits[:, ::2] << 4 | digits[:, 1::2]).view(">u8").astype(np.uint64)


_DIGITS = 32
_VALUES = np.full(256, 255, np.uint8)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def digest_rank(digests: Texts | Labels) -> Labels:
    """(n,) place of each image in the order of digests; of equal ones the earlier image comes first."""
    order = np.argsort(_codes(digests), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _codes(digests: Texts | Labels) -> Labels:
    """Codes are their own."""
    return digests if isinstance(digests, np.ndarray) else digest_codes([packed(digests)])


def by_rank(rank: Labels, clusters: Labels | None = None, groups: int = GROUPS) -> Labels:
    """(n,) group of each image by its rank: dealt in turn, so that groups have equal sizes.

    clusters: (n,) number of each image's cluster (a scene, a burst). Clusters stay whole and are dealt, the largest first,
    each to the group that has fewest images, so that groups differ by no more than a cluster.
    """
    n = len(rank)
    if clusters is None:
        return rank % number(n, groups)
    sizes = np.bincount(clusters)
    first = np.full(len(sizes), n)
    np.minimum.at(first, clusters, rank)
    filled = np.zeros(number(len(sizes), groups), np.int64)
    group_of = np.empty(len(sizes), np.int64)
    order = np.lexsort((first, -sizes))
    larger = int((sizes > 1).sum())
    for cluster in order[:larger]:
        group_of[cluster] = filled.argmin()
        filled[group_of[cluster]] += sizes[cluster]
    group_of[order[larger:]] = _dealt(filled, len(sizes) - larger)
    return group_of[clusters]


def _dealt(filled: Labels, number_of_images: int) -> Labels:
    """The groups of single images, each to the group that has fewest: first they are made even, then dealt in turn."""
    lacking = int(filled.max()) - filled
    group = np.repeat(np.arange(len(filled)), lacking)
    level = np.arange(len(group)) - np.repeat(np.cumsum(lacking) - lacking, lacking) + np.repeat(filled, lacking)
    even = group[np.lexsort((group, level))][:number_of_images]
    in_turn = np.arange(number_of_images - len(even)) % len(filled)
    return np.concatenate([even, in_turn])


def clusters_of(names: Texts, digests: Texts | Labels) -> Labels | None:
    """(n,) number of each image's cluster from 0, where images of one cluster name or of one digest belong together.

    names: (n,) each image's cluster, None where it has none. None where every image stands for itself.
    """
    alike = _codes(digests)
    column = names if isinstance(names, pa.Array | pa.ChunkedArray) else pa.array(names, pa.string())
    if column.null_count == len(column) and alike.max(initial=-1) + 1 == (alike >= 0).sum():
        return None
    joined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    codes: Labels = joined.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return linked(codes, alike)


def linked(*names: Labels) -> Labels:
    """(n,) number of each image's cluster, where images that share any of several names belong together.

    names: (n,) each, numbers from 0; -1 names nothing.
    """
    n = len(names[0])
    nodes, edges = n, list[tuple[Labels, Labels]]()
    for name in names:
        given = np.flatnonzero(name >= 0)
        edges.append((given, nodes + name[given]))
        nodes += int(name.max(initial=-1)) + 1
    image, node = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    graph = csr_array((np.ones(len(image), np.int8), (image, node)), shape=(nodes, nodes))
    found = csgraph.connected_components(graph, directed=False)[1][:n]
    return numbered(found)


def numbered(labels: NDArray[np.integer[Any]]) -> Labels:
    """(n,) the same clusters, numbered from 0 without a gap."""
    places: Labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return places


def effective(clusters: Labels) -> float:
    """How many independent images clustered ones are worth where the images of a cluster are all alike: n² / Σ size²."""
    sizes = np.bincount(clusters).astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def number(n: int, groups: int = GROUPS) -> int:
    """How many groups n images (or clusters) make: `groups`, or fewer so that each has two; at least one."""
    return max(1, min(groups, n // 2))


def blocks_of(groups_of_a: int, n_a: int, n_b: int) -> tuple[int, int, int]:
    """(images a block, blocks of a, blocks of b) for a permutation that keeps the number of images of each side.

    The smaller side has `groups_of_a` blocks at most; the larger has as many of the same size as it fills, but no more
    than ten times those of the smaller one. What is left over is not used.
    """
    small, large = min(n_a, n_b), max(n_a, n_b)
    size = max(1, small // groups_of_a)
    few = small // size
    many = min(large // size, 10 * few)
    return (size, few, many) if n_a <= n_b else (size, many, few)
