"""`ganaudit verify`: whether a store is whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from flows.console import DEFAULT_STORE, JsonOption, StoreOption, err, json_text, size


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
        problems = [asdict(problem) for problem in checked.problems]
        answer = {"sound": checked.sound, "files": checked.files, "bytes": checked.bytes, "problems": problems}
        typer.echo(json_text(answer))
    else:
        for problem in checked.problems:
            typer.echo(f"{problem.kind}: {problem.path}: {problem.sentence}")
        word = "sound" if checked.sound else "not sound"
        typer.echo(f"{checked.files:,} files, {size(checked.bytes)}: {word}")
    raise typer.Exit(0 if checked.sound else 3)
