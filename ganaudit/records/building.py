"""Finding tables while they are made: parts for each pair of sources, joined and checked against the schema at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from ganaudit.records.schema import FINDINGS

Row = dict[str, Any]
Columns = dict[str, Any]
"""Columns of a table by name, all of one length."""


UNBOUNDED = 1e8
"""A ratio from here on has no upper bound."""


class Tables:
    """The finding tables of a run, empty at first."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pa.Table]] = {name: [] for name in FINDINGS}

    def rows(self, table: str, rows: Iterable[Row]) -> None:
        """Adds rows; what may be NULL may be left out."""
        self._parts[table].append(FINDINGS[table].from_rows(rows))

    def columns(self, table: str, columns: Columns, names: Mapping[str, str]) -> None:
        """Adds columns, beside constant ones; nothing where there are none."""
        if columns:
            size = len(next(iter(columns.values())))
            self.part(table, pa.table({name: [value] * size for name, value in names.items()} | columns))

    def part(self, table: str, part: pa.Table) -> None:
        """Adds rows that are a table already."""
        self._parts[table].append(FINDINGS[table].conform(part))

    def so_far(self, table: str) -> pa.Table:
        """The rows of one table that were added already."""
        return pa.concat_tables(self._parts[table]) if self._parts[table] else FINDINGS[table].from_rows([])

    def finished(self) -> dict[str, pa.Table]:
        """Every table, those without rows too."""
        return {name: self.so_far(name) for name in self._parts}


def number(value: Any) -> float | None:
    """A finite number, else None: what cannot be computed, or has no bound, is NULL."""
    as_float = float(value)
    return as_float if abs(as_float) < UNBOUNDED else None
