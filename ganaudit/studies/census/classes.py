"""Verdicts on classes, on named groups of them, within slices of the images, and on pairs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ganaudit import sql
from ganaudit.errors import RequestError
from ganaudit.records import catalog
from ganaudit.records.building import UNBOUNDED, Columns
from ganaudit.records.schema import FINDINGS, RECORDS
from ganaudit.records.store import Store
from ganaudit.regions import LEAST_PIXELS
from ganaudit.spec import Decide, Slice
from ganaudit.statistics import pairs, power, verdicts
from ganaudit.statistics.class_counts import ClassCounts, Held, Pieces, Threshold, count_classes, threshold
from ganaudit.statistics.proportions import Floats
from ganaudit.statistics.verdicts import Lines
from ganaudit.studies.census.counts import Counts


def lines_of(decide: Decide) -> Lines:
    """Where verdicts draw their lines, from the audit file."""
    return Lines(decide.alpha, decide.dropped, decide.reduced, decide.increased)


Clusters = NDArray[np.int64] | None


Sides = tuple[ClassCounts, ClassCounts, Threshold]


def sides_of(
    real: Held | Pieces, generated: Held | Pieces, pixels: int, decide: Decide, clusters: tuple[Clusters, Clusters]
) -> Sides:
    """What both sides hold of the same classes, counted from the sizes that make a class present in the real images."""
    present_from = threshold(real, pixels, decide.presence_percent)
    a, b = (count_classes(held, present_from, cluster) for held, cluster in zip((real, generated), clusters, strict=True))
    return a, b, present_from


def threshold_percent(present_from: Threshold, pixels: int, presence: float | None) -> Floats:
    """(C,) the sizes from which classes are present, percent of a label map's pixels."""
    own: Floats = 100.0 * present_from.least / max(pixels, 1)
    return own if presence is None else np.full(len(own), max(float(presence), 100.0 * LEAST_PIXELS / max(pixels, 1)))


def verdict_columns(sides: Sides, names: Columns, decide: Decide, pixels: int) -> Columns:
    """Columns of `dropped_classes` and its kin, without run, real and generator; names: what identifies each class."""
    real, generated, present_from = sides
    lines, measures = lines_of(decide), verdicts.measures_of(real, generated)
    decided = verdicts.decide(real, generated, lines)
    detectable = power.detectable(real, generated.n, lines, decided["presence"].level)
    needed = power.images_to_test(real, lines, decided["presence"].level)
    columns: Columns = {name: [*values] * len(measures) for name, values in names.items()}
    both = [decided[measure] for measure in measures]
    size = len(real.present)
    return columns | {
        "measure": [measure for measure in measures for _ in range(size)],
        "verdict": np.concatenate([side.verdict for side in both]).tolist(),
        "ratio": numbers(*(side.ratio for side in both)),
        "ratio_low": numbers(*(side.low for side in both)), "ratio_high": numbers(*(side.high for side in both)),
        "p_value": numbers(*(side.p_value for side in both)), "q_value": numbers(*(side.q_value for side in both)),
        "detectable": numbers(*(np.where(decided[m].testable, detectable[m], np.nan) for m in measures)),
        "images_needed": whole_numbers(*(np.where(decided[m].testable, np.nan, needed[m]) for m in measures)),
        "presence_threshold": [*threshold_percent(present_from, pixels, decide.presence_percent)] * len(measures),
        "real_holding": np.concatenate([real.holding(measure) for measure in measures]).astype(np.int64),
        "generated_holding": np.concatenate([generated.holding(measure) for measure in measures]).astype(np.int64),
    }  # fmt: skip


def sides_over(ids: Sequence[int], real: Counts, generated: Counts, decide: Decide) -> Sides:
    """What both sides hold of these classes."""
    return sides_of(real.held_of(ids), generated.held_of(ids), real.pixels, decide, (real.cluster, generated.cluster))


def judged(counts: Counts) -> list[int]:
    """Every class but void."""
    return [class_id for class_id in counts.classes if class_id != 0]


def of_classes(real: Counts, sides: Sides, names: Mapping[int, str], decide: Decide) -> Columns:
    """Columns of `dropped_classes` for every class but void; sides: over those."""
    ids = judged(real)
    return verdict_columns(sides, {"class_id": ids, "class": [names[class_id] for class_id in ids]}, decide, real.pixels)


