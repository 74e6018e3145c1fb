"""Images in a column of Parquet files, as Hugging Face stores them: kind `parquet`.

The column is binary, or a struct of `bytes` and `path`. Parquet is read a row group at a time: an image costs its group, and
the groups that were read last are kept in memory.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets.index import Member
from ganaudit.datasets.listing import plain
from ganaudit.datasets.opening import open_stored
from ganaudit.datasets.packed import Format, Gone, PackedShelf, check_not_empty, files_at, member_name
from ganaudit.datasets.stored import StoredDataset, StoredSource
from ganaudit.errors import ImageError, RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind

ColumnName = Annotated[str, Field(min_length=1)]
KEPT = 2**28
"""Bytes of row groups that a process keeps."""
_LONGEST = 1000  # characters of a label


class ParquetSource(StoredSource):
    """Images in a column of Parquet files, as Hugging Face stores them."""

    path: Place
    """The file, a pattern such as data/train-*.parquet, or a folder of files."""
    image: ColumnName | None = None
    """The column of the images; default: the only one of its type, or `image`."""
    labels: ColumnName | None = None
    """The column of labels; default: `label`, where there is one. Hugging Face's class names stand for numbers."""
    clusters: ColumnName | None = None
    """The column of clusters."""


def format_of(image: str | None = None, labels: str | None = None, clusters: str | None = None, beside: bool = False) -> Format:
    """Parquet files with these columns. beside: `image` stands beside the column of images, whose names it has."""
    return Format("parquet", partial(scan, columns=(image, labels, clusters), beside=beside), partial(read, image=image))


def scan(
    path: Path, number: int, found: Gone, columns: tuple[str | None, str | None, str | None], beside: bool = False
) -> Iterator[Member]:
    """Every row of a file: a member, or why it is none. Raises RequestError for a file or a column that is not there."""
    with _opened(path) as file:
        schema = file.schema_arrow
        image = _image_column(path, schema, columns[0])
        label = _column(path, schema, columns[1]) or (
            "label" if "label" in schema.names and "label" not in _fit(schema) else None
        )
        cluster = _column(path, schema, columns[2])
        names_of = _class_names(schema, label)
        names = _names(path, file, _image_column(path, schema, None) if beside else image)
        row = 0
        for group in range(file.num_row_groups):
            place = 0
            for batch in file.iter_batches(64, row_groups=[group], columns=[c for c in (image, label, cluster) if c]):
                for position in range(len(batch)):
                    data, reason = _image(batch[image][position].as_py())
                    said = [None if c is None else _text(batch[c][position].as_py()) for c in (label, cluster)]
                    member = Member(
                        names[row] if names else f"{row:09d}", -1 if data is None else len(data), None, number, group, place,
                        label=names_of.get(said[0] or "", said[0]), cluster=said[1], reason=reason,
                    )  # fmt: skip
                    yield member if data is None else replace(member, digest=hashlib.sha256(data).hexdigest())
                    row, place = row + 1, place + 1


def read(path: Path, member: Member, image: str | None) -> bytes:
    """The bytes of the image in a row."""
    column = _GROUPS.column(path, member.offset, image)
    data, reason = _image(column[member.length].as_py())
    if data is None:
        raise ImageError(str(reason))
    return data


class _RowGroups:
    """Columns of row groups that were read last, KEPT bytes of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, int, int, str | None], Any] = {}

    def column(self, path: Path, group: int, image: str | None) -> Any:
        key = (str(path), path.stat().st_mtime_ns, group, image)
        with self._lock:  # of threads that want one group, one reads it
            column = self._kept.pop(key, None)
            if column is None:
                with _opened(path) as file:
                    name = _image_column(path, file.schema_arrow, image)
                    column = file.read_row_group(group, columns=[name], use_threads=False)[name]
            self._kept[key] = column
            size = sum(each.nbytes for each in self._kept.values())
            for oldest in list(self._kept)[:-1]:
                if size > KEPT:
                    size -= self._kept.pop(oldest).nbytes
            return column


_GROUPS = _RowGroups()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except pa.ArrowException as error:
        raise RequestError(f"{path} is no usable Parquet file: {str(error).splitlines()[0]}") from None
    except OSError as error:
        if images.may_pass(error):
            raise
        raise RequestError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None


def _fit(schema: Any) -> list[str]:
    """The columns that may hold images."""
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    return [
        field.name for field in schema
        if holds_bytes(field.type)
        or (pa.types.is_struct(field.type) and any(part.name == "bytes" and holds_bytes(part.type) for part in field.type))
    ]  # fmt: skip


def _image_column(path: Path, schema: Any, asked: str | None) -> str:
    """The column of the images."""
    fit = _fit(schema)
    if asked is not None:
        if _column(path, schema, asked) not in fit:
            raise RequestError(f"{path}: the column {asked!r} holds no images: it has to be binary, or a struct with `bytes`")
        return asked
    if len(fit) != 1 and "image" not in fit:
        what = (
            f"several that may be ({', '.join(map(repr, fit))}): name one in `image`" if fit else f"none among {schema.names}"
        )
        raise RequestError(f"{path} has no column `image` of binary values, or structs with `bytes`, but {what}")
    return fit[0] if len(fit) == 1 else "image"


def _column(path: Path, schema: Any, name: str | None) -> str | None:
    if name is not None and name not in schema.names:
        raise RequestError(f"{path} has no column {name!r}; it has {', '.join(map(repr, schema.names))}")
    return name


def _class_names(schema: Any, label: str | None) -> Mapping[str, str]:
    """Hugging Face's names of the classes, by number."""
    try:
        said = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]
        return {str(number): str(name) for number, name in enumerate(said["names"])}
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}


def _names(path: Path, file: Any, image: str) -> Sequence[str]:
    """Names by row, where every row has one of its own and none leads out; otherwise none: rows then have numbers."""
    kind = file.schema_arrow.field(image).type
    if getattr(kind, "num_fields", 0) == 0 or kind.get_field_index("path") < 0:
        return []
    names = file.read(columns=[f"{image}.path"])[image].combine_chunks().field("path").to_pylist()
    try:
        clean = [member_name(name, path) for name in names]
    except (RequestError, AttributeError):
        return []
    return clean if len(set(clean)) == len(clean) else []


def _image(value: Any) -> tuple[bytes, None] | tuple[None, str]:
    """The bytes in a cell, or why there are none."""
    if isinstance(value, Mapping):
        if value["bytes"] is None and value.get("path") is not None:
            return None, "has no bytes in its row, only a path: store the images in the file"
        value = value["bytes"]
    return (None, "is null: its row has no image") if value is None else (value, None)


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else plain(str(value))[:_LONGEST]


def open_parquet(options: ParquetSource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    files, columns = _asked(options, context)
    return open_stored(partial(PackedShelf, format_of(*columns), files, context.cache, columns), options, context)


def look(options: ParquetSource, context: Context) -> None:
    """Raises RequestError for files without images, or without the columns."""
    files, columns = _asked(options, context)
    check_not_empty(format_of(*columns), files)


def _asked(options: ParquetSource, context: Context) -> tuple[list[Path], tuple[str | None, str | None, str | None]]:
    """The files, and their columns of images, labels and clusters."""
    return files_at(context.path(options.path), (".parquet",)), (options.image, options.labels, options.clusters)


KIND = Kind(
    "parquet", ParquetSource, open_parquet, "images in a column of Parquet files, as Hugging Face stores them", look=look
)
