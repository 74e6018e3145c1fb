"""Pairs of 64-bit hashes that differ in few bits, among millions, without comparing each with each.

The 64 bits are dealt into blocks, more of them than may differ: of two hashes that differ in at most `bits` bits, some blocks
are equal. So hashes are sorted by a few blocks at a time, for every choice of blocks, and those that agree in them are compared
(Manku, Jain, Das Sarma: Detecting near-duplicates for web crawling, WWW 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_SOME = 2**18
"""Hashes that are prepared at a time: what is made on the way stays small."""
_NO_ROOM = np.uint64(0)
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
    parts = [each.hashes for each in alike]
    times = np.concatenate([each.times for each in alike])
    side = None if b is None else np.repeat([False, True], [len(part) for part in parts])
    repeated = np.flatnonzero(times > 1) if b is None else np.zeros(0, np.int64)  # equal hashes within a
    counts = np.zeros(bits + 1, np.int64)
    some = times[repeated].astype(np.int64)
    counts[0] = (some * (some - 1) // 2).sum()
    found, number, complete = [(repeated, repeated, np.zeros(len(repeated), np.int64))], 0, True
    for i, j, distance, compared in _pairs(parts, side, bits):
        counts += np.bincount(distance, times[i].astype(np.int64) * times[j], minlength=bits + 1).astype(np.int64)
        found.append((i, j, distance))
        number += len(i)
        if compared > MOST_COMPARED or number > MOST_FOUND:
            complete = False
            break
    i, j, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    touched = np.zeros(len(times), bool)
    touched[i] = touched[j] = True
    near_a, near_b = (int(times[touched & which].sum()) for which in ((~side, side) if side is not None else (True, True)))
    first, second, kept = _kept(alike, i, j, distance, most)
    return Near(counts, first, second, kept, near_a, near_b, complete)


class _Alike:
    """Different hashes in the order of their first places. times: how often each stands there."""

    def __init__(self, hashes: Hashes) -> None:
        self._all = self.hashes = hashes
        self.times = np.ones(len(hashes), np.int32)
        in_order = np.sort(hashes)
        if (in_order[1:] == in_order[:-1]).any():
            values, first, times = np.unique(hashes, return_index=True, return_counts=True)
            order = np.argsort(first)
            self.hashes, self.times = values[order], times[order].astype(np.int32)

    def places(self, numbers: Places) -> dict[int, list[int]]:
        """Where some of the hashes stand."""
        wanted = np.unique(numbers)
        order = np.argsort(self.hashes[wanted])
        values = self.hashes[wanted][order]
        at = np.flatnonzero(np.isin(self._all, values))
        places: dict[int, list[int]] = {int(number): [] for number in wanted}
        for number, place in zip(wanted[order][np.searchsorted(values, self._all[at])].tolist(), at.tolist(), strict=True):
            places[number].append(place)
        return places


def _pairs(
    parts: Sequence[Hashes], side: NDArray[np.bool_] | None, bits: int
) -> Iterator[tuple[Places, Places, Places, int]]:  # fmt: skip
    """Parts of (i, j, distance) of different places, of two sides where there are two: i is of the first, or the lower one. And
    how many were compared so far."""
    for agreeing in AGREEING:
        dealt = _Dealt(parts, bits + agreeing)
        choices = list(combinations(range(bits + agreeing), agreeing))
        if len(choices) * _compared(dealt.together(choices[0])) < COMPARED:
            break
    hashes, compared = dealt.hashes, 0
    room = np.uint64(max(1, len(hashes).bit_length()))
    last = (np.uint64(1) << room) - np.uint64(1)
    for choice in choices:
        key = dealt.together(choice, room)
        for start in range(0, len(key), _SOME):  # sorted with its place: faster than an order by the key
            key[start : start + _SOME] |= np.arange(start, min(start + _SOME, len(key)), dtype=np.uint64)
        key.sort()
        own = _all_of([dealt.mask(block) for block in choice])
        others = [dealt.mask(block) for block in range(choice[-1]) if block not in choice]
        for start in range(0, len(key), _SOME):
            at, step = np.arange(start, min(start + _SOME, len(key))), 0
            while len(at):  # each with the one that stands `step` behind it, as long as they agree
                step += 1
                at = at[: np.searchsorted(at, len(key) - step)]
                at = at[(key[at] ^ key[at + step]) <= last]
                i, j = ((key[place] & last).astype(np.int64) for place in (at, at + step))
                compared += len(at)
                if side is not None:
                    across = side[i] != side[j]
                    i, j = i[across], j[across]
                differing = hashes[i] ^ hashes[j]
                close = np.flatnonzero(np.bitwise_count(differing) <= bits)
                i, j, differing = i[close], j[close], differing[close]
                wanted = (differing & own) == 0
                for other in others:  # a pair that agrees in earlier blocks was found by those
                    wanted &= (differing & other) != 0
                if wanted.any() or compared > MOST_COMPARED:
                    i, j, distance = i[wanted], j[wanted], np.bitwise_count(differing[wanted]).astype(np.int64)
                    yield np.minimum(i, j), np.maximum(i, j), distance, compared


def _compared(key: Hashes) -> float:
    """About how many are compared where equal keys are."""
    key.sort()
    ends = np.flatnonzero(key[1:] != key[:-1])
    return float((np.diff(ends, prepend=-1, append=len(key) - 1).astype(np.float64) ** 2).sum() / 2)


class _Dealt:
    """Hashes whose bits were dealt into blocks, and moved so that those of a block stand together: a block has bits of all
    frequencies."""

    def __init__(self, parts: Sequence[Hashes], blocks: int) -> None:
        bits = [range(block, 64, blocks) for block in range(blocks)]
        self._ends = np.cumsum([0, *map(len, bits)]).tolist()
        place = np.empty(64, np.int64)
        place[[bit for block in bits for bit in block]] = np.arange(64)
        moved = np.array([
            [sum(1 << int(place[8 * byte + bit]) for bit in range(8) if value >> bit & 1) for value in range(256)]
            for byte in range(8)
        ], np.uint64)  # fmt: skip
        self.hashes = np.zeros(sum(map(len, parts)), np.uint64)
        first = 0
        for some in (part[start : start + _SOME] for part in parts for start in range(0, len(part), _SOME)):
            for byte in range(8):
                self.hashes[first : first + len(some)] |= moved[byte][(some >> np.uint64(8 * byte)).astype(np.uint8)]
            first += len(some)

    def mask(self, block: int) -> np.uint64:
        first, end = self._ends[block : block + 2]
        return np.uint64((1 << end) - (1 << first))

    def together(self, choice: tuple[int, ...], room: np.uint64 = _NO_ROOM) -> Hashes:
        """The bits of some blocks, as one small number; so many lower bits are left free."""
        joined = np.zeros(len(self.hashes), np.uint64)
        for start in range(0, len(joined), _SOME):
            some, hashes = joined[start : start + _SOME], self.hashes[start : start + _SOME]
            for block in choice:
                first, end = self._ends[block : block + 2]
                some <<= np.uint64(end - first)
                some |= (hashes & self.mask(block)) >> np.uint64(first)
            some <<= room
        return joined


def _all_of(masks: list[np.uint64]) -> np.uint64:
    return np.uint64(sum(map(int, masks)))


def _kept(alike: list[_Alike], i: Places, j: Places, distance: Places, most: int) -> tuple[Places, Places, Places]:
    """Of pairs of different hashes, the first pairs of places."""
    a, b = alike[0], alike[-1]
    offset = len(a.hashes) if len(alike) > 1 else 0
    order = np.lexsort((j, i, distance))[:most]
    of_a, of_b = a.places(np.concatenate([i[order], j[order]]) if not offset else i[order]), b.places(j[order] - offset)

    def places(one: int, other: int) -> Iterator[tuple[int, int]]:
        return combinations(of_a[one], 2) if one == other and not offset else product(of_a[one], of_b[other - offset])

    rows = chain.from_iterable(
        ((*pair, bits) for pair in places(one, other))
        for one, other, bits in zip(i[order].tolist(), j[order].tolist(), distance[order].tolist(), strict=True)
    )
    kept: NDArray[Any] = np.array(list(islice(rows, most)), np.int64).reshape(-1, 3)
    ends = kept[:, :2] if offset else np.sort(kept[:, :2], axis=1)
    return ends[:, 0], ends[:, 1], kept[:, 2]
