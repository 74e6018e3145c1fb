"""Few large files in place of many shards.

For each key: the new parts are written under names of their own, then the manifest is replaced in one step, and from that
instant the parts count. What they replace stays for an hour, for readers that opened the old list, and goes with a later
`compact` or `prune`. Killed at any instant, the store holds the same rows: before the new manifest its old files count.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit.errors import AuditError
from ganaudit.maintenance.footers import footers
from ganaudit.records import catalog, leases, schema, writer
from ganaudit.records.columns import Shards
from ganaudit.records.compacted import Block, CompactedPart, Manifest, read_manifest, size_of, stretch
from ganaudit.records.reading import unreadable
from ganaudit.records.store import Store

GRACE = 3600.0
"""Seconds for which replaced files stay, by the store's clock."""


@dataclass(frozen=True)
class Compacted:
    """What a compaction did to one key."""

    key: str
    blocks: int
    """Blocks that were written into parts now."""
    files: int
    """Files of the key that count now."""
    bytes: int
    """Their size."""
    removed: int
    """Replaced files that were removed."""
    waiting: int
    """Replaced files that stay for a while."""


def compact(store: Store, grace: float = GRACE) -> list[Compacted]:
    """Compacts every key of a store. Raises RequestError while another compact or prune is at work, AuditError for a
    damaged shard: then its key is left as it was."""
    with leases.alone(store, leases.COMPACT):
        if leases.is_live(store, leases.PRUNE):
            leases.busy(store, leases.PRUNE)
        done = [_of_key(store, shards, key, grace) for shards in schema.SHARDS for key in _keys(store, shards)]
        if any(compacted.blocks or compacted.removed for compacted in done):
            catalog.build(store)
    return done


def _keys(store: Store, shards: Shards) -> list[str]:
    """The keys that have such shards, but those of an older ganaudit, whose files lack columns: they stay as they are."""
    keys = sorted(folder.name.removeprefix("key=") for folder in store.folder(shards.mark.name).glob("key=k*"))
    return [key for key in keys if shards.mark.name not in schema.GROWN or not _is_older(store, shards, key)]


def _is_older(store: Store, shards: Shards, key: str) -> bool:
    for block in sorted(store.loose_blocks(shards.mark.name, key)):
        try:
            there = pq.read_schema(store.shard(shards.mark.name, key, *block)).names
        except (OSError, pa.ArrowException):  # reported where the file itself is read
            return False
        return not set(shards.mark.arrow.names) <= set(there)
    return False


def _of_key(store: Store, shards: Shards, key: str, grace: float) -> Compacted:
    now = store.manifest(key)
    loose = sorted(store.loose_blocks(shards.mark.name, key) - set(now.places if now else ()))
    made, generation = _parts(store, shards, key, now, loose)
    if made:
        replaced = {stretch(part.blocks[0]) for part in made}
        kept = [part for part in (now.parts if now else ()) if stretch(part.blocks[0]) not in replaced]
        parts = tuple(sorted([*kept, *made], key=lambda part: part.blocks))
        _write_manifest(store, Manifest(key, generation, parts))
    removed, waiting = remove_replaced(store, key, grace)
    counted = [file for table in shards.tables for file in store.loose_and_parts(table.name, key)]
    return Compacted(key, sum(len(part.blocks) for part in made), len(counted), size_of(counted), removed, waiting)


def _parts(
    store: Store, shards: Shards, key: str, now: Manifest | None, loose: Sequence[Block]
) -> tuple[list[CompactedPart], int]:
    """Write the parts of the stretches that have shards of their own; a single shard stays as it is."""
    old = {stretch(part.blocks[0]): part for part in (now.parts if now else ())}
    written = read_manifest(store.manifest_file(key))
    generation = (written.generation if written else 0) + 1
    made = []
    for number in sorted({stretch(block) for block in loose}):
        before = old[number].blocks if number in old else ()
        blocks = tuple(sorted([*before, *(block for block in loose if stretch(block) == number)]))
        if len(blocks) > 1:
            made.append(_write_part(store, shards, key, generation, blocks))
    return made, generation


def _write_part(store: Store, shards: Shards, key: str, generation: int, blocks: tuple[Block, ...]) -> CompactedPart:
    """One file per table; a table that none of the blocks has gets none."""
    tables = [table for table in shards.tables if table.name not in shards.may_lack or _has(store, table.name, key, blocks[0])]
    part = CompactedPart(generation, blocks, {})
    rows = {table.name: _write_file(store, table.name, key, part) for table in tables}
    return CompactedPart(generation, blocks, rows)


def _has(store: Store, table: str, key: str, block: Block) -> bool:
    manifest = store.manifest(key)
    if manifest and block in manifest.places:
        return table in manifest.places[block].rows
    return store.shard(table, key, *block).exists()


def _write_file(store: Store, name: str, key: str, part: CompactedPart) -> tuple[int, ...]:
    """The rows of each block, one row group each, in the order of the blocks; returns how many rows each has."""
    table, path = schema.RECORDS[name], store.part(name, key, part)
    columns = table.arrow.with_metadata(footers(store, name, key, part.blocks))
    rows: list[int] = []
    with writer.writing(path), writer.temporary_file(store.temporary, path.stem) as unfinished:
        store.temporary.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(unfinished, columns, compression="zstd", write_page_checksum=True) as sink:
            for block in part.blocks:
                block_rows = store.read_block(table, key, block, table.arrow.names)
                if block_rows.num_rows:
                    sink.write_table(block_rows, row_group_size=block_rows.num_rows)
                rows.append(block_rows.num_rows)
        _check_written(unfinished, table.arrow, rows)
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
        writer.flush_folder(path.parent)
    return tuple(rows)


def _check_written(path: Path, columns: pa.Schema, rows: Sequence[int]) -> None:
    """The file holds one row group for each block that has rows."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if groups != [count for count in rows if count] or metadata.schema.to_arrow_schema().names != columns.names:
        raise AuditError(unreadable(path))


def _write_manifest(store: Store, manifest: Manifest) -> None:
    path = store.manifest_file(manifest.key)
    with writer.writing(path), writer.temporary_file(store.temporary, "manifest") as unfinished:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer.write_bytes(unfinished, manifest.text().encode())
        os.replace(unfinished, path)
        writer.flush_folder(path.parent)


def replaced_files(store: Store, key: str) -> Iterable[Path]:
    """Shards whose block a part holds, and parts that the manifest does not name."""
    manifest = store.manifest(key)
    if manifest is None:
        return
    for table in schema.SHARDED:
        counted = {store.part(table, key, part) for part in manifest.parts if table in part.rows}
        for block, part in manifest.places.items():
            path = store.shard(table, key, *block)
            if table in part.rows and path.exists():
                yield path
        yield from sorted(set((store.folder(table) / f"key={key}").glob("part-*.parquet")) - counted)


def remove_replaced(store: Store, key: str, grace: float) -> tuple[int, int]:
    """Removes replaced files that nobody can still be reading; how many went, and how many stay for now."""
    manifest = store.manifest_file(key)
    if not manifest.exists():
        return 0, 0
    limit = leases.now(store) - grace
    replaced = list(replaced_files(store, key))
    old = [path for path in replaced if max(path.stat().st_mtime, manifest.stat().st_mtime) <= limit]
    if old:
        for table in schema.SHARDED:
            if store.folder(table).is_dir():
                store.begin_epoch(table)
    for path in old:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return len(old), len(replaced) - len(old)
