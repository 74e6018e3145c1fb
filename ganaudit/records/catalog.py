"""SQL over a store: views of every record and finding, and macros for any run.

The catalog file holds no data, only views and macros over the Parquet files: it may be deleted at any time. It is made
under a temporary name and renamed, so that whoever has it open keeps a whole one, and everyone opens it read-only.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit import sql
from ganaudit.errors import AuditError, RequestError
from ganaudit.records import leases, schema, writer
from ganaudit.records.columns import Table
from ganaudit.records.locations import pattern
from ganaudit.records.reading import unreadable
from ganaudit.records.schema import SCHEMA_VERSION
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES, OLDER_ROLES, RUN_KEYS, RUN_SOURCES

STORAGE_VERSION = "v1.4.0"
"""DuckDB clients from this version on can open the catalog."""

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

_TABLES = schema.RECORDS | schema.FINDINGS


def build(store: Store) -> Path:
    """Write the store's catalog anew and return its path. Raises RequestError where the store cannot be written to."""
    with writer.writing(store.catalog), writer.temporary_file(store.temporary, "catalog") as unfinished:
        store.temporary.mkdir(parents=True, exist_ok=True)
        new = [table for table in schema.SHARDED if store.epoch(table) is None and store.folder(table).is_dir()]
        for table in new:
            store.begin_epoch(table)
        if new:
            time.sleep(0.02)  # a catalog as old as its newest sign would be made anew at once
        unfinished.touch()
        now = unfinished.stat().st_mtime_ns  # by the store's own clock, before any file is looked for
        with tempfile.TemporaryDirectory() as elsewhere:  # DuckDB cannot write below a folder with '?' in its name
            made = Path(elsewhere) / "catalog.duckdb"
            with contextlib.closing(duckdb.connect()) as connection, sentences(store):
                connection.execute(sql.filled("attach_new", path=sql.literal(str(made)), version=STORAGE_VERSION))
                create_views(connection, store)
                connection.execute(_comments())
                connection.execute(sql.text("detach"))
            shutil.copyfile(made, unfinished)
        os.utime(unfinished, ns=(now, now))
        os.replace(unfinished, store.catalog)
    return store.catalog


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """A connection to the store's catalog, read-only; the catalog is first brought up to date where it is not.

    Where the store cannot be written to, the same views are made in memory. Raises RequestError if there is no store.
    """
    store.open_for_reading()
    leases.settle(store)
    connection = _attached(store) if _is_current(store) else None
    if connection is None:
        try:
            build(store)
        except (RequestError, AuditError):
            return _in_memory(store)
        connection = _attached(store)
    return connection or _in_memory(store)


