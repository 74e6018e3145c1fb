"""The ratio of two proportions from each of which the same third one is taken: (q - f) / (p - f), and its interval.

That is the corrected ratio of presences, f being the parser's false-positive rate. A ratio θ is in the interval where 0 is in
that of q - θp - (1 - θ)f, a sum of three independent proportions, by the method of variance estimates recovery (Zou and
Donner, 2008; Newcombe, 2016): each proportion lends the distance to its own score limit (Wilson, 1927) on the side that
matters. Of two stretches of such ratios it is the one that holds the estimate; in the other, f is above p and q. What both
sides share of f cancels; an observed 0 still has room above it, and so a class that is almost never made, or was never
falsely found in the few images that the parser was measured on, gets an interval that is wide enough.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ganaudit.statistics.proportions import LARGEST, Floats, bisected


def interval(
    false: ArrayLike, absent: ArrayLike, real: ArrayLike, n_real: ArrayLike, generated: ArrayLike, n_generated: ArrayLike,
    alpha: float = 0.05,
) -> tuple[Floats, Floats]:  # fmt: skip
    """The ends of the two-sided interval, 0 and infinity where nothing bounds them. Counts, which may be fractions.

    false of absent images without a class in which it is found; real of n_real and generated of n_generated images in
    which it is found. Where there is no absent image, f is 0. All broadcast.
    """
    x, n, y, m, a, b = np.broadcast_arrays(
        *(np.asarray(value, np.float64) for value in (false, absent, real, n_real, generated, n_generated))
    )
    z = float(stats.norm.isf(alpha / 2))
    (f, f_low, f_high), (p, p_low, p_high), (q, q_low, q_high) = (_wilson(*pair, z) for pair in ((x, n), (y, m), (a, b)))

    def apart(theta: Floats) -> Floats:
        return q - theta * p - (1 - theta) * f

    def reaches_up(theta: Floats) -> Floats:
        shared = (1 - theta) * np.where(theta < 1, f - f_low, f - f_high)
        return apart(theta) + np.sqrt((q_high - q) ** 2 + (theta * (p - p_low)) ** 2 + shared**2)

    def reaches_down(theta: Floats) -> Floats:
        shared = (1 - theta) * np.where(theta < 1, f_high - f, f_low - f)
        return apart(theta) - np.sqrt((q - q_low) ** 2 + (theta * (p_high - p)) ** 2 + shared**2)

    low, high = bisected(reaches_down, q.shape), bisected(reaches_up, q.shape)
    edge = LARGEST**0.99
    return np.where(low < 1 / edge, 0.0, low), np.where(high > edge, np.inf, high)


def design(holding: Floats, n: Floats) -> Floats:
    """(C,) by how much groups vary more than independent images would; 1 where that may be chance, at a level of .01.

    holding: (G, C) images of each group that count, n: (G, 1) or (G, C) of how many. Groups keep clusters whole.
    """
    number = (n > 0).sum(axis=0) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        share = holding.sum(axis=0) / n.sum(axis=0)
        squares = ((holding - n * share) ** 2 / (n * share * (1 - share))).sum(axis=0)
    usual = ~np.isfinite(squares) | (number < 1) | (stats.chi2.sf(squares, np.maximum(number, 1)) >= 0.01)
    return np.where(usual, 1.0, np.where(usual, 1.0, squares) / np.maximum(number, 1))


def _wilson(part: Floats, whole: Floats, z: float) -> tuple[Floats, Floats, Floats]:
    some = whole > 0
    n = np.where(some, whole, 1.0)
    p = np.where(some, part / n, 0.0)
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * np.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2) / (1 + z * z / n)
    low, high = np.where(part > 0, middle - half, 0.0), np.where(part < whole, middle + half, 1.0)
    return p, np.where(some, low, 0.0), np.where(some, high, 0.0)
