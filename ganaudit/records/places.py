"""Whether rows are of the key and the images that their file's name says, by the statistics in its footer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow.parquet as pq


def bounds(metadata: pq.FileMetaData, column: str, groups: Iterable[int] | None = None) -> tuple[Any, Any] | None:
    """The least and the greatest value of a column, by the statistics of row groups, by default all; None where they do not
    say."""
    names = metadata.schema.names
    if column not in names:
        return None
    place = names.index(column)
    groups = range(metadata.num_row_groups) if groups is None else groups
    statistics = [metadata.row_group(group).column(place).statistics for group in groups]
    known = [each for each in statistics if each is not None and each.has_min_max]
    if not known or len(known) < len(statistics):
        return None
    return min(each.min for each in known), max(each.max for each in known)


def misplaced(
    metadata: pq.FileMetaData, key: str, block: tuple[int, int] | None, groups: Iterable[int] | None = None
) -> str | None:  # fmt: skip
    """What rows hold that are not of the key and the images first to last of a block (None: of any), in words; else None."""
    keys, images = (bounds(metadata, column, groups) for column in ("key", "image"))
    if keys is not None and keys != (key, key):
        return f"holds rows of the key {keys[0] if keys[0] != key else keys[1]}"
    if images is not None and block is not None and not (block[0] <= images[0] and images[1] <= block[1]):
        return f"holds the images {images[0]} to {images[1]}"
    return None
