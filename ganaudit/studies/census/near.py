"""Near duplicates: images of a run whose perceptual hashes differ in few bits, within a source and between two.

They are findings, and join no cluster by themselves: a hash cannot tell a second photo of one scene from another scene that
looks alike, and where images are much alike, near ones of near ones are nearly all of them. Whoever knows names clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import poisson

from ganaudit.records.building import Row, Tables
from ganaudit.records.schema import OK
from ganaudit.records.store import Store
from ganaudit.records.tables import IMAGES
from ganaudit.records.used import UsedSource
from ganaudit.statistics.hashes import Near, near

BITS = 4
"""In which two hashes may differ: `python -m benchmarks.near_duplicates` says what is found, and what is by chance."""
MOST = 1000
"""Pairs of two sources, or within one, that are kept."""
WITHIN, LEAK, MEMORISED = "within", "leak", "memorised"
SEEN, MADE = ("real", "train", "heldout"), "generated"


@dataclass(frozen=True, eq=False)
class Hashed:
    """The images of a source that were read, each digest once. unhashed: how many have no hash; those that have: (N,)."""

    source: UsedSource
    images: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    unhashed: int


def add(tables: Tables, store: Store, run: str, sources: Sequence[UsedSource]) -> None:
    """Adds to `near_duplicates` and `near_duplicate_counts`: all pairs are counted, the nearest kept."""
    read = [_read(store, source) for source in sources if source.role in (*SEEN, MADE)]
    read = [each for each in read if len(each.images) or each.unhashed]
    within: dict[str, Near] = {}
    for what, a, b in [(WITHIN, each, None) for each in read] + list(_between(read)):
        result = near(a.hashes, None if b is None else b.hashes, BITS, MOST)
        other = a if b is None else b
        if b is None:
            within[a.source.name] = result
        chance = None if b is None else _by_chance(within, a, b)
        named = {"run": run, "what": what, "source_a": a.source.name, "source_b": other.source.name}
        tables.rows("near_duplicate_counts", [{
            **named, "role_a": a.source.role, "role_b": other.source.role,
            "images_a": len(a.images), "images_b": len(other.images),
            "unhashed_a": a.unhashed, "unhashed_b": other.unhashed, "near_a": result.near_a, "near_b": result.near_b,
            "pairs": result.pairs, "complete": result.complete, "by_chance": chance,
            "p_value": None if chance is None else float(poisson.sf(result.near_b - 1, chance)),
        }])  # fmt: skip
        tables.rows("near_duplicates", _pairs(store, named, a, other, result))


def _between(read: Sequence[Hashed]) -> Iterator[tuple[str, Hashed, Hashed]]:
    """The pairs of sources that should share no image."""
    for a, b in combinations(sorted(read, key=lambda each: (*SEEN, MADE).index(each.source.role)), 2):
        roles = a.source.role, b.source.role
        if roles[1] == "heldout" and roles[0] != "heldout":
            yield LEAK, a, b
        elif roles[1] == MADE and roles[0] != MADE:
            yield MEMORISED, a, b


def _by_chance(within: dict[str, Near], a: Hashed, b: Hashed) -> float | None:
    """Pairs between two sources if images of both were as often near as they are within that of them where they are less so."""
    shares = []
    for each in (a, b):
        n = len(each.images)
        shares += [(within[each.source.name].pairs + 1) / (n * (n - 1) / 2)] if n > 1 else []
    return min(shares) * len(a.images) * len(b.images) if shares else None


def _read(store: Store, source: UsedSource) -> Hashed:
    parts = [store.read_block(IMAGES, source.key, block, ["image", "digest", "phash", "status"]) for block in source.blocks]
    rows = pa.concat_tables(parts) if parts else IMAGES.from_rows([]).select(["image", "digest", "phash", "status"])
    image = pc.field("image")
    rows = rows.filter((image >= source.first) & (image < source.first + source.count) & (pc.field("status") == OK))
    codes = rows["digest"].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    rows = rows.take(np.sort(np.unique(codes, return_index=True)[1])) if len(codes) else rows
    hashed = rows.filter(pc.is_valid(pc.field("phash")))
    return Hashed(source, hashed["image"].to_numpy(), hashed["phash"].to_numpy(), rows.num_rows - hashed.num_rows)


def _pairs(store: Store, named: Row, a: Hashed, b: Hashed, found: Near) -> Iterator[Row]:
    ends = [side.images[places] for side, places in ((a, found.first), (b, found.second))]
    names = [_names(store, side.source, images) for side, images in zip((a, b), ends, strict=True)]
    for image_a, image_b, distance in zip(*(end.tolist() for end in ends), found.distance.tolist(), strict=True):
        yield {
            **named, "image_a": image_a, "name_a": names[0][image_a], "image_b": image_b, "name_b": names[1][image_b],
            "distance": distance,
        }  # fmt: skip


def _names(store: Store, source: UsedSource, images: NDArray[np.int64]) -> dict[int, str]:
    """The names of some images, read from their blocks alone."""
    names: dict[int, str] = {}
    wanted = np.unique(images)
    for block in source.blocks:
        some = wanted[(wanted >= block[0]) & (wanted <= block[1])]
        if len(some):
            rows = store.read_block(IMAGES, source.key, block, ["image", "name"])
            rows = rows.filter(pc.is_in(rows["image"], pa.array(some)))
            names |= dict(zip(rows["image"].to_pylist(), rows["name"].to_pylist(), strict=True))
    return names
