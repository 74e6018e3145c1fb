"""The columns of every table that ganaudit writes: the schema is the data dictionary.

A record table holds what was seen, image by image; a finding table holds what follows from it for one run.
Counts are integers, so that sums are the same in any order. No table holds NaN or infinity: what cannot be
computed is NULL.
"""

from __future__ import annotations

from ganaudit.records.columns import Column as Column
from ganaudit.records.columns import Table as Table
from ganaudit.records.finding_tables import (
    CLASS_STATS as CLASS_STATS,
)
from ganaudit.records.finding_tables import (
    COMPARISON as COMPARISON,
)
from ganaudit.records.finding_tables import (
    DROPPED_CLASSES as DROPPED_CLASSES,
)
from ganaudit.records.finding_tables import (
    DROPPED_GROUPS as DROPPED_GROUPS,
)
from ganaudit.records.finding_tables import (
    DROPPED_IN_SLICES as DROPPED_IN_SLICES,
)
from ganaudit.records.finding_tables import (
    DROPPED_PAIRS as DROPPED_PAIRS,
)
from ganaudit.records.finding_tables import (
    FSD as FSD,
)
from ganaudit.records.finding_tables import (
    FSD_BY_CLASS as FSD_BY_CLASS,
)
from ganaudit.records.finding_tables import (
    FSD_CURVE as FSD_CURVE,
)
from ganaudit.records.finding_tables import (
    INFLUENCES as INFLUENCES,
)
from ganaudit.records.finding_tables import (
    PARSER_CLASSES as PARSER_CLASSES,
)
from ganaudit.records.finding_tables import (
    PARSER_CORRECTED as PARSER_CORRECTED,
)
from ganaudit.records.finding_tables import (
    RANKS as RANKS,
)
from ganaudit.records.inversion_findings import (
    GENERALISATION as GENERALISATION,
)
from ganaudit.records.inversion_findings import (
    INVERSION_ATTRIBUTES as INVERSION_ATTRIBUTES,
)
from ganaudit.records.inversion_findings import (
    INVERSION_BY_LAYER as INVERSION_BY_LAYER,
)
from ganaudit.records.inversion_findings import (
    INVERSION_CONFUSIONS as INVERSION_CONFUSIONS,
)
from ganaudit.records.inversion_findings import (
    INVERSION_SUMMARY as INVERSION_SUMMARY,
)
from ganaudit.records.inversion_findings import (
    MEMORISATION as MEMORISATION,
)
from ganaudit.records.inversion_findings import (
    OMISSIONS as OMISSIONS,
)
from ganaudit.records.inversion_findings import (
    PHOTO_VERDICTS as PHOTO_VERDICTS,
)
from ganaudit.records.inversion_findings import (
    RECALL_BY_SIZE as RECALL_BY_SIZE,
)
from ganaudit.records.inversion_findings import (
    WORST_PHOTOS as WORST_PHOTOS,
)
from ganaudit.records.inversion_tables import (
    INVERSION_CALIBRATIONS as INVERSION_CALIBRATIONS,
)
from ganaudit.records.inversion_tables import (
    INVERSION_CLASSES as INVERSION_CLASSES,
)
from ganaudit.records.inversion_tables import (
    INVERSION_CONFUSION as INVERSION_CONFUSION,
)
from ganaudit.records.inversion_tables import (
    INVERSION_CURVES as INVERSION_CURVES,
)
from ganaudit.records.inversion_tables import (
    INVERSION_LATENTS as INVERSION_LATENTS,
)
from ganaudit.records.inversion_tables import (
    INVERSIONS as INVERSIONS,
)
from ganaudit.records.record_tables import (
    CALIBRATION as CALIBRATION,
)
from ganaudit.records.record_tables import (
    CALIBRATIONS as CALIBRATIONS,
)
from ganaudit.records.record_tables import (
    CLASS_PIXELS as CLASS_PIXELS,
)
from ganaudit.records.record_tables import (
    CLASSES as CLASSES,
)
from ganaudit.records.record_tables import (
    IMAGES as IMAGES,
)
from ganaudit.records.record_tables import (
    MOMENTS as MOMENTS,
)
from ganaudit.records.record_tables import (
    PARSER_CONFUSION as PARSER_CONFUSION,
)
from ganaudit.records.record_tables import (
    POOL_PIXELS as POOL_PIXELS,
)
from ganaudit.records.record_tables import (
    RUN_SOURCES as RUN_SOURCES,
)
from ganaudit.records.record_tables import (
    RUNS as RUNS,
)
from ganaudit.records.record_tables import (
    SOURCES as SOURCES,
)

SCHEMA_VERSION = 1

OK = "ok"
QUARANTINED = "quarantined"

INTERRUPTED = "interrupted"
"""The status of a run that was killed or stopped: the same command goes on from its records."""

FINISHED = ("done", "set aside")
"""The statuses of a run whose records are complete, apart from what was set aside."""

RECORDS = {
    table.name: table
    for table in (
        IMAGES, CLASS_PIXELS, PARSER_CONFUSION, CLASSES, SOURCES, RUNS, RUN_SOURCES, MOMENTS, POOL_PIXELS, CALIBRATIONS,
        CALIBRATION, INVERSIONS, INVERSION_CONFUSION, INVERSION_CLASSES, INVERSION_CURVES, INVERSION_LATENTS,
        INVERSION_CALIBRATIONS,
    )
}  # fmt: skip
FINDINGS = {
    table.name: table
    for table in (
        CLASS_STATS, FSD, FSD_BY_CLASS, FSD_CURVE, INFLUENCES, DROPPED_CLASSES, DROPPED_GROUPS, DROPPED_IN_SLICES,
        DROPPED_PAIRS, COMPARISON, RANKS, PARSER_CLASSES, PARSER_CORRECTED, INVERSION_SUMMARY, PHOTO_VERDICTS, OMISSIONS,
        INVERSION_BY_LAYER, RECALL_BY_SIZE, WORST_PHOTOS, INVERSION_CONFUSIONS, INVERSION_ATTRIBUTES, GENERALISATION,
        MEMORISATION,
    )
}  # fmt: skip
