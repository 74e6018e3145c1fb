"""Dealing images into groups of equal size, so that what follows needs sums over groups only.

A group is a small sample of its source: leaving one out shows how much an estimate hangs on its images. Generated images
are ranked by their index, whose latents are independent draws; real ones by their digest, which knows nothing of names or
of the order of the files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

GROUPS = 20
"""Groups of a source; fewer where a group would hold less than two images."""

Labels = NDArray[np.int64]


def digest_rank(digests: Sequence[str] | pa.Array | pa.ChunkedArray) -> Labels:
    """(n,) place of each image in the order of digests; of equal ones the earlier image comes first."""
    n = len(digests)
    column = digests if isinstance(digests, pa.Array | pa.ChunkedArray) else pa.array(digests, pa.string())
    table = pa.table({"digest": column, "image": np.arange(n)})
    order = pc.sort_indices(table, [("digest", "ascending"), ("image", "ascending")]).to_numpy()
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    return rank


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
    for cluster in np.lexsort((first, -sizes)):
        group_of[cluster] = filled.argmin()
        filled[group_of[cluster]] += sizes[cluster]
    return group_of[clusters]


def cluster_numbers(clusters: Sequence[str | None]) -> Labels:
    """(n,) number of each image's cluster from 0; every None is a cluster of its own."""
    known: dict[str, int] = {}
    numbers, following = np.empty(len(clusters), np.int64), 0
    for place, name in enumerate(clusters):
        if name is not None and name in known:
            numbers[place] = known[name]
            continue
        if name is not None:
            known[name] = following
        numbers[place] = following
        following += 1
    return numbers


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
