"""Moments of a source's groups, kept as one small file per key: what compares runs later reads no image again."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ganaudit.records.reading import unsound
from ganaudit.records.store import Store
from ganaudit.records.tables import MOMENTS
from ganaudit.records.used import UsedSource
from ganaudit.statistics.moments import GroupMoments
from ganaudit.studies.census.counts import Counts, read_counts

_INT64 = 2**63 - 1


def moments_of(store: Store, source: UsedSource, classes: Sequence[int], counts: Counts | None = None) -> GroupMoments:
    """The moments of a source's groups over these classes: from their file, else from the records, and then kept.

    counts: the source's, where they were read already.
    """
    path = store.moments(source.key, source.first, source.count)
    images = _whole(source)
    if path.is_file():
        kept = store.read(MOMENTS, path)
        _check_owner(path, kept, source)
        if kept.num_rows and kept["recorded"][0].as_py() == images:
            return _state(kept, classes)
    counts = counts or read_counts(store, source, classes)
    state = counts.moments(classes)
    if state.n.sum():
        store.write_moments(path, _rows(source, state, classes, images))
    return state


def _check_owner(path: Path, kept: pa.Table, source: UsedSource) -> None:
    """Raises AuditError for the sums of other images than the file's name says."""
    for name, value in (("key", source.key), ("first", source.first), ("count", source.count)):
        others = set(kept[name].unique().to_pylist()) - {value}
        if others:
            raise unsound(path, f"holds sums of the {name} {others.pop()}")


def _whole(source: UsedSource) -> int:
    """Images recorded in the range that the run uses: fewer while blocks are missing."""
    end = source.first + source.count
    return sum(min(last + 1, end) - max(first, source.first) for first, last in source.blocks)


def _rows(source: UsedSource, state: GroupMoments, classes: Sequence[int], recorded: int) -> pa.Table:
    """Only what is not 0: sums have class_b NULL; of the symmetric products the half with class_a <= class_b."""
    names = np.asarray(classes)
    number = len(state)
    of_total = np.nonzero(state.total)
    upper = np.triu(np.ones((len(names), len(names)), bool))
    of_product = np.nonzero((state.product != 0) & upper)
    group = np.concatenate([np.arange(number), of_total[0], of_product[0]])
    class_a = np.concatenate([np.full(number, -1), names[of_total[1]], names[of_product[1]]])
    class_b = np.concatenate([np.full(number + len(of_total[0]), -1), names[of_product[2]]])
    values = [np.zeros(number, np.int64), state.total[of_total], state.product[of_product]]
    rows = len(group)
    return pa.table({
        "key": pa.array([source.key] * rows, pa.string()),
        "first": np.full(rows, source.first), "count": np.full(rows, source.count), "recorded": np.full(rows, recorded),
        "label_pixels": np.full(rows, state.pixels), "group": group, "images": state.n[group],
        "class_a": pa.array(class_a, mask=class_a < 0), "class_b": pa.array(class_b, mask=class_b < 0),
        "value": pa.concat_arrays([_decimals(part) for part in values]),
    })  # fmt: skip


def _decimals(values: NDArray[Any]) -> pa.Array:
    if values.dtype == object:
        return pa.array([Decimal(int(value)) for value in values], pa.decimal128(38))
    return pa.array(values.astype(np.int64)).cast(pa.decimal128(38))


def _state(rows: pa.Table, classes: Sequence[int]) -> GroupMoments:
    column_of = np.full(2**15, -1)
    column_of[list(classes)] = np.arange(len(classes))
    group, n = rows["group"].to_numpy(), rows["images"].to_numpy()
    a, b = (rows[name].fill_null(-1).to_numpy() for name in ("class_a", "class_b"))
    number, size = int(group.max()) + 1, len(classes)
    values = _integers(rows["value"])
    images = np.zeros(number, np.int64)
    images[group] = n
    total = np.zeros((number, size), values.dtype)
    product = np.zeros((number, size, size), values.dtype)
    asked_a, asked_b = column_of[a] >= 0, column_of[b] >= 0  # the file may know more classes
    only_a = (a >= 0) & (b < 0) & asked_a
    total[group[only_a], column_of[a[only_a]]] = values[only_a]
    two = (b >= 0) & asked_a & asked_b
    for left, right in ((a, b), (b, a)):
        product[group[two], column_of[left[two]], column_of[right[two]]] = values[two]
    return GroupMoments(images, total, product, rows["label_pixels"][0].as_py())


def _integers(values: pa.ChunkedArray) -> NDArray[Any]:
    try:
        integers: NDArray[Any] = values.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        integers = np.array([int(value) for value in values.to_pylist()], object)
    return integers
