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
        compacted_keys = compacted(opened, 60.0 * grace)
    if as_json:
        typer.echo(json_text([asdict(compacted_key) for compacted_key in compacted_keys]))
        return
    done = [
        compacted_key
        for compacted_key in compacted_keys
        if compacted_key.blocks or compacted_key.removed or compacted_key.waiting
    ]
    rows = [
        {
            "key": compacted_key.key,
            "blocks compacted": f"{compacted_key.blocks:,}",
            "files now": f"{compacted_key.files:,}",
            "size": size(compacted_key.bytes),
            "old files removed": f"{compacted_key.removed:,}",
            "old files kept": f"{compacted_key.waiting:,}",
        }
        for compacted_key in done
    ]
    if rows:
        typer.echo(terminal.table_text(rows, ""), nl=False)
    if not rows or len(compacted_keys) > len(done):
        left = len(compacted_keys) - len(done)
        rest = f"nothing to compact in {'the other ' if rows else ''}{counted(left, 'key')}"
        typer.echo(rest if compacted_keys else "nothing to compact")
