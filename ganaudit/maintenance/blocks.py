"""Whether the tables of a shard belong together: as many images as its name says, no image with more pixels than it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ganaudit.errors import AuditError
from ganaudit.maintenance.problems import Problem, problem
from ganaudit.records import schema
from ganaudit.records.columns import Shards
from ganaudit.records.compacted import Block
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, CLASSES, IMAGES, RUN_SOURCES

OF_IMAGES = schema.shards_of(IMAGES.name)

Heads = Mapping[int, str]
"""The head of each class."""


def heads(store: Store) -> dict[str, Heads]:
    """The heads of the classes that the records of a key are about, where runs say its parser."""
    of_parser: dict[str, Heads] = {}
    first_heads: dict[str, Heads] = {}
    for path in store.files("run_sources"):
        try:
            for row in store.read(RUN_SOURCES, path, ["key", "parser_key"]).to_pylist():
                parser = row["parser_key"]
                if parser not in of_parser:
                    rows = store.read(CLASSES, store.classes(parser)).to_pylist()
                    of_parser[parser] = {row["class_id"]: row["head"] for row in rows}
                first_heads[row["key"]] = of_parser[parser]
        except AuditError:  # reported where that file itself is checked
            continue
    return first_heads


def overlaps(store: Store, shards: Shards, key: str, done: Sequence[Block]) -> Iterator[Problem]:
    """Shards of images that the one before holds, too: they would count twice."""
    for before, after in pairwise(done):
        if after[0] <= before[1]:
            words = f"it holds images that the shard {before[0]} to {before[1]} holds as well; delete it, or move it elsewhere"
            yield problem(store, "inconsistent", _file(store, shards, shards.mark.name, key, after), words)


def shard_problems(store: Store, shards: Shards, key: str, block: Block, deep: bool) -> Iterator[Problem]:
    """What is wrong with a finished shard, taken together with the tables beside it."""
    mark = _file(store, shards, shards.mark.name, key, block)
    size, lacking = block[1] - block[0] + 1, False
    for table in shards.beside:
        path = _file(store, shards, table.name, key, block)
        if table.name not in shards.may_lack and not path.exists():
            words = f"the shard {block[0]} to {block[1]} of {shards.mark.name} has no {table.name}"
            yield problem(store, "missing", path, f"{words}; delete {mark} and run the audit again")
            lacking = True
    try:
        rows = _rows(store, shards, key, block)
        if rows != size:
            yield problem(store, "inconsistent", mark, f"the shard {block[0]} to {block[1]} has {rows:,} rows, not {size:,}")
        if deep and shards.beside and not lacking:
            yield from _image_problems(store, shards, key, block)
    except (AuditError, OSError, ValueError):  # reported where that file itself is checked
        return


def _image_problems(store: Store, shards: Shards, key: str, block: Block) -> Iterator[Problem]:
    """The tables beside the mark are about the mark's images, and those that have a row for each have one."""
    recorded = set(store.read_block(shards.mark, key, block, ["image"])["image"].to_pylist())
    for table in shards.beside:
        if table.name in shards.may_lack:
            continue
        there = set(store.read_block(table, key, block, ["image"])["image"].to_pylist())
        path = _file(store, shards, table.name, key, block)
        if there - recorded:
            words = f"it holds the image {min(there - recorded)}, which is not in the shard {block[0]} to {block[1]}"
            yield problem(store, "misplaced", path, words)
        elif table.name in shards.whole and there != recorded:
            yield problem(store, "inconsistent", path, f"it lacks the image {min(recorded - there)}")


def pixel_problems(store: Store, key: str, block: Block, heads: Heads | None) -> Iterator[Problem]:
    """Of each image, the classes of one head (without void, which stands in all of them) cover no more than its pixels."""
    try:
        yield from _pixel_problems(store, key, block, heads)
    except (AuditError, OSError, ValueError):  # reported where that file itself is checked
        return


def _pixel_problems(store: Store, key: str, block: Block, heads: Heads | None) -> Iterator[Problem]:
    images = store.read_block(IMAGES, key, block, ["image", "pixels", "status"])
    class_rows = store.read_block(CLASS_PIXELS, key, block, ["image", "class_id", "pixels"])
    index = images["image"].to_numpy()
    path = _file(store, OF_IMAGES, CLASS_PIXELS.name, key, block)
    if not np.array_equal(index, np.arange(block[0], block[1] + 1)):
        yield problem(
            store, "inconsistent", _file(store, OF_IMAGES, IMAGES.name, key, block), "an image is missing or there twice"
        )
        return
    pixels = images["pixels"].fill_null(0).to_numpy().astype(np.int64)
    place = class_rows["image"].to_numpy() - block[0]
    if len(place) and (place.min() < 0 or place.max() >= len(index)):
        return  # reported above
    ids = class_rows["class_id"].to_numpy()
    for head in sorted(set(heads.values())) if heads else ():
        of_head = np.array([one for one, name in heads.items() if name == head and one != 0]) if heads else ids
        inside = np.isin(ids, of_head)
        total = _summed(place[inside], class_rows["pixels"].to_numpy()[inside], len(index))
        if (total > pixels).any():
            image = int(index[np.flatnonzero(total > pixels)[0]])
            yield problem(store, "inconsistent", path, f"the classes of image {image} cover more pixels than it has")
            return
    if not heads and (class_rows["pixels"].to_numpy() > pixels[place]).any():
        yield problem(store, "inconsistent", path, "a class covers more pixels than its image has")


def _summed(place: NDArray[np.int64], pixels: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    total = np.zeros(size, np.int64)
    np.add.at(total, place, pixels.astype(np.int64))
    return total


def _file(store: Store, shards: Shards, table: str, key: str, block: Block) -> Path:
    return store.files_of(table, key, [block], shards.mark.name)[0]


def _rows(store: Store, shards: Shards, key: str, block: Block) -> int:
    """Rows of the mark, by the manifest or the shard's footer."""
    manifest = store.manifest(key)
    if manifest and block in manifest.places:
        part = manifest.places[block]
        return part.rows[shards.mark.name][part.blocks.index(block)]
    return int(pq.read_metadata(store.shard(shards.mark.name, key, *block)).num_rows)
