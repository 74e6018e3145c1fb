"""The findings of a run, computed from its records alone and written beside them.

Class statistics are a SQL macro over the records (`class_statistics`); distances come from exact moments of the same
counts. Every denominator is the number of images that were read: an image set aside is in no mean.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ganaudit import sql
from ganaudit.errors import AuditError, RequestError
from ganaudit.records import catalog
from ganaudit.records.schema import CLASS_PIXELS, CLASS_STATS, CLASSES, COMPARISON, FSD, IMAGES, OK, RUN_SOURCES
from ganaudit.records.store import Store
from ganaudit.statistics.frechet import frechet, noise_level
from ganaudit.statistics.moments import Moments, empty, merge, moments

FLOOR_SEED = 0
FLOOR_IMAGES = 20_000
"""The floor is estimated from no more real images than this: more would change its last digits only."""

Counts = NDArray[np.int32]
Block = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """A source of a run: which images of which key it uses, and the blocks of them that are recorded."""

    role: str
    name: str
    key: str
    parser_key: str
    first: int
    count: int
    blocks: tuple[Block, ...]


def materialise(store: Store, run: str, presence: float = 0.1) -> dict[str, pa.Table]:
    """Compute the findings of a run for every pair of real source and generator, write them, and return them by name.

    presence: from how many percent of an image's pixels a class counts as present (never fewer than 4 pixels).
    A generator with fewer than two readable images is in no finding: its images were set aside, and the records say
    why. Raises AuditError where that happens to the real images, RequestError where sources cannot be compared.
    """
    if not 0 <= presence < 100:
        raise RequestError(f"the presence threshold is {presence}; it is a percentage of pixels, from 0 to below 100")
    sources = [source for source in _sources(store, run) if source.role in ("real", "generated")]
    classes = _first_head(store, sources[0].parser_key) if sources else []
    states = {source.name: _moments(store, source, classes) for source in sources}
    compared = [source for source in sources if states[source.name].n >= 2]
    _check_comparable(sources, states)
    fsd = _distances(store, run, compared, states, classes)
    findings = {
        "class_stats": _class_stats(store, run, presence, compared),
        "fsd": fsd,
        "comparison": _comparison(fsd),
    }
    for name, rows in findings.items():
        store.write_finding(run, name, rows)
    return findings


def _sources(store: Store, run: str) -> list[Source]:
    path = store.run_sources(run)
    if not path.is_file():
        raise RequestError(f"there is no run {run!r} in {store.path}")
    sources = []
    for row in store.read(RUN_SOURCES, path).to_pylist():
        end = row["first"] + row["count"]
        blocks = sorted(store.finished_blocks(row["key"]))
        used = tuple((first, last) for first, last in blocks if first < end and last >= row["first"])
        sources.append(Source(row["role"], row["source"], row["key"], row["parser_key"], row["first"], row["count"], used))
    if len({source.parser_key for source in sources}) > 1:
        names = " and ".join(repr(source.name) for source in sources)
        raise RequestError(f"the sources {names} were not all parsed by the same parser and cannot be compared")
    return sources


def _class_stats(store: Store, run: str, presence: float, sources: Sequence[Source]) -> pa.Table:
    """The macro's answer, over the run's own files: it takes no longer in a store of many runs."""
    shards = [(source.key, *block) for source in sources for block in source.blocks]
    files = {name: sorted({store.shard(name, *shard) for shard in shards}) for name in (IMAGES.name, CLASS_PIXELS.name)} | {
        RUN_SOURCES.name: [store.run_sources(run)]
    }
    with contextlib.closing(catalog.in_memory(store, files)) as connection:
        statement = sql.filled("class_stats", run=sql.literal(run), presence=repr(float(presence)))
        rows = connection.sql(statement).to_arrow_table()
    names = pa.array([source.name for source in sources], pa.string())
    return CLASS_STATS.conform(rows.filter(pc.is_in(rows["generator"], names)))


def _check_comparable(sources: Sequence[Source], states: Mapping[str, Moments]) -> None:
    """The real images are there, and all label maps have one size."""
    for source in sources:
        read = states[source.name].n
        if source.role == "real" and read < 2:
            raise AuditError(
                f"{read} of the {source.count} images of {source.name!r} could be read, and a comparison needs 2; "
                "the reasons are in the table images, in the column error"
            )
    sizes = {name: state.pixels for name, state in states.items() if state.n}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
        raise RequestError(f"label maps of different sizes cannot be compared; they have pixels: {said}")


def _distances(
    store: Store, run: str, sources: Sequence[Source], states: Mapping[str, Moments], classes: Sequence[int]
) -> pa.Table:
    rows = []
    for real in (source for source in sources if source.role == "real"):
        a = states[real.name]
        level = noise_level(_some_counts(store, real, classes), a.pixels, FLOOR_SEED)
        for generator in (source for source in sources if source.role == "generated"):
            b = states[generator.name]
            distance = frechet(a, b)
            rows.append(
                {
                    "run": run,
                    "real": real.name,
                    "generator": generator.name,
                    "real_images": a.n,
                    "generated_images": b.n,
                    "fsd": distance.value,
                    "mean_part": distance.mean_part,
                    "covariance_part": distance.covariance_part,
                    "floor": None if level is None else level * (1 / a.n + 1 / b.n),
                }
            )
    return FSD.from_rows(rows)


def _comparison(fsd: pa.Table) -> pa.Table:
    """Plain differences, every pair of generators once, in the order of the audit file."""
    return COMPARISON.from_rows(
        {
            "run": a["run"],
            "real": a["real"],
            "generator_a": a["generator"],
            "generator_b": b["generator"],
            "difference": a["fsd"] - b["fsd"],
        }
        for a, b in combinations(fsd.to_pylist(), 2)
        if a["real"] == b["real"]
    )


def _first_head(store: Store, parser_key: str) -> list[int]:
    """Class ids of the parser's first head (that of its lowest class), with void."""
    rows = store.read(CLASSES, store.classes(parser_key)).to_pylist()
    head = next((row["head"] for row in rows if row["class_id"] > 0), None)
    return [row["class_id"] for row in rows if row["class_id"] == 0 or row["head"] == head]


