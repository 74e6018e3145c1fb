"""Group sums as floating-point numbers that have lost nothing: counted from a common centre, in percent of pixels.

Exact integers are slow to add and subtract by the hundred. Sums of deviations from a centre near the mean are not much
larger than the variance itself, so that leaving a group out or exchanging groups cancels no digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaudit.errors import RequestError
from ganaudit.statistics.frechet import Floats
from ganaudit.statistics.moments import GroupMoments, Integers


@dataclass(frozen=True, eq=False)
class Centred:
    """Sums over G groups of images: n (G,), first (G, C) of x - centre, second (G, C, C) of its products; percent of pixels."""

    n: Floats
    first: Floats
    second: Floats

    def __len__(self) -> int:
        return len(self.n)

    def total(self) -> tuple[float, Floats, Floats]:
        """The sums over all groups."""
        return float(self.n.sum()), self.first.sum(axis=0), self.second.sum(axis=0)

    def of(self, members: Floats) -> tuple[Floats, Floats, Floats]:
        """The sums over some groups, several choices at once: members (K, G) is 1 for those, 0 for the others."""
        classes = self.first.shape[1]
        second = members @ self.second.reshape(len(self), -1)
        return members @ self.n, members @ self.first, second.reshape(-1, classes, classes)

    def some(self, members: Sequence[int] | NDArray[np.integer]) -> Centred:
        """The sums over some groups, kept apart."""
        chosen = list(members)
        return Centred(self.n[chosen], self.first[chosen], self.second[chosen])


def centred(*sides: GroupMoments) -> list[Centred]:
    """The sums of several sources around one centre, over the classes that hold a pixel in any of them."""
    if len({state.pixels for state in sides}) > 1:
        raise RequestError("label maps of different sizes cannot be compared")
    live = np.logical_or.reduce([np.asarray(state.total != 0).any(axis=0) for state in sides])
    sides = tuple(state.columns(live) for state in sides)
    whole = [state.all() for state in sides]
    n = sum(state.n for state in whole)
    total = np.sum([state.total.astype(object) for state in whole], axis=0)
    centre = np.array([int(value) // max(n, 1) for value in total], dtype=np.int64)
    return [_around(state, centre) for state in sides]


def spread(n: float, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Sums → (C,) mean from the centre and (C, C) covariance with n - 1 below."""
    mean = first / n
    return mean, (second - n * np.outer(mean, mean)) / (n - 1)


def _around(state: GroupMoments, centre: Integers) -> Centred:
    """Σ(x-c)(x-c)ᵀ = Σxxᵀ - (ucᵀ + cuᵀ)/2 with u = 2Σx - nc. Exact: integers, in 64-bit floats where those hold them."""
    largest = 4 * int(state.n.max(initial=0)) * state.pixels**2
    kind = np.float64 if largest < 2**53 else np.int64 if largest < 2**63 else object
    n, total, product = (values.astype(kind) for values in (state.n, state.total, state.product))
    centre = centre.astype(kind)
    first = total - n[:, None] * centre
    if kind is np.float64:
        twice = 2 * total - n[:, None] * centre
        second = product - np.stack([twice, centre + 0 * total], axis=2) @ np.stack([centre + 0 * total, twice], axis=1) / 2
    else:
        crossed = total[:, :, None] * centre
        second = product - crossed - crossed.transpose(0, 2, 1) + n[:, None, None] * np.outer(centre, centre)
    percent = 100.0 / state.pixels
    second = np.ascontiguousarray(second, dtype=np.float64)
    second *= percent**2
    return Centred(n.astype(np.float64), first.astype(np.float64) * percent, second)
