"""Image files that a table names, with their labels, clusters and attributes: kind `csv`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ganaudit.context import Context
from ganaudit.datasets.folder import FolderShelf, digest_cache
from ganaudit.datasets.grouped import Said, said_in
from ganaudit.datasets.listing import inside, names_below, plain
from ganaudit.datasets.opening import open_stored
from ganaudit.datasets.stored import StoredDataset, StoredSource
from ganaudit.errors import RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind

ColumnName = Annotated[str, Field(min_length=1)]
YES, NO = frozenset({"1", "true", "yes"}), frozenset({"", "0", "-1", "false", "no"})
"""How tables say that an image has an attribute, and that it has not; CelebA's say 1 and -1."""
_LONGEST = 1000  # characters of a label


class CsvSource(StoredSource):
    """Image files that a CSV file names, one a line, with labels and clusters."""

    path: Place
    """A file with a line of column names; with tabs where it ends in .tsv; or CelebA's list_attr_celeba.txt."""
    folder: Place | None = None
    """The folder below which the images lie; default: that of the file."""
    names: ColumnName = "path"
    """The column of the images' names below the folder."""
    labels: ColumnName | None = None
    """The column of labels."""
    clusters: ColumnName | None = None
    """The column of clusters."""
    attributes: tuple[ColumnName, ...] = ()
    """Columns of 1 and 0, or 1 and -1: the label is the names of those that an image has, in this order, with commas."""


class CsvShelf(FolderShelf):
    """The files that a table names; those that are not there are set aside, one by one."""

    def __init__(self, options: CsvSource, table: Path, folder: Path, cache: Path | None) -> None:
        if options.labels is not None and options.attributes:
            raise RequestError(f"source {options.name!r}: labels and attributes both say what a label is; keep one of them")
        said = {"label": [options.labels] if options.labels else list(options.attributes), "cluster": [options.clusters or ""]}
        columns = [column for column in dict.fromkeys([*said["label"], *said["cluster"]]) if column]
        rows = _rows(table, folder, [options.names, *columns])
        super().__init__(folder, cache, rows, table)
        self.own, self.notes = {}, ()  # dataset.json is not asked
        if options.attributes:
            chosen = [_held(table, columns, rows[file.name], options.attributes) for file in self.files]
            self.own["label"] = Said.of(chosen)
        for key, column in (("label", options.labels), ("cluster", options.clusters)):
            if column is not None:
                place = columns.index(column)
                self.own[key] = Said.of([plain(rows[file.name][place])[:_LONGEST] or None for file in self.files])


def _rows(table: Path, folder: Path, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What the table says of each image, by its name below the folder, the first of its columns."""
    below = f"{folder}/"
    return said_in("path", table, columns, lambda name: inside(name.removeprefix(below), table))


def _held(table: Path, columns: Sequence[str], values: Sequence[str], attributes: Sequence[str]) -> str | None:
    """The names of the attributes that an image has."""
    held = []
    for name in attributes:
        value = values[columns.index(name)].strip().lower()
        if value in YES:
            held.append(name)
        elif value not in NO:
            raise RequestError(f"{table}: the attribute {name!r} is {value!r}; it has to be 1 or 0, or 1 or -1")
    return ", ".join(held)[:_LONGEST] or None


def open_csv(options: CsvSource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    made: Any = partial(CsvShelf, options, *_places(options, context), digest_cache(context))
    return open_stored(made, options, context)


def look(options: CsvSource, context: Context) -> None:
    """Raises RequestError for a table that names no images."""
    table, folder = _places(options, context)
    names_below(_rows(table, folder, [options.names]), folder, table)


def _places(options: CsvSource, context: Context) -> tuple[Path, Path]:
    """The table, and the folder of the images."""
    table = context.path(options.path)
    return table, table.parent if options.folder is None else context.path(options.folder)


KIND = Kind("csv", CsvSource, open_csv, "image files that a CSV file names, with labels, clusters and attributes", look=look)
