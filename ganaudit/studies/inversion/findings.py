"""What the inversions of a run say: every finding about them, made from their records and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from ganaudit.records import catalog
from ganaudit.records.schema import FINDINGS
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASSES, RUN_KEYS, RUN_SOURCES
from ganaudit.studies.inversion.attribute_rows import attribute_rows
from ganaudit.studies.inversion.confusion_rows import confusion_rows
from ganaudit.studies.inversion.encoder_rows import encoder_rows
from ganaudit.studies.inversion.generalisation_rows import memorisation_row, pair_rows
from ganaudit.studies.inversion.layer_rows import layer_rows, summary_rows
from ganaudit.studies.inversion.reading import Row, read_generator
from ganaudit.studies.inversion.recall_rows import size_rows, worst_rows
from ganaudit.studies.inversion.record_tables import INVERSIONS
from ganaudit.studies.inversion.settings import HELDOUT, SearchSetting
from ganaudit.studies.inversion.verdict_rows import verdict_rows

TABLES = (
    "inversion_summary", "photo_verdicts", "omissions", "inversion_by_layer", "recall_by_size", "worst_photos",
    "inversion_confusions", "inversion_attributes", "generalisation", "memorisation", "encoder_limits",
)  # fmt: skip


def materialise(store: Store, run: str) -> dict[str, pa.Table]:
    """Writes the findings about a run's inversions, from the records that it used, and returns them by name."""
    inverted: dict[str, list[SearchSetting]] = {}
    for row in store.of_run(RUN_KEYS, run):
        if row["table"] == INVERSIONS.name:
            setting = SearchSetting.of(row["key"], row["count"], json.loads(row["variant"]))
            inverted.setdefault(row["source"], []).append(setting)
    sources = store.read(RUN_SOURCES, store.run_sources(run), ("parser_key",)).to_pylist()
    names = store.read(CLASSES, store.classes(sources[0]["parser_key"]), ("class_id", "name")).to_pylist()
    verdicts = store.read(FINDINGS["dropped_classes"], store.finding(run, "dropped_classes")).to_pylist()
    dropped = {
        (row["generator"], row["class_id"])
        for row in verdicts
        if row["verdict"] == "dropped" and row["measure"] in ("presence", "area")
    }
    return written(store, run, inverted, {row["class_id"]: row["name"] for row in names}, _photo_names(store, run), dropped)


def _photo_names(store: Store, run: str) -> dict[int, str]:
    with catalog.of_run(store, run) as connection:
        statement = "SELECT image, name FROM run_images(?) WHERE role = ?"
        return dict(connection.execute(statement, [run, HELDOUT]).fetchall())


def written(
    store: Store, run: str, inverted: Mapping[str, Sequence[SearchSetting]], classes: Mapping[int, str],
    names: Mapping[int, str], dropped: set[tuple[str, int]],
) -> dict[str, pa.Table]:  # fmt: skip
    """The findings, written, by name.

    inverted: the settings of each generator. classes: names of the parser's classes. names: of the held-out photos. dropped:
    (generator, class) that is dropped in samples, by presence or by area.
    """
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    classes = {0: "void", **classes}
    read = [read_generator(store, generator, settings) for generator, settings in inverted.items()]
    generators = [generator for generator in read if generator.inverted]
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
        rows["encoder_limits"] += encoder_rows(run, one, classes)
        rows["memorisation"].append(memorisation_row(run, one))
    rows["generalisation"] += pair_rows(run, generators)
    tables = {name: FINDINGS[name].from_rows(row) for name, row in rows.items()}
    for name, table in tables.items():
        store.write_finding(run, name, table)
    return tables
