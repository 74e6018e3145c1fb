"""What a report shows of a run: from its records, its findings and what was kept with them, and from nothing else."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from ganaudit import sql
from ganaudit.errors import AuditError, RequestError
from ganaudit.records import catalog, schema
from ganaudit.records.store import Store
from ganaudit.records.tables import RUN_NOTES
from ganaudit.report.data import Findings, Quarantined, ReportData, Used, generators
from ganaudit.sources.roles import not_measured
from ganaudit.spec import AuditSpec, Decide
from ganaudit.studies.protocol import sections

DONE, SET_ASIDE, FAILED = "done", "set aside", "failed"
EXIT_CODES = {DONE: 0, FAILED: 1, SET_ASIDE: 3}


def report_path(store: Store, run: str) -> Path:
    """Where the report of a run stands."""
    return store.findings(run) / "report.html"


@catalog.kept()
def report_data(store: Store, run: str) -> ReportData:
    """Everything the report of a run shows, from its records, findings and kept pictures alone. Raises RequestError."""
    with catalog.of_run(store, run) as connection:
        found, older = written(store, run)
        row = store.run_row(run)
        spec = None if row["spec"] == "{}" else AuditSpec.model_validate_json(row["spec"])
        asked = json.loads(row["spec"])
        by_name = {generator.get("name"): generator for generator in asked.get("generators", ())}
        sources = [
            Used(role, name, kind, key, parser, count, _digests(recipe, digests), *_training(by_name.get(name, {}), step))
            for role, name, kind, key, parser, count, recipe, digests, step in connection.execute(
                sql.text("used"), [run]
            ).fetchall()
        ]
        set_aside = connection.execute(
            "SELECT source, name, error FROM run_images(?) WHERE status <> 'ok' ORDER BY source, image", [run]
        ).fetchall()
        said = [noted["note"] for noted in store.of_run(RUN_NOTES, run)]
        notes = [*_notes(connection, run, found), *dict.fromkeys(said)]
    shown = sections()
    notes += [note for section in shown.values() for note in section.notes(store, run, spec, found)]
    notes += [] if spec is None else filter(None, [not_measured(spec)])
    status = row["status"]
    if not generators(found) and status != SET_ASIDE and not older:
        raise RequestError(f"run {run!r} is {status} and has no findings; run its audit again, which resumes where it stopped")
    if older:
        notes = [
            "This run was rolled up by an older ganaudit, which gave no verdicts; `ganaudit run` with its audit file rolls it "
            "up again from its records, without parsing an image."
        ]
    return ReportData(
        audit=row["audit"], run=run, started=row["started"], finished=row["finished"], device=row["device"],
        versions=json.loads(row["versions"]), audit_yaml=yaml.safe_dump(_tidy(asked), sort_keys=False, allow_unicode=True),
        command=f"ganaudit run audit.yaml --store {shlex.quote(str(store.path))}   # with the file below\n"
                f"ganaudit report {run} --store {shlex.quote(str(store.path))}   # this page from its records",
        exit_status=EXIT_CODES.get(status, 1), findings=found, decide=Decide.model_validate(asked.get("decide", {})),
        kept={study: section.kept(store, run, found) for study, section in shown.items()}, sources=sources,
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
    return found, older or (bool(found) and any(table.name not in found for table in schema.ALWAYS))


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


def _notes(connection: duckdb.DuckDBPyConnection, run: str, findings: Findings) -> list[str]:
    """What a reader of the findings has to know: generators that have none, and why."""
    statement = "SELECT source FROM run_sources WHERE run = ? AND role = 'generated' ORDER BY source"
    names = [row[0] for row in connection.execute(statement, [run]).fetchall()]
    return [
        f"{name!r} has no findings: {why_none(connection, run, name)}." for name in names if name not in generators(findings)
    ]


def why_none(connection: duckdb.DuckDBPyConnection, run: str, source: str) -> str:
    """Why a source has no findings, in words."""
    statement = """
        SELECT error, sum(count(*)) OVER () AS images FROM run_images(?) WHERE source = ? AND status <> 'ok'
        GROUP BY error ORDER BY count(*) DESC, error LIMIT 1
    """
    row = connection.execute(statement, [run, source]).fetchone()
    return "it has fewer than two images" if row is None else f"{row[1]:,} images were set aside, most often because {row[0]}"
