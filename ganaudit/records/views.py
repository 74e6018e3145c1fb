"""What a catalog shows: a view of every table over its Parquet files in a store, as SQL, with what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit import sql
from ganaudit.records import schema
from ganaudit.records.columns import Table
from ganaudit.records.locations import pattern
from ganaudit.records.schema import SCHEMA_VERSION
from ganaudit.records.store import Store
from ganaudit.records.tables import OLDER_ROLES

_TYPES = {
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.binary(): "BLOB",
    pa.decimal128(38): "DECIMAL(38, 0)",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
    pa.list_(pa.float32()): "FLOAT[]",
    pa.list_(pa.string()): "VARCHAR[]",
}

TABLES = schema.RECORDS | schema.FINDINGS


def fill_blank(connection: duckdb.DuckDBPyConnection) -> None:
    """Views over no file, and every macro."""
    for table in TABLES.values():
        connection.execute(_table_view(table, []))
    for script in sql.SCRIPTS:
        connection.execute(sql.text(script))


def create(
    connection: duckdb.DuckDBPyConnection, store: Store, files: Mapping[str, Sequence[Path]] | None = None, whole: bool = True
) -> None:
    """Show the store's files in the connection's current database, a blank catalog.

    Raises duckdb.Error for a damaged file; unless whole, only who asks the table that it belongs to is told.
    """
    views = {}
    for table in TABLES.values():
        if files and table.name in files:
            paths = list(files[table.name])
            patterns = [_escaped(path) for path in paths]
        else:
            paths = list(store.files(table.name)) if table.name in schema.GROWN else []
            patterns = _patterns(store, table.name)
        if patterns:
            views[table] = _table_view(table, patterns, table.name in schema.GROWN and _is_older(table, paths))
    while failed := _first_failed(connection, views):
        table, error = failed
        if whole:
            raise error
        views[table] = _unreadable_view(table, str(error))
        connection.execute("ROLLBACK; BEGIN")
    about = {"store": sql.literal(str(store.path)), "digest": sql.literal(made_by())}
    connection.execute(sql.filled("about", schema_version=str(SCHEMA_VERSION), **about))
    if whole:  # the file that others open: hundreds of statements, as long as all the others
        connection.execute(comments(TABLES.values()))


def _first_failed(connection: duckdb.DuckDBPyConnection, views: Mapping[Table, str]) -> tuple[Table, duckdb.Error] | None:
    """Makes the views, and says which of them cannot be made."""
    for table, statement in views.items():
        try:
            connection.execute(statement)
        except duckdb.Error as error:
            return table, error
    return None


def _patterns(store: Store, table: str) -> list[str]:
    """Where a table's files are looked for by every query: shards by a glob, so that new ones are found. The files of a key
    that was compacted are named one by one: its old shards may still be there."""
    folder = store.folder(table)
    there = any(True for _ in store.files(table))
    if table not in schema.SHARDED or not there:
        return [f"{_escaped(folder)}/{pattern(table)}"] if there else []
    epoch = store.epoch(table)
    last = [] if epoch is None else [_escaped(epoch)]  # after the globs: while it has its name, no shard of theirs has gone
    compacted = set(store.compacted_keys())
    if not compacted:
        return [f"{_escaped(folder)}/{pattern(table)}", *last]
    patterns = []
    for key_folder in sorted(folder.glob("key=k*")):
        key = key_folder.name.removeprefix("key=")
        if key in compacted:
            patterns += [_escaped(path) for path in store.loose_and_parts(table, key)]
        elif any(True for _ in key_folder.glob("shard-*-*.parquet")):
            patterns.append(f"{_escaped(key_folder)}/shard-*-*.parquet")
    return [*patterns, *last]


def made_by() -> str:
    """Changes whenever a view or macro would: with the SQL, with a table's columns and with what is said of them."""
    return _digest(tuple(TABLES.values()))


@lru_cache(maxsize=2)
def _digest(tables: tuple[Table, ...]) -> str:
    return sql.digest(repr((tables, OLDER_ROLES)))


def comments(tables: Iterable[Table]) -> str:
    """What the data dictionary says, on the views of these tables and their columns."""
    said = []
    for table in tables:
        view = sql.identifier(table.name)
        said.append(f"COMMENT ON VIEW {view} IS {sql.literal(f'One row per {table.row}.')};")
        said += [
            f"COMMENT ON COLUMN {view}.{sql.identifier(column.name)} IS {sql.literal(column.meaning)};"
            for column in table.columns
        ]
    return "\n".join(said)


def _view_of(table: Table) -> str:
    return "run_files" if table.name == "runs" else table.name


def _nothing(table: Table, value: str = "NULL") -> str:
    return ", ".join(f"{value}::{_TYPES[column.type]} AS {sql.identifier(column.name)}" for column in table.columns)


def _unreadable_view(table: Table, why: str) -> str:
    """Every column is the error, too: a condition on columns of NULL would be false without asking for a row."""
    message = sql.literal(why)
    return sql.filled("unreadable", view=_view_of(table), columns=_nothing(table, f"error({message})"), message=message)


def _table_view(table: Table, patterns: Sequence[str], older: bool = False) -> str:
    view, nothing = _view_of(table), _nothing(table)
    columns = ", ".join(map(_shown, table.arrow.names))
    files = "[" + ", ".join(map(sql.literal, patterns)) + "]"
    if not patterns:
        return sql.filled("no_rows", view=view, columns=nothing)
    if older:
        return sql.filled("older", view=view, columns=columns, nothing=nothing, files=files)
    return sql.filled("table", view=view, columns=columns, files=files)


def _shown(column: str) -> str:
    """A column as its view has it: the roles of older runs under their names of today."""
    name = sql.identifier(column)
    if column != "role":
        return name
    cases = " ".join(f"WHEN {sql.literal(old)} THEN {sql.literal(new)}" for old, new in OLDER_ROLES.items())
    return f"CASE {name} {cases} ELSE {name} END AS {name}"


def _is_older(table: Table, files: Sequence[Path]) -> bool:
    """Whether an older ganaudit wrote a finding with fewer columns: if any, the one that was written first."""
    dated = [(path.stat().st_mtime_ns, path) for path in files if path.is_file()]
    try:
        return bool(dated) and not set(table.arrow.names) <= set(pq.read_schema(min(dated)[1]).names)
    except (OSError, pa.ArrowException):
        return False  # a damaged file is reported when it is read


def _escaped(path: Path) -> str:
    """The path as a pattern that matches it alone."""
    return re.sub(r"[\[*?]", r"[\g<0>]", path.as_posix())
