"""What the terminal shows: progress while a run goes on, findings when it is done."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from flows.progress import SoFar
    from ganaudit.auditing.check import Check
    from ganaudit.auditing.run import Audit
    from ganaudit.studies.section import Block


PLAIN_SECONDS = 30.0
"""Between two lines of progress where the output is no terminal."""

_NUMBER = re.compile(r"[-+<≤−]?[\d,.]+( \[.*\])?|[-–]")


class RunProgress:
    """The run in the terminal, stage by stage: a bar for each source or generator, one for all; plain lines where nobody looks.

    Called at every change by `flows.progress.SoFar`.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        self._bar: dict[str, TaskID] = {}
        self._all: TaskID | None = None
        self._stage: tuple[str, str] | None = None
        self._said = 0.0
        self._worked = False

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars is not None:
            self._stop()
            self._console.print()

    def __call__(self, so_far: SoFar) -> None:
        from flows.progress import PUBLISHING

        if so_far.stage == PUBLISHING:
            if not self._worked:
                total = sum(source.count for source in so_far.planned.sources)
                self._say(f"All {total:,} images are in the store already; nothing to parse.")
            self._say("Rolling up the findings and drawing the report …")
            return
        if (so_far.study, so_far.stage) != self._stage:
            self._stage = (so_far.study, so_far.stage)
            self._begin(so_far)
        if so_far.groups:
            self._update(so_far)

    def _begin(self, so_far: SoFar) -> None:
        self._stop()
        if not so_far.groups:
            return
        from ganaudit.report.words import counted

        self._worked, self._said = True, so_far.clock()
        planned, title = so_far.planned, so_far.stage.capitalize()
        parts = f"{counted(so_far.images, 'image')} in {counted(so_far.shards, 'shard')}, on {planned.device}, {planned.where}"
        named = ", ".join(so_far.groups)
        self._say(f"{title}: {parts}." if self._console.is_terminal else f"{title}: {parts}: {named}.")  # bars have names
        columns = (
            TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[counted]}", justify="right"),
        )  # fmt: skip
        self._bars = Progress(*columns, console=self._console, auto_refresh=False)
        self._bar = {
            name: self._bars.add_task(escape(name), total=group.images, counted="") for name, group in so_far.groups.items()
        }
        self._all = self._bars.add_task("all", total=so_far.images, counted="") if len(self._bar) > 1 else None
        if self._console.is_terminal:
            self._bars.start()

    def _update(self, so_far: SoFar) -> None:
        from flows.progress import line
        from ganaudit.report.words import about

        if self._bars is None:
            return
        for name, group in so_far.groups.items():
            counted = f"{group.images_done:,} of {group.images:,} images, {group.shards_done} of {group.shards} shards"
            self._bars.update(self._bar[name], completed=group.images_done, counted=counted)
        rate = "" if so_far.rate is None else f"{so_far.rate:,.0f} images a second"
        left = "" if not so_far.seconds_left else f", about {about(so_far.seconds_left)} left"
        last = next(iter(self._bar.values())) if self._all is None else self._all
        if self._all is not None or rate:
            said = (
                f"{rate}{left}"
                if self._all is not None
                else f"{so_far.images_done:,} of {so_far.images:,} images, {rate}{left}"
            )
            self._bars.update(last, completed=so_far.images_done, counted=said)
        if self._bars.live.is_started:
            self._bars.refresh()
        elif so_far.ended is None and so_far.clock() - self._said >= PLAIN_SECONDS:
            self._said = so_far.clock()
            self._say(f"{line(so_far).capitalize()}.")
        if so_far.ended is not None:
            self._stop()
            rate = f"{so_far.images / so_far.seconds:,.0f} a second"
            self._say(f"{so_far.stage.capitalize()} done: {so_far.images:,} images in {so_far.seconds:,.0f} s, {rate}.")

    def _stop(self) -> None:
        if self._bars is not None and self._bars.live.is_started:
            self._bars.stop()
        self._bars = None

    def _say(self, text: str) -> None:
        self._console.print(text, style="dim", markup=False, soft_wrap=True)


def findings_text(audit: Audit, width: int = 0) -> str:
    """The findings of a run for people, study by study, and where the report is. Wrapped at `width`."""
    from ganaudit.report.words import counted
    from ganaudit.studies.protocol import sections

    shown = sections().values()
    parts = [_block_text(block, width) for section in shown for block in section.summary(audit.findings)]
    parts += [wrapped(f"Note: {note}", width) + "\n" for note in audit.notes]
    parts += [_block_text(block, width) for section in shown for block in section.details(audit.findings)]
    if audit.quarantined:
        were = "was" if audit.quarantined == 1 else "were"
        parts.append(f"{counted(audit.quarantined, 'image')} {were} set aside; the report and the view images say why.\n")
    parts.append(f"run     {audit.run}\nstore   {audit.store}\nreport  {audit.report}")
    return "\n".join(parts)


