"""The distance of each generator from the real images, how sure it is, and what makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ganaudit.records.building import Row
from ganaudit.statistics import grouping, jackknife, permutation
from ganaudit.statistics.centred import Centred, centred, spread
from ganaudit.statistics.corrected import Corrected
from ganaudit.statistics.frechet import frechet, quick, shares
from ganaudit.statistics.halves import Halves
from ganaudit.statistics.influence import influences
from ganaudit.statistics.moments import GroupMoments, Moments, group_moments
from ganaudit.studies.census.counts import Counts
from ganaudit.studies.census.tables import INFLUENCES

SEED = 0
CURVE = (1, 2, 5, 10, 20)
"""Groups of each side at the points of the curve over N."""
DRAWS = {1: 4, 2: 4, 5: 3, 10: 1}
"""Subsets of groups that a point of the curve is averaged over."""
LEAST_CLUSTERS = 20
"""Clusters, weighed by their sizes, from which the jackknife of groups of them has an interval."""
CORRECTED_FROM = 10
"""Groups from which the corrected distance of a subset is worth having."""


@dataclass(frozen=True, eq=False)
class Sides:
    """Real and generated images over the classes of the first head: counts, moments of groups, sums around one centre."""

    counts: tuple[Counts, Counts]
    states: tuple[GroupMoments, GroupMoments]
    sums: tuple[Centred, Centred]
    classes: Sequence[int]

    @classmethod
    def of(cls, counts: tuple[Counts, Counts], states: tuple[GroupMoments, GroupMoments], classes: Sequence[int]) -> Sides:
        a, b = centred(*states)
        return cls(counts, states, (a, b), classes)

    @property
    def moments(self) -> tuple[Moments, Moments]:
        """Of all images of each side."""
        return self.states[0].all(), self.states[1].all()


def resolution_floor(real: Counts, resized: Counts, classes: Sequence[int]) -> float | None:
    """The plain distance of real images from themselves, sent through a lower resolution and back; None for less than two."""
    _, here, there = np.intersect1d(real.images, resized.images, return_indices=True)
    if len(here) < 2:
        return None
    sides = (
        group_moments(side.of(classes)[rows], np.zeros(len(rows), np.int64), side.pixels, 1).all()
        for side, rows in ((real, here), (resized, there))
    )
    return frechet(*sides).value


def fsd_row(
    sides: Sides,
    of_real: Halves | None,
    estimate: Corrected | None,
    variance: float,
    permutations: int,
    resolution: float | None = None,
) -> Row:
    """One row of `fsd`, without its names. of_real: halves of the real images; variance: by the delta method; resolution: the
    floor that the generator's resolution sets."""
    a, b = sides.moments
    distance = frechet(a, b)
    row: Row = {
        "real_images": a.n, "generated_images": b.n, "live_classes": int(((a.total != 0) | (b.total != 0)).sum()),
        "fsd": distance.value, "mean_part": distance.mean_part, "covariance_part": distance.covariance_part,
        "floor": None if of_real is None else of_real.floor(a.n) + of_real.floor(b.n), "delta_se": variance**0.5,
        "p_value": p_value(sides, permutations), "permutations": permutations, "resolution_floor": resolution,
        "withheld": withheld(sides, estimate),
    }  # fmt: skip
    if estimate is not None:
        ends = (estimate.low, estimate.high) if row["withheld"] is None else (None, None)
        row |= {
            "corrected": estimate.value, "corrected_low": ends[0], "corrected_high": ends[1],
            "corrected_se": estimate.se, "mostly_bias": distance.value - estimate.value > distance.value / 2,
        }  # fmt: skip
    return row


def withheld(sides: Sides, estimate: Corrected | None) -> str | None:
    """Why a distance has no interval; None where it has one."""
    if estimate is None:
        return "too few images"
    for side in sides.counts:
        if side.clustered and side.independent < LEAST_CLUSTERS:
            return (
                f"the images of {side.source.name!r} are worth {side.independent:.0f} clusters, and {LEAST_CLUSTERS} are needed"
            )
    return estimate.doubt


def p_value(sides: Sides, permutations: int) -> float | None:
    """Of no difference at all; None where images are clustered, which cannot be exchanged one by one.

    Where both sides have equally many images in equal groups, those are the blocks.
    """
    if any(side.clustered for side in sides.counts):
        return None
    a, b = (side.n for side in sides.states)
    if len(a) == len(b) and (np.concatenate([a, b]) == a[0]).all():
        return permutation.exchanged(*sides.sums, permutations=permutations, seed=SEED)
    real, generated = sides.counts
    size, few, many = grouping.blocks_of(min(len(a), len(b)), len(real), len(generated))
    blocks = real.blocks(sides.classes, size, few), generated.blocks(sides.classes, size, many)
    return permutation.p_value(*blocks, permutations, SEED)


