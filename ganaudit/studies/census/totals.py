"""The finding `class_stats`: exact sums of every class over each source, piece by piece; SQL says what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ganaudit import sql
from ganaudit.records import catalog
from ganaudit.records.schema import FINDINGS, RECORDS
from ganaudit.records.store import Store
from ganaudit.statistics.class_counts import Held, OwnSizes, Threshold, least_pixels
from ganaudit.studies.census.counts import Counts
from ganaudit.studies.census.known import Classes
from ganaudit.studies.census.tables import CLASS_STATS

CONFIDENCE = 2**24
"""Confidence is summed in whole numbers of so many."""
_LOW = 26
"""Bits of the lower part of a whole number: the sums of either part are exact in float64."""
Integers = NDArray[Any]
"""(C,) Python's integers."""
SUMS = (
    "touched", "total", "squares", "present", "present_total", "present_squares", "parts", "parts_squares", "uncounted",
    "confidence_sum", "confidence_pixels", "trace_sum", "trace_pixels",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ClassTotals:
    """Sums over the images of one source, as the macro totals_of has them. of: by name, (C,) each."""

    images: int
    pixels: int
    of: Mapping[str, Integers]


def present_from(real: Sequence[Counts], presence: float | None) -> Threshold:
    """From which size on classes are present in the tables: that which real images reach, or `presence` percent of a label
    map."""
    if presence is not None:
        return Threshold(np.full(len(real[0].classes), least_pixels(real[0].pixels, presence)), True)
    return Threshold(OwnSizes.of(*(side.held for side in real)).reached, False)


def class_totals(counts: Counts, confidence: Iterable[NDArray[np.float32]], threshold: Threshold) -> ClassTotals:
    """The sums of one source. confidence: of each entry of every piece, NaN where it is not known."""
    classes = len(counts.classes)
    sums = {name: np.zeros(classes, object) for name in SUMS}
    for piece, sure in zip(counts.parts, confidence, strict=True):
        for name, value in _totals(piece, sure, threshold).items():
            sums[name] = sums[name] + value
    return ClassTotals(len(counts), counts.pixels, sums)


def _totals(piece: Held, sure: NDArray[np.float32], threshold: Threshold) -> dict[str, Integers]:
    """Sums of one piece; those of what is present are all but those of traces, which are fewer."""
    of_all, of_traces = _sums(piece, sure), _sums(*_some(piece, sure, ~threshold.seen(piece)))
    named = {"present": "touched", "present_total": "total", "present_squares": "squares"}
    counted = {"parts": "parts", "parts_squares": "parts_squares"}
    return {
        **of_all, **{name: of_all[of] - of_traces[of] for name, of in (named | counted).items()},
        "trace_sum": of_traces["confidence_sum"], "trace_pixels": of_traces["confidence_pixels"],
    }  # fmt: skip


def _some(piece: Held, sure: NDArray[np.float32], entries: NDArray[np.bool_]) -> tuple[Held, NDArray[np.float32]]:
    return piece.of_entries(entries), sure[entries]


def _sums(piece: Held, sure: NDArray[np.float32]) -> dict[str, Integers]:
    column, pixels = piece.column.astype(np.int64), piece.pixels.astype(np.int64)
    known = ~np.isnan(sure)
    weighed = np.floor(np.where(known, sure, 0.0) * np.float64(CONFIDENCE) + 0.5).astype(np.int64) * pixels
    touched = np.bincount(column, minlength=piece.shape[1]).astype(object)
    parts = np.zeros_like(pixels) if piece.parts is None else piece.parts.astype(np.int64)
    summed = {
        "total": pixels, "squares": pixels * pixels, "parts": parts, "parts_squares": parts * parts, "confidence_sum": weighed,
        "confidence_pixels": np.where(known, pixels, 0),
    }  # fmt: skip
    return {
        "touched": touched, "uncounted": touched if piece.parts is None else touched * 0,
        **{name: _by_class(column, values, piece.shape[1]) for name, values in summed.items()},
    }  # fmt: skip


def _by_class(column: NDArray[np.int64], values: NDArray[np.int64], classes: int) -> Integers:
    """Exact sums of numbers below 2**62, by parts whose sums are exact in float64."""
    low: Integers = np.bincount(column, values & (2**_LOW - 1), minlength=classes).astype(np.int64).astype(object)
    if values.max(initial=0) < 2**_LOW:
        return low
    high: Integers = np.bincount(column, values >> _LOW, minlength=classes).astype(np.int64).astype(object)
    summed: Integers = low + high * 2**_LOW
    return summed


def class_stats(
    store: Store, run: str, presence: float | None, sides: Sequence[Counts], totals: Mapping[str, ClassTotals],
    own: Threshold, known: Classes,
) -> pa.Table:  # fmt: skip
    """The macro's answer, from the sums of these sources. own: from which size on classes are present."""
    rows = pa.concat_tables([_rows(run, side, totals[side.source.name], own, known) for side in sides])
    with catalog.in_memory(store, {table: [] for table in (*RECORDS, *FINDINGS)}) as connection:
        connection.register("class_sums_made", rows)
        statement = sql.filled("class_stats", presence="NULL" if presence is None else repr(float(presence)))
        return CLASS_STATS.conform(connection.sql(statement).to_arrow_table())


def _rows(run: str, side: Counts, totals: ClassTotals, own: Threshold, known: Classes) -> pa.Table:
    of, n = totals.of, len(side.classes)
    counted = np.array([value == 0 for value in of["uncounted"]])
    texts = {"run": run, "role": side.source.role, "source": side.source.name, "parser_key": side.source.parser_key}
    whole = ("total", "squares", "present_total", "present_squares")
    return pa.table({
        **{name: pa.array([value] * n) for name, value in texts.items()},
        "images": pa.array([totals.images] * n, pa.int64()), "label_pixels": pa.array([totals.pixels] * n, pa.int32()),
        "class_id": pa.array(side.classes, pa.int16()), "class": [known.names[class_id] for class_id in side.classes],
        "head": [known.heads[class_id] for class_id in side.classes],
        **{name: _wide(of[name]) for name in whole},
        **{name: pa.array([int(value) for value in of[name]], pa.int64()) for name in ("present", "touched")},
        **{name: _wide(of[name], counted) for name in ("parts", "parts_squares")},
        "own_size": pa.array(own.least, pa.int32(), mask=np.full(n, own.by_area)),
        "confidence": _mean(of["confidence_sum"], of["confidence_pixels"]),
        "trace_confidence": _mean(of["trace_sum"], of["trace_pixels"]),
    })  # fmt: skip


def _wide(values: Integers, known: NDArray[np.bool_] | None = None) -> pa.Array:
    there = np.ones(len(values), bool) if known is None else known
    return pa.array([Decimal(int(value)) if yes else None for value, yes in zip(values, there, strict=True)], pa.decimal128(38))


def _mean(sums: Integers, pixels: Integers) -> pa.Array:
    """Of confidence; NULL where none is known."""
    means = [float(total) / (float(CONFIDENCE) * float(n)) if n else None for total, n in zip(sums, pixels, strict=True)]
    return pa.array(means, pa.float64())