def _moments(store: Store, source: Source, classes: Sequence[int]) -> Moments:
    """Moments of the class counts of a source's images that were read, perhaps none."""
    state = empty(len(classes), 0)
    for block in source.blocks:
        counts, sizes = _block(store, source, block, classes)
        if not len(counts):
            continue
        pixels = state.pixels or int(sizes[0])
        if (sizes != pixels).any():
            other = int(sizes[sizes != pixels][0])
            raise RequestError(f"{source.name!r} has label maps of {pixels} and of {other} pixels; give them one size")
        state = merge(state if state.n else empty(len(classes), pixels), moments(counts, pixels))
    return state


def _some_counts(store: Store, source: Source, classes: Sequence[int]) -> Counts:
    """(N, C) counts of a source's images in the order of their index: all, or FLOOR_IMAGES drawn by the seed."""
    drawn = np.ones(source.count, bool)
    if source.count > FLOOR_IMAGES:
        drawn[:] = False
        drawn[np.random.default_rng(FLOOR_SEED).choice(source.count, FLOOR_IMAGES, replace=False)] = True
    return np.concatenate([_block(store, source, block, classes, drawn)[0] for block in source.blocks])


def _block(
    store: Store, source: Source, block: Block, classes: Sequence[int], drawn: NDArray[np.bool_] | None = None
) -> tuple[Counts, NDArray[Any]]:
    """(N, C) counts and (N,) label-map sizes of the images of one block that the run uses and that were read."""
    images = store.read_block(IMAGES, source.key, block, ["image", "pixels", "status"])
    index = images["image"].to_numpy() - source.first
    used = (index >= 0) & (index < source.count) & (images["status"].to_numpy() == OK)
    if drawn is not None:
        used[used] = drawn[index[used]]
    rows = store.read_block(CLASS_PIXELS, source.key, block, ["image", "class_id", "pixels"])
    row_of = np.full(len(index), -1)
    row_of[index[used] + source.first - block[0]] = np.arange(used.sum())
    column_of = np.full(2**15, -1)
    column_of[classes] = np.arange(len(classes))
    row, column = row_of[rows["image"].to_numpy() - block[0]], column_of[rows["class_id"].to_numpy()]
    counted = (row >= 0) & (column >= 0)
    counts = np.zeros((int(used.sum()), len(classes)), np.int32)
    counts[row[counted], column[counted]] = rows["pixels"].to_numpy()[counted]
    return counts, images["pixels"].fill_null(0).to_numpy()[used]