def adjusted(rows: Sequence[Row]) -> list[Row]:
    """Rows of `fsd` of one real source with their q-values."""
    held_up = permutation.adjusted([row["p_value"] for row in rows])
    return [{**row, "q_value": q_value} for row, q_value in zip(rows, held_up, strict=True)]


def share_rows(sides: Sides, names: Mapping[int, str]) -> Iterator[Row]:
    """Rows of `fsd_by_class`: classes that hold a pixel on either side."""
    a, b = sides.moments
    live = (a.total != 0) | (b.total != 0)
    for class_id, share, alive in zip(sides.classes, shares(a, b), live, strict=True):
        if alive:
            yield {"class_id": class_id, "class": names[class_id], "share": float(share)}


def curve_rows(sides: Sides, estimate: Corrected | None) -> Iterator[Row]:
    """Rows of `fsd_curve`: the distance at fewer images, from subsets of groups; intervals as wide as those would have."""
    sums = sides.sums
    groups = min(map(len, sums))
    if estimate is None or groups < CURVE[1]:
        return
    rng = np.random.default_rng(SEED)
    low, high = (estimate.low, estimate.high) if withheld(sides, estimate) is None else (None, None)
    half = None if low is None or high is None else (high - low) / 2
    for k in (k for k in CURVE if k < groups):
        plain, corrected, images = [], [], []
        for _ in range(DRAWS[k]):
            a, b = (side.some(rng.permutation(len(side))[:k]) for side in sums)
            images.append([float(part.n.sum()) for part in (a, b)])
            if min(images[-1]) < 2:
                return
            estimated = jackknife.estimate(a, b) if k >= CORRECTED_FROM else None
            plain.append(_plain(a, b) if estimated is None else estimated.plain)
            corrected += [] if estimated is None else [estimated.value - estimate.second_order * groups / k]
        half_width = None if half is None else half * (groups / k) ** 0.5
        yield _curve_row(np.mean(images, axis=0), float(np.mean(plain)), np.mean(corrected) if corrected else None, half_width)
    whole = np.array([float(side.n.sum()) for side in sums])
    last = _curve_row(whole, estimate.plain, estimate.value, half)
    yield {**last, "corrected_low": low, "corrected_high": high}


def _curve_row(images: Any, plain: float, corrected: Any, half_width: float | None) -> Row:
    row: Row = {"real_images": round(float(images[0])), "generated_images": round(float(images[1]))}
    for name, value in (("fsd", plain), ("corrected", corrected)):
        if value is not None:
            ends = (None, None) if half_width is None else (max(0.0, value - half_width), max(0.0, value + half_width))
            row |= {name: float(value), f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return row


def _plain(a: Centred, b: Centred) -> float:
    (mean_a, covariance_a), (mean_b, covariance_b) = spread(*a.total()), spread(*b.total())
    return quick(mean_a - mean_b, covariance_a, covariance_b)


@dataclass(frozen=True, eq=False)
class Pulls:
    """How much each image of one side pulls at a distance: (N,) indices and influences."""

    names: Mapping[str, str]
    images: NDArray[np.int64]
    influence: NDArray[np.float32]

    def rows(self) -> pa.Table:
        """Rows of `influences`."""
        texts = {name: _repeated(value, len(self.images)) for name, value in self.names.items()}
        return INFLUENCES.conform(pa.table({**texts, "image": self.images, "influence": self.influence}))


def pulls_of(run: str, sides: Sides) -> tuple[list[Pulls], float]:
    """How much every image that was read pulls, real ones first; and the variance of the distance that follows."""
    readers = influences(*sides.moments)
    real, generated = sides.counts
    pulls, variance = [], 0.0
    for role, side, reader in (("real", real, readers[0]), ("generated", generated, readers[1])):
        parts = [reader.of(rows) for _, rows in side.rows(sides.classes)]
        mean = sum(float(part.sum()) for part in parts) / len(side)
        variance += sum(float(((part - mean) ** 2).sum()) for part in parts) / len(side) ** 2
        names = {"run": run, "real": real.source.name, "generator": generated.source.name, "role": role, "key": side.source.key}
        pulls.append(Pulls(names, side.images, np.concatenate([part.astype(np.float32) for part in parts])))
    return pulls, variance


def _repeated(text: str, n: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(n, np.int8), [text]).cast(pa.string())
