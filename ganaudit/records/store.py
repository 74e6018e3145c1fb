"""The folder that holds every record and finding, and the only code that knows where in it each file lies.

records/v1/images/key=k…/shard-<first>-<last>.parquet         and class_pixels, parser_confusion alike; last is included
records/v1/<the same>/key=k…/part-<first>-<last>-<n>.parquet  what `ganaudit compact` made of many shards
records/v1/<the same>/epoch-<n>.parquet                       no rows; changes its name when replaced shards are removed
records/v1/manifests/key=k…/manifest.json                     and which parts count
records/v1/classes/key=p…/classes.parquet
records/v1/sources/key=k…/source.parquet
records/v1/runs/run=…/started.parquet, finished.parquet       the second stands for both once it is there; interrupted.parquet
                                                              for a run that was killed
records/v1/run_sources/run=…/sources.parquet
records/v1/moments/key=k…/moments-<first>-<count>.parquet     sums over the records of a key, kept so that none is read again
records/v1/pool_pixels/key=k…/shard-<first>-<last>.parquet    scenes that `ganaudit calibrate` draws from
records/v1/calibrations/key=k…/chunk-<number>.parquet         its replicates
records/v1/calibration/key=k…/calibration.parquet             what they come to
findings/v1/run=…/<finding>.parquet
leases/                                                       who is at work: runs, prune, compact
tmp/                                                          files being written
catalog.duckdb, ganaudit.json                                 views over all this; the schema version
"""

from __future__ import annotations

