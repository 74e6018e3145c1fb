"""The command line. Progress goes to stderr, results to stdout; heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import os
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from flows import settings, terminal
from ganaudit import __version__
from ganaudit.errors import AuditError, GanauditError, RequestError

app = typer.Typer(
    name="ganaudit", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Find out what an image generator cannot make.",
)  # fmt: skip
err = Console(stderr=True, highlight=False)

DEFAULT_STORE = Path("audits")
StoreOption = Annotated[Path | None, typer.Option("--store", help="The folder that keeps the records.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
AuditFile = Annotated[Path, typer.Argument(help="The audit file (YAML).", show_default=False)]


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"ganaudit {__version__}")
        raise typer.Exit


@app.command()
def demo(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """The built-in audit, end to end: which classes three generators of a small world drop."""
    with resources.as_file(resources.files("ganaudit.village") / "demo.yaml") as path:
        code = _run(path, store or DEFAULT_STORE, as_json, ready_to_try=True)
    raise typer.Exit(code)


@app.command()
def run(audit: AuditFile, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Run an audit, or resume it; prints the findings and the report's path."""
    raise typer.Exit(_run(audit, store, as_json))


@app.command()
def check(audit: AuditFile, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Validate an audit without running it: sources, weights, shapes, plan, disk and time."""
    from ganaudit.check import check as checked
    from ganaudit.spec import load

    with err.status("Opening every source and parsing one batch of each …"):
        found = checked(load(audit, store))
    typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else terminal.plan_text(found))


@app.command()
def runs(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """The runs in a store, newest first."""
    from ganaudit.records import catalog

    rows = catalog.query(_readable(store), RUNS).to_pylist()
    typer.echo(json.dumps(rows, indent=2, default=str) if as_json else terminal.table_text(rows, "no runs yet"))


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="The run; the newest by default.", show_default=False)] = None,
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option(help="Where the page goes; the store by default.", show_default=False)] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Also write the figures as PNG and SVG into this folder.", show_default=False)
    ] = None,
) -> None:
    """Rebuild the report of a run from its records."""
    from ganaudit import report as room
    from ganaudit.audit import report_data, report_path

    opened = _readable(store)
    data = report_data(opened, run or _newest(opened))
    page = out or report_path(opened, data.run)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(room.render(data), encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{page} cannot be written: {error.strerror}") from None
    typer.echo(str(page))
    for path in room.figures(data, figures) if figures else []:
        typer.echo(str(path))


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="Any DuckDB query over the records' views.", show_default=False)],
    store: StoreOption = None,
    output: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    as_json: JsonOption = False,
) -> None:
    """Ad-hoc SQL over records and findings: ganaudit sql "SELECT * FROM fsd"."""
    from ganaudit.records import catalog

    style = "json" if as_json else output
    if style not in ("table", "csv", "json"):
        raise RequestError(f"--format {output!r} is none of table, csv, json")
    found = catalog.query(_readable(store), query)
    if style == "csv":
        sys.stdout.write(found.to_pandas().to_csv(index=False))
    elif style == "json":
        typer.echo(json.dumps(found.to_pylist(), indent=2, default=str))
    else:
        typer.echo(terminal.table_text(found.to_pylist(), f"no rows ({', '.join(found.column_names)})"))


@app.command("list")
def list_kinds(
    room: Annotated[str, typer.Argument(help="generators, parsers or datasets.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """The kinds that an audit file can name, and the models that ship with the package."""
    from ganaudit.registry import REGISTRY
    from ganaudit.weights import builtin_names

    if room not in REGISTRY:
        raise RequestError(f"there is no list of {room!r}; there are {', '.join(REGISTRY)}")
    kinds = {kind: entry.summary for kind, entry in REGISTRY[room].items()}
    shipped = [
        f"builtin:{name}" for name in builtin_names() if (name == "village") == (room == "parsers") and room != "datasets"
    ]
    if as_json:
        typer.echo(json.dumps({"kinds": kinds, "weights": shipped}, indent=2))
        return
    typer.echo(terminal.table_text([{"kind": kind, "what it is": what} for kind, what in kinds.items()], ""))
    if shipped:
        typer.echo(f"shipped weights: {', '.join(shipped)}")


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A built-in model, such as village-progan.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoint and weights; training-NAME by default.", show_default=False),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="CPU minutes; the shipped model's by default.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of initial weights and batches.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
) -> None:
    """Make a built-in model again, or go on with it where it was stopped."""
    from flows.train import train_builtin

    typer.echo(str(train_builtin(model, out or Path(f"training-{model}"), minutes, seed, device, err)))


RUNS = """
    SELECT run, audit, status, started, round(epoch(finished - started), 1) AS seconds,
           (SELECT string_agg(source, ', ' ORDER BY role DESC, source)
            FROM run_sources WHERE run_sources.run = runs.run) AS sources
    FROM runs ORDER BY started DESC
"""


def _run(path: Path, store: Path | None, as_json: bool, ready_to_try: bool = False) -> int:
    from ganaudit.spec import load

    load(path, store)  # a wrong file is told at once, before anything is started
    settings.prepare()
    err.print(settings.start_up_note(), style="dim")
    with terminal.RunProgress(err) as progress:
        from flows.audit import run as run_flow

        found = run_flow(path, store, progress)
    typer.echo(json.dumps(terminal.as_dict(found), indent=2) if as_json else terminal.findings_text(found))
    if ready_to_try and not as_json:
        option = "" if found.store == DEFAULT_STORE.resolve() else f" --store {found.store}"
        typer.echo(
            "\nTry:  ganaudit sql"
            + option
            + ' "SELECT generator, class, area_ratio, presence_ratio FROM class_stats ORDER BY presence_ratio LIMIT 6"'
        )
    return found.exit_code


def _readable(store: Path | None) -> Any:
    from ganaudit.records.store import Store

    return Store(store or DEFAULT_STORE).open_for_reading()


def _newest(store: Any) -> str:
    from ganaudit.records import catalog

    rows = catalog.query(
        store, "SELECT run FROM runs WHERE status IN ('done', 'set aside') ORDER BY started DESC LIMIT 1"
    ).to_pylist()
    if not rows:
        raise RequestError(f"no run in {store.path} is finished; run an audit first")
    return str(rows[0]["run"])


def main() -> None:
    """The console script. Exit codes: 0 done, 1 failed, 2 wrong request, 3 finished with images set aside."""
    try:
        app()
    except RequestError as error:
        _fail(error, 2)
    except GanauditError as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        err.print("stopped; the same command resumes at the blocks that are missing")
        os._exit(130)  # blocks that are being made on threads would hold the process for minutes
    except OSError as error:
        _fail(AuditError(f"{error.filename or 'the system'}: {error.strerror or error}"), 1)


def _fail(error: Exception, code: int) -> None:
    err.print(f"error: {error}", markup=False, soft_wrap=True)
    sys.exit(code)
