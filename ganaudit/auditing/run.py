"""An audit from its spec to its report, without Prefect: `ganaudit.audit(spec)` in a notebook gives the flow's records."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from ganaudit import devices, sql
from ganaudit.auditing.driver import Progress, drive, on_threads
from ganaudit.auditing.plan import plan
from ganaudit.errors import AuditError, GanauditError, RequestError
from ganaudit.keys import canonical
from ganaudit.kinds.mistakes import nearest
from ganaudit.parsers.protocol import ClassInfo
from ganaudit.records import catalog, leases, schema
from ganaudit.records.schema import INTERRUPTED
from ganaudit.records.store import Store
from ganaudit.records.tables import RUN_NOTES
from ganaudit.report.data import Findings, Quarantined, ReportData, Used, generators
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import not_measured
from ganaudit.spec import AuditSpec, Decide
from ganaudit.studies.census import pictures
from ganaudit.studies.census.classes import empty_slices
from ganaudit.studies.census.shared import shared_notes
from ganaudit.studies.inversion.pictures import reconstructed
from ganaudit.studies.protocol import Done, Shard, asked_for
from ganaudit.version import __version__

DONE, SET_ASIDE, FAILED = "done", "set aside", "failed"
EXIT_CODES = {DONE: 0, FAILED: 1, SET_ASIDE: 3}
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
        found: pd.DataFrame = self.findings[finding].to_pandas()
        return found


def audit(spec: AuditSpec, watch: Watch | None = None) -> Audit:
    """Runs or resumes `spec` on threads of this process. Raises GanauditError where it cannot."""
    planned, store = prepared(spec)
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
    void = ClassInfo(0, "void", planned.classes[0].head)
    classes = planned.classes if any(c.id == 0 for c in planned.classes) else (void, *planned.classes)
    store.write_classes(planned.parser_key, [{"class_id": c.id, "name": c.name, "head": c.head} for c in classes])
    for source in planned.sources:
        store.write_source({
            "key": source.key, "kind": source.kind, "recipe": canonical(source.recipe), "digests": canonical(source.digests),
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


@contextmanager
def failing(planned: Plan, store: Store) -> Iterator[None]:
    """Holds the run's lease, and records that it failed, or was interrupted, when what is inside raises."""
    with leases.held(store, leases.of_run(planned.run)):
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
            raise


def finish(planned: Plan, store: Store, worked: Mapping[str, int]) -> Audit:
    """Findings, pictures, report and catalog of a run whose records all stand."""
    from ganaudit import report

    with catalog.of_run(store, planned.run) as connection:
        counts = readable(connection, planned.run)
        for source in planned.sources:
            if source.role == "real" and counts.get(source.name, 0) < 2:
                why = _reason(connection, planned.run, source.name)
                raise AuditError(f"real source {source.name!r} has no usable images: {why}")
    found: dict[str, pa.Table] = {}
    for study in asked_for(planned.spec):
        made = study.findings(store, planned.run)
        study.keep(planned, store, made)
        found |= made
    quarantined = sum(source.count for source in planned.sources) - sum(counts.values())
    status = SET_ASIDE if quarantined else DONE
    store.finish_run(_run_row(planned, status, store.started(planned.run), leases.utc(store)))
    catalog.build(store)
    page = report_path(store, planned.run)
    data = report_data(store, planned.run)
    page.write_text(report.render(data), encoding="utf-8")
    return Audit(planned.run, status, store.path, page, found, quarantined, dict(worked), tuple(data.notes))


def readable(connection: duckdb.DuckDBPyConnection, run: str) -> dict[str, int]:
    """Images of each source of a run that were read."""
    statement = "SELECT source, count(*) FROM run_images(?) WHERE status = 'ok' GROUP BY source"
    return dict(connection.execute(statement, [run]).fetchall())


def _reason(connection: duckdb.DuckDBPyConnection, run: str, source: str) -> str:
    statement = """
        SELECT error, sum(count(*)) OVER () AS images FROM run_images(?) WHERE source = ? AND status <> 'ok'
        GROUP BY error ORDER BY count(*) DESC, error LIMIT 1
    """
    row = connection.execute(statement, [run, source]).fetchone()
    return "it has fewer than two images" if row is None else f"{row[1]:,} images were set aside, most often because {row[0]}"


def _notes(connection: duckdb.DuckDBPyConnection, run: str, found: Findings) -> list[str]:
    """What a reader of the findings has to know: generators that have none, and why."""
    statement = "SELECT source FROM run_sources WHERE run = ? AND role = 'generated' ORDER BY source"
    names = [row[0] for row in connection.execute(statement, [run]).fetchall()]
    return [f"{name!r} has no findings: {_reason(connection, run, name)}." for name in names if name not in generators(found)]


def report_path(store: Store, run: str) -> Path:
    """Where the report of a run stands."""
    return store.finding(run, "fsd").with_name("report.html")