def of_groups(
    real: Counts, generated: Counts, names: Mapping[int, str], groups: Mapping[str, Sequence[str]], decide: Decide
) -> Columns:
    """Columns of `dropped_groups`: a group's pixels and regions are those of its classes, its largest region is the largest
    of theirs. Raises RequestError for an unknown class."""
    if not groups:
        return {}
    check_groups(groups, names)
    ids = {name: class_id for class_id, name in names.items() if class_id != 0}
    members = [[real.classes.index(ids[name]) for name in dict.fromkeys(wanted)] for wanted in groups.values()]
    a, b = (side.held.pooled(members) for side in (real, generated))
    sides = sides_of(a, b, real.pixels, decide, (real.cluster, generated.cluster))
    return verdict_columns(sides, {"group": list(groups)}, decide, real.pixels)


def check_groups(groups: Mapping[str, Sequence[str]], names: Mapping[int, str]) -> None:
    """Raises RequestError for a group that names a class which the parser does not have. names: by id; 0 is void."""
    known = {name for class_id, name in names.items() if class_id != 0}
    for group, wanted in groups.items():
        for name in wanted:
            if name not in known:
                raise RequestError(
                    f"groups.{group}: the parser has no class {name!r}{_near(name, known)}; it has {_listed(known)}"
                )


def check_accept(accept: Mapping[str, Sequence[str]], groups: Iterable[str], names: Mapping[int, str]) -> None:
    """Raises RequestError for an accepted name that no class of the parser and no group has: it would excuse nothing."""
    known = {name for class_id, name in names.items() if class_id != 0} | set(groups)
    for generator, wanted in accept.items():
        for name in wanted:
            if name not in known:
                raise RequestError(
                    f"accept.{generator}: there is no class or group {name!r}{_near(name, known)}; there are {_listed(known)}"
                )


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]!r}" if near else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


_FROM = re.compile(r"""\b(?:from|join)\s+(?:"?\w+"?\.)*"?(\w+)""", re.IGNORECASE)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_HOLDS = re.compile(r"\bholds\s*\(\s*'((?:[^']|'')*)'", re.IGNORECASE)


def check_slices(slices: Mapping[str, Slice], store: Store, names: Mapping[int, str] | None = None) -> None:
    """Raises RequestError for a slice whose condition cannot be asked of `images`: it is tried on a table without rows.

    names: by id; a condition that asks for images which hold a class the parser does not have is refused, too.
    """
    conditions = [(name, text) for name, part in slices.items() for text in (part.real, part.generated) if text is not None]
    if not conditions:
        return
    shown = {table.name for table in catalog.OF_RUN}
    hidden = {*RECORDS, *FINDINGS, *(each.name for each in sql.definitions() if each.parameters is None)} - shown
    for name, condition in conditions:
        for asked in _FROM.findall(_TEXT.sub("''", condition)):
            if asked.lower() in hidden:
                raise RequestError(f"slices.{name}: the table {asked} cannot be asked here; there are {_listed(shown)}")
    known = set((names or {}).values())
    for name, condition in conditions if names else ():
        for asked in _HOLDS.findall(condition):
            if asked.replace("''", "'") not in known:
                raise RequestError(
                    f"slices.{name}: the parser has no class {asked!r}{_near(asked, known)}; it has {_listed(known)}"
                )
    with catalog.in_memory(store, {table: [] for table in (*RECORDS, *FINDINGS)}) as connection:
        for name, condition in dict.fromkeys(conditions):
            _chosen(connection, "", "", name, condition)


def _chosen(connection: duckdb.DuckDBPyConnection, run: str, source: str, name: str, condition: str) -> Any:
    """Indices of a source's images that meet a slice's condition."""
    spelt = re.sub(r"\bholds\s*\(", "image_holds(parser_key, key, image, ", condition, flags=re.IGNORECASE)
    statement = sql.filled("slice", run=sql.literal(run), source=sql.literal(source), condition=spelt)
    try:
        return connection.sql(statement).to_arrow_table()["image"].to_numpy()
    except Exception as error:
        first = str(error).strip().splitlines()[0]
        raise RequestError(f"slices.{name}: {condition!r} is no condition on the columns of images: {first}") from None


