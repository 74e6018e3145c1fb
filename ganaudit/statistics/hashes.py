"""Pairs of 64-bit hashes that differ in few bits, among millions, without comparing each with each.

The 64 bits are dealt into blocks, more of them than may differ: of two hashes that differ in at most `bits` bits, some blocks
are equal. So hashes are sorted by a few blocks at a time, for every choice of blocks, and those that agree in them are compared
(Manku, Jain, Das Sarma: Detecting near-duplicates for web crawling, WWW 2007).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations, islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

AGREEING = (2, 3, 4)
"""Blocks that two hashes must agree in to be compared; more where hashes are much alike, which takes more passes."""
COMPARED = 3e8
"""Comparisons in all passes from which more blocks have to agree."""
MOST_COMPARED, MOST_FOUND = 3e9, 2e7
"""Comparisons and pairs of different hashes after which the search ends: about a minute, and a few hundred megabytes."""


@dataclass(frozen=True, eq=False)
class Near:
    """Near pairs of hashes a and b, or within a. counts: (bits + 1,) pairs at each distance; all of them where `complete`, at
    least so many where the search ended early.

    first, second, distance: (k,) places of those that are kept, the nearest first. near_a, near_b: hashes that have a near one;
    within a, both the same.
    """

    counts: Places
    first: Places
    second: Places
    distance: Places
    near_a: int
    near_b: int
    complete: bool

    @property
    def pairs(self) -> int:
        """All of them, kept or not."""
        return int(self.counts.sum())


def near(a: Hashes, b: Hashes | None, bits: int, most: int) -> Near:
    """The pairs that differ in at most `bits` bits, of which `most` are kept: of one distance, those that come first."""
    alike = [_Alike(a)] if b is None else [_Alike(a), _Alike(b)]
    hashes = np.concatenate([each.hashes for each in alike])
    times = np.concatenate([each.times for each in alike])
    side = None if b is None else np.repeat([False, True], [len(each.hashes) for each in alike])
    repeated = np.flatnonzero(times > 1) if b is None else np.zeros(0, np.int64)  # equal hashes within a
    counts = np.zeros(bits + 1, np.int64)
    counts[0] = (times[repeated] * (times[repeated] - 1) // 2).sum()
    found, number, complete = [(repeated, repeated, np.zeros(len(repeated), np.int64))], 0, True
    for i, j, distance, compared in _pairs(hashes, side, bits):
        counts += np.bincount(distance, times[i] * times[j], minlength=bits + 1).astype(np.int64)
        found.append((i, j, distance))
        number += len(i)
        if compared > MOST_COMPARED or number > MOST_FOUND:
            complete = False
            break
    i, j, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    touched = np.zeros(len(hashes), bool)
    touched[i] = touched[j] = True
    near_a, near_b = (int(times[touched & which].sum()) for which in ((~side, side) if side is not None else (True, True)))
    first, second, kept = _kept(alike, i, j, distance, most)
    return Near(counts, first, second, kept, near_a, near_b, complete)


class _Alike:
    """Different hashes in the order of their first places. times: how often each stands there."""

    def __init__(self, hashes: Hashes) -> None:
        values, first, inverse, times = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
        order = np.argsort(first)
        self.hashes, self.times = values[order], times[order]
        number = np.empty(len(order), np.int64)
        number[order] = np.arange(len(order))
        self._places = np.argsort(number[inverse], kind="stable")
        self._ends = np.cumsum(self.times)

    def places(self, number: int) -> list[int]:
        """Where a hash stands."""
        end = self._ends[number]
        places: list[int] = self._places[end - self.times[number] : end].tolist()
        return places


def _pairs(hashes: Hashes, side: NDArray[np.bool_] | None, bits: int) -> Iterator[tuple[Places, Places, Places, int]]:
    """Parts of (i, j, distance) of different places, of two sides where there are two: i is of the first, or the lower one. And
    how many were compared so far."""
    for agreeing in AGREEING:
        masks = [
            np.uint64(sum(1 << bit for bit in range(block, 64, bits + agreeing))) for block in range(bits + agreeing)
        ]  # a block has bits of all frequencies
        choices = list(combinations(range(len(masks)), agreeing))
        groups = np.unique(hashes & _joined(masks, choices[0]), return_counts=True)[1].astype(np.float64)
        if len(choices) * (groups**2).sum() / 2 < COMPARED:
            break
    compared = 0
    for choice in choices:
        key = hashes & _joined(masks, choice)
        order = np.argsort(key)
        key = key[order]
        others = [masks[block] for block in range(choice[-1]) if block not in choice]
        at, step = np.arange(len(key)), 0
        while len(at):  # each with the one that stands `step` behind it, as long as they agree
            step += 1
            at = at[at < len(key) - step]
            at = at[key[at] == key[at + step]]
            i, j = order[at], order[at + step]
            compared += len(at)
            differing = hashes[i] ^ hashes[j]
            distance = np.bitwise_count(differing).astype(np.int64)
            wanted = distance <= bits
            if side is not None:
                wanted &= side[i] != side[j]
            for other in others:  # a pair that agrees in earlier blocks was found by those
                wanted &= (differing & other) != 0
            if wanted.any() or compared > MOST_COMPARED:
                i, j = i[wanted], j[wanted]
                yield np.minimum(i, j), np.maximum(i, j), distance[wanted], compared


def _joined(masks: list[np.uint64], choice: tuple[int, ...]) -> np.uint64:
    return np.uint64(sum(int(masks[block]) for block in choice))


def _kept(alike: list[_Alike], i: Places, j: Places, distance: Places, most: int) -> tuple[Places, Places, Places]:
    """Of pairs of different hashes, the first pairs of places."""
    a, b = alike[0], alike[-1]
    offset = len(a.hashes) if len(alike) > 1 else 0
    order = np.lexsort((j, i, distance))[:most]

    def places(one: int, other: int) -> Iterator[tuple[int, int]]:
        if one == other and not offset:
            return combinations(a.places(one), 2)
        return product(a.places(one), b.places(other - offset))

    rows = chain.from_iterable(
        ((*pair, bits) for pair in places(one, other))
        for one, other, bits in zip(i[order].tolist(), j[order].tolist(), distance[order].tolist(), strict=True)
    )
    kept: NDArray[Any] = np.array(list(islice(rows, most)), np.int64).reshape(-1, 3)
    ends = kept[:, :2] if offset else np.sort(kept[:, :2], axis=1)
    return ends[:, 0], ends[:, 1], kept[:, 2]
