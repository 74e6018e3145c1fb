"""What runs say they used, and what a finished run left behind: whether it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ganaudit.errors import GanauditError
from ganaudit.maintenance.problems import Problem, problem
from ganaudit.maintenance.prune import run_rows
from ganaudit.records.compacted import Block
from ganaudit.records.schema import ALWAYS, FINISHED
from ganaudit.records.store import Store
from ganaudit.records.tables import RUN_KEYS, RUN_SOURCES


def missing(store: Store) -> Iterator[Problem]:
    """Records and findings of finished runs that are not there."""
    try:
        rows = run_rows(store)
    except GanauditError:  # reported where that file itself is checked
        return
    for run, row in sorted(rows.items()):
        if row["status"] not in FINISHED:
            continue
        used = store.run_sources(run)
        if not used.is_file():
            yield problem(store, "missing", used, f"what the run {run} used is not known; run its audit again")
            continue
        for name in (table.name for table in ALWAYS):
            if not store.finding(run, name).is_file():
                yield problem(
                    store, "missing", store.finding(run, name), f"the run {run} has no finding {name}; run its audit again"
                )
        yield from _records(store, run)


def _records(store: Store, run: str) -> Iterator[Problem]:
    try:
        sources = store.read(RUN_SOURCES, store.run_sources(run)).to_pylist()
    except GanauditError:
        return
    for row in sources:
        who = f"the run {run} used {row['source']!r}"
        for path in (store.source(row["key"]), store.classes(row["parser_key"])):
            if not path.is_file():
                yield problem(store, "missing", path, f"{who}; run its audit again")
        yield from _missing(store, who, row, "images")
    studied = store.of_run(RUN_KEYS, run)
    for row in studied:
        if (row["key"], row["first"], row["count"]) not in {(used["key"], used["first"], used["count"]) for used in sources}:
            yield from _missing(store, f"the {row['study']} of the run {run} used {row['source']!r}", row, row["table"])


def _missing(store: Store, who: str, row: Mapping[str, Any], mark: str) -> Iterator[Problem]:
    try:
        gaps = _gaps(sorted(store.finished_blocks(row["key"], mark)), row["first"], row["first"] + row["count"] - 1)
    except GanauditError:
        return
    for first, last in gaps:
        folder = store.shard(mark, row["key"], first, last).parent
        yield problem(store, "missing", folder, f"{who}, whose {mark} {first:,} to {last:,} are not there; run its audit again")


def _gaps(blocks: Sequence[Block], first: int, last: int) -> Iterator[Block]:
    """The stretches between first and last that no block covers."""
    at = first
    for start, end in blocks:
        if start > last:
            break
        if start > at:
            yield at, start - 1
        at = max(at, end + 1)
    if at <= last:
        yield at, last
