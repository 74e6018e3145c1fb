"""How far two readers of the same images agree on one class: Cohen's kappa, with an interval over images.

kappa = 1 - d / e (Cohen, 1960): d is the share of all units that one reader gives the class and the other does not, e what it
would be if both gave it as often as they do and independently, p(1 - q) + q(1 - p). A unit is a pixel, or an image; images
are drawn, pixels are not, so the interval is over images (or clusters of them): log(1 - kappa) by the delta method, with
Student's t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Kappa:
    """1: they agree everywhere; 0: as by chance. Ends of the interval; None where there are fewer than two clusters."""

    value: float
    low: float | None
    high: float | None


def kappa(first: Counts, second: Counts, both: Counts, units: int, cluster: Counts | None, alpha: float) -> Kappa | None:
    """Of one class, (N,) each: units of each image that the first reader gives the class, the second, and both.

    units: of one image. cluster: (N,) number of each image's cluster, None where all are independent. None where neither
    reader or both give the class everywhere: there is nothing to agree on.
    """
    n = len(first)
    unlike = (first + second - 2 * both) / units
    p, q, d = first.mean() / units, second.mean() / units, unlike.mean()
    e = p * (1 - q) + q * (1 - p)
    if e == 0:
        return None
    clusters = n if cluster is None else int(cluster.max()) + 1
    if clusters < 2:
        return Kappa(1 - d / e, None, None)
    if d == 0:  # of so many alike, the share of clusters that are not is below this
        return Kappa(1.0, 1 - (1 - (alpha / 2) ** (1 / clusters)) / e, 1.0)
    chance = (1 - 2 * q) * (first / units - p) + (1 - 2 * p) * (second / units - q)
    pull = (unlike - d) / d - chance / e
    pulls = pull if cluster is None else np.bincount(cluster, pull, clusters)
    se = float(np.sqrt(clusters / (clusters - 1) * (pulls**2).sum())) / n
    far = np.exp(stats.t.ppf(1 - alpha / 2, clusters - 1) * se)
    return Kappa(float(1 - d / e), float(1 - d / e * far), float(1 - d / e / far))
