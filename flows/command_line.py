"""The command line. Progress goes to stderr, results to stdout; heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from flows import calibrate_command, server, settings, store_commands, terminal
from flows.console import DEFAULT_STORE, JsonOption, StoreOption, err, finite, json_text, path_checked, readable, say
from flows.usage import Commands
from ganaudit import __version__
from ganaudit.errors import AuditError, GanauditError, RequestError

app = typer.Typer(
    name="ganaudit", cls=Commands, help="Find out what an image generator cannot make.", no_args_is_help=True,
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
DEMO = Path(str(resources.files("ganaudit.village") / "demo.yaml"))
DEMO_ALL = DEMO.with_name("demo-all.yaml")
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, …")]
KindOption = Annotated[
    str | None, typer.Option("--kind", help="Family of a weights file that does not say it.", show_default=False)
]
AuditFile = Annotated[Path, typer.Argument(help="The audit file (YAML).", show_default=False)]


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"ganaudit {__version__}")
        raise typer.Exit


@app.command()
def demo(
    every: Annotated[bool, typer.Option("--all", help="Four generators: a style-based one too.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """The built-in audit: which classes three generators drop."""
    raise typer.Exit(_run(DEMO_ALL if every else DEMO, store or DEFAULT_STORE, as_json, ready_to_try=True))


@app.command()
def run(audit: AuditFile, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Run an audit, or resume it, and print its findings."""
    raise typer.Exit(_run(audit, store, as_json))


@app.command()
def check(
    audit: AuditFile,
    detect: Annotated[
        float | None,
        typer.Option(
            callback=finite, help="Also say how many images would find a class at this ratio, such as 0.5.", show_default=False
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Validate an audit; what it would take and could find."""
    from ganaudit.auditing.check import check as checked
    from ganaudit.spec import load

    spec = load(audit, store)
    _check_runner(spec)
    with err.status("Opening every source and parsing one batch of each …"):
        checked_audit = checked(spec, detect)
    typer.echo(json_text(checked_audit.as_dict()) if as_json else terminal.plan_text(checked_audit, _width()))


@app.command()
def runs(
    audit: Annotated[str | None, typer.Option(help="Of this audit alone.", show_default=False)] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only those that are running, done, set aside, failed or interrupted.", show_default=False),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Started since: 2026-11-01, 2026-11-01T06:00 (UTC), 36h or 7d.", show_default=False)
    ] = None,
    generator: Annotated[
        str | None, typer.Option(help="Only those with this generator or training.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many at most.", show_default=False)] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """The runs in a store, newest first."""
    from flows.runs_command import Filters, runs_text, some_runs

    asked = Filters(audit, status, since, generator, limit)
    rows = some_runs(readable(store), asked)
    typer.echo(json_text(rows) if as_json else runs_text(rows, asked), nl=as_json)


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="The run; the newest by default.", show_default=False)] = None,
    store: StoreOption = None,
    out: Annotated[
        Path | None, typer.Option(callback=path_checked, help="Where the page goes; the store by default.", show_default=False)
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(callback=path_checked, help="Also write the figures as PNG and SVG into this folder.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild the report of a run from its records."""
    from ganaudit import report as room
    from ganaudit.auditing.report_data import report_data, report_path
    from ganaudit.records import leases

    opened = readable(store)
    with leases.reading(opened):
        data = report_data(opened, run or _newest(opened))
    page = out or report_path(opened, data.run)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(room.render(data), encoding="utf-8")
        drawn = room.figures(data, figures) if figures else []
    except OSError as error:
        raise RequestError(f"{error.filename or page} cannot be written: {error.strerror}") from None
    if as_json:
        typer.echo(json_text({"run": data.run, "report": str(page), "figures": [str(path) for path in drawn]}))
        return
    for path in (page, *drawn):
        typer.echo(str(path))


@app.command()
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="RUN, AUDIT (its newest run), or RUN:NAME, a generator or training of it; the newest run by default.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="An accepted run, to compare with, likewise; or best: of each training, the last checkpoint against the best.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            help="Exit with 4 for dropped, reduced, increased, invented, farther (commas between): with --baseline, only where "
            "that is worse than in the baseline; never where the audit file accepts it.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Generators or checkpoints, or against an accepted run."""
    from flows.compare_command import compare_runs, compared_text

    opened = readable(store)
    comparison = compare_runs(opened, runs or [_newest(opened)], baseline, fail_on)
    typer.echo(json_text(comparison.as_dict()) if as_json else compared_text(comparison, _width()))
    raise typer.Exit(comparison.exit_code)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="Any DuckDB query over the records' views.", show_default=False)],
    store: StoreOption = None,
    output: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    as_json: JsonOption = False,
) -> None:
    """SQL over the records: ganaudit sql "SELECT * FROM fsd"."""
    from flows.sql_command import answer, write

    write(answer(readable(store), query, "json" if as_json else output))


