"""The index of images inside larger files: one row for each, sorted bytewise by name, in an Arrow file that is mapped.

It is written in pieces and sorted through a list of places, so that of a million images no column is ever in memory whole, but
for eight bytes each.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ganaudit.datasets.listing import Named
from ganaudit.errors import RequestError

ROWS = 8192
"""Of a piece: what is gathered as Python objects before it becomes columns."""


@dataclass(frozen=True, slots=True)
class Member:
    """An image inside a file. size: of its own bytes, -1 where there are none. file, offset, length, method: where they lie, in
    the words of its format. label, cluster: what the file says. reason: why it cannot be used, found while the file was gone
    through."""

    name: str
    size: int
    digest: str | None
    file: int = 0
    offset: int = 0
    length: int = 0
    method: int = 0
    label: str | None = None
    cluster: str | None = None
    reason: str | None = None


COLUMNS = tuple(Member.__dataclass_fields__)


def schema(about: str | None = None) -> Any:
    """The columns; about: what else the file says."""
    import pyarrow as pa

    types = {"name": pa.binary(), "size": pa.int64(), "offset": pa.int64(), "length": pa.int64(), "file": pa.int32()}
    columns = [(name, types.get(name, pa.int16() if name == "method" else pa.string())) for name in COLUMNS]
    return pa.schema(columns, None if about is None else {"about": about})


def pieces(members: Iterable[Member]) -> Iterator[Any]:
    """Members as record batches of ROWS, the last one of what is left."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for member in members:
        for name, column in columns.items():
            column.append(getattr(member, name))
        columns["name"][-1] = os.fsencode(member.name)
        if len(columns["name"]) == ROWS:
            yield pa.RecordBatch.from_pydict(columns, schema())
            columns = {name: [] for name in COLUMNS}
    yield pa.RecordBatch.from_pydict(columns, schema())


def written(batches: Iterable[Any], form: Any, folder: Path | None) -> Path:
    """A new file of these record batches, in `folder` or, where that cannot be written, where the system keeps such files.
    Raises RequestError where there is no room."""
    import pyarrow as pa

    path = _new_file(folder)
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, form) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise RequestError(f"the index of images cannot be written to {path.parent}: {error.strerror or error}") from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _new_file(folder: Path | None) -> Path:
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(".draft", dir=folder)
            os.close(handle)
            return Path(name)
    handle, name = tempfile.mkstemp(".ganaudit")
    os.close(handle)
    return Path(name)


def mapped(path: Path) -> Any:
    """The table in a file; None where it is not there, or torn: it is made again."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowException):
        return None


def taken(table: Any, order: NDArray[np.int64]) -> Iterator[Any]:
    """Its rows in an order, as record batches of ROWS. table: as `written` wrote `pieces`. Arrow's own take would put every
    column of all pieces together for each piece."""
    import pyarrow as pa

    batches = table.to_batches()
    for first in range(0, len(order), ROWS):
        rows = order[first : first + ROWS]
        by_batch = np.argsort(rows, kind="stable")
        numbers, starts = np.unique(rows[by_batch] // ROWS, return_index=True)
        parts = [
            batches[number].take(pa.array(part % ROWS))
            for number, part in zip(numbers.tolist(), np.split(rows[by_batch], starts[1:]), strict=True)
        ]
        back = np.empty(len(rows), np.int64)
        back[by_batch] = np.arange(len(rows))
        yield pa.Table.from_batches(parts).combine_chunks().take(pa.array(back)).combine_chunks().to_batches()[0]


def order_by_name(table: Any) -> NDArray[np.int64]:
    """Where the rows of a sorted table stand in this one."""
    from pyarrow import compute

    order: NDArray[np.int64] = compute.sort_indices(table["name"]).to_numpy().astype(np.int64)
    return order


def twice(batches: Iterable[Any]) -> bool:
    """Whether a name stands twice in a row of sorted batches."""
    from pyarrow import compute

    last = None
    for batch in batches:
        names = batch["name"]
        if last is not None and len(names) and names[0].as_py() == last:
            return True
        if compute.any(compute.equal(names[1:], names[:-1])).as_py():
            return True
        last = names[-1].as_py() if len(names) else last
    return False


class Names(Sequence[Named]):
    """The images of an index, one at a time."""

    def __init__(self, index: Any) -> None:
        self._names, self._sizes = index["name"], index["size"]

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, position: int) -> Named: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Named]: ...
    def __getitem__(self, position: int | slice) -> Named | Sequence[Named]:
        if isinstance(position, slice):
            return [self[place] for place in range(*position.indices(len(self)))]
        return Named(os.fsdecode(self._names[position].as_py()), self._sizes[position].as_py())

    def __iter__(self) -> Iterator[Named]:
        for names, sizes in zip(self._names.chunks, self._sizes.chunks, strict=True):
            for name, size in zip(names.to_pylist(), sizes.to_pylist(), strict=True):
                yield Named(os.fsdecode(name), size)


class Shown(Sequence[str]):
    """Their names in text: gone through, never all at once."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, position: Any) -> Any:
        return self._names[position].shown

    def __iter__(self) -> Iterator[str]:
        return (name.shown for name in self._names)


class Texts(Sequence[str | None]):
    """A column of labels, clusters or digests."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, position: Any) -> Any:
        return self._column[position].as_py()

    def __iter__(self) -> Iterator[str | None]:
        for chunk in self._column.chunks:
            yield from chunk.to_pylist()
