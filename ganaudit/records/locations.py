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
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ganaudit import paths
from ganaudit.errors import RequestError
from ganaudit.records import schema
from ganaudit.records.compacted import CompactedPart, Manifest, read_manifest
from ganaudit.records.schema import SCHEMA_VERSION
from ganaudit.records.tables import IMAGES

SHARD = re.compile(r"shard-(\d{9,})-(\d{9,})\.parquet")
_KEY = re.compile(r"k[0-9a-f]+")
_PARSER_KEY = re.compile(r"p[0-9a-f]+")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Locations:
    """Where each file of the store at `path` lies, and which files count. Making the object touches nothing on the disk."""

    def __init__(self, path: Path | str) -> None:
        self.path = paths.request(path, "the store").absolute()
        if "\\" in self.path.as_posix():
            raise RequestError(f"the store's path {self.path} holds a backslash, which SQL cannot read from; rename it")
        self.temporary = self.path / "tmp"
        self.leases = self.path / "leases"
        self.catalog = self.path / "catalog.duckdb"
        self.marker = self.path / "ganaudit.json"
        self._records = self.path / "records" / f"v{SCHEMA_VERSION}"
        self._findings = self.path / "findings" / f"v{SCHEMA_VERSION}"

    def folder(self, table: str) -> Path:
        """The folder of all files of a record table; of all findings, for any other name."""
        if table in schema.RECORDS or table == "manifests":
            return self._records / table
        return self._findings

    def shard(self, table: str, key: str, first: int, last: int) -> Path:
        """The file of one block of a key; `last` is included."""
        return self._of_key(table, key) / f"shard-{first:09d}-{last:09d}.parquet"

    def classes(self, parser_key: str) -> Path:
        return self.folder("classes") / f"key={_checked(_PARSER_KEY, parser_key, 'parser key')}" / "classes.parquet"

    def parser_precision(self, parser_key: str) -> Path:
        return self.folder("parser_precision") / f"key={_checked(_PARSER_KEY, parser_key, 'parser key')}" / "precision.parquet"

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

    def finished_blocks(self, key: str, mark: str = IMAGES.name) -> set[tuple[int, int]]:
        """(first, last) of the shards of a key that are done; found by listing, without reading a record."""
        manifest = self.manifest(key)
        return self.loose_blocks(mark, key) | (set(manifest.places) if manifest else set())

    def loose_blocks(self, table: str, key: str) -> set[tuple[int, int]]:
        """(first, last) of the blocks of a key that have a shard of their own."""
        folder = self._of_key(table, key)
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return {(int(match[1]), int(match[2])) for match in map(SHARD.fullmatch, names) if match}

    def _waiting(self, run: str) -> Path:
        """Where the row of an interrupted run waits while the run is at work."""
        return self.leases / f"{_checked(_RUN, run, 'run')}.interrupted"

    def calibration(self, key: str, chunk: int) -> Path:
        """The file of one chunk of replicates of a calibration's case."""
        return self._of_key("calibrations", key) / f"chunk-{chunk:06d}.parquet"

    def _of_key(self, table: str, key: str) -> Path:
        return self.folder(table) / f"key={_checked(_KEY, key, 'key')}"

    def _of_run(self, table: str, run: str) -> Path:
        return self.folder(table) / f"run={_checked(_RUN, run, 'run')}"


def pattern(table: str) -> str:
    """Where a table's files lie in its folder, as a glob pattern."""
    return schema.RECORDS[table].files if table in schema.RECORDS else f"run=*/{table}.parquet"


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise RequestError(f"{value!r} is not a {what}")
    return value
