"""Whether an attribute, such as a class's area, only rises or only falls along an interpolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaudit.statistics import resampling

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Monotone:
    """By attribute (K,): from 1, where it goes one way on every path, to 0, where paths end as they began and move between.
    NaN where it never moves; no interval where it moves on fewer than two paths."""

    value: Floats
    low: Floats
    high: Floats


def monotone(values: Floats) -> Monotone:
    """values: (N, T, K), K attributes at T places of N paths. Σ|last - first| by Σ over steps of |change|, over the paths;
    paths are resampled."""
    there = np.abs(values[:, -1] - values[:, 0])
    way = np.abs(np.diff(values, axis=1)).sum(axis=1)
    found = resampling.ratios(there, way, np.ones(len(values)))
    columns = np.array([[np.nan if end is None else end for end in each] for each in found], np.float64).reshape(-1, 3)
    return Monotone(columns[:, 0], columns[:, 1], columns[:, 2])
