"""The last stage: findings, catalog and report of a run whose records stand, and what Prefect's pages show of them."""

from __future__ import annotations

import math

from prefect import task
from prefect.artifacts import create_link_artifact, create_table_artifact

from ganaudit.auditing.plan import Plan
from ganaudit.auditing.run import Audit, finish
from ganaudit.records.store import Store
from ganaudit.report.data import Reduced, most_reduced
from ganaudit.report.words import with_error


@task(name="publish", persist_result=False)
def publish(planned: Plan, parsed: int) -> Audit:
    """Findings, report and catalog of a run, and their artifacts."""
    store = Store(planned.spec.path(planned.spec.store))
    found = finish(planned, store, parsed)
    create_table_artifact(key="findings", table=findings_table(found), description=f"Findings of {found.run}")
    create_link_artifact(key="report", link=found.report.as_uri(), link_text=f"Report of {found.run}")
    return found


def findings_table(found: Audit) -> list[dict[str, str | float]]:
    """One row per generator: its distance, the floor, and the classes it reduces most."""
    stats = found.table("class_stats")
    rows: list[dict[str, str | float]] = []
    for row in found.table("fsd").to_dict("records"):
        reduced = most_reduced(stats, row["generator"])
        floor = row["floor"]
        rows.append({
            "generator": row["generator"], "FSD": round(row["fsd"], 3),
            "floor": "" if floor is None or math.isnan(floor) else round(floor, 3),
            "most reduced": ", ".join(f"{entry.name} ({_ratio(entry)})" for entry in reduced),
        })  # fmt: skip
    return rows


def _ratio(entry: Reduced) -> str:
    ratio = entry.row.presence_ratio if entry.measure == "presence" else entry.row.area_ratio
    return f"{entry.measure} {with_error(ratio)}"
