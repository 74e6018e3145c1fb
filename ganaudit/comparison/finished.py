"""A finished run, to be compared with others: what it used, what its audit asked, and its findings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganaudit.errors import AuditError, RequestError
from ganaudit.records.schema import FINDINGS, FINISHED
from ganaudit.records.store import Store, counting
from ganaudit.records.tables import RUNS
from ganaudit.records.used import UsedSource, sources_of
from ganaudit.spec import Decide

NEEDED = ("fsd", "dropped_classes")
JUDGED = (*NEEDED, "dropped_groups", "dropped_in_slices", "expectations")

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class FinishedRun:
    """A run with findings. tables: the rows of those that verdicts and distances are in."""

    run: str
    audit: str
    spec: Mapping[str, Any]
    sources: tuple[UsedSource, ...]
    tables: Mapping[str, Rows]

    @property
    def decide(self) -> Decide:
        return Decide.model_validate(self.spec.get("decide", {}))

    @property
    def accept(self) -> Mapping[str, Sequence[str]]:
        return dict(self.spec.get("accept") or {})

    @property
    def real(self) -> UsedSource:
        return next(source for source in self.sources if source.role == "real")

    @property
    def generators(self) -> tuple[UsedSource, ...]:
        return tuple(source for source in self.sources if source.role == "generated")

    @property
    def compared(self) -> tuple[UsedSource, ...]:
        """The generators that have findings: the images of the others were set aside."""
        with_distance = {row["generator"] for row in self.tables["fsd"]}
        return tuple(source for source in self.generators if source.name in with_distance)


def finished(store: Store, run: str) -> FinishedRun:
    """The run of this identifier. Raises RequestError where it is unknown, is not finished or has no findings."""
    path = store.run_sources(run)
    written = store.folder(RUNS.name).glob(f"{path.parent.name}/*.parquet")
    rows = [row for file in written for row in store.read(RUNS, file).to_pylist()]
    if not rows or not path.is_file():
        raise RequestError(f"there is no run {run!r} in {store.path}; `ganaudit runs` lists those there are")
    row = counting(rows)
    if row["status"] not in FINISHED:
        raise RequestError(f"run {run!r} is {row['status']}; run its audit again, which goes on where it was stopped")
    return FinishedRun(run, row["audit"], json.loads(row["spec"]), tuple(sources_of(store, run)), _tables(store, run))


def check_comparable(runs: Sequence[FinishedRun]) -> None:
    """Raises RequestError, naming them, for runs whose numbers do not mean the same."""
    for other in runs[1:]:
        _same_parser(runs[0], other)
        apart = _lines_apart(runs[0], other)
        if apart:
            raise RequestError(
                f"the verdicts of runs {runs[0].run!r} and {other.run!r} do not mean the same: {', '.join(apart)}; "
                "run one of the audits again with the lines of the other (nothing is parsed anew)"
            )


def _same_parser(this: FinishedRun, other: FinishedRun) -> None:
    if this.real.parser_key != other.real.parser_key:
        raise RequestError(
            f"{this.real.name!r} of run {this.run!r} and {other.real.name!r} of run {other.run!r} were parsed by different "
            "parsers and cannot be compared"
        )


def _lines_apart(this: FinishedRun, other: FinishedRun) -> list[str]:
    """What decides a verdict and is not the same: thresholds, and groups and slices of one name."""
    ours, theirs = (run.decide.model_dump(exclude={"permutations"}) for run in (this, other))
    apart = [f"decide.{name} is {ours[name]} and {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    for part in ("groups", "slices"):
        mine, yours = (run.spec.get(part) or {} for run in (this, other))
        apart += [f"{part}.{name} is not the same" for name in mine if name in yours and mine[name] != yours[name]]
    return apart


def _tables(store: Store, run: str) -> dict[str, Rows]:
    tables: dict[str, Rows] = {}
    for name in JUDGED:
        path = store.finding(run, name)
        if path.is_file():
            try:
                tables[name] = store.read(FINDINGS[name], path).to_pylist()
                continue
            except AuditError:
                raise RequestError(
                    f"{path} is damaged or of another version of ganaudit; run the audit again, which makes the findings "
                    "anew (`ganaudit verify` finds all such files)"
                ) from None
        if name in NEEDED:
            raise RequestError(f"run {run!r} has no finding {name}; run its audit again, which makes the findings anew")
        tables[name] = []
    return tables
