"""The inverted images that a report shows: chosen from the findings, read from the records."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow.parquet as pq

from ganaudit.encoded import labels_of, pixels_of
from ganaudit.errors import AuditError
from ganaudit.records.columns import Table
from ganaudit.records.schema import shards_of
from ganaudit.records.store import Store
from ganaudit.report.data import Findings, Picture, generators
from ganaudit.studies.inversion.reading import Row
from ganaudit.studies.inversion.record_tables import INVERSION_TARGETS, INVERSIONS
from ganaudit.studies.inversion.section.choice import Choice, choices
from ganaudit.studies.inversion.section.reconstructed import Reconstructed

Place = tuple[str, int]
"""A key and an image."""


def reconstructed(store: Store, findings: Findings) -> list[Reconstructed]:
    """The pictures of the report's choices. Those whose record is gone, or holds no picture, are left out.

    Raises AuditError, naming it, for a picture that is damaged.
    """
    chosen = choices(findings, generators(findings))
    made = _rows(store, INVERSIONS, {(choice.key, choice.image) for choice in chosen})
    targets = _rows(
        store, INVERSION_TARGETS, {(row["targets_key"], image) for (_, image), row in made.items() if row.get("targets_key")}
    )
    shown = []
    for choice in chosen:
        row = made.get((choice.key, choice.image), {})
        target = targets.get((row.get("targets_key") or "", choice.image))
        if target is not None and row["picture"] is not None and row["label_map"] is not None:
            shown.append(_shown(choice, target, row))
    return shown


def _rows(store: Store, table: Table, wanted: Collection[Place]) -> Mapping[Place, Row]:
    """The pictures of these images, shard by shard; of an older ganaudit's shards none."""
    columns = [name for name in ("image", "targets_key", "picture", "label_map") if name in table.arrow.names]
    by_key: dict[Place, Row] = {}
    mark = shards_of(table.name).mark.name
    for key in sorted({key for key, _ in wanted}):
        images = {image for of, image in wanted if of == key}
        for block in sorted(store.finished_blocks(key, mark)):
            (path,) = store.files_of(table.name, key, [block], mark)
            if not set(columns) <= set(pq.read_schema(path).names):
                continue
            inside = store.read_block(table, key, block, ("image",))["image"].to_pylist()
            places = [place for place, image in enumerate(inside) if image in images]
            if places:
                rows = store.read_block(table, key, block, columns).take(places).to_pylist()
                by_key |= {(key, row["image"]): row for row in rows}
    return by_key


def _shown(choice: Choice, target: Row, row: Row) -> Reconstructed:
    try:
        photo = Picture(choice.image, choice.name, pixels_of(target["picture"]), labels_of(target["label_map"]))
        made = pixels_of(row["picture"])
        result = Picture(choice.image, f"reconstruction of {choice.name}", made, labels_of(row["label_map"]))
    except AuditError as error:
        raise AuditError(f"image {choice.image} of key {choice.key} in inversions: {error}") from None
    return Reconstructed(
        choice.generator, choice.class_id, choice.kind, choice.verdict, choice.recall, choice.pixels, photo, result
    )