@contextlib.contextmanager
def in_memory(store: Store, files: Mapping[str, Sequence[Path]] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """The catalog's views and macros in memory, over all of the store, or over these files only of the tables named.

    What DuckDB says inside becomes a RequestError or, where it is about a damaged file, an AuditError that names it.
    """
    with contextlib.closing(_in_memory(store, files)) as connection, sentences(store):
        yield connection


def _in_memory(store: Store, files: Mapping[str, Sequence[Path]] | None = None) -> duckdb.DuckDBPyConnection:
    connection = _connection()
    with sentences(store):
        create_views(connection, store, files, whole=False)
    return connection


def _connection() -> duckdb.DuckDBPyConnection:
    """A database in memory that shows every instant in UTC, wherever the machine stands."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


@contextlib.contextmanager
def of_run(
    store: Store, run: str, files: Mapping[str, Sequence[Path]] = MappingProxyType({})
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The views in memory, over the records of one run alone: as fast in a store of a thousand runs, and none that another
    run's damaged file spoils. files: only these of the tables named.

    Raises RequestError where there is no such run, else as `in_memory`.
    """
    if run not in (folder.name.removeprefix("run=") for folder in store.folder("run_sources").glob("run=*")):
        raise RequestError(f"there is no run {run!r} in {store.path}; `ganaudit runs` lists those there are")
    used = store.read(RUN_SOURCES, store.run_sources(run), ["key", "parser_key"])
    keys = {row["key"] for row in store.of_run(RUN_KEYS, run)}.union(used["key"].to_pylist(), used["parser_key"].to_pylist())
    seen = {name: [path for key in sorted(set(used["key"].to_pylist())) for path in store.files_of(name, key)]
            for name in (IMAGES.name, CLASS_PIXELS.name) if name not in files}  # fmt: skip
    others = {name: _files_of_run(store, name, run, sorted(keys)) for name in _TABLES if name not in {*seen, *files}}
    with in_memory(store, {**others, **seen, **files}) as connection:
        yield connection


def _files_of_run(store: Store, table: str, run: str, keys: Sequence[str]) -> list[Path]:
    """The files of a table that lie under a run's name, or under its keys."""
    folder = store.folder(table)
    below, _, name = pattern(table).partition("/")
    if below == "run=*":
        return sorted(folder.glob(f"run={run}/{name}"))
    if table in schema.SHARDED:
        return [path for key in keys if key.startswith("k") for path in store.loose_and_parts(table, key)]
    return [path for key in keys for path in sorted(folder.glob(f"key={key}/{name}"))]


def query(store: Store, statement: str) -> pa.Table:
    """The rows that a statement over the store's views gives. Raises RequestError, with the reason, where it fails."""
    return pa.Table.from_batches(list(batches(store, statement)))


def batches(store: Store, statement: str, rows: int = 100_000) -> Iterator[pa.RecordBatch]:
    """The same, so many rows at a time as DuckDB finds them; at least one batch, which has the columns."""
    for again in (True, True, False):
        begun = False
        try:
            with contextlib.closing(connect(store)) as connection, sentences(store):
                for batch in _read(connection.sql(statement), rows):
                    begun = True
                    yield batch
            return
        except RequestError as error:
            if begun or not again or not _is_gone(store, error):
                raise
            build(store)  # files went to `compact` or `prune` after the catalog was opened


def _read(relation: duckdb.DuckDBPyRelation | None, rows: int) -> Iterator[pa.RecordBatch]:
    """The batches of a relation, at least one; a statement that gives none has no columns. Raises duckdb.Error."""
    if relation is None:
        yield pa.RecordBatch.from_pylist([])
        return
    of_this_duckdb = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    reader = of_this_duckdb(rows)
    count = 0
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            break
        except (OSError, pa.ArrowException) as error:  # Arrow's wording of what DuckDB met on the way
            of_a_file = str(error).startswith(("IO Error", "INTERNAL Error", "Invalid Input Error", "Invalid Error"))
            raise (duckdb.IOException if of_a_file else duckdb.DataError)(str(error)) from error
        count += 1
        yield batch
    if not count:
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)


def _is_gone(store: Store, error: RequestError) -> bool:
    """Whether a query failed because a file of the store went meanwhile."""
    missing = re.search(r"No files found|No such file", str(error)) is not None
    return isinstance(error.__cause__, duckdb.IOException) and missing and str(store.path) in str(error)


def create_views(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    files: Mapping[str, Sequence[Path]] | None = None,
    whole: bool = True,
) -> None:
    """Create every view and macro in the connection's current database.

    Raises duckdb.Error for a damaged file; unless whole, only who asks the table that it belongs to is told.
    """
    for table in _TABLES.values():
        if files and table.name in files:
            paths = list(files[table.name])
            patterns = [_escaped(path) for path in paths]
        else:
            paths = list(store.files(table.name)) if table.name in schema.GROWN else []
            patterns = _patterns(store, table.name)
        try:
            connection.execute(_table_view(table, patterns, table.name in schema.GROWN and _is_older(table, paths)))
        except duckdb.Error as error:
            if whole:
                raise
            connection.execute(_unreadable_view(table, str(error)))
    for script in sql.SCRIPTS:
        connection.execute(sql.text(script))
    about = {"store": sql.literal(str(store.path)), "digest": sql.literal(_made_by())}
    connection.execute(sql.filled("about", schema_version=str(SCHEMA_VERSION), **about))


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


