"""`ganaudit prune`: removes runs, and the records that no other run uses."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.console import JsonOption, StoreOption, finite, json_text, readable, size
from ganaudit.errors import RequestError


def prune(
    keep: Annotated[
        int | None, typer.Option(help="Of each audit, keep the newest so many finished runs.", min=0, show_default=False)
    ] = None,
    keep_days: Annotated[
        float | None,
        typer.Option(
            callback=finite, help="Keep runs that started in the last so many days.", min=0, max=100_000, show_default=False
        ),
    ] = None,
    run: Annotated[list[str] | None, typer.Option(help="Remove this run; may be repeated.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would go.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove runs and what no kept run uses; says first what."""
    from ganaudit.maintenance.prune import prunable
    from ganaudit.maintenance.prune import prune as pruned
    from ganaudit.report.words import counted

    if run and (keep is not None or keep_days is not None):
        raise RequestError("--run names the runs that go and --keep those that stay: give one of them")
    opened = readable(store)
    removed = (
        pruned(opened.open_for_writing(), keep, keep_days, run or ()) if yes else prunable(opened, keep, keep_days, run or ())
    )
    if as_json:
        typer.echo(json_text({
            "removed": yes, "runs": removed.runs, "keys": removed.keys, "kept": removed.kept, "bytes": removed.bytes,
            "folders": [str(path) for path in removed.folders],
        }))  # fmt: skip
        return
    for name in removed.runs:
        typer.echo(f"run {name}")
    for key in removed.keys:
        typer.echo(f"records of {key}, which no kept run uses")
    what = f"{counted(len(removed.runs), 'run')}, {counted(len(removed.keys), 'key')}, {size(removed.bytes)}"
    what += f"; {counted(len(removed.kept), 'run')} stay{'s' if len(removed.kept) == 1 else ''}"
    typer.echo(f"Removed {what}." if yes else f"Would remove {what}. With --yes it is done.")