def _block_text(block: Block, width: int) -> str:
    from ganaudit.studies.section import Table

    return "".join(
        table_text(each.rows, each.empty) if isinstance(each, Table) else wrapped(each.text, width, " " * each.hanging) + "\n"
        for each in block
    )


def as_dict(audit: Audit) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "run": audit.run, "status": audit.status, "exit_code": audit.exit_code, "store": str(audit.store),
        "report": str(audit.report), "parsed": audit.parsed, "quarantined": audit.quarantined, "notes": list(audit.notes),
        "findings": {name: rows.to_pylist() for name, rows in audit.findings.items()},
    }  # fmt: skip


def plan_text(check: Check, width: int = 0) -> str:
    """What `ganaudit check` found; notes are wrapped at `width`."""
    from ganaudit.report.words import about

    rows = [
        {
            "source": source.name, "role": source.role, "kind": source.kind, "images": f"{source.images:,}",
            "to parse": f"{source.missing_images:,}", "images/s": f"{source.rate:,.0f}",
            "set aside*": source.set_aside or "-",
        }
        for source in check.sources
    ]  # fmt: skip
    notes = "".join(wrapped(f"Note: {note}", width) + "\n" for note in check.notes)
    return (
        f"{table_text(rows, '')}* of its first batch\n{notes}\n"
        f"parser {check.parser} with {check.classes} classes, {check.precision} on {check.device}, "
        f"{check.where}, runner {check.runner}\n"
        f"{check.missing_blocks} of {check.blocks} blocks to do: about {about(check.seconds)} and {check.megabytes:.1f} MB "
        f"({check.free_gigabytes:,.0f} GB free) in {check.store}"
        + ("" if check.power is None else f"\n\n{_block_text(check.power.block(), width)}".rstrip())
    )


def table_text(rows: Sequence[dict[str, Any]], empty: str) -> str:
    """Rows as a plain table, as wide as it has to be."""
    return "".join(table_texts([rows], empty))


def table_texts(parts: Iterable[Sequence[dict[str, Any]]], empty: str) -> Iterator[str]:
    """The same, part by part: a column keeps its width from one part to the next, or grows."""
    columns: list[tuple[str, bool]] = []
    widths: list[int] = []
    for rows in parts:
        if not rows:
            continue
        begun = bool(columns)
        if not begun:
            columns = [
                (name, isinstance(value, int | float) or all(_NUMBER.fullmatch(str(row[name])) for row in rows))
                for name, value in rows[0].items()
            ]
            widths = [0] * len(columns)
        cells = [[_cell(value) for value in row.values()] for row in rows]
        table = Table(box=None, pad_edge=False, header_style="bold", show_header=not begun)
        for place, (name, numbers) in enumerate(columns):
            widths[place] = max(widths[place], cell_len(name), *(_width(row[place]) for row in cells))
            table.add_column(name, justify="right" if numbers else "left", no_wrap=True, min_width=widths[place])
        for row in cells:
            table.add_row(*row)
        out = io.StringIO()
        Console(file=out, width=10_000, highlight=False, markup=False, emoji=False).print(table)
        yield "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
    if not columns:
        yield f"{empty}\n" if empty else ""


def _width(cell: str) -> int:
    return max(map(cell_len, cell.splitlines()), default=0)


def inversions_text(answer: dict[str, Any], folder: Path, width: int) -> str:
    """Inverted photos as a table, the control below it, and what the evidence is worth."""
    rows = [
        {
            "photo": row["name"], "psnr": row.get("psnr"), "ssim": row.get("ssim"), "loss": row.get("loss_best"),
            "residual": row.get("residual"), "steps": row.get("steps"), "note": row.get("error") or "",
        }
        for row in answer["photos"]
    ]  # fmt: skip
    lines = [f"The generator's own samples come back at {answer['own_samples_psnr']:.1f} dB by the same search."]
    first = next((row for row in answer["photos"] if row["status"] == "ok"), None)
    if first is not None and not first["evidence"]:
        lines.append(
            f"{first['free_per_pixel']:.2f} free numbers a pixel value: an upper bound. What comes back this way is no "
            "evidence that the generator can make it."
        )
    if answer["note"]:
        lines.append(answer["note"])
    lines.append(f"pictures and inversions.json  {folder}")
    return table_text(rows, "") + "".join(f"{wrapped(line, width)}\n" for line in lines)


def wrapped(text: str, width: int, indent: str = "  ") -> str:
    if not width:
        return text
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, replace_whitespace=False, drop_whitespace=True
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return str(value)
