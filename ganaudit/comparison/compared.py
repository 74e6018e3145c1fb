"""Runs compared with each other, or judged against an accepted baseline: what `ganaudit compare` answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ganaudit.comparison.differences import Entrant, EntrantPair, images_of, side_by_side
from ganaudit.comparison.finished import FinishedRun, check_comparable
from ganaudit.comparison.regressions import (
    FARTHER,
    OMISSIONS,
    UNEXPECTED,
    Judged,
    VerdictChange,
    VerdictRow,
    judge,
    needless,
    verdicts,
)
from ganaudit.errors import RequestError
from ganaudit.records.used import UsedSource
from ganaudit.statistics.comparison import B_NEARER
from ganaudit.statistics.moments import GroupMoments
from ganaudit.studies.census.expectations import NOT_MET

ReadMoments = Callable[[UsedSource], GroupMoments]


@dataclass(frozen=True)
class ComparedDistance:
    """A generator of a run: its corrected distance with its interval, and its place among all that are compared."""

    run: str
    generator: str
    real_images: int
    generated_images: int
    fsd: float
    corrected: float | None
    corrected_low: float | None
    corrected_high: float | None
    rank: int | None
    rank_low: int | None
    rank_high: int | None


@dataclass(frozen=True)
class ComparedDifference:
    """The corrected distance of `a` minus that of `b`. shared_real: both from the same real images, so that theirs cancels."""

    run_a: str
    generator_a: str
    run_b: str
    generator_b: str
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    verdict: str
    shared_real: bool


@dataclass(frozen=True)
class Compared:
    """What was compared, and what --fail-on says of it. distances, differences: with a baseline, against that alone."""

    runs: tuple[str, ...]
    baseline: str | None
    fail_on: tuple[str, ...]
    distances: tuple[ComparedDistance, ...]
    differences: tuple[ComparedDifference, ...]
    verdicts: tuple[tuple[str, VerdictRow], ...]
    """(run, verdict) of every class, group and slice."""
    judged: tuple[tuple[str, Judged], ...]
    """(run, what --fail-on says of its verdicts); without a baseline and without a word to fail on, nothing."""
    farther: tuple[ComparedDifference, ...]
    """Generators that are farther from the real images than in the baseline, beyond doubt."""
    unexpected: tuple[tuple[str, Mapping[str, Any]], ...]
    """(run, row of `expectations`) of published values that are not met, and were met in the baseline, if there is one."""
    notes: tuple[str, ...]
    incomplete: bool
    """Whether a generator has no findings, because its images were set aside."""

    @property
    def regressed(self) -> bool:
        """Whether what --fail-on names was met."""
        return self.found > 0

    @property
    def found(self) -> int:
        """How many findings meet --fail-on."""
        further = {FARTHER: self.farther, UNEXPECTED: self.unexpected}
        return sum(len(judged.regressed) for _, judged in self.judged if self.fail_on) + sum(
            len(rows) for word, rows in further.items() if word in self.fail_on
        )

    @property
    def exit_code(self) -> int:
        return 4 if self.regressed else 3 if self.incomplete else 0

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "runs": list(self.runs), "baseline": self.baseline, "fail_on": list(self.fail_on), "exit_code": self.exit_code,
            **{
                name: [_row(run, change) for run, judged in self.judged for change in getattr(judged, name)]
                for name in ("regressed", "accepted", "better", "open")
            },
            "worse": [
                {**_row(run, change), "gates": bool(self.fail_on) and change in judged.regressed}
                for run, judged in self.judged for change in judged.worse
            ],
            "farther": [asdict(difference) for difference in self.farther],
            "unexpected": [{**row, "run": run} for run, row in self.unexpected],
            "distances": [asdict(distance) for distance in self.distances],
            "differences": [asdict(difference) for difference in self.differences],
            "verdicts": [{"run": run} | asdict(row) for run, row in self.verdicts],
            "notes": list(self.notes),
        }  # fmt: skip


def compared(runs: Sequence[FinishedRun], baseline: FinishedRun | None, words: Sequence[str], read: ReadMoments) -> Compared:
    """The runs side by side; with a baseline, each against that.

    words: what to fail on. read: the moments of the images of a source, over the same classes for every source. Raises
    RequestError for runs that cannot be compared.
    """
    if FARTHER in words and baseline is None:
        raise RequestError(f"--fail-on {FARTHER} needs a run to be farther than: --baseline RUN")
    everyone = [*runs, *([baseline] if baseline else [])]
    check_comparable(everyone)
    entrants = [entrant for run in runs for entrant in _entrants(run, read)]
    against = list(_entrants(baseline, read)) if baseline else []
    matched = [
        (pair, len(entrants) + other)
        for pair, entrant in enumerate(entrants)
        for other, before in enumerate(against)
        if entrant.generator.name == before.generator.name
    ]
    apart, places = side_by_side([*entrants, *against], runs[0].decide.alpha, matched if baseline else None)
    differences = tuple(_difference([*entrants, *against], pair) for pair in apart)
    judged = []
    for run in runs:
        now, before = verdicts(run.tables), verdicts(baseline.tables) if baseline else None
        judged.append((run.run, judge(now, before, words or OMISSIONS, run.accept, run.decide.reduced)))
    return Compared(
        runs=tuple(run.run for run in runs),
        baseline=baseline.run if baseline else None,
        fail_on=tuple(words),
        distances=tuple(_distances([*entrants, *against], everyone, [] if baseline else places)),
        differences=differences,
        verdicts=tuple((run.run, row) for run in runs for row in verdicts(run.tables)),
        judged=tuple(judged) if baseline or words else (),
        farther=tuple(difference for difference in differences if difference.verdict == B_NEARER) if baseline else (),
        unexpected=tuple(_unexpected(runs, baseline)),
        notes=tuple(_notes(runs, baseline)),
        incomplete=any(len(run.compared) < len(run.generators) for run in runs),
    )


def _unexpected(runs: Sequence[FinishedRun], baseline: FinishedRun | None) -> Iterable[tuple[str, Mapping[str, Any]]]:
    def missed(run: FinishedRun) -> dict[tuple[str, ...], Mapping[str, Any]]:
        names = ("real", "generator", "figure", "class", "source")
        return {tuple(row[name] for name in names): row for row in run.tables["expectations"] if row["verdict"] == NOT_MET}

    known = missed(baseline) if baseline else {}
    return ((run.run, row) for run in runs for place, row in missed(run).items() if place not in known)


def _entrants(run: FinishedRun, read: ReadMoments) -> Iterable[Entrant]:
    real = read(run.real)
    for generator in run.compared:
        row = next(row for row in run.tables["fsd"] if row["generator"] == generator.name)
        yield Entrant(run.run, generator, run.real, read(generator), real, row["corrected"])


def _distances(entrants: Sequence[Entrant], runs: Sequence[FinishedRun], places: Sequence[Any]) -> Iterable[ComparedDistance]:
    tables = {run.run: {row["generator"]: row for row in run.tables["fsd"]} for run in runs}
    names = ("real_images", "generated_images", "fsd", "corrected", "corrected_low", "corrected_high")
    for number, entrant in enumerate(entrants):
        row = tables[entrant.run][entrant.generator.name]
        place = places[number] if places else None
        yield ComparedDistance(
            entrant.run, entrant.generator.name, *(row[name] for name in names),
            *((None, None, None) if place is None else place),
        )  # fmt: skip


def _difference(entrants: Sequence[Entrant], apart: EntrantPair) -> ComparedDifference:
    a, b = entrants[apart.pair.a], entrants[apart.pair.b]
    return ComparedDifference(a.run, a.generator.name, b.run, b.generator.name, *apart.pair[2:], shared_real=apart.shared_real)


def _notes(runs: Sequence[FinishedRun], baseline: FinishedRun | None) -> Iterable[str]:
    first = baseline or runs[0]
    for run in runs:
        for generator in run.generators:
            if generator not in run.compared:
                yield f"{generator.name!r} of run {run.run} has no findings: its images were set aside"
        if images_of(run.real) != images_of(first.real):
            part = "one set, but not the same number" if run.real.key == first.real.key else "not the same"
            yield (
                f"the real images of runs {run.run} and {first.run} are {part}: their distances are compared as independent, "
                "and a verdict may change with the real images alone"
            )
        for name, accepted in needless(verdicts(run.tables), run.accept):
            yield f"{accepted!r} of {name!r} is accepted, and not omitted any more: take it out of accept"
        if baseline is not None:
            gone = {generator.name for generator in baseline.compared} - {generator.name for generator in run.generators}
            new = {generator.name for generator in run.compared} - {generator.name for generator in baseline.compared}
            yield from (f"{name!r} of the baseline is not in run {run.run}" for name in sorted(gone))
            yield from (f"{name!r} of run {run.run} is new: all its omissions count" for name in sorted(new))


def _row(run: str, change: VerdictChange) -> dict[str, Any]:
    before = change.before
    was = {"was": before and before.verdict, "was_ratio": before and before.ratio}
    return {"run": run} | asdict(change.now) | was
