"""`ganaudit compare`: its options; `flows.comparison` compares."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.console import JsonOption, StoreOption, json_text, newest_run, readable, width


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
            help="Exit with 4 for dropped, reduced, increased, invented, farther, unexpected (commas between): with "
            "--baseline, only where that is worse than in the baseline; never where the audit file accepts it.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Generators or checkpoints, or against an accepted run."""
    from flows.comparison import compare_runs, compared_text

    opened = readable(store)
    comparison = compare_runs(opened, runs or [newest_run(opened)], baseline, fail_on)
    typer.echo(json_text(comparison.as_dict()) if as_json else compared_text(comparison, width()))
    raise typer.Exit(comparison.exit_code)
