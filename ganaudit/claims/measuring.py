"""Effects with intervals, as claims need them: over photos or images, and over the few seeds of a training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ganaudit.claims.claim import Measurement
from ganaudit.statistics import resampling

Floats = NDArray[np.float64]


def mean_over(values: ArrayLike, of: str = "photos", seen: str = "") -> Measurement:
    """The mean of one number an image, such as the difference of two methods' errors; images are resampled."""
    column: Floats = np.asarray(values, np.float64).reshape(-1, 1)
    ((effect, low, high),) = resampling.means(column, np.ones(len(column)))
    return Measurement(effect, low, high, int(np.isfinite(column).sum()), of, seen)


def ratio_over(tops: ArrayLike, bottoms: ArrayLike, of: str = "photos", seen: str = "") -> Measurement:
    """The sum of one number an image over that of another, such as one method's error by another's; images are resampled."""
    above, below = (np.asarray(values, np.float64).reshape(-1, 1) for values in (tops, bottoms))
    ((effect, low, high),) = resampling.ratios(above, below, np.ones(len(above)))
    return Measurement(effect, low, high, len(above), of, seen)


def mean_over_seeds(values: Sequence[float], seen: str = "") -> Measurement:
    """The mean of one number a seed, and its interval by Student's t; none from one seed."""
    if len(values) < 2:
        return Measurement(float(np.mean(values)), None, None, len(values), "seeds", seen)
    ends = stats.ttest_1samp(np.asarray(values, np.float64), 0.0).confidence_interval(0.95)
    return Measurement(float(np.mean(values)), float(ends.low), float(ends.high), len(values), "seeds", seen)
