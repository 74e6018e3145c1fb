"""What one generator does to each class: its measurements, its verdicts, and which of them a reader meets first."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal, get_args

import pyarrow as pa

from ganaudit.report.data import Findings, Interval, Row, rows

Measure = Literal["presence", "area", "count"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

LOST = ("dropped", "reduced")
GREW = ("invented", "increased")
SEVERITY = ("dropped", "reduced", "invented", "increased", "inconclusive", "not testable", "equivalent")
"""Verdicts in the order in which a reader needs them. A class is as its worst measure: equivalent only if all are."""


@dataclass(frozen=True)
class Verdict:
    """What was decided on one measure of one class, group, slice or pair."""

    verdict: str
    ratio: Interval
    p_value: float | None = None
    q_value: float | None = None
    detectable: float | None = None
    """The largest true ratio that would have been found reduced; None where none would."""
    images_needed: int | None = None
    """Images of each side from which it would be testable, where it is not."""
    real_holding: int | None = None
    generated_holding: int | None = None
    threshold: float | None = None

    @property
    def loss_q(self) -> float | None:
        """The q-value, which is that of a loss, where a loss was found or is open: it says nothing of other verdicts."""
        return self.q_value if self.verdict in (*LOST, "inconclusive") else None


@dataclass(frozen=True)
class RealAndGenerated:
    """One quantity, real and generated, each with its standard error."""

    real: float | None = None
    real_se: float | None = None
    generated: float | None = None
    generated_se: float | None = None
    ratio: float | None = None
    ratio_se: float | None = None

    def interval(self, sigmas: float) -> Interval:
        """The ratio's interval so many standard errors either way, on a log scale: a ratio is never negative."""
        if not self.ratio or self.ratio_se is None:
            return Interval(self.ratio)
        factor = math.exp(min(sigmas * self.ratio_se / self.ratio, 50.0))
        return Interval(self.ratio, self.ratio / factor, self.ratio * factor)


@dataclass(frozen=True)
class ClassFinding:
    """One class of one generator. Areas and sizes in percent of pixels, presences as shares of images, counts an image.

    any_trace: images with any pixel of it; present_from: the size that makes it present, percent of pixels.
    """

    class_id: int
    name: str
    area: RealAndGenerated = RealAndGenerated()
    presence: RealAndGenerated = RealAndGenerated()
    size: RealAndGenerated = RealAndGenerated()
    count: RealAndGenerated = RealAndGenerated()
    any_trace: RealAndGenerated = RealAndGenerated()
    present_from: float | None = None
    real_confidence: float | None = None
    generated_confidence: float | None = None
    generated_trace_confidence: float | None = None
    verdicts: Mapping[Measure, Verdict] = field(default_factory=dict)

    def verdict_on(self, measure: Measure) -> Verdict | None:
        return self.verdicts.get(measure)

    def sides(self, measure: Measure) -> RealAndGenerated:
        return {"presence": self.presence, "area": self.area, "count": self.count}[measure]

    def measures(self, verdicts: Iterable[str]) -> list[Measure]:
        """The measures on which one of these verdicts was given."""
        return [m for m in MEASURES if (decided := self.verdict_on(m)) is not None and decided.verdict in verdicts]

    @cached_property
    def word(self) -> str:
        """The verdict of its worst measure; empty where none was given (a run of an older ganaudit)."""
        given = {decided.verdict for decided in self.verdicts.values()}
        return next((word for word in SEVERITY if word in given), "")

    @cached_property
    def leading_measure(self) -> Measure:
        """The measure that the verdict rests on: one that has it, presence or area before count.

        Where both of these have the verdict, presence if it makes at least half of the change of area: area ratio = presence
        ratio x size ratio, so half on a log scale is the square root.
        """
        having = self.measures([self.word])
        if having and not {"presence", "area"} <= set(having):
            return having[0]
        presence, area = self.presence.ratio, self.area.ratio
        if presence is None or area is None or area <= 0 or presence <= 0:
            return "presence"
        return "presence" if abs(math.log(presence)) >= abs(math.log(area)) / 2 else "area"

    @property
    def leading_verdict(self) -> Verdict | None:
        """The verdict on the leading measure."""
        return self.verdict_on(self.leading_measure)

    @property
    def absent(self) -> bool:
        """Neither the real images nor the generator's hold a pixel of it."""
        return not self.area.real and not self.area.generated

    @property
    def new(self) -> bool:
        """The generator's images hold it, no real image does."""
        return not self.area.real and bool(self.area.generated)

    @property
    def never(self) -> bool:
        """The real images hold it, no generated image does."""
        return bool(self.area.real) and not self.area.generated


@dataclass(frozen=True)
class Shown:
    """The classes that fit into a figure, and how many were left out."""

    rows: tuple[ClassFinding, ...]
    left_out: int


def class_findings(findings: Findings, generator: str) -> tuple[ClassFinding, ...]:
    """Every class of one generator, in the order of their ids. A page asks a dozen times for each generator."""
    return _class_findings(*(_ByIdentity(findings.get(name)) for name in ("class_stats", "dropped_classes")), generator)


