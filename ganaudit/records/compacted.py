"""Large files that stand for many shards of a key, and the manifest that says which.

A part holds the blocks that begin within one stretch of PART_IMAGES indices, one row group per block and table, so that a
block is read from it as from its own shard. A manifest is replaced whole; what it does not name does not count, and blocks
that it names count from its parts alone, also where their shards are still there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit.errors import AuditError

PART_IMAGES = 262_144
"""Indices of one part: some tens of megabytes of class pixels."""

VERSION = 1

Block = tuple[int, int]


@dataclass(frozen=True)
class CompactedPart:
    """One stretch of a key: its blocks (first, last) in order, and of each table that it has the rows of every block."""

    generation: int
    blocks: tuple[Block, ...]
    rows: Mapping[str, tuple[int, ...]]

    @property
    def file(self) -> str:
        return f"part-{self.blocks[0][0]:09d}-{self.blocks[-1][1]:09d}-{self.generation:04d}.parquet"

    def row_group(self, table: str, block: Block) -> int | None:
        """The row group of a block; None for a block without rows, which has none."""
        place, rows = self.blocks.index(block), self.rows[table]
        return sum(1 for count in rows[:place] if count) if rows[place] else None


@dataclass(frozen=True)
class Manifest:
    """The parts of a key."""

    key: str
    generation: int
    parts: tuple[CompactedPart, ...]

    @cached_property
    def places(self) -> Mapping[Block, CompactedPart]:
        """The part of each block."""
        return {block: part for part in self.parts for block in part.blocks}

    def text(self) -> str:
        parts = [{"generation": p.generation, "blocks": p.blocks, "rows": p.rows} for p in self.parts]
        return json.dumps({"version": VERSION, "key": self.key, "generation": self.generation, "parts": parts}) + "\n"


def read_manifest(path: Path) -> Manifest | None:
    """The manifest in a file; None where there is none. Raises AuditError for a file that is none, or a newer one."""
    try:
        there = path.stat()
        return _read(path, there.st_mtime_ns, there.st_ino, there.st_size)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=256)
def _read(path: Path, *state: int) -> Manifest:
    try:
        said: dict[str, Any] = json.loads(path.read_text())
        if said["version"] != VERSION:
            raise ValueError("of another version")
        parts = (
            CompactedPart(
                int(part["generation"]),
                tuple((int(first), int(last)) for first, last in part["blocks"]),
                {str(table): tuple(map(int, rows)) for table, rows in part["rows"].items()},
            )
            for part in said["parts"]
        )
        return Manifest(str(said["key"]), int(said["generation"]), tuple(parts))
    except (ValueError, KeyError, TypeError) as error:
        raise AuditError(
            f"{path} is damaged or was written by a newer ganaudit; if it is damaged, delete it and run the audits again, "
            "which makes what is missing"
        ) from error


def footer(path: Path) -> pq.FileMetaData:
    """The footer of a file, read once."""
    there = path.stat()
    return _footer(path, there.st_mtime_ns, there.st_ino, there.st_size)


def read_row_group(path: Path, group: int, columns: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Columns of one row group, as `schema`."""
    with pq.ParquetFile(path, metadata=footer(path), page_checksum_verification=True) as file:
        there = set(file.schema_arrow.names)
        return as_schema(file.read_row_group(group, columns=[name for name in columns if name in there]), schema)


def as_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with the columns of `schema`, NULL where it may be and an older ganaudit wrote none."""
    for field in schema:
        if field.nullable and field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    rows = rows.select(schema.names).replace_schema_metadata(None)
    return rows if rows.schema == schema else rows.cast(schema)


@lru_cache(maxsize=64)
def _footer(path: Path, *state: int) -> pq.FileMetaData:
    return pq.read_metadata(path)


def stretch(block: Block) -> int:
    """The number of the part that a block belongs to."""
    return block[0] // PART_IMAGES


def size_of(paths: Sequence[Path]) -> int:
    """Bytes of the files that are still there."""
    total = 0
    for path in paths:
        try:
            total += os.stat(path).st_size
        except FileNotFoundError:
            continue
    return total
