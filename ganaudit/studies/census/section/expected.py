"""Published values beside what a run measured, in words."""

from dataclasses import dataclass

from ganaudit.report import words
from ganaudit.report.data import Findings, Interval, ReportData, rows
from ganaudit.studies.census.expectations import MET, NOT_MET, WITHHELD
from ganaudit.studies.section import Part


@dataclass(frozen=True)
class Expectation:
    """One published value."""

    generator: str
    figure: str
    name: str
    """Of the class; empty for a figure of the whole generator."""
    expected: float
    within: float
    source: str
    measured: Interval
    verdict: str

    @property
    def what(self) -> str:
        """relative change of person."""
        figure = self.figure.replace("_", " ").replace("fsd", "FSD").replace("corrected", "FSD corrected")
        return f"{figure} of {self.name}" if self.name else figure

    @property
    def said(self) -> str:
        """−0.63 ± 0.005, in the digits of the audit file."""
        return f"{self.expected:g}".replace("-", words.MINUS) + (f" ± {self.within:g}" if self.within else "")

    @property
    def found(self) -> str:
        """What was measured, with its interval."""
        return words.spread(self.measured)


def expectations(findings: Findings) -> list[Expectation]:
    """Those of a run, in the order of the audit file."""
    return [
        Expectation(
            row["generator"], row["figure"], row["class"] or "", row["expected"], row["within"], row["source"],
            Interval.of(row, "measured"), row["verdict"],
        )
        for row in rows(findings, "expectations")
    ]  # fmt: skip


def expected_words(known: list[Expectation], alpha: float | None = None) -> str:
    """How many were met: "28 of 30 published values are met, 2 are not; by chance alone 1.5 would not be"."""
    count = {verdict: sum(one.verdict == verdict for one in known) for verdict in (MET, NOT_MET, WITHHELD)}
    held = count[MET] + count[NOT_MET]
    said = f"{count[MET]} of {words.counted(held, 'published value')} {'is' if held == 1 else 'are'} met within sampling error"
    if count[NOT_MET]:
        said += f", {count[NOT_MET]} {'is' if count[NOT_MET] == 1 else 'are'} not"
    if alpha is not None and held > 1:
        said += f"; by chance alone {words.number(alpha * held)} would not be"
    if count[WITHHELD]:
        said += f"; of {count[WITHHELD]} there is no interval"
    return said


def expected_part(data: ReportData) -> list[Part]:
    """Its piece of the page; none where nothing is expected."""
    known = expectations(data.findings)
    if not known:
        return []
    return [Part("expected.html.j2", {"expected": known, "said": expected_words(known, data.decide.alpha)})]
