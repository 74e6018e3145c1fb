"""What steering says of each walk, chosen for a reader: its classes, and sentences for page and terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganaudit.report import words
from ganaudit.report.data import Findings, Interval, Row, rows

WALK = ("generator", "edit", "space", "walk")
VERDICTS = ("follows", "inconclusive", "does not follow", "too few images")
PANELS = 4
"""Classes of a walk that get a curve: those that follow most, and least."""


@dataclass(frozen=True)
class WalkSaid:
    """One walk of a run. classes: rows of `steerability`, those that follow most first; reach, apart, correlation: its rows of
    `steering_reach`, `disentanglement`, `steering_correlations`."""

    generator: str
    edit: str
    space: str
    walk: str
    reach: Row
    classes: Sequence[Row]
    apart: Row | None
    correlation: Row | None

    @property
    def title(self) -> str:
        return f"{self.edit} in {self.space}, {self.walk}"

    def holds(self, row: Row) -> bool:
        return tuple(row[name] for name in WALK) == (self.generator, self.edit, self.space, self.walk)

    @property
    def shown(self) -> list[Row]:
        """The classes whose curves are drawn."""
        known = [row for row in self.classes if row["slope"] is not None]
        return known if len(known) <= PANELS else [*known[: PANELS - 1], known[-1]]

    def by_verdict(self) -> list[tuple[str, str]]:
        """(verdict, the classes that got it): the slope of those that follow."""
        lines = []
        for verdict in VERDICTS:
            names = [
                called(row) + (f" ({words.percents(Interval.of(row, 'slope'))})" if verdict == "follows" else "")
                for row in self.classes if row["verdict"] == verdict
            ]  # fmt: skip
            if names:
                lines.append((verdict, words.listing(names)))
        return lines


def called(row: Row) -> str:
    """The class of a row, or the whole image."""
    return "the whole image" if row["class"] is None else str(row["class"])


def said(findings: Findings, generator: str | None = None) -> list[WalkSaid]:
    """Every walk, in the order of the tables."""
    found = []
    for reach in rows(findings, "steering_reach", generator):
        name = {column: reach[column] for column in WALK}

        def mine(table: str, name: dict[str, str] = name) -> list[Row]:
            return [row for row in rows(findings, table, name["generator"]) if all(row[c] == v for c, v in name.items())]

        classes = sorted(mine("steerability"), key=lambda row: (row["slope"] is None, -(row["slope"] or 0.0)))
        apart, correlation = (next(iter(mine(table)), None) for table in ("disentanglement", "steering_correlations"))
        found.append(WalkSaid(**name, reach=reach, classes=classes, apart=apart, correlation=correlation))
    return found


def reach_words(walk: WalkSaid) -> str:
    """Such as `-16 to 8 of -32 to 32 pixels`."""
    reach = walk.reach
    if reach["withheld"] is not None:
        return f"not known: {reach['withheld']}"
    ends = [words.number(reach[name], 3) for name in ("reach_low", "reach_high", "alpha_low", "alpha_high")]
    return f"{ends[0]} to {ends[1]} of {ends[2]} to {ends[3]}"


def cause_words(walk: WalkSaid) -> str | None:
    """What the correlation over classes says, in a sentence."""
    row = walk.correlation
    if row is None or row["correlation"] is None:
        return None
    return (
        f"Over {row['classes']} classes, how far {row['attribute']} moves and how much it varies in the real images: "
        f"correlation {words.spread(Interval.of(row, 'correlation'))} (p {words.p(row['p_value'])})."
    )
