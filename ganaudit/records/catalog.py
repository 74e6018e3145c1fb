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
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from ganaudit import sql
from ganaudit.errors import AuditError, RequestError
from ganaudit.records import leases, schema, views, writer
from ganaudit.records.reading import unreadable
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, CLASSES, IMAGES, RUN_SOURCES, SOURCES

STORAGE_VERSION = "v1.4.0"
"""DuckDB clients from this version on can open the catalog."""

AS_SHOWN = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
"""Every instant in UTC, wherever the machine stands, and nothing written: DuckDB prints how far a long query is among a
command's answer."""


def build(store: Store) -> Path:
    """Write the store's catalog anew and return its path. Raises RequestError where the store cannot be written to."""
    with _instance() as instance, contextlib.closing(instance.cursor()) as connection:
        _build(connection, store)
    return store.catalog


def _build(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    with writer.writing(store.catalog), writer.temporary_file(store.temporary, "catalog") as unfinished:
        store.temporary.mkdir(exist_ok=True)
        new = [table for table in schema.SHARDED if store.epoch(table) is None and store.folder(table).is_dir()]
        for table in new:
            store.begin_epoch(table)
        if new:
            time.sleep(0.02)  # a catalog as old as its newest sign would be made anew at once
        unfinished.touch()
        now = unfinished.stat().st_mtime_ns  # by the store's own clock, before any file is looked for
        with _made(connection, store) as made:
            shutil.copyfile(made, unfinished)
        os.utime(unfinished, ns=(now, now))
        os.replace(unfinished, store.catalog)


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """A connection to the store's catalog, read-only; the catalog is first brought up to date where it is not.

    Where the store cannot be written to, the same views are made for this connection alone. Raises RequestError if there is
    no store.
    """
    store.open_for_reading()
    leases.settle(store)
    connection = _connection()
    if _is_current(store) and _attached(connection, store):
        return connection
    with contextlib.suppress(RequestError, AuditError):
        _build(connection, store)
        if _attached(connection, store):
            return connection
    connection.close()
    return _shown(duckdb.connect(), store)


@contextlib.contextmanager
def in_memory(store: Store, files: Mapping[str, Sequence[Path]] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A catalog that nobody else sees, read-only: over all of the store, or over these files only of the tables named.

    What DuckDB says inside becomes a RequestError or, where it is about a damaged file, an AuditError that names it.
    """
    with _instance() as instance, contextlib.closing(_shown(instance.cursor(), store, files)) as connection, sentences(store):
        yield connection


OF_RUN = (IMAGES, CLASS_PIXELS, CLASSES, SOURCES, RUN_SOURCES)
"""The tables that the catalog of a run shows. The others are empty there, and views over them."""

_IDLE: list[duckdb.DuckDBPyConnection] = []
"""Instances of DuckDB without a catalog. To start one takes 14 ms, as long as all else that the catalog of a run takes."""


@contextlib.contextmanager
def _instance() -> Iterator[duckdb.DuckDBPyConnection]:
    """An instance that nobody else has inside, kept for the next where it can be emptied. While it is idle it has no threads:
    only with them does it give its memory back, and they would be missing in a process that is forked."""
    try:
        instance = _IDLE.pop()
        instance.execute("RESET GLOBAL threads; RESET GLOBAL async_threads")
    except IndexError:
        instance = duckdb.connect()
    try:
        yield instance
    finally:
        try:
            instance.execute("DETACH DATABASE IF EXISTS catalog; SET GLOBAL threads = 1; SET GLOBAL async_threads = 0")
            _IDLE.append(instance)
        except duckdb.Error:  # an older DuckDB has no such threads
            instance.close()


def _shown(
    connection: duckdb.DuckDBPyConnection, store: Store, files: Mapping[str, Sequence[Path]] | None = None
) -> duckdb.DuckDBPyConnection:
    """The connection, with a catalog that nobody else sees; another one where there is no room for its file."""
    connection.execute(AS_SHOWN)
    try:
        with _made(connection, store, files, whole=False) as made:  # who has a file open keeps it, also after its name has gone
            connection.execute(sql.filled("attach", path=sql.literal(str(made))))
    except (OSError, RequestError):  # no room for temporary files
        connection.close()
        connection = _connection()
        with sentences(store):
            connection.execute("BEGIN")
            views.fill_blank(connection)
            views.create(connection, store, files, whole=False)
            connection.execute("COMMIT")
    return connection


@contextlib.contextmanager
def _made(
    connection: duckdb.DuckDBPyConnection, store: Store, files: Mapping[str, Sequence[Path]] | None = None, whole: bool = True
) -> Iterator[Path]:
    """A catalog's file, made by a connection, which is gone afterwards. In a folder for temporary files: DuckDB cannot write
    below one with '?' in its name."""
    blank = _blank(views.made_by())
    with tempfile.TemporaryDirectory() as elsewhere:
        made = Path(elsewhere) / "catalog.duckdb"
        made.write_bytes(blank)
        with sentences(store):
            connection.execute(sql.filled("attach_new", path=sql.literal(str(made)), version=STORAGE_VERSION))
            views.create(connection, store, files, whole)
            connection.execute(sql.text("detach"))
        yield made


@lru_cache(maxsize=1)
def _blank(made_by: str) -> bytes:
    """The file of a catalog without a store, with every macro, and views over no file yet: a process makes them once. To
    open it takes a thirtieth of the time that to make it takes. made_by: what it was made by."""
    with tempfile.TemporaryDirectory() as elsewhere:
        made = Path(elsewhere) / "catalog.duckdb"
        with contextlib.closing(duckdb.connect()) as connection:
            connection.execute(sql.filled("attach_new", path=sql.literal(str(made)), version=STORAGE_VERSION))
            views.fill_blank(connection)
            connection.execute("".join(definition.statement for definition in sql.definitions()))
            connection.execute(sql.text("detach"))
        return made.read_bytes()


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(AS_SHOWN)
    return connection


@contextlib.contextmanager
def of_run(store: Store, run: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A catalog of what the images of one run hold, and of nothing else: as fast in a store of a thousand runs, and none that
    another run's damaged file spoils.

    Raises RequestError where there is no such run, else as `in_memory`.
    """
    if run not in (folder.name.removeprefix("run=") for folder in store.folder("run_sources").glob("run=*")):
        raise RequestError(f"there is no run {run!r} in {store.path}; `ganaudit runs` lists those there are")
    used = store.read(RUN_SOURCES, store.run_sources(run), ["key", "parser_key"])
    keys, parsers = (sorted(set(used[column].to_pylist())) for column in used.column_names)
    whole = {CLASSES: map(store.classes, parsers), SOURCES: map(store.source, keys), RUN_SOURCES: [store.run_sources(run)]}
    shown: dict[str, Sequence[Path]] = {
        **dict.fromkeys(views.TABLES, ()),
        **{table.name: [path for path in paths if path.is_file()] for table, paths in whole.items()},
        **{table.name: [path for key in keys for path in store.files_of(table.name, key)] for table in (IMAGES, CLASS_PIXELS)},
    }
    kept = _kept.get()
    if kept is None:
        with in_memory(store, shown) as connection:
            yield connection
        return
    with contextlib.closing(kept.cursor(store, shown)) as connection, sentences(store):
        yield connection


@dataclass
class _Kept:
    """The last catalog of a run, and what it is over."""

    inside: contextlib.ExitStack
    over: tuple[Path, Mapping[str, Sequence[Path]]] | None = None
    connection: duckdb.DuckDBPyConnection | None = None

    def cursor(self, store: Store, files: Mapping[str, Sequence[Path]]) -> duckdb.DuckDBPyConnection:
        if self.over != (store.path, files) or self.connection is None:
            self.over = None
            self.inside.close()
            self.connection = self.inside.enter_context(in_memory(store, files))
            self.over = store.path, files
        cursor = self.connection.cursor()
        cursor.execute(f"USE catalog; {AS_SHOWN}")
        return cursor


_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Inside, in this thread, `of_run` gives the catalog that it gave last, as long as it would be over the same files."""
    if _kept.get() is not None:
        yield
        return
    with contextlib.ExitStack() as inside:
        token = _kept.set(_Kept(inside))
        try:
            yield
        finally:
            _kept.reset(token)


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


def _attached(connection: duckdb.DuckDBPyConnection, store: Store) -> bool:
    """Whether the connection now has the store's catalog: not where it is damaged, was made elsewhere (a store may be moved),
    or by other SQL or schema.

    It is attached to a database of its own: opened by its path, a process would go on seeing a file since replaced.
    """
    try:
        connection.execute(sql.filled("attach", path=sql.literal(str(store.catalog))))
        if connection.execute(sql.text("made_by")).fetchall() == [(str(store.path), views.made_by())]:
            return True
    except duckdb.Error:
        pass
    connection.execute("USE memory; DETACH DATABASE IF EXISTS catalog")
    return False


def _is_current(store: Store) -> bool:
    """Whether the catalog is younger than the newest run or finding, and than the first file of any table."""
    try:
        made = store.catalog.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(path.stat().st_mtime_ns < made for path in _signs_of_news(store))


def _signs_of_news(store: Store) -> Iterator[Path]:
    for table in views.TABLES:
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
            for table in views.TABLES.values():
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
        known = [*views.TABLES, *(each.name for each in made if each.parameters is None)]
    else:
        known = [
            each.name for each in made if each.parameters is not None and (each.gives_table or match[1] != "Table Function")
        ]
    near = difflib.get_close_matches(match[2].rpartition(".")[2].lower(), known, n=1)
    if not near and match[1] != "Table":
        return None  # it may be one of DuckDB's own that was meant
    guess = f"did you mean {near[0]}?" if near else "SHOW TABLES lists those there are, docs/records.md says what they hold"
    return f"{message[: match.end()]}; {guess}"
