"""Verdicts beyond single classes: named groups, slices of the images, and pairs of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from ganaudit.report.data import Findings, Row, rows
from ganaudit.studies.census.section.classes import SEVERITY, Measure, Verdict, verdict_of

MOST = 40
"""Rows of one kind that the page lists; those that were lost come first."""


@dataclass(frozen=True)
class Decided:
    """One verdict and what it is about; images: real and generated ones in a slice."""

    name: str
    measure: Measure
    verdict: Verdict
    within: str = ""
    images: tuple[int, int] | None = None


@dataclass(frozen=True)
class Further:
    """The worst of each kind, and how many more there are."""

    groups: Sequence[Decided]
    slices: Sequence[Decided]
    pairs: Sequence[Decided]
    more_slices: int
    more_pairs: int


def further(findings: Findings, generator: str) -> Further:
    """Everything but classes that was decided on one generator, worst verdict first."""
    groups = _ordered([
        Decided(row["group"], _measure(row), verdict_of(row)) for row in rows(findings, "dropped_groups", generator)
    ])  # fmt: skip
    slices = _ordered([
        Decided(row["class"], _measure(row), verdict_of(row), row["slice"], (row["real_images"], row["generated_images"]))
        for row in rows(findings, "dropped_in_slices", generator)
        if row["real_holding"] or row["generated_holding"]
    ])  # fmt: skip
    pairs = _ordered([
        Decided(f"{row['class_a']} and {row['class_b']}", "presence", verdict_of(row))
        for row in rows(findings, "dropped_pairs", generator)
    ])  # fmt: skip
    decided = [decided_slice for decided_slice in slices if decided_slice.verdict.verdict not in ("equivalent", "not testable")]
    changed = [pair for pair in pairs if pair.verdict.verdict in ("dropped", "reduced", "increased", "invented")]
    return Further(
        groups, decided[:MOST], changed[:MOST], len(slices) - len(decided[:MOST]), len(pairs) - len(changed[:MOST]),
    )  # fmt: skip


def _measure(row: Row) -> Measure:
    return cast(Measure, row["measure"])


def _ordered(rows_decided: list[Decided]) -> list[Decided]:
    def key(decided: Decided) -> tuple[int, float, str, str]:
        high = decided.verdict.ratio.high
        return SEVERITY.index(decided.verdict.verdict), 1e9 if high is None else high, decided.within, decided.name

    return sorted(rows_decided, key=key)