def empty_slices(
    connection: duckdb.DuckDBPyConnection, run: str, slices: Mapping[str, Slice], judged: Iterable[tuple[str, str]]
) -> Iterator[str]:
    """What keeps slices of a run from having verdicts, in words: fewer than two of their images on a side.

    judged: (generator, slice) of those that have some.
    """
    sources = connection.execute(sql.text("labelled"), [run]).fetchall()
    generators = {source for role, source, *_ in sources if role == "generated"}
    lacking = {name for name in slices if any((generator, name) not in judged for generator in generators)}
    for name, part in slices.items():
        for role, source, images, labelled in sources if name in lacking else ():
            condition = part.real if role == "real" else part.generated
            if condition is None or images < 2:
                continue  # it has no findings at all, and a note says so
            chosen_images = len(_chosen(connection, run, source, name, condition))
            if chosen_images < 2:
                count = "no image" if chosen_images == 0 else "one image"
                unset = re.search(r"\blabel\b", condition) is not None and not labelled
                why = f": its images have no label, and the slice asks {condition}" if unset else f" of {images:,}"
                yield f"The slice {name!r} has {count} of {source!r}{why}: it has no verdict."


def of_slices(
    store: Store, run: str, real: Counts, generated: Counts, names: Mapping[int, str], slices: Mapping[str, Slice],
    decide: Decide,
) -> Iterator[Columns]:  # fmt: skip
    """Columns of `dropped_in_slices`, slice by slice; fewer than two images on a side have none. Raises RequestError."""
    if not slices:
        return
    ids = judged(real)
    with catalog.of_run(store, run) as connection:
        for name, part in slices.items():
            members = []
            for side, condition in ((real, part.real), (generated, part.generated)):
                if condition is None:
                    members.append(np.ones(len(side), bool))
                    continue
                members.append(np.isin(side.images, _chosen(connection, run, side.source.name, name, condition)))
            if min(int(member.sum()) for member in members) < 2:
                continue
            (a, of_a), (b, of_b) = (
                (side.held_of(ids).of_images(member), None if side.cluster is None else side.cluster[member])
                for side, member in zip((real, generated), members, strict=True)
            )
            sides = sides_of(a, b, real.pixels, decide, (of_a, of_b))
            sizes = {"slice": name, "real_images": int(members[0].sum()), "generated_images": int(members[1].sum())}
            named: Columns = {what: [value] * len(ids) for what, value in sizes.items()}
            named |= {"class_id": ids, "class": [names[class_id] for class_id in ids]}
            yield verdict_columns(sides, named, decide, real.pixels)


def of_pairs(
    real: Counts, generated: Counts, sides: Sides, names: Mapping[int, str], heads: Mapping[int, str], decide: Decide
) -> Columns:
    """Columns of `dropped_pairs`, within the first head: classes of two heads share pixels, not places. sides: over all
    classes."""
    head = next((heads[class_id] for class_id in judged(real)), None)
    ids = [class_id for class_id in judged(real) if heads[class_id] == head]
    *counted, present_from = sides if ids == judged(real) else sides_over(ids, real, generated, decide)
    together = [pairs.together(side.held_of(ids), present_from) for side in (real, generated)]
    design = np.maximum(*(side.design for side in counted))
    decided = pairs.decide(together[0], len(real), together[1], len(generated), lines_of(decide), design)
    label = np.array([names[class_id] for class_id in ids] or [""])
    return {
        "class_a": label[decided.a].tolist(),
        "class_b": label[decided.b].tolist(),
        "verdict": decided.verdict.tolist(),
        "ratio": numbers(decided.ratio),
        "ratio_low": numbers(decided.low),
        "ratio_high": numbers(decided.high),
        "p_value": numbers(decided.p_value),
        "q_value": numbers(decided.q_value),
        "expected": numbers(decided.expected),
        "generated_holding": decided.generated_together.astype(np.int64),
        "real_holding": decided.real_together.astype(np.int64),
    }


def whole_numbers(*parts: Floats) -> pa.Array:
    """The same as whole numbers."""
    return numbers(*parts).cast(pa.int64())


def numbers(*parts: Floats) -> pa.Array:
    """Finite numbers, NULL for the others: what cannot be computed, or has no bound."""
    values = np.concatenate(parts)
    return pa.array(values, mask=~(np.abs(values) < UNBOUNDED))
