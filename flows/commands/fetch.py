"""`ganaudit fetch`: downloads what an audit names and lacks, after showing what."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from flows.console import AuditFile, JsonOption, err, json_text, say, size
from ganaudit.errors import RequestError

if TYPE_CHECKING:
    from ganaudit.fetching.fetch import Planned
    from ganaudit.fetching.wanted import Wanted


def fetch(
    audit: AuditFile,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download the files that an audit names and lacks."""
    from ganaudit.fetching.fetch import planned
    from ganaudit.spec import load

    spec = load(audit)
    with err.status("Looking what is there, and asking how large the rest is …"):
        plan = planned(spec)
    if plan.files:
        _show(plan)
        if not (yes or (sys.stdin.isatty() and typer.confirm("Download?", err=True))):
            raise RequestError("nothing was downloaded; ganaudit fetch --yes goes on without asking")
    done = []
    for file in _downloaded(plan) if plan.files else ():
        done.append(file)
        if not as_json:
            typer.echo(f"{file['path']}\n  sha256: {file['sha256']}\n  bytes: {file['bytes']}")
            if file["note"]:
                typer.echo(f"  {file['note']}")
    if as_json:
        typer.echo(json_text({"downloaded": done, "there": plan.there, "missing": plan.by_hand}))
        return
    if not plan.files:
        typer.echo(f"nothing to download; {len(plan.there)} of the files that have an address are there")
    for line in plan.by_hand:
        typer.echo(line)


def _show(plan: Planned) -> None:
    """What would be downloaded, from where, and how much."""
    from ganaudit.report.words import counted

    for wanted, length in plan.files:
        known = "" if wanted.sha256 else ", no digest to check it by"
        half = sum(half.stat().st_size for half in wanted.halves)
        there = f", {size(half)} are there" if half else ""
        say(f"{wanted.path}\n  {'size unknown' if length is None else size(length)}{there}{known}, for {wanted.who}, from")
        for url in wanted.urls:
            say(f"    {url}")
    unknown = " and files of unknown size" if any(length is None for _, length in plan.files) else ""
    say(f"{counted(len(plan.files), 'file')}, {size(plan.size)}{unknown} in all, into {plan.folder}")


def _downloaded(plan: Planned) -> Iterator[dict[str, str | int | None]]:
    """The files of a plan, each when it is in place, with a bar while it comes."""
    from ganaudit.fetching.fetch import fetch as fetched
    from ganaudit.weights import misnamed

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:

        def watch(wanted: Wanted) -> Callable[[int, int | None], None]:
            bar = bars.add_task(wanted.path.name, total=None)
            return lambda there, total: bars.update(bar, completed=there, total=total)

        for wanted, digest in fetched(plan, watch):
            note = None if wanted.sha256 else misnamed(wanted.path, digest)
            yield {"path": str(wanted.path), "sha256": digest, "bytes": wanted.path.stat().st_size, "note": note}