@dataclass(frozen=True, eq=False)
class _ByIdentity:
    """A table, equal to itself alone: to compare its rows would take as long as to read them."""

    table: pa.Table | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.table is other.table

    def __hash__(self) -> int:
        return id(self.table)


@lru_cache(maxsize=64)
def _class_findings(stats: _ByIdentity, dropped: _ByIdentity, generator: str) -> tuple[ClassFinding, ...]:
    findings = {name: each.table for name, each in (("stats", stats), ("dropped", dropped)) if each.table is not None}
    by_class = {row["class_id"]: _measured(row) for row in rows(findings, "stats", generator)}
    for row in rows(findings, "dropped", generator):
        finding = by_class.get(row["class_id"], ClassFinding(row["class_id"], row["class"]))
        decided = verdict_of(row)
        by_class[row["class_id"]] = replace(finding, verdicts={**finding.verdicts, row["measure"]: decided})
    return tuple(by_class[class_id] for class_id in sorted(by_class) if class_id > 0)


def verdict_of(row: Row) -> Verdict:
    """The verdict in a row of any of the dropped_… tables."""
    same = ("detectable", "images_needed", "real_holding", "generated_holding")
    return Verdict(
        verdict=row["verdict"], ratio=Interval.of(row, "ratio"), p_value=row["p_value"], q_value=row["q_value"],
        threshold=row.get("presence_threshold"), **{name: row.get(name) for name in same},
    )  # fmt: skip


def with_verdict(classes: Iterable[ClassFinding], *verdicts: str) -> list[ClassFinding]:
    """The classes whose worst verdict is one of these, the plainest first.

    Plainest: losses by the upper end of the interval, growth by the lower end, so that a handful of images of a rare
    class never stands before a common class that is plainly missing; what is inconclusive by how far from 1 it seems; the
    others by how much the real images hold.
    """
    chosen = [finding for finding in classes if finding.word in verdicts]
    order = (*SEVERITY, "")
    return sorted(chosen, key=lambda finding: (order.index(finding.word), *_plain(finding), finding.class_id))


def lost_classes(findings: Findings, generator: str, k: int | None = None) -> list[ClassFinding]:
    """The classes that a generator drops, then those that it reduces, the plainest first; the first `k` of them."""
    return with_verdict(class_findings(findings, generator), *LOST)[:k]


def largest(classes: Sequence[ClassFinding], most: int = 60, changed: int = 12) -> Shown:
    """The classes for the figure of areas, by real area, new ones last: the largest, and of the rest the plainest changes."""
    in_real = sorted(
        (finding for finding in classes if finding.area.real), key=lambda finding: (-(finding.area.real or 0), finding.name)
    )
    moved = with_verdict(in_real[most:], *LOST, "increased")[:changed]
    new = sorted(
        (finding for finding in classes if finding.new), key=lambda finding: (-(finding.area.generated or 0), finding.name)
    )[:changed]
    chosen = (*in_real[:most], *sorted(moved, key=lambda finding: -(finding.area.real or 0)), *new)
    return Shown(chosen, sum(not finding.absent for finding in classes) - len(chosen))


def worst_first(classes: Sequence[ClassFinding], most: int = 60) -> Shown:
    """The classes for the forest plot and the table: by verdict, worst first; those that nobody holds are left out."""
    ordered = with_verdict((finding for finding in classes if not finding.absent), *SEVERITY, "")
    return Shown(tuple(ordered[:most]), len(ordered) - min(most, len(ordered)))


def _plain(finding: ClassFinding) -> tuple[float, ...]:
    verdict = finding.leading_verdict
    if verdict is None:
        return (-(finding.area.real or 0.0),)
    if finding.word in LOST:
        return (math.inf if verdict.ratio.high is None else verdict.ratio.high,)
    if finding.word == "increased":
        return (-(verdict.ratio.low or 0.0),)
    if finding.word == "invented":
        return (-(finding.presence.generated or 0.0),)
    if finding.word == "inconclusive" and verdict.ratio.value is not None:
        return (-abs(math.log(max(verdict.ratio.value, 1e-9))),)
    return (-(finding.area.real or 0.0),)


_COLUMNS = {
    name: (f"real_{name}", f"real_{name}_se", f"generated_{name}", f"generated_{name}_se", f"{name}_ratio", f"{name}_ratio_se")
    for name in ("area", "presence", "size", "count", "any_trace")
}


def _measured(row: Row) -> ClassFinding:
    def sides(name: str) -> RealAndGenerated:
        return RealAndGenerated(*map(row.get, _COLUMNS[name]))  # older findings lack some

    return ClassFinding(
        class_id=row["class_id"], name=row["class"], area=sides("area"), presence=sides("presence"), size=sides("size"),
        count=sides("count"), any_trace=sides("any_trace"), present_from=row["presence_threshold"],
        real_confidence=row["real_confidence"], generated_confidence=row["generated_confidence"],
        generated_trace_confidence=row.get("generated_trace_confidence"),
    )  # fmt: skip