def report_data(store: Store, run: str) -> ReportData:
    """Everything the report of a run shows, from its records, findings and kept pictures alone. Raises RequestError."""
    import yaml

    with catalog.of_run(store, run) as connection:
        found, older = written(store, run)
        statement = "SELECT audit, spec, started, finished, status, versions, device FROM runs WHERE run = ?"
        row = next(iter(connection.sql(statement, params=[run]).to_arrow_table().to_pylist()), None)
        if row is None:
            raise RequestError(f"there is no run {run!r} in {store.path}; `ganaudit runs` lists those there are")
        asked = {one.get("name"): one for one in json.loads(row["spec"]).get("generators", ())}
        sources = [
            Used(role, name, kind, key, parser, count, _digests(recipe, digests), *_training(asked.get(name, {}), step))
            for role, name, kind, key, parser, count, recipe, digests, step in connection.execute(
                sql.text("used"), [run]
            ).fetchall()
        ]
        set_aside = connection.execute(
            "SELECT source, name, error FROM run_images(?) WHERE status <> 'ok' ORDER BY source, image", [run]
        ).fetchall()
        said = [noted["note"] for noted in store.of_run(RUN_NOTES, run)]
        notes = [*_notes(connection, run, found), *dict.fromkeys(said), *shared_notes(store, run)]
        if row["spec"] != "{}" and "dropped_in_slices" in found:
            slices = AuditSpec.model_validate_json(row["spec"]).slices
            rows = found["dropped_in_slices"].select(["generator", "slice"]).to_pylist()
            notes += empty_slices(connection, run, slices, {(each["generator"], each["slice"]) for each in rows})
    audit_name, spec, started, finished, status, versions, device = row.values()
    notes += tuple(filter(None, [not_measured(AuditSpec.model_validate_json(spec))])) if spec != "{}" else ()
    if not generators(found) and status != SET_ASIDE and not older:
        raise RequestError(f"run {run!r} is {status} and has no findings; run its audit again, which resumes where it stopped")
    if older:
        notes = [
            "This run was rolled up by an older ganaudit, which gave no verdicts; `ganaudit run` with its audit file rolls it "
            "up again from its records, without parsing an image."
        ]
    asked = json.loads(spec)
    return ReportData(
        audit=audit_name, run=run, started=started, finished=finished, device=device, versions=json.loads(versions),
        audit_yaml=yaml.safe_dump(_tidy(asked), sort_keys=False, allow_unicode=True),
        command=f"ganaudit run audit.yaml --store {shlex.quote(str(store.path))}   # with the file below\n"
                f"ganaudit report {run} --store {shlex.quote(str(store.path))}   # this page from its records",
        exit_status=EXIT_CODES.get(status, 1), findings=found, decide=Decide.model_validate(asked.get("decide", {})),
        kept=pictures.load(store, run), reconstructed=reconstructed(store, found), sources=sources,
        quarantined=[Quarantined(*values) for values in set_aside], notes=notes,
    )  # fmt: skip


def written(store: Store, run: str) -> tuple[dict[str, pa.Table], bool]:
    """The finding tables of a run, and whether an older ganaudit wrote some: those that lack columns are left out.

    Raises AuditError, naming it, where one is damaged.
    """
    found: dict[str, pa.Table] = {}
    older = False
    for name, table in schema.FINDINGS.items():
        path = store.finding(run, name)
        if not path.exists():
            continue
        try:
            found[name] = store.read(table, path)
        except AuditError:
            store.read(table, path, older=True)  # raises again where it is no older one but damaged
            older = True
    return found, older or (bool(found) and "dropped_classes" not in found)


def _training(asked: dict[str, Any], recorded: int | None) -> tuple[str | None, int | None]:
    """The training and step of a generator: what the audit file says, else the step that its weights said."""
    step = asked.get("step")
    return asked.get("training"), recorded if step is None else step


def _digests(recipe: str, digests: str) -> dict[str, str]:
    """What says exactly which weights and files a source means: of its own, and of the parser that read it."""
    found = {str(name): str(value) for name, value in json.loads(digests).items()}
    parser = json.loads(recipe).get("parser", {})
    return found | {f"parser {name}": str(parser[name]) for name in ("weights", "state", "precision") if parser.get(name)}


def _tidy(value: Any) -> Any:
    """A spec without what was left out of it."""
    if isinstance(value, dict):
        return {key: _tidy(entry) for key, entry in value.items() if entry not in (None, {}, [])}
    return [_tidy(entry) for entry in value] if isinstance(value, list) else value


def _run_row(planned: Plan, status: str, started: datetime, finished: datetime | None = None) -> dict[str, Any]:
    """started, finished: by the store's clock. When a run started is said once: its machine's clock may be set meanwhile."""
    versions = {"ganaudit": __version__, "python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
    return {
        "run": planned.run, "audit": planned.spec.name, "spec": canonical(planned.spec.model_dump(mode="json")),
        "started": started, "finished": finished, "status": status,
        "versions": canonical(versions), "device": devices.describe(planned.device), "git_commit": _commit(),
    }  # fmt: skip


def _commit() -> str | None:
    """Commit of this code where it runs from its repository."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
