"""What Prefect's pages show of a finished run."""

from __future__ import annotations

from prefect.artifacts import create_link_artifact, create_table_artifact

from ganaudit.auditing.run import Audit
from ganaudit.report import words
from ganaudit.studies.census.section.classes import GREW, LOST
from ganaudit.studies.census.section.distances import distances
from ganaudit.studies.census.section.sentences import verdict_lines


def publish(found: Audit) -> None:
    """The findings of a run as a table, and a link to its report."""
    create_table_artifact(key="findings", table=findings_table(found), description=f"Findings of {found.run}")
    create_link_artifact(key="report", link=found.report.as_uri(), link_text=f"Report of {found.run}")


def findings_table(found: Audit) -> list[dict[str, str]]:
    """One row per generator: its verdicts of loss and growth, its distance with interval and floor, and its p-value."""
    rows = []
    for row in distances(found.findings):
        lines = verdict_lines(found.findings, row.generator)
        told = {verdict: "; ".join(line.plain for line in lines if line.verdict == verdict) for verdict in (*LOST, *GREW)}
        rows.append({
            "generator": row.generator, **told, "FSD": words.distance(row.corrected), "floor": words.number(row.floor),
            "p": words.p(row.p_value),
        })  # fmt: skip
    return rows
