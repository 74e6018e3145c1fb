"""A claim, what would make it hold, and the measurement that says whether it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ganaudit.claims.workshop import NeededTraining, Workshop

HELD, NOT_HELD, UNDECIDED = "held", "not held", "undecided"


@dataclass(frozen=True)
class Criterion:
    """Where an effect has to be for a claim to hold: above or below a margin, or nearer to 0 than the margin (`within`)."""

    side: Literal["above", "below", "within"]
    margin: float
    unit: str = ""
    """Of effect and margin, in words, such as `of FSD`."""

    def text(self) -> str:
        """Such as `below 0.5 of FSD`."""
        sign = "±" if self.side == "within" else ""
        return f"{self.side} {sign}{self.margin:g} {self.unit}".rstrip()

    def verdict(self, low: float | None, high: float | None) -> str:
        """`held` where the whole interval is there, `not held` where none of it is, else `undecided`: also without an interval.
        The margin itself is not there."""
        if low is None or high is None:
            return UNDECIDED
        bounds = {"above": (self.margin, float("inf")), "below": (float("-inf"), self.margin)}
        least, most = bounds.get(self.side, (-self.margin, self.margin))
        if low > least and high < most:
            return HELD
        return NOT_HELD if high <= least or low >= most else UNDECIDED


@dataclass(frozen=True)
class Measurement:
    """An effect with its interval, and how many of what (`seeds`, `photos`) it is over.

    seen: what was seen beside it, in a sentence or two. An effect without an interval decides nothing; `seen` says why.
    """

    effect: float | None
    low: float | None
    high: float | None
    n: int
    of: str
    seen: str = ""

    def text(self) -> str:
        """Such as 0.82 [0.79, 0.85]; a dash where there is nothing."""
        ends = "" if self.low is None or self.high is None else f" [{self.low:.2f}, {self.high:.2f}]"
        return "–" if self.effect is None else f"{self.effect:.2f}{ends}"

    @classmethod
    def missing(cls, why: str) -> Measurement:
        """Nothing could be measured."""
        return cls(None, None, None, 0, "", why)


@dataclass(frozen=True)
class Claim:
    """What a paper says of its system, in one sentence, and how it is put to the test.

    source: the paper. effect: what is measured, in words. measure: makes the trainings that it needs in the workshop, if any.
    """

    name: str
    statement: str
    source: str
    effect: str
    holds: Criterion
    measure: Callable[[Workshop], Measurement]
    trainings: tuple[NeededTraining, ...] = ()
