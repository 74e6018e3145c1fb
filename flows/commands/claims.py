"""`ganaudit claims`: what a paper says of its system, measured here: held, not held or undecided."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from flows import terminal
from flows.console import DeviceOption, JsonOption, err, finite, json_text, path_checked, say, width

if TYPE_CHECKING:
    from ganaudit.claims.claim import Claim
    from ganaudit.claims.workshop import Workshop

COLUMN = 60
"""Characters of a statement in one line."""


def claims(
    system: Annotated[str, typer.Argument(help="Whose claims: ogan, lia or steerability.", show_default=False)],
    only: Annotated[str | None, typer.Option(help="One claim, by its name.", show_default=False)] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            callback=finite, help="Of each training that a claim needs, instead of its own small budget.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=path_checked, help="Folder of trainings and claims.parquet; claims-SYSTEM by default.", show_default=False
        ),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """What a paper says of its system, measured."""
    from ganaudit import devices
    from ganaudit.claims.settling import TABLE, settle
    from ganaudit.claims.systems import claims_of
    from ganaudit.claims.workshop import Workshop
    from ganaudit.training.loop import Budget

    chosen = claims_of(system, only)
    if minutes is not None:
        Budget(minutes=minutes)
    folder = out or Path(f"claims-{system}")
    with _Bars() as bars:
        workshop = Workshop(folder, minutes, devices.pick(device), bars)
        for note in _planned(chosen, workshop):
            say(note)
        rows = []
        for row in settle(system, chosen, workshop):
            why = f" ({row['seen']})" if row["effect"] is None else ""
            say(f"{row['claim']}: {row['verdict']}{why}")
            rows.append(row)
    if as_json:
        typer.echo(json_text({"table": str(folder / TABLE), "claims": rows}))
        return
    typer.echo(terminal.table_text([_shown(row) for row in rows], "there are no claims"), nl=False)
    for row in rows:
        if row["seen"]:
            typer.echo(terminal.wrapped(f"{row['claim']}: {row['seen']}", width()))
    typer.echo(f"claims  {folder / TABLE}")


def _planned(chosen: Sequence[Claim], workshop: Workshop) -> list[str]:
    """What is to be trained before anything is: each training with its budget."""
    from ganaudit.claims.settling import trainings
    from ganaudit.report.words import counted

    needed = trainings(chosen)
    if not needed:
        return []
    begun = sum(workshop.begun(training) for training in needed)
    budgets: dict[str, list[str]] = {}
    for training in needed:
        budgets.setdefault(workshop.budget(training).options().strip(), []).append(training.name)
    notes = [f"{counted(len(needed), 'training')} in {workshop.folder / 'trainings'}, {begun} of them begun or done:"]
    return notes + [f"  {options} each: {', '.join(names)}" for options, names in budgets.items()]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people."""
    from ganaudit.report.data import Interval
    from ganaudit.report.words import spread

    return {
        "claim": row["claim"], "statement": textwrap.fill(row["statement"], COLUMN),
        "effect": spread(Interval(row["effect"], row["low"], row["high"])), "of": textwrap.fill(row["measured"], COLUMN // 2),
        "holds": row["holds"], "n": f"{row['n']:,} {row['of']}".rstrip(), "verdict": row["verdict"], "command": row["command"],
    }  # fmt: skip


class _Bars:
    """A bar for each training; called with its name and the share of its budget that is spent."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._bars = Progress(*columns, console=err)
        self._bar: dict[str, Any] = {}

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars.live.is_started:
            self._bars.stop()

    def __call__(self, name: str, spent: float) -> None:
        if name not in self._bar:
            self._bars.start()
            self._bar[name] = self._bars.add_task(name, total=1.0)
        self._bars.update(self._bar[name], completed=spent)
