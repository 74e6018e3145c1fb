"""Files that belong to nobody: left by killed processes, waiting for removal, or not of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ganaudit.errors import GanauditError
from ganaudit.maintenance.compact import replaced_files
from ganaudit.maintenance.problems import Problem, problem
from ganaudit.records import leases, schema
from ganaudit.records.locations import pattern
from ganaudit.records.store import Store

YOUNG = 600.0
"""Seconds: a temporary file this young may be being written."""


def left(store: Store) -> Iterator[Problem]:
    """Leftovers, replaced files and files that no pattern of the store expects."""
    yield from _temporary(store)
    yield from _replaced(store)
    for table in (*schema.RECORDS, "manifests"):
        expected = {path for pattern in _patterns(table) for path in store.folder(table).glob(pattern)}
        for path in sorted(store.folder(table).rglob("*")):
            if path.is_file() and path not in expected:
                yield problem(store, "foreign", path, "no file of a store has this name; move it elsewhere")


def _patterns(table: str) -> tuple[str, ...]:
    if table == "manifests":
        return ("key=k*/manifest.json",)
    return (pattern(table), "key=k*/part-*.parquet", "epoch-*.parquet") if table in schema.SHARDED else (pattern(table),)


def _temporary(store: Store) -> Iterator[Problem]:
    now = leases.now(store)
    for path in sorted(store.temporary.glob("*")):
        age = now - _written(path, now)
        if age > YOUNG:
            yield problem(
                store, "leftover", path, f"a process that was killed left it {age / 3600:.1f} hours ago; no query reads it"
            )


def _replaced(store: Store) -> Iterator[Problem]:
    for key in store.compacted_keys():
        try:
            count = len(list(replaced_files(store, key)))
        except GanauditError:
            continue
        if count:
            words = f"{count:,} files that compact replaced wait for the next compact or prune"
            yield problem(store, "waiting", store.manifest_file(key), words)


def _written(path: Path, otherwise: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return otherwise
