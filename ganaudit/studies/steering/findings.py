"""What the steering of a run says: every finding about it, made from its records and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ganaudit.records.schema import FINDINGS
from ganaudit.records.store import Store
from ganaudit.records.tables import RUN_KEYS
from ganaudit.records.used import sources_of
from ganaudit.sources.roles import REAL
from ganaudit.spec import AuditSpec
from ganaudit.statistics.moments import GroupMoments
from ganaudit.studies.census.known import classes_of
from ganaudit.studies.census.moments import moments_of
from ganaudit.studies.steering import class_rows
from ganaudit.studies.steering.reach_rows import reach_row, realism
from ganaudit.studies.steering.reading import Walked, read_walk
from ganaudit.studies.steering.record_tables import STEERING_IMAGES
from ganaudit.studies.steering.walk_measures import WalkMeasures

Row = dict[str, Any]
TABLES = (
    "steerability", "steering_reach", "steering_curves", "steering_causes", "steering_correlations", "steering_side_effects",
    "disentanglement",
)  # fmt: skip


def materialise(store: Store, run: str) -> dict[str, pa.Table]:
    """Writes the findings about a run's walks, from the records that it used, and returns them by name."""
    spec = AuditSpec.model_validate_json(store.run_row(run)["spec"])
    assert spec.steer is not None
    used = [row for row in store.of_run(RUN_KEYS, run) if row["table"] == STEERING_IMAGES.name]
    source = next(source for source in sources_of(store, run) if source.role == REAL)
    known = classes_of(store, source.parser_key)
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    walks = [Walked.of(row) for row in used if row["role"] != REAL]
    if walks:
        still = next(row for row in used if row["role"] == REAL)
        real = read_walk(store, still["key"], (None,), still["first"], still["count"], spec.steer.least)
        moments = moments_of(store, source, known.first_head)
        for walked in walks:
            steered = read_walk(store, walked.key, walked.alphas, 0, walked.images, spec.steer.least)
            measures = WalkMeasures(walked, steered, real, known.names)
            for name, found in rows_of(measures, moments, known.first_head, spec.steer.margin, spec.decide.alpha).items():
                rows[name] += found
    named = {"run": run, "real": source.name}
    tables = {name: FINDINGS[name].from_rows(named | row for row in found) for name, found in rows.items()}
    for name, table in tables.items():
        store.write_finding(run, name, table)
    return tables


def rows_of(
    measures: WalkMeasures, real: GroupMoments, classes: tuple[int, ...], margin: float, alpha: float
) -> Mapping[str, list[Row]]:
    """The rows of one walk, by table. real, classes: of the census, which the distance is measured against."""
    walked, steered = measures.walked, measures.steered
    found = realism(walked, steered, real, classes, alpha)
    reach = reach_row(walked, steered, found, margin)
    causes = class_rows.cause_rows(measures)
    correlation, apart = class_rows.correlation_row(measures, causes), class_rows.disentanglement_row(measures)
    return {
        "steerability": list(class_rows.steerability_rows(measures, (reach["reach_low"], reach["reach_high"]))),
        "steering_reach": [reach],
        "steering_curves": list(class_rows.curve_rows(measures, found)),
        "steering_causes": causes,
        "steering_correlations": [] if correlation is None else [correlation],
        "steering_side_effects": list(class_rows.side_effect_rows(measures)),
        "disentanglement": [] if apart is None else [apart],
    }