import itertools
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit import paths
from ganaudit.errors import AuditError, RequestError
from ganaudit.records import schema, writer
from ganaudit.records.columns import Table
from ganaudit.records.compacted import CompactedPart, Manifest, as_schema, footer, read_manifest, read_row_group
from ganaudit.records.places import misplaced
from ganaudit.records.schema import INTERRUPTED, SCHEMA_VERSION
from ganaudit.records.tables import (
    CALIBRATION,
    CALIBRATIONS,
    CLASSES,
    IMAGES,
    MOMENTS,
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

_SHARD = re.compile(r"shard-(\d{9,})-(\d{9,})\.parquet")
_KEY = re.compile(r"k[0-9a-f]+")
_PARSER_KEY = re.compile(r"p[0-9a-f]+")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Store:
    """A store of records and findings at `path`. Making the object touches nothing on the disk."""

    def __init__(self, path: Path | str) -> None:
        self.path = paths.request(path, "the store").absolute()
        if "\\" in self.path.as_posix():
            raise RequestError(f"the store's path {self.path} holds a backslash, which SQL cannot read from; rename it")
        self.temporary = self.path / "tmp"
        self.leases = self.path / "leases"
        self.catalog = self.path / "catalog.duckdb"
        self.marker = self.path / "ganaudit.json"

    # where things lie

    def folder(self, table: str) -> Path:
        """The folder of all files of a record table; of all findings, for any other name."""
        if table in schema.RECORDS or table == "manifests":
            return self.path / "records" / f"v{SCHEMA_VERSION}" / table
        return self.path / "findings" / f"v{SCHEMA_VERSION}"

    def shard(self, table: str, key: str, first: int, last: int) -> Path:
        """The file of one block of a key; `last` is included."""
        return self._of_key(table, key) / f"shard-{first:09d}-{last:09d}.parquet"

    def classes(self, parser_key: str) -> Path:
        return self.folder("classes") / f"key={_checked(_PARSER_KEY, parser_key, 'parser key')}" / "classes.parquet"

    def source(self, key: str) -> Path:
        return self._of_key("sources", key) / "source.parquet"

    def run_sources(self, run: str) -> Path:
        return self._of_run("run_sources", run) / "sources.parquet"

    def moments(self, key: str, first: int, count: int) -> Path:
        """The file of the moments of `count` images of a key from `first` on."""
        return self._of_key("moments", key) / f"moments-{first:09d}-{count:09d}.parquet"

    def findings(self, run: str) -> Path:
        """The folder of a run's findings, its pictures and its report."""
        return self._of_run("findings", run)

    def finding(self, run: str, name: str) -> Path:
        return self.findings(run) / f"{name}.parquet"

    def manifest_file(self, key: str) -> Path:
        return self._of_key("manifests", key) / "manifest.json"

    def part(self, table: str, key: str, part: CompactedPart) -> Path:
        """The file of a part of a key that was compacted."""
        return self._of_key(table, key) / part.file

    def manifest(self, key: str) -> Manifest | None:
        """The parts of a key whose files are all there; None where it has none."""
        read = read_manifest(self.manifest_file(key))
        if read is None or read.key != key:
            return None
        parts = tuple(part for part in read.parts if all(self.part(table, key, part).exists() for table in part.rows))
        return read if parts == read.parts else replace(read, parts=parts)

    def compacted_keys(self) -> list[str]:
        """Keys that have a manifest."""
        return sorted(path.parent.name.removeprefix("key=") for path in self.folder("manifests").glob("key=k*/manifest.json"))

    def files(self, table: str) -> Iterable[Path]:
        """Every file of a table that counts now."""
        compacted = self.compacted_keys() if table in schema.SHARDED else []
        if not compacted:
            return self.folder(table).glob(pattern(table))
        folders = sorted(self.folder(table).glob("key=k*"))
        return itertools.chain.from_iterable(
            self.loose_and_parts(table, key) if key in compacted else folder.glob("shard-*-*.parquet")
            for folder in folders
            for key in (folder.name.removeprefix("key="),)
        )

    def epoch(self, table: str) -> Path | None:
        """An empty file that every view over a table's shards also reads. It gets another name before shards are removed that a
        part replaced: a view made before that fails, and does not take the rest for all."""
        return max(self.folder(table).glob("epoch-*.parquet"), default=None)

    def begin_epoch(self, table: str) -> None:
        """Make all views over the shards of a table that were opened so far fail."""
        old = sorted(self.folder(table).glob("epoch-*.parquet"))
        number = int(old[-1].stem.removeprefix("epoch-")) + 1 if old else 1
        rows = schema.RECORDS[table].arrow.empty_table()
        self._write(schema.RECORDS[table], rows, self.folder(table) / f"epoch-{number:06d}.parquet", None)
        for path in old:
            path.unlink(missing_ok=True)

    def loose_and_parts(self, table: str, key: str) -> list[Path]:
        """The parts of a key that was compacted, and its shards that no part holds."""
        manifest = self.manifest(key)
        parts = manifest.parts if manifest else ()
        compacted = manifest.places if manifest else {}
        loose = sorted(block for block in self.loose_blocks(table, key) if block not in compacted)
        return [*(self.part(table, key, part) for part in parts if table in part.rows),
                *(self.shard(table, key, *block) for block in loose)]  # fmt: skip

    def files_of(
        self, table: str, key: str, blocks: Iterable[tuple[int, int]] | None = None, mark: str = IMAGES.name
    ) -> list[Path]:
        """The files that hold these finished blocks of a key, by default all; a part may hold further ones."""
        manifest = self.manifest(key)
        compacted = manifest.places if manifest else {}
        wanted = sorted(self.finished_blocks(key, mark) if blocks is None else blocks)
        paths = (self.part(table, key, compacted[b]) if b in compacted else self.shard(table, key, *b) for b in wanted)
        return list(dict.fromkeys(paths))

    def _of_key(self, table: str, key: str) -> Path:
        return self.folder(table) / f"key={_checked(_KEY, key, 'key')}"

    def _of_run(self, table: str, run: str) -> Path:
        return self.folder(table) / f"run={_checked(_RUN, run, 'run')}"

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
        versions += [_footer_version(path) for path in runs[-1:]]
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

    def finished_blocks(self, key: str, mark: str = IMAGES.name) -> set[tuple[int, int]]:
        """(first, last) of the shards of a key that are done; found by listing, without reading a record."""
        manifest = self.manifest(key)
        return self.loose_blocks(mark, key) | (set(manifest.places) if manifest else set())

    def loose_blocks(self, table: str, key: str) -> set[tuple[int, int]]:
        """(first, last) of the blocks of a key that have a shard of their own."""
        folder = self._of_key(table, key)
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return {(int(match[1]), int(match[2])) for match in map(_SHARD.fullmatch, names) if match}

    def write_shard(self, mark: str, key: str, first: int, last: int, tables: Mapping[str, pa.Table], footer: Footer) -> None:
        """Write one shard of a key: the tables that are written with `mark`, which comes last; harmless where another writer
        was first.

        Where a shard's name gives indices, `mark` must hold each of these images once.
        """
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

    def _waiting(self, run: str) -> Path:
        """Where the row of an interrupted run waits while the run is at work."""
        return self.leases / f"{_checked(_RUN, run, 'run')}.interrupted"

    def write_finding(self, run: str, name: str, rows: pa.Table, footer: Footer | None = None) -> None:
        """Write a finding of a run. It follows from the records, so a newer computation takes the file's place."""
        path = self.finding(run, name)
        writer.write(rows, schema.FINDINGS[name], path, self.temporary, footer or {}, replace=True)

    def calibration(self, key: str, chunk: int) -> Path:
        """The file of one chunk of replicates of a calibration's case."""
        return self._of_key("calibrations", key) / f"chunk-{chunk:06d}.parquet"

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

    def read(self, table: Table, path: Path, columns: Sequence[str] | None = None, older: bool = False) -> pa.Table:
        """The rows of one file. Raises AuditError, naming it, where it is torn, foreign or of a newer schema.

        older: columns that the file lacks, because an older ganaudit wrote it, are left out.
        """
        return self._read(table, path, table.arrow.names if columns is None else columns, older)[0]

    def _read(self, table: Table, path: Path, columns: Sequence[str], older: bool = False) -> tuple[pa.Table, pq.FileMetaData]:
        """The rows of one file, and its footer. A page that has a checksum must match it."""
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                there = set(file.schema_arrow.names)
                names = [name for name in columns if not older or name in there]
                ours = older or schema.needed(table) <= there
                if ours and _version(file.schema_arrow) in range(1, SCHEMA_VERSION + 1):
                    rows = as_schema(file.read(columns=[name for name in names if name in there]), _part(table, names))
                    rows.validate(full=True)  # text that is none
                    return rows, file.metadata
        except FileNotFoundError as error:
            raise AuditError(f"{path} is missing; run the audit again: `ganaudit verify` says what else is wrong") from error
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise AuditError(unreadable(path)) from error
        raise AuditError(unreadable(path))

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
        rows, metadata = self._read(table, path, columns)
        _check_place(path, metadata, key, block if schema.indexed(table.name) else None)
        return rows

    def _read_part(
        self, table: Table, key: str, part: CompactedPart, block: tuple[int, int], columns: Sequence[str]
    ) -> pa.Table:
        path, wanted = self.part(table.name, key, part), _part(table, columns)
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
        _check_place(path, footer(path), key, block if schema.indexed(table.name) else None, [group])
        return rows

    def check(self, table: Table, whole: bool = False) -> None:
        """Raises AuditError for the first file of a table that is torn or not ours, by its footer or by all of it.

        A finding of an older ganaudit may lack columns.
        """
        for path in sorted(self.files(table.name)):
            self.read(table, path, None if whole else [], older=table.name in schema.FINDINGS)


def pattern(table: str) -> str:
    """Where a table's files lie in its folder, as a glob pattern."""
    return schema.RECORDS[table].files if table in schema.RECORDS else f"run=*/{table}.parquet"


def counting(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the rows that one run wrote of itself the one that counts: where it finished, else that it was interrupted."""
    return dict(max(rows, key=lambda row: (row["finished"] is not None, row["status"] == INTERRUPTED)))


def unreadable(path: Path | str) -> str:
    """The sentence about a file that is no record or finding."""
    return _wrong(Path(path), f"is damaged or was not written by ganaudit (schema version {SCHEMA_VERSION})")


def unsound(path: Path | str, what: str) -> AuditError:
    """The error about a file whose rows are not those of its name."""
    return AuditError(_wrong(Path(path), f"{what}, not what its name says"))


def _wrong(path: Path, what: str) -> str:
    """The block of a shard is done while its mark is there, which has to go with it."""
    table = path.parent.parent.name
    mark = next((shard.mark.name for shard in schema.SHARDS if table in [each.name for each in shard.tables]), table)
    beside = path.parents[2] / mark / path.parent.name / path.name
    also = f" and {beside}" if mark != table and _SHARD.fullmatch(path.name) else ""
    return (
        f"{path} {what}; delete it{also} and run the audit again, which makes only what is missing "
        "(`ganaudit verify` finds all such files)"
    )


def _check_place(
    path: Path, metadata: pq.FileMetaData, key: str, block: tuple[int, int] | None, groups: Sequence[int] | None = None
) -> None:
    """Raises AuditError for rows of another key or of other images, by their statistics."""
    try:
        what = misplaced(metadata, key, block, groups)
    except (ValueError, pa.ArrowException) as error:
        raise AuditError(unreadable(path)) from error
    if what is not None:
        raise unsound(path, what)


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise RequestError(f"{value!r} is not a {what}")
    return value


def _part(table: Table, names: Sequence[str]) -> pa.Schema:
    return pa.schema([table.arrow.field(name) for name in names])


def _version(columns: pa.Schema) -> int:
    """The schema version in a file's footer; 0 where there is none."""
    try:
        return int((columns.metadata or {}).get(writer.VERSION_ENTRY.encode(), b"0"))
    except ValueError:
        return 0


def _footer_version(path: Path) -> int:
    try:
        return _version(pq.read_schema(path))
    except (OSError, pa.ArrowException) as error:
        raise AuditError(unreadable(path)) from error


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
