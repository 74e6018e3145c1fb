"""Near duplicates: images of a run whose perceptual hashes differ in few bits, within a source and between two.

They are findings, and join no cluster by themselves: a hash cannot tell a second photo of one scene from another scene that
looks alike, and where images are much alike, near ones of near ones are nearly all of them. Whoever knows names clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from types import MappingProxyType

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
from ganaudit.statistics import grouping
from ganaudit.statistics.hashes import Near, near
from ganaudit.studies.census.counts import Hashed

BITS = 4
"""In which two hashes may differ: `python -m benchmarks.near_duplicates` says what is found, and what is by chance."""
MOST = 1000
"""Pairs of two sources, or within one, that are kept."""
WITHIN, LEAK, MEMORISED = "within", "leak", "memorised"
SEARCHES = 2
"""At once: sorting releases Python's lock."""
SEEN, MADE = ("real", "train", "heldout"), "generated"


def add(
    tables: Tables, store: Store, run: str, sources: Sequence[UsedSource], hashed: Mapping[str, Hashed] = MappingProxyType({})
) -> None:
    """Adds to `near_duplicates` and `near_duplicate_counts`: all pairs are counted, the nearest kept. hashed: the sources whose
    images were read already, by name."""
    read = [hashed.get(source.name) or _read(store, source) for source in sources if source.role in (*SEEN, MADE)]
    read = [each for each in read if len(each.images) or each.unhashed]
    asked = [*((WITHIN, each, None) for each in read), *_between(read)]
    with ThreadPoolExecutor(SEARCHES, "ganaudit-near") as pool:  # the last take longest
        begun = [pool.submit(_search, a, b) for _, a, b in reversed(asked)]
        found = [each.result() for each in reversed(begun)]
    within = {a.source.name: result for (what, a, _), result in zip(asked, found, strict=True) if what == WITHIN}
    for (what, a, b), result in zip(asked, found, strict=True):
        other = a if b is None else b
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


def _search(a: Hashed, b: Hashed | None) -> Near:
    return near(a.hashes, None if b is None else b.hashes, BITS, MOST)


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
    images, digests, hashes, has_hash = [_NONE], list[grouping.Packed](), [np.zeros(0, np.uint64)], [np.zeros(0, bool)]
    for block in source.blocks:
        rows = store.read_block(IMAGES, source.key, block, ["image", "digest", "phash", "status"])
        image = rows["image"].to_numpy()
        used = (image >= source.first) & (image < source.first + source.count) & (pc.equal(rows["status"], OK).to_numpy())
        images.append(image[used])
        digests.append(grouping.packed(rows["digest"].filter(pa.array(used))))
        hashes.append(rows["phash"].fill_null(0).to_numpy()[used])
        has_hash.append(rows["phash"].is_valid().to_numpy()[used])
    codes = grouping.digest_codes(digests)
    return Hashed.of(source, np.concatenate(images), codes, np.concatenate(hashes), np.concatenate(has_hash))


_NONE = np.zeros(0, np.int64)


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
