"""Records written by hand, and the blocks of an audit that are missing."""

from __future__ import annotations

from typing import Any

from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES, PARSER_CONFUSION


def write_block(
    store: Store, key: str, first: int, last: int, images: Any, class_pixels: Any, footer: Any, confusion: Any = None
) -> None:
    """One block of a source's records."""
    tables = {IMAGES.name: images, CLASS_PIXELS.name: class_pixels}
    if confusion is not None:
        tables[PARSER_CONFUSION.name] = confusion
    store.write_shard(IMAGES.name, key, first, last, tables, footer)