@app.command("list")
def list_kinds(
    room: Annotated[str, typer.Argument(help="generators, parsers, datasets, inverters or features.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """What an audit file can name, and the shipped models."""
    from ganaudit import kinds, named

    if room not in kinds.ROOMS:
        raise RequestError(f"there is no list of {room!r}; there are {', '.join(kinds.ROOMS)}")
    summaries = kinds.summaries(room)
    shipped = named.shipped(room)
    if as_json:
        typer.echo(json_text({"kinds": summaries, "weights": shipped}))
        return
    typer.echo(
        terminal.table_text([{"kind": kind, "what it is": what} for kind, what in summaries.items()], "none yet"), nl=False
    )
    if shipped:
        typer.echo(f"shipped weights: {', '.join(shipped)}")


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A built-in model, such as village-progan, or inverter.", show_default=False)],
    generator: Annotated[
        str | None,
        typer.Argument(
            help="Of an inverter: builtin:NAME, a weights file, KIND:weights, or module:factory.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=path_checked, help="Folder of checkpoint and weights; training-NAME by default.", show_default=False
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps; those of the shipped model by default.", show_default=False)
    ] = None,
    images: Annotated[int | None, typer.Option(help="Images shown in training.", show_default=False)] = None,
    minutes: Annotated[
        float | None,
        typer.Option(callback=finite, help="By the wall clock; of several limits, the first ends it.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            callback=path_checked, help="An audit file, for its real images instead of the village.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of initial weights and batches.", min=0, max=2**63 - 1)] = 1,
    device: DeviceOption = "auto",
    method: Annotated[str, typer.Option(help="Of an inverter: layered or encoder.")] = "layered",
    layer: Annotated[str, typer.Option(help="Of a layered inverter: r; by default, as invert chooses it.")] = "auto",
    kind: KindOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a built-in model again, or a generator's inverter."""
    from flows.train import train_builtin, train_inverter
    from ganaudit.training.loop import Budget

    budget = None if steps is images is minutes is None else Budget(steps, images, minutes)
    if model == "inverter":
        if generator is None:
            raise RequestError("name the generator: ganaudit train inverter builtin:village-progan")
        if data is not None:
            raise RequestError("an inverter is trained on its generator's own samples alone; leave out --data")
        made = train_inverter(generator, method, layer, kind, out, budget, seed, device, err)
    elif generator is not None:
        raise RequestError(f"train {model} takes no second name ({generator!r}); ganaudit train inverter {generator} does")
    else:
        made = train_builtin(model, out or Path(f"training-{model}"), data, budget, seed, device, err)
    card = made.with_name(f"{made.stem}.card.json")
    typer.echo(json_text({"weights": str(made), "card": str(card)}) if as_json else str(made))


@app.command()
def invert(
    generator: Annotated[
        str, typer.Argument(help="builtin:NAME, a weights file, KIND:weights, or module:factory.", show_default=False)
    ],
    photos: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    out: Annotated[Path, typer.Option(callback=path_checked, help="Folder of the pictures and inversions.json.")] = Path(
        "inverted"
    ),
    preset: Annotated[
        str | None, typer.Option(help="A reference's exact settings, such as bau-2019.", show_default=False)
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="One of ganaudit list inverters; layerwise by default.", show_default=False)
    ] = None,
    layer: Annotated[str, typer.Option(help="r; auto frees the first layers, up to a quarter of the pixel values.")] = "auto",
    steps: Annotated[
        int | None, typer.Option(help="Of the search; 300 by default.", min=0, max=1_000_000, show_default=False)
    ] = None,
    perceptual: Annotated[
        str | None,
        typer.Option(
            help="pyramid (default), none, lpips-alex, lpips-vgg, lpips-squeeze, vgg16 or efficientnet-lite0.",
            show_default=False,
        ),
    ] = None,
    perceptual_weights: Annotated[
        str | None, typer.Option(help="A local file of its weights; by default, the usual download.", show_default=False)
    ] = None,
    penalty: Annotated[
        float | None,
        typer.Option(callback=finite, min=0, help="Of residuals; by default, set from own samples.", show_default=False),
    ] = None,
    inverter: Annotated[
        Path | None,
        typer.Option(callback=path_checked, help="A trained inverter; by default, the one that ships.", show_default=False),
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(help="For label maps: builtin:NAME, a weights file, KIND:weights, or module:factory.", show_default=False),
    ] = None,
    outlined: Annotated[
        str | None, typer.Option("--class", help="Outline this class of the parser.", show_default=False)
    ] = None,
    kind: KindOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Photos beside the nearest thing a generator can make."""
    from flows.invert import invert as inverted

    answer = inverted(
        generator, photos, out, kind=kind, preset=preset, method=method, layer=layer, steps=steps, perceptual=perceptual,
        perceptual_weights=perceptual_weights, penalty=penalty, inverter=inverter, parser=parser, outlined=outlined,
        device=device, console=err,
    )  # fmt: skip
    typer.echo(json_text(answer) if as_json else terminal.inversions_text(answer, out, _width()), nl=as_json)
    raise typer.Exit(3 if any(row["status"] != "ok" for row in answer["photos"]) else 0)


app.command("calibrate")(calibrate_command.calibrate)
app.command("verify")(store_commands.verify)
app.command("compact")(store_commands.compact)
app.command("prune")(store_commands.prune)


def _run(path: Path, store: Path | None, as_json: bool, ready_to_try: bool = False) -> int:
    from ganaudit.spec import load

    spec = load(path, store)  # a wrong file is told at once, before anything is started
    settings.prepare()
    _check_runner(spec)
    with server.connected(say, lambda: _opened(spec)):
        from flows.audit import run as run_flow

        with terminal.RunProgress(err) as progress:
            audit = run_flow(path, store, progress)
    typer.echo(json_text(terminal.as_dict(audit)) if as_json else terminal.findings_text(audit, _width()))
    if ready_to_try and not as_json:
        option = "" if audit.store == DEFAULT_STORE.resolve() else f" --store {shlex.quote(str(audit.store))}"
        typer.echo(
            f"\nTry:  {_program()} sql"
            + ' "SELECT generator, class, measure, verdict, ratio, ratio_low, ratio_high FROM dropped_classes'
            + " WHERE verdict IN ('dropped', 'reduced') ORDER BY ratio LIMIT 8\""
            + option
        )
    return audit.exit_code


def _check_runner(spec: Any) -> None:
    """Tells what the audit's runner lacks before a server starts for it."""
    if spec.run.runner != "threads":  # which need no check, and the import takes seconds
        settings.prepare()
        url = settings.api_url()

        from flows.runners import check_runner

        check_runner(spec, url)


def _opened(spec: Any) -> None:
    """Opens all that the audit names, so that a wrong name is told while the server starts, not after it."""
    import flows.audit  # noqa: F401  # seconds, too
    from ganaudit.auditing.plan import plan

    plan(spec)


def _program() -> str:
    """How this command is called from here: by its name where that is on the PATH."""
    return "ganaudit" if shutil.which("ganaudit") or not sys.argv[0].endswith("ganaudit") else sys.argv[0]


def _width() -> int:
    """Columns of the terminal; 0 where the output goes to a file or a pipe, whose lines are left whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _newest(store: Any) -> str:
    from ganaudit.records import catalog

    rows = catalog.query(
        store, "SELECT run FROM runs WHERE status IN ('done', 'set aside') ORDER BY started DESC LIMIT 1"
    ).to_pylist()
    if not rows:
        raise RequestError(f"no run in {store.path} is finished; run an audit first")
    return str(rows[0]["run"])


def main() -> None:
    """The console script. Exit codes: 0 done, 1 failed, 2 wrong request, 3 with images set aside, 4 what --fail-on names."""
    try:
        app(prog_name="ganaudit")
    except RequestError as error:
        _fail(error, 2)
    except GanauditError as error:
        _fail(error, 1)
    except OSError as error:
        _fail(AuditError(f"{error.filename or 'the system'}: {error.strerror or error}"), 1)


def _fail(error: Exception, code: int) -> None:
    from ganaudit.limits import given_up

    err.print(f"error: {error}", markup=False, soft_wrap=not err.is_terminal)
    if given_up():  # Python would end under code that hangs or leaks
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
