"""`ganaudit compact`: few large files in place of many."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from flows import terminal
from flows.console import JsonOption, StoreOption, err, finite, json_text, readable, size


def compact(
    grace: Annotated[
        float, typer.Option(callback=finite, help="Minutes that replaced files stay, for queries at work.", min=0)
    ] = 60.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Few large files in place of many; the same rows."""
    from ganaudit.maintenance.compact import compact as compacted
    from ganaudit.report.words import counted

    opened = readable(store).open_for_writing()
    with err.status("Writing large files …"):
        keys = compacted(opened, 60.0 * grace)
    if as_json:
        typer.echo(json_text([asdict(key) for key in keys]))
        return
    done = [key for key in keys if key.blocks or key.removed or key.waiting]
    rows = [
        {
            "key": key.key, "blocks compacted": f"{key.blocks:,}", "files now": f"{key.files:,}", "size": size(key.bytes),
            "old files removed": f"{key.removed:,}", "old files kept": f"{key.waiting:,}",
        }
        for key in done
    ]  # fmt: skip
    if rows:
        typer.echo(terminal.table_text(rows, ""), nl=False)
    left = len(keys) - len(done)
    if left or not rows:
        rest = f"nothing to compact in {'the other ' if rows else ''}{counted(left, 'key')}"
        typer.echo(rest if keys else "nothing to compact")
