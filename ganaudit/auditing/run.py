"""An audit from its spec to its report, without Prefect: `ganaudit.audit(spec)` in a notebook gives the flow's records."""

from __future__ import annotations

import logging
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from ganaudit import devices
from ganaudit.auditing.driver import Progress, drive, on_threads
from ganaudit.auditing.plan import plan
from ganaudit.auditing.report_data import DONE, EXIT_CODES, FAILED, SET_ASIDE, report_data, report_path, why_none
from ganaudit.errors import AuditError, GanauditError, RequestError
from ganaudit.keys import canonical
from ganaudit.kinds.mistakes import nearest
from ganaudit.parsers.protocol import ClassInfo
from ganaudit.records import catalog, leases, writer
from ganaudit.records.schema import INTERRUPTED
from ganaudit.records.store import Store
from ganaudit.sources.planned import Plan
from ganaudit.spec import AuditSpec, load
from ganaudit.studies.protocol import Done, Shard, asked_for
from ganaudit.version import __version__

LOG = logging.getLogger(__name__)
LIBRARIES = ("torch", "numpy", "scipy", "pandas", "pyarrow", "duckdb", "pillow")

Watch = Callable[[Progress, Shard | None, Done | None], None]
"""Told of each stage, and of each shard when its records stand."""


@dataclass(frozen=True)
class Audit:
    """A finished run: its findings as tables, where its report is, and what was set aside."""

    run: str
    status: str
    store: Path
    report: Path
    findings: dict[str, pa.Table]
    quarantined: int
    worked: Mapping[str, int] = field(default_factory=dict)
    """Images that this run worked on, by stage; the others were in the store already."""
    notes: tuple[str, ...] = ()
    """What a reader of the findings has to know: sources that have none."""

    @property
    def parsed(self) -> int:
        """Images that this run parsed."""
        return self.worked.get("parsing", 0)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.status]

    def __repr__(self) -> str:
        from ganaudit.report.notebook import summary_text

        return summary_text(self.run, self.status, self.findings, self.report)

    def _repr_html_(self) -> str:
        from ganaudit.report.notebook import summary_html

        return summary_html(self.run, self.status, self.findings, self.report)

    def table(self, finding: str) -> pd.DataFrame:
        """A finding as a DataFrame. Raises RequestError, with the nearest name, for one that there is not."""
        if finding not in self.findings:
            raise RequestError(f"there is no finding {finding!r}{nearest(finding, list(self.findings))}")
        frame: pd.DataFrame = self.findings[finding].to_pandas()
        return frame


def audit(spec: AuditSpec | Path | str, watch: Watch | None = None) -> Audit:
    """Runs or resumes an audit, or that of an audit file, on threads of this process. Raises GanauditError where it cannot."""
    planned, store = prepared(spec if isinstance(spec, AuditSpec) else load(spec))
    with failing(planned, store):
        progress = Progress(planned, listeners=[] if watch is None else [watch])
        return finish(planned, store, drive(planned, store, on_threads(planned.workers), progress))


def prepared(spec: AuditSpec) -> tuple[Plan, Store]:
    """The plan of an audit and its store, ready to be written; the run is recorded as begun."""
    planned = plan(spec)
    store = Store(spec.path(spec.store)).open_for_writing(planned.block)
    if store.block != planned.block:  # another audit has just made the store, with other blocks
        planned = plan(spec)
    begin(planned, store)
    return planned, store


def begin(planned: Plan, store: Store) -> None:
    """Records that the run started, and what it is about.

    Raises RequestError while the store is being pruned.
    """
    leases.announce(store, planned.run)
    _write_classes(store, planned.parser_key, planned.classes)
    if planned.second_parser is not None:
        _write_classes(store, planned.second_parser.key, planned.second_parser.classes)
    for source in planned.sources:
        second = [] if source.second is None else [(source.second.key, source.second.recipe)]
        for key, recipe in [(source.key, source.recipe), *second]:
            store.write_source({
                "key": key, "kind": source.kind, "recipe": canonical(recipe), "digests": canonical(source.digests),
                "resolution": source.resolution, "truncation": source.truncation, "noise": source.noise,
                "training_step": source.training_step,
            })  # fmt: skip
    used = [
        {
            "role": source.role, "source": source.name, "key": source.key, "parser_key": planned.parser_key,
            "first": source.first, "count": source.count,
        }
        for source in planned.sources
    ]  # fmt: skip
    store.start_run(_run_row(planned, "running", planned.started + leases.skew(store)), used)
    store.write_run_keys(planned.run, "sources", "listing", [], planned.notes)


