"""What the footers of shards say, kept when the shards become one file: which blocks were made by what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit.errors import AuditError
from ganaudit.records import writer
from ganaudit.records.compacted import Block
from ganaudit.records.reading import unreadable
from ganaudit.records.schema import SCHEMA_VERSION
from ganaudit.records.store import Store

BLOCKS = "ganaudit.blocks"
"""JSON: a list of {first, last} with the entries of the block's own footer."""


def entries(path: Path) -> dict[str, str]:
    """The project's entries in a file's footer. Raises AuditError where it has none that can be read."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise AuditError(unreadable(path)) from error
    known = [(name, value) for name, value in metadata.items() if name.startswith(b"ganaudit.")]
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in known}


def footers(store: Store, table: str, key: str, blocks: Sequence[Block]) -> dict[str, str]:
    """The footer of a part: what all its blocks share, and block by block what was said of each."""
    manifest = store.manifest(key)
    kept: dict[Block, dict[str, str]] = {}
    for block in blocks:
        if manifest and block in manifest.places:
            part = manifest.places[block]
            if block not in kept:
                kept |= of_part(entries(store.part(table, key, part)))
        else:
            kept[block] = entries(store.shard(table, key, *block))
    each = [{"first": block[0], "last": block[1], **kept.get(block, {})} for block in blocks]
    shared = {name: value for name, value in each[0].items() if all(footer.get(name) == value for footer in each)}
    common = {name: str(value) for name, value in shared.items() if name.startswith("ganaudit.")}
    return {**common, writer.VERSION_ENTRY: str(SCHEMA_VERSION), BLOCKS: json.dumps(each)}


def of_part(footer: dict[str, str]) -> dict[Block, dict[str, str]]:
    """The footer of each block in a part's footer."""
    each = json.loads(footer.get(BLOCKS, "[]"))
    return {
        (footer["first"], footer["last"]): {name: value for name, value in footer.items() if name.startswith("ganaudit.")}
        for footer in each
    }
