"""Whether one file is what its name and footer say: its schema, key, place, rows, order and ranges."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ganaudit import keys
from ganaudit.errors import AuditError
from ganaudit.maintenance.problems import Problem, problem
from ganaudit.records import schema, writer
from ganaudit.records.columns import Table
from ganaudit.records.compacted import as_schema
from ganaudit.records.places import bounds
from ganaudit.records.reading import whole
from ganaudit.records.schema import SCHEMA_VERSION
from ganaudit.records.store import Store
from ganaudit.records.tables import SOURCES

SHARD = re.compile(r"(?:shard|part)-(\d+)-(\d+)(?:-\d+)?\.parquet")
LEAST = {"pixels": 0, "x_min": 0, "y_min": 0, "x_sum": 0, "y_sum": 0, "class_id": 0, "true_class": 0, "image": 0}
"""Columns that hold nothing below this."""
SHARES = ("confidence",)
"""Columns between 0 and 1."""


def footer_problems(store: Store, table: Table, path: Path, deep: bool) -> Iterator[Problem]:
    """What is wrong with one file, by its footer and, if deep, by its values."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            metadata, columns = file.metadata, file.schema_arrow
            rows = as_schema(whole(file), table.arrow) if deep and set(columns.names) >= schema.needed(table) else None
    except FileNotFoundError:
        return
    except (OSError, ValueError, pa.ArrowException):
        yield problem(store, "torn", path, "it cannot be read as Parquet; delete it and run the audit again")
        return
    said = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in (columns.metadata or {}).items()}
    version = said.get(writer.VERSION_ENTRY)
    if version is None:
        yield problem(store, "foreign", path, "it was not written by ganaudit; delete it and run the audit again")
        return
    if version != str(SCHEMA_VERSION):
        yield problem(store, "schema", path, f"it is of schema version {version}; this ganaudit knows {SCHEMA_VERSION}")
        return
    types = dict(zip(columns.names, columns.types, strict=True))
    lacking = [name for name in table.arrow.names if name not in types]
    if lacking:
        older = table.name in schema.FINDINGS or (table.name in schema.GROWN and not schema.needed(table) & set(lacking))
        words = f"it has no column {lacking[0]}: an older ganaudit wrote it; run the audit again, which makes it anew"
        yield problem(store, "older" if older else "schema", path, words)
        return
    unlike = [column.name for column in table.columns if types[column.name] != column.type]
    if unlike:
        yield problem(store, "schema", path, f"its column {unlike[0]} is {types[unlike[0]]}, not what it must be")
        return
    yield from _place_problems(store, table, path, metadata, said)
    yield from _range_problems(store, table, path, metadata)
    if rows is not None:
        yield from _value_problems(store, table, path, rows)


def _place_problems(
    store: Store, table: Table, path: Path, metadata: pq.FileMetaData, said: dict[str, str]
) -> Iterator[Problem]:
    """Its key or run is its folder's, its recipe its key's, its images those of its name."""
    what, _, name = path.parent.name.partition("=")
    column = {
        "run": "run",
        "key": "parser_key" if table.files.startswith("key=p") else "pool" if table.name == "calibration" else "key",
    }[what]
    extremes = bounds(metadata, column)
    if extremes is not None and extremes != (name, name):
        yield problem(store, "misplaced", path, f"it holds rows of the {what} {extremes[0]}, not of its folder's")
    recipe = said.get("ganaudit.recipe")
    if recipe is not None and table.name in schema.SHARDED and recipe != name:
        yield problem(store, "digest", path, f"its footer says that it was made for the key {recipe}")
    match = SHARD.fullmatch(path.name)
    images = bounds(metadata, "image")
    if match and images is not None and schema.indexed(table.name):
        first, last = int(match[1]), int(match[2])
        if not (first <= images[0] and images[1] <= last):
            yield problem(store, "misplaced", path, f"it holds the images {images[0]} to {images[1]}, not those of its name")
    if table.name == "sources":
        yield from _source_problems(store, path, name)


def _source_problems(store: Store, path: Path, key: str) -> Iterator[Problem]:
    """The key of a source is the digest of its recipe."""
    try:
        for recipe in store.read(SOURCES, path, ["recipe"])["recipe"].to_pylist():
            ours = {keys.source_key(json.loads(recipe), version) for version in range(1, keys.RECORDS_VERSION + 1)}
            if recipe != "{}" and key not in ours:
                now = keys.source_key(json.loads(recipe))
                yield problem(store, "digest", path, f"its recipe has the key {now}, not its folder's")
    except (AuditError, ValueError):
        yield problem(store, "torn", path, "its recipe cannot be read; delete it and run the audit again")


def _range_problems(store: Store, table: Table, path: Path, metadata: pq.FileMetaData) -> Iterator[Problem]:
    for name in table.arrow.names:
        ends = bounds(metadata, name) if name in LEAST or name in SHARES else None
        if ends is None:
            continue
        low, high = ends
        if name in LEAST and low < LEAST[name]:
            yield problem(store, "range", path, f"its column {name} holds {low}")
        if name in SHARES and (low < 0 or high > 1 + 1e-6):
            yield problem(store, "range", path, f"its column {name} holds {low if low < 0 else high}, not a share")


def _value_problems(store: Store, table: Table, path: Path, rows: pa.Table) -> Iterator[Problem]:
    """Order, NULL where none may be, and NaN."""
    whole = path.name.startswith("part-") and not schema.indexed(table.name)  # then only each of its blocks is in order
    if table.sort and "image" in table.sort and rows.num_rows > 1 and not whole:
        order = [(name, "ascending") for name in table.sort]
        if not rows.select(list(table.sort)).equals(rows.select(list(table.sort)).sort_by(order)):
            yield problem(store, "unsorted", path, f"its rows are not in order of {', '.join(table.sort)}")
        elif rows.select(list(table.sort)).group_by(list(table.sort)).aggregate([]).num_rows != rows.num_rows:
            yield problem(store, "inconsistent", path, f"two rows have the same {', '.join(table.sort)}")
    for column in table.columns:
        values = rows[column.name]
        if values.null_count and not column.nullable:
            yield problem(store, "range", path, f"its column {column.name} holds NULL")
        if pa.types.is_floating(column.type) and pc.all(pc.is_finite(values)).as_py() is False:
            yield problem(store, "range", path, f"its column {column.name} holds NaN or infinity")
