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
        found = verified(Store(store or DEFAULT_STORE), deep)
    if as_json:
        typer.echo(json_text({
            "sound": found.sound, "files": found.files, "bytes": found.bytes, "problems": [asdict(p) for p in found.problems],
        }))  # fmt: skip
    else:
        for one in found.problems:
            typer.echo(f"{one.kind}: {one.path}: {one.sentence}")
        word = "sound" if found.sound else "not sound"
        typer.echo(f"{found.files:,} files, {size(found.bytes)}: {word}")
    raise typer.Exit(0 if found.sound else 3)


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
        found = compacted(opened, 60.0 * grace)
    if as_json:
        typer.echo(json_text([asdict(one) for one in found]))
        return
    done = [one for one in found if one.blocks or one.removed or one.waiting]
    rows = [
        {
            "key": one.key, "blocks compacted": f"{one.blocks:,}", "files now": f"{one.files:,}", "size": size(one.bytes),
            "old files removed": f"{one.removed:,}", "old files kept": f"{one.waiting:,}",
        }
        for one in done
    ]  # fmt: skip
    if rows:
        typer.echo(terminal.table_text(rows, ""), nl=False)
    if not rows or len(found) > len(done):
        left = len(found) - len(done)
        rest = f"nothing to compact in {'the other ' if rows else ''}{counted(left, 'key')}"
        typer.echo(rest if found else "nothing to compact")


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
    found = (
        pruned(opened.open_for_writing(), keep, keep_days, run or ()) if yes else prunable(opened, keep, keep_days, run or ())
    )
    if as_json:
        typer.echo(json_text({
            "removed": yes, "runs": found.runs, "keys": found.keys, "kept": found.kept, "bytes": found.bytes,
            "folders": [str(path) for path in found.folders],
        }))  # fmt: skip
        return
    for name in found.runs:
        typer.echo(f"run {name}")
    for key in found.keys:
        typer.echo(f"records of {key}, which no kept run uses")
    what = f"{counted(len(found.runs), 'run')}, {counted(len(found.keys), 'key')}, {size(found.bytes)}"
    what += f"; {counted(len(found.kept), 'run')} stay{'s' if len(found.kept) == 1 else ''}"
    typer.echo(f"Removed {what}." if yes else f"Would remove {what}. With --yes it is done.")


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