def _write_classes(store: Store, parser_key: str, known: tuple[ClassInfo, ...]) -> None:
    void = ClassInfo(0, "void", known[0].head)
    classes = known if any(c.id == 0 for c in known) else (void, *known)
    store.write_classes(parser_key, [{"class_id": c.id, "name": c.name, "head": c.head} for c in classes])


@contextmanager
def failing(planned: Plan, store: Store) -> Iterator[None]:
    """Holds the run's lease, and records that it failed, or was interrupted, when what is inside raises."""
    with leases.taken(store, leases.of_run(planned.run)):
        try:
            yield
        except BaseException as error:
            try:
                status = FAILED if isinstance(error, Exception) else INTERRUPTED
                store.finish_run(_run_row(planned, status, store.started(planned.run), leases.utc(store)))
                catalog.build(store)
            except (GanauditError, OSError):
                with suppress(GanauditError, OSError):
                    store.interrupt_run(planned.run)  # the first error is the one to report
            if isinstance(error, Exception):
                store.check_there()  # what an error comes to when the store is removed meanwhile says nothing
            raise


@catalog.kept()
def finish(planned: Plan, store: Store, worked: Mapping[str, int]) -> Audit:
    """Findings, pictures, report and catalog of a run whose records all stand."""
    from ganaudit import report

    with catalog.of_run(store, planned.run) as connection:
        counts = readable(connection, planned.run)
        for source in planned.sources:
            if source.role == "real" and counts.get(source.name, 0) < 2:
                why = why_none(connection, planned.run, source.name)
                raise AuditError(f"real source {source.name!r} has no usable images: {why}")
    findings: dict[str, pa.Table] = {}
    for study in asked_for(planned.spec):
        made = study.findings(store, planned.run)
        study.keep(planned, store, made)
        findings |= made
    quarantined = sum(source.count for source in planned.sources) - sum(counts.values())
    status = SET_ASIDE if quarantined else DONE
    store.finish_run(_run_row(planned, status, store.started(planned.run), leases.utc(store)))
    try:
        catalog.build(store)
    except AuditError as error:  # a file of another run: this one's findings stand
        store.check_there()
        LOG.warning("the catalog was not made anew: %s", error)
    page = report_path(store, planned.run)
    data = report_data(store, planned.run)
    with writer.writing(page), writer.temporary_file(store.temporary, "report") as unfinished:
        unfinished.write_text(report.render(data), encoding="utf-8")
        unfinished.replace(page)
    return Audit(planned.run, status, store.path, page, findings, quarantined, dict(worked), tuple(data.notes))


def readable(connection: duckdb.DuckDBPyConnection, run: str) -> dict[str, int]:
    """Images of each source of a run that were read."""
    statement = "SELECT source, count(*) FROM run_images(?) WHERE status = 'ok' GROUP BY source"
    return dict(connection.execute(statement, [run]).fetchall())


def _run_row(planned: Plan, status: str, started: datetime, finished: datetime | None = None) -> dict[str, Any]:
    """started, finished: by the store's clock. When a run started is said once: its machine's clock may be set meanwhile."""
    return {
        "run": planned.run, "audit": planned.spec.name, "spec": canonical(planned.spec.model_dump(mode="json")),
        "started": started, "finished": finished, "status": status,
        "versions": _versions(), "device": devices.describe(planned.device), "git_commit": _commit(),
    }  # fmt: skip


@cache
def _versions() -> str:
    versions = {"ganaudit": __version__, "python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
    return canonical(versions)


def _commit() -> str | None:
    """Commit of this code where it runs from its repository."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        process = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip() or None