def _made_by() -> str:
    """Changes whenever a view or macro would: with the SQL, with a table's columns and with what is said of them."""
    return sql.digest(repr((_TABLES, OLDER_ROLES)))


def _comments() -> str:
    """What the data dictionary says, on the views, their columns and the macros."""
    said = [definition.statement for definition in sql.definitions()]
    for table in _TABLES.values():
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


def _attached(store: Store) -> duckdb.DuckDBPyConnection | None:
    """The store's catalog; None where it is damaged, was made elsewhere (a store may be moved), or by other SQL or schema.

    It is attached to a database of its own: opened by its path, a process would go on seeing a file since replaced.
    """
    connection = _connection()
    try:
        connection.execute(sql.filled("attach", path=sql.literal(str(store.catalog))))
        if connection.execute(sql.text("made_by")).fetchall() == [(str(store.path), _made_by())]:
            return connection
    except duckdb.Error:
        pass
    connection.close()
    return None


def _is_current(store: Store) -> bool:
    """Whether the catalog is younger than the newest run or finding, and than the first file of any table."""
    try:
        made = store.catalog.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(path.stat().st_mtime_ns < made for path in _signs_of_news(store))


def _signs_of_news(store: Store) -> Iterator[Path]:
    for table in _TABLES:
        if store.folder(table).is_dir():
            yield store.folder(table)
    for key in store.compacted_keys():
        yield store.manifest_file(key)
        yield from (folder for table in schema.SHARDED if (folder := store.folder(table) / f"key={key}").is_dir())
    if store.folder("manifests").is_dir():
        yield store.folder("manifests")
    yield from store.files("runs")
    for finding in schema.FINDINGS:
        yield from store.files(finding)


@contextlib.contextmanager
def sentences(store: Store) -> Iterator[None]:
    """Turn what DuckDB says into an error for the person: it names a damaged file; otherwise the statement is wrong."""
    try:
        yield
    except duckdb.Error as error:
        message = str(error).strip()
        named = re.search(re.escape(store.path.as_posix()) + r"/(?:records|findings)/[^\n]*?\.parquet", message)
        if named and Path(named[0]).is_file() and not isinstance(error, duckdb.OutOfMemoryException):
            raise AuditError(unreadable(named[0])) from error
        unnamed = type(error) is duckdb.Error or isinstance(error, duckdb.IOException | duckdb.InternalException)
        if unnamed or isinstance(error, duckdb.BinderException | duckdb.InvalidInputException):
            for table in _TABLES.values():
                store.check(table, whole=unnamed)
        raise RequestError(_unknown(message) or message) from error


_UNKNOWN = re.compile(r"(Table|Table Function|Scalar Function) with name \"?([^\s\"]+)\"? does not exist")


def _unknown(message: str) -> str | None:
    """What is said of an unknown table or macro: which of ours is nearest; None where the message is better."""
    match = _UNKNOWN.search(message)
    if match is None:
        return None
    made = sql.definitions()
    if match[1] == "Table":
        known = [*_TABLES, *(each.name for each in made if each.parameters is None)]
    else:
        known = [
            each.name for each in made if each.parameters is not None and (each.gives_table or match[1] != "Table Function")
        ]
    near = difflib.get_close_matches(match[2].rpartition(".")[2].lower(), known, n=1)
    if not near and match[1] != "Table":
        return None  # it may be one of DuckDB's own that was meant
    guess = f"did you mean {near[0]}?" if near else "SHOW TABLES lists those there are, docs/records.md says what they hold"
    return f"{message[: match.end()]}; {guess}"
