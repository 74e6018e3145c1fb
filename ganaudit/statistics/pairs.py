"""Do two classes still go together? A generator may draw people and draw cars and never both.

The lift of a pair, p_ab / (p_a p_b), says how much likelier two classes stand together than if they knew nothing of each
other. Its ratio, generated over real, is tested like the presence of a class, by a score whose spread is taken under the
hypothesis: with p₀ = θ·lift_real·p_a·p_b expected and lift variances from the four cells (delta method; margins and pair
come from the same images), and corrected for skewness as in `proportions`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ganaudit.statistics.class_counts import Held, Pieces, Threshold
from ganaudit.statistics.proportions import LARGEST, Floats, bisected, unskewed
from ganaudit.statistics.verdicts import (
    DROPPED,
    EQUIVALENT,
    INCONCLUSIVE,
    INCREASED,
    REDUCED,
    WORDS,
    Lines,
    adjusted_words,
    testable,
)  # fmt: skip

EVERYWHERE = 0.95
"""A class in more than this share of the real images goes together with everything: its pairs say nothing."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """P testable pairs. a, b: (P,) numbers of their classes; together: images that hold both; expected: generated ones."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    verdict: NDArray[np.str_]
    ratio: Floats
    low: Floats
    high: Floats
    p_value: Floats
    q_value: Floats
    expected: Floats
    real_together: Floats
    generated_together: Floats


@dataclass(frozen=True, eq=False)
class _Cells:
    """Shares of images that hold a, b, both, on each side, and the numbers of images."""

    n: Floats
    real: tuple[Floats, Floats, Floats]
    m: Floats
    generated: tuple[Floats, Floats, Floats]

    def score(self, theta: Floats) -> Floats:
        """Standard deviations from the ratio theta to the observed one."""
        a, b, both = self.real
        lift = both / (a * b)
        c, d, together = self.generated
        expected = np.minimum(theta * lift * c * d, np.minimum(c, d))
        own = expected**2 * _lift_variance(c, d, expected, self.m)
        carried = expected**2 * _lift_variance(a, b, both, self.n)
        variance = own + carried
        third = expected / self.m**2 - expected**3 / (both * self.n) ** 2
        safe = np.where(variance > 0, variance, 1.0)
        plain = (together - expected) / np.sqrt(safe)
        return np.where(variance > 0, unskewed(plain, third / safe**1.5 / 6), np.sign(together - expected) * LARGEST)


def together(held: Held | Pieces, present_from: Threshold) -> NDArray[np.int64]:
    """(C, C) images in which both classes are present; on the diagonal those in which one is."""
    both = np.zeros((held.shape[1], held.shape[1]), np.int64)
    for piece in held.pieces:
        seen = piece.of_entries(present_from.seen(piece))
        rows = seen.rows(np.ones(len(seen.image), np.int64))
        both += (rows.T @ rows).toarray()
    return both


def decide(real: NDArray[np.int64], n: int, generated: NDArray[np.int64], m: int, lines: Lines, design: Floats) -> Pairs:
    """The verdicts on every pair of classes with enough expected co-occurrence.

    real, generated: (C, C) images that hold both classes, on the diagonal those that hold one; n, m: images; design: (C,)
    by how much clusters widen the variance of each class (the larger of a pair's two counts).
    """
    of_real, of_generated = np.diag(real), np.diag(generated)
    common = (of_real > 0) & (of_real <= EVERYWHERE * n) & (of_generated > 0) & (of_generated < m)
    a, b = np.triu_indices(len(of_real), 1)
    kept = common[a] & common[b] & (real[a, b] > 0)
    a, b = a[kept], b[kept]
    effect = np.maximum(design[a], design[b])
    cells = _Cells(
        n / effect, (of_real[a] / n, of_real[b] / n, real[a, b] / n),
        m / effect, (of_generated[a] / m, of_generated[b] / m, generated[a, b] / m),
    )  # fmt: skip
    without_pair = _Cells(cells.n, cells.real, cells.m, (*cells.generated[:2], np.zeros(len(a))))
    chosen, _ = testable(stats.norm.cdf(without_pair.score(np.full(len(a), lines.reduced))), lines.alpha)
    a, b, cells = a[chosen], b[chosen], _some(cells, chosen)
    at = {bound: cells.score(np.full(len(a), bound)) for bound in (lines.reduced, lines.dropped, lines.increased)}
    p = {
        DROPPED: stats.norm.cdf(at[lines.dropped]), REDUCED: stats.norm.cdf(at[lines.reduced]),
        INCREASED: stats.norm.sf(at[lines.increased]),
        EQUIVALENT: np.maximum(stats.norm.sf(at[lines.reduced]), stats.norm.cdf(at[lines.increased])),
    }  # fmt: skip
    q, is_said = adjusted_words(p, np.ones(len(a), bool), lines.alpha)
    words = np.select([is_said[word] for word in WORDS], list(WORDS), INCONCLUSIVE)
    (x, y, both), (c, d, together) = cells.real, cells.generated
    lift = both / (x * y)
    z = float(stats.norm.isf(lines.alpha / 2))
    low = bisected(lambda theta: cells.score(theta) - z, (len(a),))
    high = bisected(lambda theta: cells.score(theta) + z, (len(a),))
    return Pairs(
        a, b, words, together / (c * d) / lift, np.where(together > 0, low, 0.0), high, p[REDUCED], q[REDUCED],
        lift * c * d * m, real[a, b].astype(np.float64), generated[a, b].astype(np.float64),
    )  # fmt: skip


def _lift_variance(a: Floats, b: Floats, both: Floats, n: Floats) -> Floats:
    """Of the logarithm of p_ab / (p_a p_b), from n images, by the delta method."""
    safe = np.maximum(both, 1e-300)
    variance: Floats = np.maximum(1 / safe - 1 / a - 1 / b + 2 * both / (a * b) - 1, 0.0) / n
    return variance


def _some(cells: _Cells, chosen: NDArray[np.bool_]) -> _Cells:
    real, generated = (tuple(share[chosen] for share in side) for side in (cells.real, cells.generated))
    return _Cells(cells.n[chosen], real, cells.m[chosen], generated)  # type: ignore[arg-type]  # three stay three
