"""`ganaudit run`: an audit as a Prefect flow, with its progress on stderr."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import server, settings, terminal
from flows.console import AuditFile, JsonOption, StoreOption, err, json_text, say, width

if TYPE_CHECKING:
    from ganaudit.auditing.run import Audit
    from ganaudit.spec import AuditSpec


def run(
    audit: AuditFile,
    store: StoreOption = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            help="Exit with 4 for dropped, reduced, increased, invented, unexpected (commas between), as `ganaudit compare` "
            "does; unexpected: a published value under expect is not met.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run an audit, or resume it, and print its findings."""
    _check_words(fail_on)
    done = run_audit(audit, store, as_json)
    raise typer.Exit(done.exit_code if fail_on is None else _gated(done, fail_on, as_json))


def run_audit(path: Path, store: Path | None, as_json: bool) -> Audit:
    """Runs the audit file at `path` and prints what it found."""
    from ganaudit.fetching.wanted import check_files
    from ganaudit.spec import load

    spec = load(path, store)  # a wrong file is refused at once, before anything is started
    settings.prepare()
    check_runner(spec)
    check_files(spec)  # likewise a wrong path or a folder without images
    with server.connected(say, lambda: _opened(spec)):
        from flows.audit import run as run_flow

        with terminal.RunProgress(err) as progress:
            audit = run_flow(path, store, progress)
    typer.echo(json_text(terminal.as_dict(audit)) if as_json else terminal.findings_text(audit, width()))
    return audit


def _check_words(fail_on: str | None) -> None:
    """Raises RequestError before the audit rather than after it."""
    from ganaudit.comparison import regressions
    from ganaudit.errors import RequestError

    if regressions.FARTHER in regressions.fail_on(fail_on):
        raise RequestError(f"--fail-on {regressions.FARTHER} needs a run to be farther than: ganaudit compare --baseline RUN")


def _gated(done: Audit, fail_on: str, as_json: bool) -> int:
    """The exit code, where a condition to fail on was given; what met it is printed."""
    from flows.comparison import compare_runs, gate_text
    from ganaudit.records.store import Store

    if done.exit_code == 1:
        return 1
    comparison = compare_runs(Store(done.store), [done.run], None, fail_on)
    if not as_json:
        typer.echo("\n" + gate_text(comparison))
    return comparison.exit_code if comparison.regressed else done.exit_code


def check_runner(spec: AuditSpec) -> None:
    """Raises RequestError for what the audit's runner lacks, before a server starts for it."""
    if spec.run.runner != "threads":  # which need no check, and the import takes seconds
        settings.prepare()
        url = settings.api_url()

        from flows import runners

        runners.check_runner(spec, url)


def _opened(spec: AuditSpec) -> None:
    """Opens all that the audit names, so that a wrong name is found while the server starts, not after it."""
    import flows.audit  # noqa: F401  # seconds, too
    from ganaudit.auditing.plan import plan

    plan(spec)
