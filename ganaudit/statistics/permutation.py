"""Is there any difference at all? A permutation test of the Fréchet distance over blocks of images.

If generated images were real ones, it would not matter which blocks are called generated. All blocks hold equally many
images, so that each permuted side keeps its number: the plain distance hangs on it, and blocks of unequal size would
compare it with distances of another bias. p = (1 + permutations at or above the data) / (1 + permutations) is then exact.

Several generators against the same real images are as many tests, and each alone may be wrong in alpha of audits. Holm's rule
keeps the chance that any is at alpha, however the tests hang together (here by the real images that all share).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ganaudit.errors import RequestError
from ganaudit.statistics.centred import Centred, centred, spread
from ganaudit.statistics.comparison import holm
from ganaudit.statistics.frechet import Floats, quick_each
from ganaudit.statistics.moments import GroupMoments

_AT_ONCE = 20
"""Permutations whose sums are in memory at once."""


def p_value(real: GroupMoments, generated: GroupMoments, permutations: int, seed: int) -> float | None:
    """The p-value of no difference, from blocks that all hold equally many images; None without permutations.

    Raises RequestError for blocks of unequal size. None too where a side has fewer than two blocks: nothing to exchange.
    """
    if permutations < 1 or min(len(real), len(generated)) < 2:
        return None
    a, b = centred(real, generated)
    return exchanged(a, b, permutations, seed)


def exchanged(real: Centred, generated: Centred, permutations: int, seed: int) -> float | None:
    """The same from sums around one centre."""
    if permutations < 1 or min(len(real), len(generated)) < 2 or min(real.n.sum(), generated.n.sum()) < 2:
        return None
    sizes = np.concatenate([real.n, generated.n])
    if (sizes != sizes[0]).any():
        raise RequestError("a permutation needs blocks of equally many images")
    pairs = ((real.n, generated.n), (real.first, generated.first), (real.second, generated.second))
    pooled = Centred(*(np.concatenate(pair) for pair in pairs))
    members = np.zeros((permutations + 1, len(pooled)))
    members[0, len(real) :] = 1.0
    rng = np.random.default_rng(seed)
    for row in members[1:]:
        row[:] = rng.permutation(members[0])
    distances = _splits(pooled, members)
    rounding = 1e-9 * float(np.trace(spread(*pooled.total())[1]))
    return (1 + int((distances[1:] >= distances[0] - rounding).sum())) / (1 + permutations)


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values adjusted for their number (Holm); None stays None, and is no test."""
    held_up = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(held_up) for p in p_values]


def least(permutations: int, tests: int = 1) -> float:
    """The smallest adjusted p-value that so many permutations can give in so many tests."""
    return min(1.0, max(1, tests) / (1 + permutations))


def enough(tests: int, alpha: float) -> int:
    """The fewest permutations that can give an adjusted p-value of alpha or less in so many tests."""
    return math.ceil(max(1, tests) / alpha - 1e-9) - 1


def _splits(pooled: Centred, members: Floats) -> Floats:
    """(K,) the distance between the blocks that each of (K, G) members names and the other blocks."""
    n, first, second = pooled.total()
    splits = []
    for start in range(0, len(members), _AT_ONCE):
        shapes = []
        for part in zip(*pooled.of(members[start : start + _AT_ONCE]), strict=True):
            sides = spread(*part), spread(n - part[0], first - part[1], second - part[2])
            shapes.append((sides[0][0] - sides[1][0], sides[0][1], sides[1][1]))
        splits.append(quick_each(shapes))
    return np.concatenate(splits)
