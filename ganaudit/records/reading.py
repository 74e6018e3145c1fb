"""Reading a file of records or findings: its rows are those that its name and its schema say, or one sentence says what is
wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit.errors import AuditError
from ganaudit.records import schema, writer
from ganaudit.records.columns import Table
from ganaudit.records.compacted import as_schema
from ganaudit.records.locations import SHARD
from ganaudit.records.places import misplaced
from ganaudit.records.schema import SCHEMA_VERSION

THREADED_FROM = 100_000
"""A file of more rows is read by several threads."""


def read_file(table: Table, path: Path, columns: Sequence[str], older: bool = False) -> tuple[pa.Table, pq.FileMetaData]:
    """The rows of one file, and its footer. A page that has a checksum must match it."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            there = set(file.schema_arrow.names)
            names = [name for name in columns if not older or name in there]
            ours = older or schema.needed(table) <= there
            if ours and _version(file.schema_arrow) in range(1, SCHEMA_VERSION + 1):
                rows = as_schema(whole(file, [name for name in names if name in there]), part_of(table, names))
                rows.validate(full=True)  # text that is none
                return rows, file.metadata
    except FileNotFoundError as error:
        raise AuditError(f"{path} is missing; run the audit again: `ganaudit verify` says what else is wrong") from error
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise AuditError(unreadable(path)) from error
    raise AuditError(unreadable(path))


def whole(file: pq.ParquetFile, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a file, or these columns of them. Threads cost a small file more than they give."""
    return file.read(columns=columns, use_threads=file.metadata.num_rows > THREADED_FROM)


def unreadable(path: Path | str) -> str:
    """The sentence about a file that is no record or finding."""
    return _wrong(Path(path), f"is damaged or was not written by ganaudit (schema version {SCHEMA_VERSION})")


def unsound(path: Path | str, what: str) -> AuditError:
    """The error about a file whose rows are not those of its name."""
    return AuditError(_wrong(Path(path), f"{what}, not what its name says"))


def _wrong(path: Path, what: str) -> str:
    """The block of a shard is done while its mark is there, which has to go with it."""
    table = path.parent.parent.name
    mark = next((shard.mark.name for shard in schema.SHARDS if table in [each.name for each in shard.tables]), table)
    beside = path.parents[2] / mark / path.parent.name / path.name
    also = f" and {beside}" if mark != table and SHARD.fullmatch(path.name) else ""
    return (
        f"{path} {what}; delete it{also} and run the audit again, which makes only what is missing "
        "(`ganaudit verify` finds all such files)"
    )


def check_place(
    path: Path, metadata: pq.FileMetaData, key: str, block: tuple[int, int] | None, groups: Sequence[int] | None = None
) -> None:
    """Raises AuditError for rows of another key or of other images, by their statistics."""
    try:
        what = misplaced(metadata, key, block, groups)
    except (ValueError, pa.ArrowException) as error:
        raise AuditError(unreadable(path)) from error
    if what is not None:
        raise unsound(path, what)


def part_of(table: Table, names: Sequence[str]) -> pa.Schema:
    """The schema of these columns of a table."""
    return pa.schema([table.arrow.field(name) for name in names])


def _version(columns: pa.Schema) -> int:
    """The schema version in a file's footer; 0 where there is none."""
    try:
        return int((columns.metadata or {}).get(writer.VERSION_ENTRY.encode(), b"0"))
    except ValueError:
        return 0


def footer_version(path: Path) -> int:
    """The schema version that a file was written with. Raises AuditError, naming it, where it cannot be read."""
    try:
        return _version(pq.read_schema(path))
    except (OSError, pa.ArrowException) as error:
        raise AuditError(unreadable(path)) from error
