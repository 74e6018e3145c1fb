"""Is there any difference at all? A permutation test of the Fréchet distance over blocks of images.

If generated images were real ones, it would not matter which blocks are called generated. All blocks hold equally many
images, so that each permuted side keeps its number: the plain distance hangs on it, and blocks of unequal size would
compare it with distances of another bias. p = (1 + permutations at or above the data) / (1 + permutations) is then exact.
"""

from __future__ import annotations

import numpy as np

from ganaudit.errors import RequestError
from ganaudit.statistics.centred import Centred, centred, spread
from ganaudit.statistics.frechet import Floats, quick_factor, root_trace
from ganaudit.statistics.moments import GroupMoments


def p_value(real: GroupMoments, generated: GroupMoments, permutations: int, seed: int) -> float | None:
    """The p-value of no difference, from blocks that all hold equally many images; None without permutations.

    Raises RequestError for blocks of unequal size. None too where a side has fewer than two blocks: nothing to exchange.
    """
    if permutations < 1 or min(len(real), len(generated)) < 2 or min(real.n.sum(), generated.n.sum()) < 2:
        return None
    sizes = np.concatenate([real.n, generated.n])
    if (sizes != sizes[0]).any():
        raise RequestError("a permutation needs blocks of equally many images")
    a, b = centred(real, generated)
    pooled = Centred(*(np.concatenate(pair) for pair in ((a.n, b.n), (a.first, b.first), (a.second, b.second))))
    whole = pooled.total()
    rng = np.random.default_rng(seed)
    members = np.zeros(len(pooled))
    members[len(a) :] = 1.0
    rounding = 1e-9 * float(np.trace(spread(*whole)[1]))
    observed = _split(pooled, whole, members) - rounding
    exceeding = sum(_split(pooled, whole, rng.permutation(members)) >= observed for _ in range(permutations))
    return (1 + exceeding) / (1 + permutations)


def _split(pooled: Centred, whole: tuple[float, Floats, Floats], members: Floats) -> float:
    """The distance between the blocks that `members` names and the others."""
    part = pooled.of(members)
    rest = (whole[0] - part[0], whole[1] - part[1], whole[2] - part[2])
    (mean_a, covariance_a), (mean_b, covariance_b) = spread(*part), spread(*rest)
    apart = mean_a - mean_b
    traces = float(np.trace(covariance_a) + np.trace(covariance_b))
    return float(apart @ apart) + traces - 2 * root_trace(quick_factor(covariance_a), covariance_b)
