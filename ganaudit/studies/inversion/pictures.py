"""The inverted images that a report shows: chosen from the findings, read from the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganaudit.errors import AuditError
from ganaudit.records.store import Store
from ganaudit.report.data import Findings, Picture, Reconstructed, generators
from ganaudit.report.side_by_side import label_map, panes
from ganaudit.studies.inversion.record_tables import INVERSIONS
from ganaudit.studies.inversion.section.choice import Choice, choices


def reconstructed(store: Store, findings: Findings) -> list[Reconstructed]:
    """The pictures of the report's choices. Those whose record is gone, or holds no picture, are left out."""
    chosen = choices(findings, generators(findings))
    pictures = _pictures(store, chosen)
    return [shown for one in chosen if (shown := _shown(one, pictures.get((one.key, one.image)))) is not None]


def _pictures(store: Store, chosen: Sequence[Choice]) -> Mapping[tuple[str, int], bytes]:
    """WebP by (key, image)."""
    found: dict[tuple[str, int], bytes] = {}
    for key in dict.fromkeys(one.key for one in chosen):
        images = sorted({one.image for one in chosen if one.key == key})
        for path in sorted(store.folder("inversions").glob(f"key={key}/shard-*.parquet")):
            table = store.read(INVERSIONS, path, ["image", "picture"])
            table = table.filter(pc.is_in(table["image"], pa.array(images, pa.int64())))
            found |= {(key, row["image"]): row["picture"] for row in table.to_pylist() if row["picture"] is not None}
    return found


def _shown(one: Choice, picture: bytes | None) -> Reconstructed | None:
    if picture is None:
        return None
    try:
        photo, made, *maps = panes(picture)
        before, after = (label_map(pane, 1024) for pane in maps)
    except ValueError as error:
        raise AuditError(f"the picture of image {one.image} of key {one.key} in inversions is damaged: {error}") from None
    return Reconstructed(
        one.generator, one.class_id, one.kind, one.verdict, one.recall, one.pixels,
        Picture(one.image, one.name, np.ascontiguousarray(photo), before),
        Picture(one.image, f"reconstruction of {one.name}", np.ascontiguousarray(made), after),
    )  # fmt: skip
