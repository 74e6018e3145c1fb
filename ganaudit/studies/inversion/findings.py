"""What the inversions of a run say: every finding about them, made from their records and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from ganaudit.records.schema import FINDINGS
from ganaudit.records.store import Store
from ganaudit.studies.inversion.attribute_rows import attribute_rows
from ganaudit.studies.inversion.confusion_rows import confusion_rows
from ganaudit.studies.inversion.generalisation_rows import memorisation_row, pair_rows
from ganaudit.studies.inversion.layer_rows import layer_rows, summary_rows
from ganaudit.studies.inversion.reading import Row, read_generator
from ganaudit.studies.inversion.recall_rows import size_rows, worst_rows
from ganaudit.studies.inversion.settings import InversionsDone
from ganaudit.studies.inversion.verdict_rows import verdict_rows

TABLES = (
    "inversion_summary", "photo_verdicts", "omissions", "inversion_by_layer", "recall_by_size", "worst_photos",
    "inversion_confusions", "inversion_attributes", "generalisation", "memorisation",
)  # fmt: skip


def materialise_inversions(
    store: Store, run: str, done: Sequence[InversionsDone], classes: Mapping[int, str], names: Mapping[int, str],
    dropped: set[tuple[str, int]], batch: int,
) -> dict[str, pa.Table]:  # fmt: skip
    """Writes the findings about a run's inversions, and returns them by name.

    classes: names of the parser's classes. names: of the held-out photos. dropped: (generator, class) that is dropped
    in samples, by presence or by area.
    """
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    classes = {0: "void", **classes}
    read = [read_generator(store, each, batch) for each in done]
    generators = [one for one in read if one.inverted]
    for one in generators:
        photos, omissions = verdict_rows(run, one, classes, names, dropped, generators)
        verdicts = {(row["key"], row["image"], row["class_id"]): row["verdict"] for row in photos}
        rows["photo_verdicts"] += photos
        rows["omissions"] += omissions
        rows["inversion_summary"] += summary_rows(run, one)
        rows["inversion_by_layer"] += layer_rows(run, one)
        rows["recall_by_size"] += size_rows(run, one, classes)
        rows["worst_photos"] += worst_rows(run, one, classes, names, verdicts)
        rows["inversion_confusions"] += confusion_rows(run, one, classes)
        rows["inversion_attributes"] += attribute_rows(run, one, classes)
        rows["memorisation"].append(memorisation_row(run, one))
    rows["generalisation"] += pair_rows(run, generators)
    tables = {name: FINDINGS[name].from_rows(found) for name, found in rows.items()}
    for name, table in tables.items():
        store.write_finding(run, name, table)
    return tables
