"""`ganaudit verify`, `ganaudit compact`, `ganaudit prune`: looking after a store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from flows import terminal
from flows.console import DEFAULT_STORE, JsonOption, StoreOption, err, finite, json_text, readable
from ganaudit.errors import RequestError


def verify(
    deep: Annotated[bool, typer.Option("--deep", help="Read every value, not only footers and statistics.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whether every record is there and whole; exits with 3 if not."""
    from ganaudit.maintenance.verify import verify as verified
    from ganaudit.records.store import Store

    with err.status("Looking at every file …"):
        checked = verified(Store(store or DEFAULT_STORE), deep)
    if as_json:
        typer.echo(
            json_text(
                {
                    "sound": checked.sound,
                    "files": checked.files,
                    "bytes": checked.bytes,
                    "problems": [asdict(p) for p in checked.problems],
                }
            )
        )
    else:
        for problem in checked.problems:
            typer.echo(f"{problem.kind}: {problem.path}: {problem.sentence}")
        word = "sound" if checked.sound else "not sound"
        typer.echo(f"{checked.files:,} files, {size(checked.bytes)}: {word}")
    raise typer.Exit(0 if checked.sound else 3)


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


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
