"""Remove runs that are not wanted any more, and the records of keys that no kept run uses.

First it is said what would go, then it is done: never while a run is open or a report is read, and never two at once. All
that goes is moved into one folder under tmp/ first, by renames, so that whoever is killed in between leaves whole folders: the
next prune removes the rest. Calibrations and the scenes that they draw from are no run's and stay.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ganaudit.errors import AuditError, RequestError
from ganaudit.maintenance.compact import GRACE, remove_replaced
from ganaudit.records import catalog, leases, schema, writer
from ganaudit.records.schema import FINISHED
from ganaudit.records.store import Store, counting
from ganaudit.records.tables import (
    CALIBRATION,
    CALIBRATIONS,
    CLASSES,
    IMAGES,
    MOMENTS,
    PARSER_PRECISION,
    POOL_PIXELS,
    RUN_KEYS,
    RUN_NOTES,
    RUN_SOURCES,
    RUNS,
    SOURCES,
)

TRASH = "pruned-"
"""How folders that are on their way out are called, under tmp/."""

OF_RUNS = ("runs", RUN_SOURCES.name, RUN_KEYS.name, RUN_NOTES.name)
KEPT_APART = (POOL_PIXELS.name, CALIBRATIONS.name, CALIBRATION.name)
"""Tables of keys that belong to no run."""


def _of_keys() -> list[str]:
    """Tables of keys that runs use, in the order in which they go: without its manifest and mark, a shard does not count."""
    marks = [shards.mark.name for shards in schema.SHARDS]
    others = [name for name, table in schema.RECORDS.items() if table.files.startswith("key=k")]
    return ["manifests", *marks, *(name for name in others if name not in (*marks, *KEPT_APART))]


@dataclass(frozen=True)
class Prunable:
    """Runs and keys that go, their folders in the order of going, and the bytes that this frees."""

    runs: tuple[str, ...]
    keys: tuple[str, ...]
    folders: tuple[Path, ...]
    bytes: int
    kept: tuple[str, ...]


def prunable(store: Store, keep: int | None = None, keep_days: float | None = None, runs: Sequence[str] = ()) -> Prunable:
    """What a prune would remove; touches nothing.

    keep: of each audit, the newest so many finished runs stay, and what was started after them. keep_days: runs that
    started in the last so many days stay. Of both, a run that either keeps stays. runs: these go. Without any of the
    three, all runs stay and only keys that none uses go. Raises RequestError for an unknown run, AuditError where a file
    that says what is used cannot be read.
    """
    rows = run_rows(store)
    unknown = [run for run in runs if run not in rows]
    if unknown:
        raise RequestError(f"there is no run {unknown[0]!r} in {store.path}; `ganaudit runs` lists those there are")
    going = set(runs)
    if keep is not None or keep_days is not None:
        going |= set(rows) - _newest(rows, keep) - _young(store, rows, keep_days)
    kept = sorted(set(rows) - going)
    loose = {run for run in _ids(store, "run=*", (*OF_RUNS, "findings")) if run not in rows}
    used = _used(store, kept)
    folders = [*_run_folders(store, sorted(going | loose)), *_key_folders(store, *used)]
    gone = sorted({folder.name.removeprefix("key=") for folder in folders if folder.name.startswith("key=k")})
    total = sum(_bytes(folder) for folder in [*folders, *_trash(store)])
    return Prunable(tuple(sorted(going)), tuple(gone), tuple(folders), total, tuple(kept))


def prune(
    store: Store, keep: int | None = None, keep_days: float | None = None, runs: Sequence[str] = (), grace: float = GRACE
) -> Prunable:
    """Removes what `prunable` lists, and files that a compaction replaced. Raises RequestError while a run is open, and
    while `report` or `compare` reads."""
    with leases.alone(store, leases.PRUNE):
        check_unused(store)
        unneeded = prunable(store, keep, keep_days, runs)
        trash = store.temporary / f"{TRASH}{uuid.uuid4().hex}"
        with writer.writing(trash):
            for number, folder in enumerate(unneeded.folders):
                trash.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    os.replace(folder, trash / f"{number:06d}-{folder.name}")
        for key in store.compacted_keys():
            remove_replaced(store, key, grace)
        catalog.build(store)
        for folder in _trash(store):
            shutil.rmtree(folder, ignore_errors=True)
    return unneeded


def check_unused(store: Store) -> None:
    """Raises RequestError, naming it, where a run, a compaction or a reader is at work."""
    at_work = leases.open_runs(store)
    if at_work:
        raise RequestError(
            f"the store {store.path} is in use by the run {at_work[0]}; nothing was removed: prune again when it is done"
        )
    if leases.is_live(store, leases.COMPACT):
        leases.busy(store, leases.COMPACT)
    if reading := leases.readers(store):
        raise RequestError(
            f"the store {store.path} is being read ({reading[0]}); nothing was removed: prune again when it is done"
        )


def run_rows(store: Store) -> dict[str, dict[str, Any]]:
    """The row of each run that counts."""
    rows_by_run: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(store.files("runs")):
        (row,) = store.read(RUNS, path, ["run", "audit", "started", "finished", "status"]).to_pylist()
        rows_by_run.setdefault(row["run"], []).append(row)
    return {run: counting(rows) for run, rows in rows_by_run.items()}


def _newest(rows: dict[str, dict[str, Any]], keep: int | None) -> set[str]:
    """Of each audit the newest finished runs, and what was started since."""
    kept: set[str] = set()
    for audit in {row["audit"] for row in rows.values()} if keep is not None else ():
        left = keep or 0
        for row in sorted(
            (row for row in rows.values() if row["audit"] == audit), key=lambda row: row["started"], reverse=True
        ):
            if left <= 0:
                break
            kept.add(row["run"])
            left -= row["status"] in FINISHED
    return kept


def _young(store: Store, rows: dict[str, dict[str, Any]], keep_days: float | None) -> set[str]:
    if keep_days is None:
        return set()
    since = leases.utc(store) - timedelta(days=keep_days)
    return {run for run, row in rows.items() if row["started"] >= since}


def _used(store: Store, kept: Iterable[str]) -> tuple[set[str], set[str], set[str]]:
    """The keys and parser keys that kept runs use, and the runs among them that an older ganaudit wrote, which say less."""
    keys: set[str] = set()
    parsers: set[str] = set()
    older: set[str] = set()
    for run in kept:
        path = store.run_sources(run)
        if not path.is_file():
            raise AuditError(
                f"{path} is missing: what the run {run} uses is not known, so nothing can be pruned; prune --run {run}"
            )
        rows = store.read(RUN_SOURCES, path, ["key", "parser_key"]).to_pylist()
        keys |= {row["key"] for row in rows}
        parsers |= {row["parser_key"] for row in rows}
        studied = store.of_run(RUN_KEYS, run)
        keys |= {row["key"] for row in studied}
        parsers |= {json.loads(row["variant"]).get("parser_key", "") for row in studied}
        older |= set() if studied else {run}
    return keys, parsers, older


def _ids(store: Store, pattern: str, tables: Iterable[str]) -> set[str]:
    return {folder.name.partition("=")[2] for table in tables for folder in store.folder(table).glob(pattern)}


def _run_folders(store: Store, runs: Sequence[str]) -> Iterable[Path]:
    for run in runs:
        for folder in (*(store.folder(table) / f"run={run}" for table in OF_RUNS), store.findings(run)):
            if folder.is_dir():
                yield folder


def _key_folders(store: Store, keys: set[str], parsers: set[str], older: set[str]) -> Iterable[Path]:
    """Folders of keys that nothing uses. Where a kept run does not say which keys its studies used, those keys stay."""
    stay = keys | _ids(store, "key=k*", KEPT_APART)
    known = {IMAGES.name, *(table.name for table in schema.shards_of(IMAGES.name).beside), MOMENTS.name, SOURCES.name}
    studied = _ids(store, "key=k*", set(_of_keys()) - known - {"manifests"}) if older else set()
    for table in _of_keys():
        for folder in sorted(store.folder(table).glob("key=k*")):
            if folder.name.removeprefix("key=") not in stay | studied:
                yield folder
    for table in (CLASSES.name, PARSER_PRECISION.name):
        for folder in sorted(store.folder(table).glob("key=p*")):
            if folder.name.removeprefix("key=") not in parsers:
                yield folder


def _trash(store: Store) -> list[Path]:
    """What an earlier prune had moved and not removed."""
    return sorted(store.temporary.glob(f"{TRASH}*"))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
