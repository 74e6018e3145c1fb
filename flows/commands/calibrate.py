"""`ganaudit calibrate`: what the verdicts, intervals and tests are worth, measured."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows import server, settings, terminal
from flows.console import DEFAULT_STORE, JsonOption, StoreOption, err, json_text, path_checked, say
from ganaudit.errors import RequestError

QUICK_REPLICATES = 100
QUICK_SCENES = 65_536
REPLICATES = 250


def calibrate(
    store: StoreOption = None,
    run: Annotated[
        str | None,
        typer.Option(help="Draw from this run's real images; by default from made-up populations.", show_default=False),
    ] = None,
    replicates: Annotated[
        int, typer.Option(help="Audits of each case, rounded up to a multiple of 50.", min=1, max=1_000_000)
    ] = REPLICATES,
    quick: Annotated[bool, typer.Option("--quick", help="100 replicates from fewer scenes.")] = False,
    only: Annotated[
        str | None,
        typer.Option(help="One scenario, such as distance, or 'distance: zero, 300 v 300', one case.", show_default=False),
    ] = None,
    world: Annotated[str | None, typer.Option(help="One population, such as 'heavy tails'.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(callback=path_checked, help="Write calibration.md and its picture into this folder.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What the verdicts are worth, measured."""
    from benchmarks.calibration.scenarios import check_scenario, check_world
    from ganaudit.records.store import Store

    check_scenario(only)
    check_world(world)
    if run is not None and world is not None:
        raise RequestError("--run draws from that run's real images, --world from a made-up population: give one of them")
    place = store or DEFAULT_STORE
    if run is not None:
        Store(place).open_for_reading()
    Store(place).check_place()
    settings.prepare()
    with server.connected(say, _imported):
        from flows.calibrate import run as run_flow

        with _Bars(err) as bars:
            count, scenes = (QUICK_REPLICATES, QUICK_SCENES) if quick else (replicates, None)
            calibrated = run_flow(place, run, count, scenes if run is None else None, only, world, bars)
    rows = calibrated.table.to_pylist()
    written = []
    if out is not None:
        from benchmarks.calibration.page import write

        said = {
            "--run": run,
            "--only": only,
            "--world": world,
            "--replicates": None if quick or replicates == REPLICATES else replicates,
        }
        options = [f"{name} {shlex.quote(str(value))}" for name, value in said.items() if value is not None]
        command = " ".join(["ganaudit calibrate", *options, *(["--quick"] if quick else []), f"--out {shlex.quote(str(out))}"])
        try:
            written = write(rows, out, command, calibrated.pools)
        except OSError as error:
            raise RequestError(f"{error.filename or out} cannot be written: {error.strerror}") from None
    if as_json:
        files = [str(path) for path in written]
        pools = [{"name": name, "images": images, "classes": classes} for name, images, classes in calibrated.pools]
        answer = {"pools": pools, "files": files, "calibration": rows}
        typer.echo(json_text(answer))
        return
    from benchmarks.calibration.page import table_row

    typer.echo(terminal.table_text([table_row(row) for row in rows], "nothing was measured"), nl=False)
    missed = sum(row["verdict"] == "not met" for row in rows)
    wanted = sum(row["verdict"] != "said" for row in rows)
    typer.echo(f"\n{wanted - missed} of {wanted} properties are as wanted.")
    for path in written:
        typer.echo(str(path))


def _imported() -> None:
    import flows.calibrate  # noqa: F401  # seconds, while the server starts


class _Bars:
    """One bar for each stage that has something to do."""

    def __init__(self, console: object) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console)  # type: ignore[arg-type]
        self._bar: dict[str, object] = {}

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars.live.is_started:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not total:
            return
        if stage not in self._bar:
            self._bars.start()
            self._bar[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._bar[stage], completed=done)  # type: ignore[arg-type]
