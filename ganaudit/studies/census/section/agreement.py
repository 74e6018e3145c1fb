"""What two parsers say of the same images, in words and tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ganaudit.report import words
from ganaudit.report.data import Findings, Interval, ReportData, rows
from ganaudit.studies.census.section.classes import GREW, LOST, SEVERITY
from ganaudit.studies.section import Block, Part, Table, Text

TOLD = 12
"""Verdicts that differ, of all generators, that a terminal lists."""


@dataclass(frozen=True)
class Agreed:
    """How far both agree on one class in one source."""

    name: str
    source: str
    role: str
    pixels: Interval
    images: Interval
    presence: tuple[float, float]
    """Share of images that hold the class, by each."""


@dataclass(frozen=True)
class BothVerdicts:
    """What each says of one class; None where it has no such class."""

    generator: str
    name: str
    measure: str
    same: bool | None
    verdict: str | None
    ratio: Interval
    second: str | None
    second_ratio: Interval

    @property
    def weight(self) -> tuple[int, int]:
        """Before others: where one lost or grew and the other did not; then by the harder of both."""
        places = [SEVERITY.index(word) for word in (self.verdict, self.second) if word in SEVERITY]
        sides = {("lost" if word in LOST else "grew" if word in GREW else "neither") for word in (self.verdict, self.second)}
        return len(sides) == 1, min(places, default=len(SEVERITY))


def agreed(findings: Findings) -> list[Agreed]:
    """Of the real images, then of the generators: those on which pixels agree least first."""
    found = [
        Agreed(
            row["class"], row["source"], row["role"], Interval.of(row, "pixel_kappa"), Interval.of(row, "presence_kappa"),
            (row["presence"], row["second_presence"]),
        )
        for row in rows(findings, "parser_agreement")
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.role != "real", one.pixels.value is None, one.pixels.value or 0.0, one.name))


def both_verdicts(findings: Findings) -> list[BothVerdicts]:
    """Those of classes that both parsers have."""
    return [
        BothVerdicts(
            row["generator"], row["class"], row["measure"], row["same"], row["verdict"], Interval.of(row, "ratio"),
            row["second_verdict"], Interval.of(row, "second_ratio"),
        )
        for row in rows(findings, "verdicts_by_parser")
    ]  # fmt: skip


def unlike(findings: Findings) -> list[BothVerdicts]:
    """The verdicts that differ, those that matter most first."""
    differing = [one for one in both_verdicts(findings) if one.same is False]
    return sorted(differing, key=lambda one: (one.weight, one.generator, one.name, one.measure))


def second_alone(findings: Findings) -> list[BothVerdicts]:
    """The verdicts on classes that the second parser alone has, those that matter most first."""
    alone = [one for one in both_verdicts(findings) if one.verdict is None]
    return sorted(alone, key=lambda one: (one.weight[1], one.generator, one.name, one.measure))


@dataclass(frozen=True)
class BothDistances:
    """A generator's corrected distance from the real images under each parser: each over classes of its own."""

    generator: str
    first: Interval
    second: Interval


def both_distances(findings: Findings) -> list[BothDistances]:
    """In the order of the audit file."""
    return [
        BothDistances(row["generator"], Interval.of(row, "corrected"), Interval.of(row, "second_corrected"))
        for row in rows(findings, "fsd_by_parser")
    ]


def order_words(found: Sequence[BothDistances]) -> str | None:
    """Whether both put the generators in one order; None for less than two whose distances both measured."""
    measured = [one for one in found if one.first.value is not None and one.second.value is not None]
    if len(measured) < 2:
        return None
    first, second = (
        [one.generator for one in sorted(measured, key=lambda one: getattr(one, which).value)] for which in ("first", "second")
    )
    if first == second:
        return f"both distances put the {words.counted(len(measured), 'generator')} in one order"
    orders = (" < ".join(names) for names in (first, second))
    return "by their distances the generators' order is {}, and by the second parser {}".format(*orders)


def agreement_words(findings: Findings) -> list[str]:
    """How far both agree, in sentences without a full stop; none where a run had one parser."""
    real = [one for one in agreed(findings) if one.role == "real"]
    known = both_verdicts(findings)
    if not known:
        return []
    alone = [{one.name for one in known if getattr(one, which) is None} for which in ("second", "verdict")]
    said = []
    if measured := [one for one in real if one.pixels.value is not None]:
        least = measured[0]
        middle = median(one.pixels.value or 0.0 for one in measured)
        said.append(
            f"two parsers read the images: of {words.counted(len(real), 'class')} that both have, the one in the middle has a "
            f"kappa of {middle:.3f} over the pixels of the real images (1: alike everywhere, 0: as by chance), "
            f"{least.name} the least, {kappa_words(least.pixels)}"
        )
    shared = [one for one in known if one.same is not None]
    same = sum(one.same is True for one in shared)
    if shared:
        said.append(f"{same} of {words.counted(len(shared), 'verdict')} on these classes are the same under both")
    if order := order_words(both_distances(findings)):
        said.append(order)
    if any(alone):
        names = [f"{words.counted(len(side), 'class')} of the {which}" for side, which in zip(
            alone, ("parser alone", "second alone"), strict=True) if side]  # fmt: skip
        said.append(f"{words.listing(names)}: matched by name, these have no other")
    return said


def kappa_words(found: Interval) -> str:
    """0.693 [0.621, 0.751]."""
    ends = [None if end is None else f"{end:.3f}".replace("-", words.MINUS) for end in (found.value, found.low, found.high)]
    return words.NOTHING if ends[0] is None else ends[0] if None in ends else f"{ends[0]} [{ends[1]}, {ends[2]}]"


def agreement_blocks(findings: Findings) -> list[Block]:
    """The same for a terminal, with the verdicts that differ."""
    said = agreement_words(findings)
    if not said:
        return []
    differing = unlike(findings)
    own = [one for one in second_alone(findings) if one.second in (*LOST, *GREW)]
    theirs = [
        {
            "generator": one.generator,
            "class": one.name,
            "measure": one.measure,
            "second parser alone": _told(one.second, one.second_ratio),
        }
        for one in own[:TOLD]
    ]
    table = [
        {
            "generator": one.generator, "class": one.name, "measure": one.measure, "parser": _told(one.verdict, one.ratio),
            "second parser": _told(one.second, one.second_ratio),
        }
        for one in differing[:TOLD]
    ]  # fmt: skip
    more = [Text(f"… and {len(differing) - TOLD:,} more in verdicts_by_parser")] if len(differing) > TOLD else []
    lines: Sequence[Text | Table] = [Text(f"{each[:1].upper()}{each[1:]}.") for each in said]
    tables = [Table(rows_of, "") for rows_of in (table, theirs) if rows_of]
    return [[*lines, *tables, *more]]


def _told(verdict: str | None, ratio: Interval) -> str:
    """dropped, 3 % [1, 6]."""
    measured = words.percents(ratio)
    return f"{verdict}, {measured}" if ratio.value is not None else str(verdict)


def agreement_part(data: ReportData) -> list[Part]:
    """Its piece of the page; none where a run had one parser."""
    said = agreement_words(data.findings)
    if not said:
        return []
    return [Part("agreement.html.j2", {
        "said": said, "agreed": agreed(data.findings), "unlike": unlike(data.findings), "alone": second_alone(data.findings),
        "kappa": kappa_words, "distances": both_distances(data.findings),
    })]  # fmt: skip
