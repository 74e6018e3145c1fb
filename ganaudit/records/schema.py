"""Every table that ganaudit writes: the store's own, and those that each study declares. The schema is the data dictionary.

A record table holds what was seen, image by image; a finding table holds what follows from it for one run.
Counts are integers, so that sums are the same in any order. No table holds NaN or infinity: what cannot be
computed is NULL.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from ganaudit import studies
from ganaudit.records import tables
from ganaudit.records.columns import Shards, Table

SCHEMA_VERSION = 1

OK = "ok"
QUARANTINED = "quarantined"

INTERRUPTED = "interrupted"
"""The status of a run that was killed or stopped: the same command goes on from its records."""

FINISHED = ("done", "set aside")
"""The statuses of a run whose records are complete, apart from what was set aside."""


def _declared() -> list[ModuleType]:
    """The tables of each study, by the names of the studies: a study's file of tables imports nothing but columns."""
    return [importlib.import_module(f"{studies.__name__}.{name}.tables") for name in studies.STUDIES]


RECORDS: dict[str, Table] = {table.name: table for module in (tables, *_declared()) for table in module.RECORDS}
FINDINGS: dict[str, Table] = {table.name: table for module in _declared() for table in module.FINDINGS}
ALWAYS: tuple[Table, ...] = tuple(table for module in _declared() for table in getattr(module, "ALWAYS", ()))
"""Finding tables that every finished run has; they name its generators."""
SHARDS: tuple[Shards, ...] = tuple(shards for module in _declared() for shards in module.SHARDS)
"""Tables that are written together, one shard of each for a stretch of places."""
GROWN: frozenset[str] = frozenset(
    {*FINDINGS, *(table.name for module in (tables, *_declared()) for table in getattr(module, "GROWN", ()))}
)  # fmt: skip
"""Tables that got further columns: files of an older ganaudit lack them, and have NULL there in views."""


ADDED: dict[str, set[str]] = {
    name: set(columns) for module in (tables, *_declared()) for name, columns in getattr(module, "ADDED", {}).items()
}
"""The columns that they got, where that is known; otherwise any that may be NULL."""


def needed(table: Table) -> set[str]:
    """The columns that every file of a table has, those of an older ganaudit too."""
    if table.name not in GROWN:
        return set(table.arrow.names)
    return {column.name for column in table.columns} - ADDED.get(table.name, {c.name for c in table.columns if c.nullable})


SHARDED: tuple[str, ...] = tuple(table.name for shards in SHARDS for table in shards.tables)


def shards_of(mark: str) -> Shards:
    """The tables that are written with this one, which is the mark that a shard is done."""
    return next(shards for shards in SHARDS if shards.mark.name == mark)


def shards_with(table: str) -> Shards | None:
    """The tables that this one is written with; None where it has no shards."""
    return next((shards for shards in SHARDS if table in {each.name for each in shards.tables}), None)


def indexed(table: str) -> bool:
    """Whether the names of a table's shards give the indices of the images in them, not their places in a list."""
    shards = shards_with(table)
    return shards is None or shards.indexed
