"""Writing and reading records and findings of a store, and opening one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ganaudit.errors import AuditError, RequestError, StoreError
from ganaudit.records import schema, writer
from ganaudit.records.columns import Table
from ganaudit.records.compacted import CompactedPart, footer, read_row_group
from ganaudit.records.locations import Locations
from ganaudit.records.reading import check_place, footer_version, part_of, read_file, unreadable
from ganaudit.records.schema import INTERRUPTED, SCHEMA_VERSION
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

Footer = Mapping[str, str]

BLOCK = 1024
"""Images of one block: consecutive indices, always done whole. What a store is made with where nothing smaller will do."""

STALE_SECONDS = 24 * 3600
"""A temporary file this old belongs to nobody: its writer was killed."""


class Store(Locations):
    """A store of records and findings at `path`."""

    # opening

    def open_for_writing(self, block: int = BLOCK) -> Store:
        """Create the folders that are missing, check that files can be written, and clear away stale temporary files.

        block: images of one block, where the store is made now. Raises RequestError for a store that is read-only, or that a
        newer ganaudit wrote.
        """
        self.check_place()
        with writer.writing(self.path):
            self.temporary.mkdir(parents=True, exist_ok=True)
            with writer.temporary_file(self.temporary, "marker") as unfinished:
                unfinished.write_text(json.dumps({"schema_version": SCHEMA_VERSION, "block": block}) + "\n")
                if not self.marker.exists():
                    unfinished.replace(self.marker)
        self.sweep()
        return self

    def check_place(self) -> None:
        """Raises RequestError where no store can be: no folder, read-only, or of a newer schema. Leaves nothing behind."""
        self.check_version()
        there = next(folder for folder in (self.path, *self.path.parents) if os.path.lexists(folder))
        if not there.is_dir():
            raise RequestError(f"the store {self.path} cannot be made: a file is in the way ({there})")
        if self.catalog.is_dir():
            raise RequestError(f"{self.catalog} is a folder; the store's catalog, a file, belongs there: move the folder away")
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise RequestError(
                f"the store cannot be written to: {self.path} ({error.strerror}); choose another folder with --store"
            ) from error

    def check_there(self) -> None:
        """Raises StoreError where the store was removed since it was opened."""
        if not os.path.lexists(self.marker):
            raise StoreError(writer.gone(self.path))

    def open_for_reading(self) -> Store:
        """Raises RequestError where there is no store, or one that a newer ganaudit wrote."""
        if not self.marker.is_file():
            if self.folder("runs").is_dir():
                raise RequestError(
                    f"{self.path} holds records, and no marker {self.marker}; `ganaudit verify` says what is wrong"
                )
            raise RequestError(f"there is no store at {self.path}; run an audit first, or give its folder with --store")
        self.check_version()
        return self

    def check_version(self) -> None:
        """Raises RequestError for a store of a newer schema, by its marker and by the footer of its newest run."""
        versions = [self.marked_version()]
        runs = sorted(self.files("runs"), key=lambda path: path.stat().st_mtime_ns)
        versions += [footer_version(path) for path in runs[-1:]]
        if max(versions) > SCHEMA_VERSION:
            raise RequestError(
                f"the store {self.path} was written with schema version {max(versions)} and this ganaudit knows "
                f"{SCHEMA_VERSION}; upgrade ganaudit, or choose another folder with --store"
            )

    @property
    def block(self) -> int | None:
        """Images of one block in this store; None where there is no store yet."""
        return self._marked("block", BLOCK) if self.marker.exists() else None

    def marked_version(self) -> int:
        """The schema version that the marker names; 0 where there is no marker. Raises RequestError for what is none."""
        return self._marked("schema_version")

    def _marked(self, entry: str, otherwise: int | None = None) -> int:
        try:
            marked = json.loads(self.marker.read_text())
            said = marked[entry] if otherwise is None else marked.get(entry, otherwise)
            if type(said) is int and said > 0:
                return said
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except (IsADirectoryError, ValueError, KeyError, TypeError, RecursionError):
            pass
        raise RequestError(f'{self.marker} is not the marker of a store; it would be {{"schema_version": {SCHEMA_VERSION}}}')

    def sweep(self, older_than: float = STALE_SECONDS) -> None:
        """Remove temporary files that were last written more than `older_than` seconds ago, by the store's own clock: another
        machine, whose clock differs, may be writing them now."""
        with writer.temporary_file(self.temporary, "clock") as touched:
            touched.touch()
            limit = touched.stat().st_mtime - older_than
        for path in self.temporary.iterdir():
            try:
                if path.is_file() and path.stat().st_mtime < limit:
                    path.unlink()
            except OSError:  # another process was faster, or the file is not ours
                continue

    # records

    def write_shard(self, mark: str, key: str, first: int, last: int, tables: Mapping[str, pa.Table], footer: Footer) -> None:
        """Write one shard of a key: the tables that are written with `mark`, which comes last; harmless where another writer
        was first.

        Where a shard's name gives indices, `mark` must hold each of these images once. Raises StoreError where the store is no
        longer there.
        """
        self.check_there()
        shards = schema.shards_of(mark)
        if shards.indexed:
            _check_block(key, first, last, tables[mark], *(rows for name, rows in tables.items() if name != mark))
        for table in shards.tables:
            if table.name in tables or table.name not in shards.may_lack:
                self._write(table, tables[table.name], self.shard(table.name, key, first, last), footer)

    def write_classes(self, parser_key: str, classes: Iterable[Mapping[str, Any]], footer: Footer | None = None) -> None:
        """Write the classes of a parser: rows of class_id, name, head."""
        rows = CLASSES.from_rows({"parser_key": parser_key, **row} for row in classes)
        self._write(CLASSES, rows, self.classes(parser_key), footer)

    def write_parser_precision(self, row: Mapping[str, Any], footer: Footer | None = None) -> None:
        """Write how many labels hang on how a parser computes: one row of the table `parser_precision`."""
        self._write(PARSER_PRECISION, PARSER_PRECISION.from_rows([row]), self.parser_precision(row["parser_key"]), footer)

    def write_source(self, row: Mapping[str, Any], footer: Footer | None = None) -> None:
        """Write what a key stands for: one row of the table `sources`."""
        self._write(SOURCES, SOURCES.from_rows([row]), self.source(row["key"]), footer)

    def start_run(self, row: Mapping[str, Any], sources: Sequence[Mapping[str, Any]], footer: Footer | None = None) -> None:
        """Write the row of a run that starts, and its sources in the order of the audit file (without `run`).

        The row that it would have if it were killed is written beforehand: even on a full disk a file can be renamed.
        """
        run = row["run"]
        used = RUN_SOURCES.from_rows({"run": run, **source} for source in sources)
        self._write(RUNS, RUNS.from_rows([{**row, "status": INTERRUPTED}]), self._waiting(run), footer)
        self._write(RUN_SOURCES, used, self.run_sources(run), footer)
        self._write(RUNS, RUNS.from_rows([row]), self._of_run("runs", run) / "started.parquet", footer)

    def write_run_keys(self, run: str, study: str, stage: str, keys: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> None:
        """Write which records a stage of a run uses (rows of `run_keys`), and what it has to say (`run_notes`)."""
        said = {"run": run, "study": study, "stage": stage}
        for table, rows in (
            (RUN_KEYS, [said | dict(row) for row in keys]),
            (RUN_NOTES, [said | {"note": note} for note in notes]),
        ):
            if rows:
                path = self._of_run(table.name, run) / f"{study}-{stage}.parquet"
                writer.write(table.from_rows(rows), table, path, self.temporary, {}, replace=True)

    def of_run(self, table: Table, run: str) -> list[dict[str, Any]]:
        """The rows of `run_keys` or `run_notes` of a run, in the order in which its stages were planned."""
        files = sorted(self._of_run(table.name, run).glob("*.parquet"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [row for path in files for row in self.read(table, path).to_pylist()]

    def run_row(self, run: str) -> dict[str, Any]:
        """The row of a run that counts. Raises RequestError where there is no such run."""
        files = sorted(self.folder(RUNS.name).glob(f"{self._of_run(RUNS.name, run).name}/*.parquet"))
        rows = [row for path in files for row in self.read(RUNS, path).to_pylist()]
        if not rows:
            raise RequestError(f"there is no run {run!r} in {self.path}; `ganaudit runs` lists those there are")
        return counting(rows)

    def started(self, run: str) -> datetime:
        """When a run started, as it said then. Raises AuditError where its row cannot be read."""
        path = self._of_run("runs", run) / "started.parquet"
        when: datetime = self.read(RUNS, path, ["started"])["started"][0].as_py()
        return when

    def finish_run(self, row: Mapping[str, Any], footer: Footer | None = None) -> None:
        """Write the whole row of a run again, with its status and when it finished."""
        if row.get("finished") is None:
            raise AuditError(f"the run {row['run']} cannot be finished without the time when it finished")
        path = self._of_run("runs", row["run"]) / "finished.parquet"
        writer.write(RUNS.from_rows([row]), RUNS, path, self.temporary, footer or {}, replace=True)
        self._waiting(row["run"]).unlink(missing_ok=True)

    def interrupt_run(self, run: str) -> bool:
        """Give a run that was stopped without a word the row that waited for it. Whether it has that row now."""
        folder = self._of_run("runs", run)
        try:
            os.replace(self._waiting(run), folder / "interrupted.parquet")
            return True
        except FileNotFoundError:  # an older ganaudit started it, or another process was faster
            pass
        started = folder / "started.parquet"
        if not started.is_file() or (folder / "interrupted.parquet").exists():
            return False
        (row,) = self.read(RUNS, started).to_pylist()
        self._write(RUNS, RUNS.from_rows([{**row, "status": INTERRUPTED}]), folder / "interrupted.parquet", None)
        return True

    def write_finding(self, run: str, name: str, rows: pa.Table, footer: Footer | None = None) -> None:
        """Write a finding of a run. It follows from the records, so a newer computation takes the file's place."""
        path = self.finding(run, name)
        writer.write(rows, schema.FINDINGS[name], path, self.temporary, footer or {}, replace=True)

    def write_pool(self, key: str, first: int, last: int, rows: pa.Table) -> None:
        """Write the scenes first to last of a pool; harmless where another writer was first."""
        self._write(POOL_PIXELS, rows, self.shard("pool_pixels", key, first, last), None)

    def write_calibration(self, key: str, chunk: int, rows: pa.Table, footer: Footer | None = None) -> None:
        """Write the replicates of one chunk; harmless where another writer was first."""
        self._write(CALIBRATIONS, rows, self.calibration(key, chunk), footer)

    def write_calibration_table(self, pool: str, rows: pa.Table) -> None:
        """Write what the replicates drawn from a pool come to; a newer table takes the file's place."""
        path = self._of_key("calibration", pool) / "calibration.parquet"
        writer.write(rows, CALIBRATION, path, self.temporary, {}, replace=True)

    def write_moments(self, path: Path, rows: pa.Table, footer: Footer | None = None) -> None:
        """Write sums that follow from the records; newer ones take the file's place."""
        writer.write(rows, MOMENTS, path, self.temporary, footer or {}, replace=True)

    def _write(self, table: Table, rows: pa.Table, path: Path, footer: Footer | None) -> None:
        writer.write(rows, table, path, self.temporary, footer or {})

    def begin_epoch(self, table: str) -> None:
        """Make all views over the shards of a table that were opened so far fail."""
        old = sorted(self.folder(table).glob("epoch-*.parquet"))
        number = int(old[-1].stem.removeprefix("epoch-")) + 1 if old else 1
        rows = schema.RECORDS[table].arrow.empty_table()
        self._write(schema.RECORDS[table], rows, self.folder(table) / f"epoch-{number:06d}.parquet", None)
        for path in old:
            path.unlink(missing_ok=True)

    def read(self, table: Table, path: Path, columns: Sequence[str] | None = None, older: bool = False) -> pa.Table:
        """The rows of one file. Raises AuditError, naming it, where it is torn, foreign or of a newer schema.

        older: columns that the file lacks, because an older ganaudit wrote it, are left out.
        """
        return read_file(table, path, table.arrow.names if columns is None else columns, older)[0]

    def read_block(self, table: Table, key: str, block: tuple[int, int], columns: Sequence[str]) -> pa.Table:
        """These columns of a finished block's shard of `images` or `class_pixels`. Raises AuditError like `read`, and where its
        rows are of another key or of other images."""
        manifest = self.manifest(key)
        if manifest and block in manifest.places:
            return self._read_part(table, key, manifest.places[block], block, columns)
        path = self.shard(table.name, key, *block)
        if not path.exists():
            shards = schema.shards_with(table.name)
            mark = self.shard(IMAGES.name if shards is None else shards.mark.name, key, *block)
            raise AuditError(
                f"{path} is missing although {mark} says that it is there; delete that and run the audit again "
                "(`ganaudit verify` finds all such files)"
            )
        rows, metadata = read_file(table, path, columns)
        check_place(path, metadata, key, block if schema.indexed(table.name) else None)
        return rows

    def _read_part(
        self, table: Table, key: str, part: CompactedPart, block: tuple[int, int], columns: Sequence[str]
    ) -> pa.Table:
        path, wanted = self.part(table.name, key, part), part_of(table, columns)
        if table.name not in part.rows:
            raise AuditError(f"{path.parent} has no rows of the images {block[0]} to {block[1]}; run `ganaudit verify`")
        group = part.row_group(table.name, block)
        if group is None:
            return wanted.empty_table()
        try:
            rows = read_row_group(path, group, columns, wanted)
            rows.validate(full=True)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise AuditError(unreadable(path)) from error
        check_place(path, footer(path), key, block if schema.indexed(table.name) else None, [group])
        return rows

    def check(self, table: Table, whole: bool = False) -> None:
        """Raises AuditError for the first file of a table that is torn or not ours, by its footer or by all of it.

        A finding of an older ganaudit may lack columns.
        """
        for path in sorted(self.files(table.name)):
            self.read(table, path, None if whole else [], older=table.name in schema.FINDINGS)


def counting(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the rows that one run wrote of itself the one that counts: where it finished, else that it was interrupted."""
    return dict(max(rows, key=lambda row: (row["finished"] is not None, row["status"] == INTERRUPTED)))


def _check_block(key: str, first: int, last: int, images: pa.Table, *others: pa.Table) -> None:
    """A block is whole, and all tables are of its key and its images."""
    where = f"the block {first} to {last} of {key}"
    if not np.array_equal(np.sort(images["image"].to_numpy()), np.arange(first, last + 1)):
        raise AuditError(f"{where} must hold each of its images once")
    for rows in others:
        inside = rows["image"].to_numpy()
        if len(inside) and (inside.min() < first or inside.max() > last):
            raise AuditError(f"{where} holds class pixels of other images")
    for rows in (images, *others):
        if set(rows["key"].unique().to_pylist()) - {key}:
            raise AuditError(f"{where} holds rows of another key")
