"""A case of a scenario: what is drawn from which pool with what planted in it, replicate after replicate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.calibration.planting import Change, Drawn
from benchmarks.calibration.pool import Pool, PoolSource
from ganaudit.statistics.verdicts import DROPPED, EQUIVALENT, INCREASED, REDUCED, Lines

SEED = 0
NUMBERS = ((300, 300), (500, 5_000), (2_000, 2_000), (10_000, 1_000), (10_000, 10_000))
"""Images, real and generated."""
LINES = Lines()
PERMUTATIONS = 99

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One set of circumstances of a scenario.

    real, generated, second: what is planted into each side (second: another generator, where two are compared).
    columns: numbers of the classes that it is about; ratio: the true ratio planted there; source: the pool that generated
    images come from, where it is not the real one's.
    """

    scenario: str
    name: str
    real_images: int
    generated_images: int
    real: Change = field(default_factory=Change)
    generated: Change = field(default_factory=Change)
    second: Change | None = None
    columns: tuple[int, ...] = ()
    ratio: float | None = None
    source: PoolSource | None = None

    @property
    def label(self) -> str:
        """Its name with its numbers of images."""
        return f"{self.name}, {self.real_images:,} v {self.generated_images:,}"


@dataclass(frozen=True, eq=False)
class OpenedCase:
    """A case with its pools: the real side's, and that of the generated images."""

    case: Case
    pool: Pool
    other: Pool

    def real(self, replicate: int) -> Drawn:
        return self.case.real.draw(self.pool, self.case.real_images, SEED, self._purpose("real"), replicate)

    def generated(self, replicate: int, change: Change | None = None, which: str = "generated") -> Drawn:
        """Generated images; `change` instead of the case's own."""
        planted = self.case.generated if change is None else change
        return planted.draw(self.other, self.case.generated_images, SEED, self._purpose(which), replicate)

    def _purpose(self, side: str) -> str:
        return f"calibration {self.pool.key} {self.case.scenario} {self.case.label} {side}"


def gainsaid(verdict: str, truth: float) -> bool:
    """Whether the true ratio makes a verdict wrong. Words that claim nothing are never wrong.

    >>> gainsaid("reduced", 0.8), gainsaid("reduced", 0.79), gainsaid("equivalent", 0.8), gainsaid("inconclusive", 0.0)
    (True, False, True, False)
    """
    slack = 1e-9
    if verdict == DROPPED:
        return truth >= LINES.dropped - slack
    if verdict == REDUCED:
        return truth >= LINES.reduced - slack
    if verdict == INCREASED:
        return truth <= LINES.increased + slack
    return verdict == EQUIVALENT and not LINES.reduced + slack < truth < LINES.increased - slack


def keep(pool: Pool, shares: dict[int, float]) -> tuple[float, ...]:
    """(C,) shares of the images that hold each class which keep it: 1 but for some."""
    kept = np.ones(len(pool.classes))
    for column, share in shares.items():
        kept[column] = share
    return tuple(float(value) for value in kept)


def finite(value: Any) -> float | None:
    """A number for a table; NULL for what is none, and for an interval's open end."""
    number = float(value)
    return number if np.isfinite(number) and abs(number) < 1e8 else None
