"""`ganaudit sql`: an answer of any length as a table, CSV or JSON, written while it is found."""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.console import JsonOption, StoreOption, json_text, readable
from flows.streams import unread
from flows.terminal import table_texts
from ganaudit.errors import RequestError

if TYPE_CHECKING:
    import pyarrow as pa

    from ganaudit.records.store import Store

STYLES = ("table", "csv", "json")
ROWS = 1000
"""Rows that are held at once."""


def sql(
    query: Annotated[str, typer.Argument(help="Any DuckDB query over the records' views.", show_default=False)],
    store: StoreOption = None,
    output: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    as_json: JsonOption = False,
) -> None:
    """SQL over the records: ganaudit sql "SELECT * FROM fsd"."""
    write(answer(readable(store), query, "json" if as_json else output))


def answer(store: Store, query: str, style: str) -> Iterator[str]:
    """The answer, piece by piece. Raises RequestError for a wrong query or style."""
    from ganaudit.records import catalog

    if style not in STYLES:
        raise RequestError(f"--format {style!r} is none of {', '.join(STYLES)}")
    batches = catalog.batches(store, query, ROWS)
    first = next(batches)
    names = distinct(first.schema.names)
    rows = (_rows(batch, names) for batch in itertools.chain([first], batches))
    if style == "csv":
        yield from _csv(names, rows)
    elif style == "json":
        yield from _json(rows)
    else:
        yield from table_texts(rows, f"no rows ({', '.join(names) or 'and no columns'})")


def write(pieces: Iterator[str]) -> None:
    """Writes pieces to stdout. A reader that has enough (`| head`) ends it, and that is no failure; nor is a closed stdout."""
    for piece in pieces:
        print(piece, end="", flush=True)
        if unread(sys.stdout):
            return


def distinct(names: Sequence[str]) -> list[str]:
    """Column names of a query as keys: a second `a` becomes `a_1`."""
    made: list[str] = []
    for name in names:
        again = (f"{name}_{number}" for number in itertools.count(1))
        made.append(name if name not in made else next(new for new in again if new not in (*names, *made)))
    return made


def _rows(batch: pa.RecordBatch, names: list[str]) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.rename_columns(names).to_pylist()
    except (ValueError, OverflowError) as error:
        raise RequestError(f"a value of the answer cannot be written ({error}); cast it to VARCHAR") from error
    return rows


def _csv(names: Sequence[str], parts: Iterator[list[dict[str, Any]]]) -> Iterator[str]:
    """What is NULL, or no number, is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for rows in parts:
        writer.writerows(["" if value != value else value for value in row.values()] for row in rows)
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _json(parts: Iterator[list[dict[str, Any]]]) -> Iterator[str]:
    """A list, in the form of every other JSON of ganaudit."""
    before = "[\n"
    for rows in parts:
        if rows:
            yield before + json_text(rows).removeprefix("[\n").removesuffix("\n]")
            before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"
