"""A finished audit at a glance: a few lines of text, or a small table for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from ganaudit.report.data import Findings, generators
from ganaudit.studies.protocol import sections


def headlines(findings: Findings) -> list[str]:
    """What the studies say of each generator, one sentence each."""
    shown = sections().values()
    said = {name: [section.headline(findings, name) for section in shown] for name in generators(findings)}
    return [f"{name} {'; '.join(filter(None, each))}" for name, each in said.items()]


def summary_text(run: str, status: str, findings: Findings, report: Path) -> str:
    """One line a generator, and where the report is."""
    lines = headlines(findings) or ["no generator has findings"]
    return "\n".join([f"Audit {run}, {status}", *(f"  {line}" for line in lines), f"  report {report}"])


def summary_html(run: str, status: str, findings: Findings, report: Path) -> str:
    """The same as a table: generators in rows, in columns what each study says of them."""
    shown = sections().values()
    head = _row("th", ["generator", *(column for section in shown for column in section.columns)])
    body = "".join(
        _row("td", [name, *(cell for section in shown for cell in section.cells(findings, name))])
        for name in generators(findings)
    )
    link = f'<a href="{escape(report.as_uri())}">report</a>' if report.is_absolute() else escape(str(report))
    return (
        f"<table><caption>{escape(run)}, {escape(status)}: {link}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
    )


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
