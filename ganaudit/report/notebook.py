"""A finished audit at a glance: a few lines of text, or a small table for notebooks."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ganaudit.report import words
from ganaudit.report.data import Findings, generators
from ganaudit.studies.census.section.classes import GREW, LOST, class_findings, with_verdict
from ganaudit.studies.census.section.distances import distances
from ganaudit.studies.census.section.sentences import headline

SHOWN = (*LOST, *GREW)
"""Verdicts that have a column."""
NAMED = 6
"""Classes of one verdict that are named before the rest is counted."""


def summary_text(run: str, status: str, findings: Findings, report: Path) -> str:
    """One line a generator, and where the report is."""
    lines = [f"{name} {headline(findings, name)}" for name in generators(findings)] or ["no generator has findings"]
    return "\n".join([f"Audit {run}, {status}", *(f"  {line}" for line in lines), f"  report {report}"])


def summary_html(run: str, status: str, findings: Findings, report: Path) -> str:
    """The same as a table: generators in rows, the classes of each verdict and the distance in columns."""
    corrected = {row.generator: words.distance(row.corrected) for row in distances(findings)}
    head = _row("th", ["generator", *SHOWN, "FSD corrected"])
    body = ""
    for name in generators(findings):
        classes = [one for one in class_findings(findings, name) if not one.absent]
        lost = [_names([one.name for one in with_verdict(classes, verdict)]) for verdict in SHOWN]
        body += _row("td", [name, *lost, corrected.get(name, words.NOTHING)])
    link = f'<a href="{escape(report.as_uri())}">report</a>' if report.is_absolute() else escape(str(report))
    return (
        f"<table><caption>{escape(run)}, {escape(status)}: {link}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
    )


def _names(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "") or words.NOTHING


def _row(tag: str, cells: list[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
