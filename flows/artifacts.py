"""What Prefect's pages show of a finished run."""

from __future__ import annotations

from prefect.artifacts import create_link_artifact, create_table_artifact

from ganaudit.auditing.run import Audit
from ganaudit.studies.protocol import sections


def publish(audit: Audit) -> None:
    """The findings of a run as a table, and a link to its report."""
    create_table_artifact(key="findings", table=findings_table(audit), description=f"Findings of {audit.run}")
    create_link_artifact(key="report", link=audit.report.as_uri(), link_text=f"Report of {audit.run}")


def findings_table(audit: Audit) -> list[dict[str, str]]:
    """One row a generator, in columns what each study says of it."""
    rows: dict[str, dict[str, str]] = {}
    for section in sections().values():
        for row in section.table(audit.findings):
            rows.setdefault(row["generator"], {}).update(row)
    return list(rows.values())
