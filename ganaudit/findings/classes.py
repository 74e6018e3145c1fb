"""Verdicts on classes, on named groups of them, within slices of the images, and on pairs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from ganaudit import sql
from ganaudit.errors import RequestError
from ganaudit.findings.counts import Counts
from ganaudit.findings.sources import Source
from ganaudit.records import catalog
from ganaudit.records.schema import CLASS_PIXELS, CLASS_STATS, IMAGES, RUN_SOURCES
from ganaudit.records.store import Store
from ganaudit.spec import Decide, Slice
from ganaudit.statistics import pairs, power, verdicts
from ganaudit.statistics.held import LEAST_PIXELS, Held, held, least_pixels, pooled
from ganaudit.statistics.verdicts import MEASURES, Lines

Row = dict[str, Any]


def class_stats(store: Store, run: str, presence: float, sources: Sequence[Source]) -> pa.Table:
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


def lines_of(decide: Decide) -> Lines:
    """Where verdicts draw their lines, from the audit file."""
    return Lines(decide.alpha, decide.dropped, decide.reduced, decide.increased)


def held_of(side: Counts, columns: csr_array, presence: float) -> Held:
    """What the images of one side hold of some classes, or of groups of them."""
    return held(columns, side.pixels, presence, side.cluster)


def threshold(pixels: int, presence: float) -> float:
    """The presence threshold that is in force, percent of pixels: never below four pixels."""
    return max(float(presence), 100.0 * LEAST_PIXELS / pixels) if pixels else float(presence)


def verdict_rows(real: Held, generated: Held, names: Iterable[Row], decide: Decide, pixels: int) -> Iterator[Row]:
    """Rows of `dropped_classes` and its kin, without run, real and generator; names: what identifies each class."""
    lines = lines_of(decide)
    found = verdicts.decide(real, generated, lines)
    reach = power.detectable(real, generated.n, lines, found["presence"].level)
    named = list(names)
    for measure in MEASURES:
        one = found[measure]
        holding = [side.present if measure == "presence" else side.touched for side in (real, generated)]
        for place, name in enumerate(named):
            yield {
                **name, "measure": measure, "verdict": str(one.verdict[place]), "ratio": number(one.ratio[place]),
                "ratio_low": number(one.low[place]), "ratio_high": number(one.high[place]),
                "p_value": number(one.p_value[place]), "q_value": number(one.q_value[place]),
                "detectable": number(reach[measure][place]) if one.testable[place] else None,
                "presence_threshold": threshold(pixels, decide.presence),
                "real_holding": int(holding[0][place]), "generated_holding": int(holding[1][place]),
            }  # fmt: skip


def class_rows(real: Counts, generated: Counts, names: Mapping[int, str], decide: Decide) -> Iterator[Row]:
    """Rows of `dropped_classes` for every class but void."""
    ids = [one for one in real.classes if one != 0]
    a, b = (held_of(side, side.of(ids), decide.presence) for side in (real, generated))
    yield from verdict_rows(a, b, ({"class_id": one, "class": names[one]} for one in ids), decide, real.pixels)


def group_rows(
    real: Counts, generated: Counts, names: Mapping[int, str], groups: Mapping[str, Sequence[str]], decide: Decide
) -> Iterator[Row]:
    """Rows of `dropped_groups`: the pixels of a group's classes count together. Raises RequestError for an unknown class."""
    if not groups:
        return
    ids = {name: class_id for class_id, name in names.items()}
    members = []
    for group, wanted in groups.items():
        unknown = [name for name in wanted if name not in ids]
        if unknown:
            raise RequestError(f"groups.{group}: the parser has no class {unknown[0]!r}; it has {', '.join(sorted(ids))}")
        members.append([real.classes.index(ids[name]) for name in dict.fromkeys(wanted)])
    a, b = (held_of(side, pooled(side.matrix, members), decide.presence) for side in (real, generated))
    yield from verdict_rows(a, b, ({"group": group} for group in groups), decide, real.pixels)


def slice_rows(
    store: Store, run: str, real: Counts, generated: Counts, names: Mapping[int, str], slices: Mapping[str, Slice],
    decide: Decide,
) -> Iterator[Row]:  # fmt: skip
    """Rows of `dropped_in_slices`. A slice with fewer than two images on a side has none. Raises RequestError."""
    if not slices:
        return
    ids = [one for one in real.classes if one != 0]
    with contextlib.closing(catalog.of_run(store, run)) as connection:
        for name, part in slices.items():
            members = []
            for side, condition in ((real, part.real), (generated, part.generated)):
                if condition is None:
                    members.append(np.ones(len(side), bool))
                    continue
                statement = sql.filled("slice", run=sql.literal(run), source=sql.literal(side.source.name), condition=condition)
                try:
                    chosen = connection.sql(statement).to_arrow_table()["image"].to_numpy()
                except Exception as error:
                    first = str(error).strip().splitlines()[0]
                    raise RequestError(
                        f"slices.{name}: {condition!r} is no condition on the columns of images: {first}"
                    ) from None
                members.append(np.isin(side.images, chosen))
            if min(int(member.sum()) for member in members) < 2:
                continue
            held_in = [
                held(
                    side.of(ids)[np.flatnonzero(member)], side.pixels, decide.presence,
                    None if side.cluster is None else side.cluster[member],
                )
                for side, member in zip((real, generated), members, strict=True)
            ]  # fmt: skip
            sizes = {"slice": name, "real_images": int(members[0].sum()), "generated_images": int(members[1].sum())}
            named = ({**sizes, "class_id": one, "class": names[one]} for one in ids)
            yield from verdict_rows(held_in[0], held_in[1], named, decide, real.pixels)


def pair_rows(
    real: Counts, generated: Counts, names: Mapping[int, str], heads: Mapping[int, str], decide: Decide
) -> Iterator[Row]:
    """Rows of `dropped_pairs`, within the first head: classes of two heads share pixels, not places."""
    head = next((heads[one] for one in real.classes if one != 0), None)
    ids = [one for one in real.classes if one != 0 and heads[one] == head]
    least = least_pixels(real.pixels, decide.presence)
    together = []
    for side in (real, generated):
        columns = side.of(ids)
        seen = csr_array(((columns.data >= least).astype(np.int64), columns.indices, columns.indptr), shape=columns.shape)
        together.append((seen.T @ seen).toarray())
    design = held_of(real, real.of(ids), decide.presence).design if real.cluster is not None else np.ones(len(ids))
    if generated.cluster is not None:
        design = np.maximum(design, held_of(generated, generated.of(ids), decide.presence).design)
    found = pairs.decide(together[0], len(real), together[1], len(generated), lines_of(decide), design)
    for place in range(len(found.a)):
        yield {
            "class_a": names[ids[found.a[place]]], "class_b": names[ids[found.b[place]]],
            "verdict": str(found.verdict[place]), "ratio": number(found.ratio[place]),
            "ratio_low": number(found.low[place]), "ratio_high": number(found.high[place]),
            "p_value": number(found.p_value[place]), "q_value": number(found.q_value[place]),
            "expected": number(found.expected[place]), "generated_holding": int(found.generated_together[place]),
            "real_holding": int(found.real_together[place]),
        }  # fmt: skip


def number(value: Any) -> float | None:
    """A finite number, else None: what cannot be computed is NULL."""
    found = float(value)
    return found if math.isfinite(found) and abs(found) < 1e8 else None
