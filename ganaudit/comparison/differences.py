"""Generators of one or several runs side by side: which is nearer to the real images, beyond doubt.

Two distances from the same real images share their doubt, and in the difference it cancels; from other real images each
brings its own, and they add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from ganaudit.errors import RequestError
from ganaudit.records.used import UsedSource
from ganaudit.statistics import comparison, corrected
from ganaudit.statistics.comparison import Pair, Place
from ganaudit.statistics.halves import Halves
from ganaudit.statistics.moments import GroupMoments


@dataclass(frozen=True, eq=False)
class Entrant:
    """A generator of a run: its images, the run's real images, and the moments of both."""

    run: str
    generator: UsedSource
    real: UsedSource
    moments: GroupMoments
    real_moments: GroupMoments
    corrected: float | None
    """Its corrected distance, as its run found it."""

    @cached_property
    def halves(self) -> tuple[Halves | None, Halves | None]:
        """Of the real images and of its own."""
        return corrected.halves_of(self.real_moments), corrected.halves_of(self.moments)


@dataclass(frozen=True)
class EntrantPair:
    """Two entrants, by their places in the sequence. shared_real: whether both were measured against the same images."""

    pair: Pair
    shared_real: bool


def side_by_side(
    entrants: Sequence[Entrant], alpha: float, which: Iterable[tuple[int, int]] | None = None
) -> tuple[list[EntrantPair], list[Place | None]]:
    """(what is known of each pair's difference, adjusted over these pairs by Holm; each entrant's place).

    which: the pairs to compare; all by default. Raises RequestError for label maps of different sizes.
    """
    pairs = list(combinations(range(len(entrants)), 2) if which is None else which)
    _one_size(entrants)
    estimates = {(a, b): difference(entrants[a], entrants[b]) for a, b in pairs}
    compared, places = comparison.compare(
        [entrant.corrected for entrant in entrants],
        {pair: (estimate.value, estimate.se) for pair, estimate in estimates.items()},
        {pair: estimate.degrees for pair, estimate in estimates.items()},
        alpha,
    )
    return [EntrantPair(pair, _shared(entrants[pair.a], entrants[pair.b])) for pair in compared], places


@dataclass(frozen=True)
class Estimate:
    """A difference, its standard error and the degrees of freedom of that; None and 0 where there are too few images."""

    value: float | None
    se: float | None
    degrees: float


def difference(a: Entrant, b: Entrant) -> Estimate:
    """The corrected distance of `a` minus that of `b`, both from their own real images."""
    if _shared(a, b):
        estimate = corrected.difference(a.real_moments, a.moments, b.moments, (*a.halves, b.halves[1]))
        return Estimate(None, None, 0) if estimate is None else Estimate(estimate.value, estimate.se, estimate.degrees)
    first, other = (corrected.distance(side.real_moments, side.moments) for side in (a, b))
    if first is None or other is None:
        return Estimate(None, None, 0)
    variances = first.se**2, other.se**2
    below = sum(v**2 / side.degrees for v, side in zip(variances, (first, other), strict=True))
    degrees = sum(variances) ** 2 / below if below else math.inf  # Welch and Satterthwaite
    return Estimate(first.value - other.value, math.sqrt(sum(variances)), degrees)


def _shared(a: Entrant, b: Entrant) -> bool:
    return images_of(a.real) == images_of(b.real)


def images_of(source: UsedSource) -> tuple[str, int, int]:
    """The same for two sources that are the very same images."""
    return source.key, source.first, source.count


def _one_size(entrants: Sequence[Entrant]) -> None:
    """Label maps are one size per source; a distance between other sizes would be one of resolution."""
    for other in entrants[1:]:
        if entrants[0].moments.pixels != other.moments.pixels:
            raise RequestError(
                f"{entrants[0].generator.name!r} of run {entrants[0].run!r} has label maps of {entrants[0].moments.pixels:,} "
                f"pixels and {other.generator.name!r} of run {other.run!r} of {other.moments.pixels:,}; they cannot be compared"
            )
