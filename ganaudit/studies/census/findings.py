"""All findings of a run: read each source once, compare every generator with the real images, write the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from ganaudit import freed
from ganaudit.errors import AuditError, RequestError
from ganaudit.records.building import Row, Tables
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS
from ganaudit.records.used import UsedSource, sources_of
from ganaudit.spec import Decide, Expected, Slice
from ganaudit.statistics import corrected
from ganaudit.statistics.class_counts import Threshold
from ganaudit.statistics.comparison import compare
from ganaudit.statistics.halves import Halves
from ganaudit.statistics.moments import GroupMoments
from ganaudit.studies.census import agreement, distances, expectations, near, parser, resolution
from ganaudit.studies.census import classes as class_findings
from ganaudit.studies.census.counts import Counts, Hashed, read_source
from ganaudit.studies.census.distances import Pulls
from ganaudit.studies.census.known import Classes, classes_of
from ganaudit.studies.census.moments import moments_of
from ganaudit.studies.census.totals import ClassTotals, class_stats, class_totals, present_from

WRITERS = 2
"""Files made and written at once: compression and the disk release Python's lock."""


def materialise(
    store: Store,
    run: str,
    decide: Decide | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    slices: Mapping[str, Slice] | None = None,
    expect: Sequence[Expected] = (),
) -> dict[str, pa.Table]:
    """Compute the findings of a run for every pair of real source and generator, write them, and return them by name.

    A generator with fewer than two readable images is in no finding: its images were set aside, and the records say
    why. Raises AuditError where that happens to the real images, RequestError where sources cannot be compared.
    """
    decide = decide or Decide()
    listed = sources_of(store, run)
    sources = [source for source in listed if source.role in ("real", "generated")]
    if not sources:
        raise RequestError(f"the run {run!r} has no sources")
    tables = Tables()
    pulls = _of_images(tables, store, run, listed, decide, groups or {}, slices or {})
    for each in pulls:  # what images hold is no longer in memory
        tables.part("influences", each.rows())
    expectations.add(tables, run, [source.name for source in sources if source.role == "real"], expect, decide.alpha)
    findings = tables.finished()
    with ThreadPoolExecutor(WRITERS, "ganaudit-findings") as pool:
        list(pool.map(lambda name: store.write_finding(run, name, findings[name]), findings))
    return findings


def _of_images(
    tables: Tables, store: Store, run: str, listed: Sequence[UsedSource], decide: Decide,
    groups: Mapping[str, Sequence[str]], slices: Mapping[str, Slice],
) -> list[Pulls]:  # fmt: skip
    """Adds all that follows from what images hold; returns how much each of them pulls at a distance."""
    sources = [source for source in listed if source.role in ("real", "generated")]
    known = classes_of(store, sources[0].parser_key)
    counts, hashed, totals, own = _read(store, sources, known, decide.presence_percent)
    _check_comparable(store, sources, counts, known)
    further = ThreadPoolExecutor(1, "ganaudit-near")  # sorting releases Python's lock
    alike = further.submit(near.add, tables, store, run, listed, hashed)
    further.shutdown(wait=False)
    some = [counted for counted in counts.values() if len(counted) >= 2]
    with ThreadPoolExecutor(WRITERS, "ganaudit-moments") as pool:
        made = pool.map(lambda counted: moments_of(store, counted.source, known.first_head, counted), some)
        states = dict(zip((counted.source.name for counted in some), made, strict=True))
        worth = [counted.independent for counted in some]
        split = dict(zip(states, pool.map(corrected.halves_of, states.values(), worth), strict=True))
    used = [source for source in sources if source.name in states]
    floors = resolution.resolution_floors(store, listed, counts, known.first_head)
    stats = class_stats(store, run, decide.presence_percent, [counts[source.name] for source in used], totals, own, known)
    tables.part("class_stats", stats)
    pulls = list[Pulls]()
    for real in (source for source in used if source.role == "real"):
        generators = [source.name for source in used if source.role == "generated"]
        rows = []
        for generator in generators:
            floor = floors.get((real.name, generator))
            pair = _RealAndGenerated(store, run, counts[real.name], counts[generator], known, decide, floor)
            row, of_both = pair.distances(tables, (states[real.name], states[generator]), (split[real.name], split[generator]))
            rows.append(row)
            pulls += of_both
            pair.classes(tables, groups, slices)
        tables.rows("fsd", distances.adjusted(rows))
        values = {row["generator"]: row.get("corrected") for row in rows}
        _compare(tables, run, real.name, values, states, split, decide.alpha)
    parser.add(tables, store, run, listed, counts, known.first_head, known.names, stats, decide)
    agreement.add(tables, store, run, used, counts, known, decide)
    alike.result()
    return pulls


@dataclass(frozen=True)
class _RealAndGenerated:
    """One generator against one real source."""

    store: Store
    run: str
    real: Counts
    generated: Counts
    known: Classes
    decide: Decide
    resolution_floor: float | None

    @property
    def names(self) -> dict[str, str]:
        return {"run": self.run, "real": self.real.source.name, "generator": self.generated.source.name}

    def distances(
        self, tables: Tables, states: tuple[GroupMoments, GroupMoments], split: tuple[Halves | None, Halves | None]
    ) -> tuple[Row, list[Pulls]]:
        """Adds to the distance tables; returns the row of `fsd`, to be adjusted with those of the other generators, and the
        images' pulls. split: the halves of both sides."""
        sides = distances.Sides.of((self.real, self.generated), states, self.known.first_head)
        estimate = corrected.estimate(*sides.sums, split, self.decide.alpha)
        pulls, variance = distances.pulls_of(self.run, sides)
        row = distances.fsd_row(sides, split[0], estimate, variance, self.decide.permutations, self.resolution_floor)
        rows_of = {
            "fsd_by_class": distances.share_rows(sides, self.known.names), "fsd_curve": distances.curve_rows(sides, estimate),
        }  # fmt: skip
        for table, rows in rows_of.items():
            tables.rows(table, ({**self.names, **row} for row in rows))
        return {**self.names, **row}, pulls

    def classes(self, tables: Tables, groups: Mapping[str, Sequence[str]], slices: Mapping[str, Slice]) -> None:
        """Adds to the verdict tables."""
        sides, names, decide = (self.real, self.generated), self.known.names, self.decide
        held = class_findings.sides_over(class_findings.judged(self.real), *sides, decide)
        tables.columns("dropped_classes", class_findings.of_classes(self.real, held, names, decide), self.names)
        tables.columns("dropped_groups", class_findings.of_groups(*sides, names, groups, decide), self.names)
        tables.columns("dropped_pairs", class_findings.of_pairs(*sides, held, names, self.known.heads, decide), self.names)
        for columns in class_findings.of_slices(self.store, self.run, *sides, names, slices, decide):
            tables.columns("dropped_in_slices", columns, self.names)


def _read(
    store: Store, sources: Sequence[UsedSource], known: Classes, presence: float | None
) -> tuple[dict[str, Counts], dict[str, Hashed], dict[str, ClassTotals], Threshold]:
    """What every source holds, its hashes, its sums, and from which size on classes are present in those. The real ones come
    first, which set the sizes: the confidence of the others is not kept."""
    real = [source for source in sources if source.role == "real"]
    if not real:
        raise RequestError("there are no real images to compare with")
    read = {source.name: read_source(store, source, list(known.names)) for source in real}
    own = present_from([each.counts for each in read.values()], presence)
    totals = {name: class_totals(each.counts, each.taken_confidence(), own) for name, each in read.items()}
    for source in sources:
        if source.name not in read:
            read[source.name] = read_source(store, source, list(known.names))
            totals[source.name] = class_totals(read[source.name].counts, read[source.name].taken_confidence(), own)
    freed.give_back()
    counts = {source.name: read[source.name].counts for source in sources}
    return counts, {name: each.hashed for name, each in read.items()}, totals, own


def _check_comparable(store: Store, sources: Sequence[UsedSource], counts: Mapping[str, Counts], known: Classes) -> None:
    """The real images are there and hold something, and all label maps have one size."""
    for source in sources:
        counted = counts[source.name]
        if source.role != "real":
            continue
        if len(counted) < 2:
            raise AuditError(
                f"{len(counted)} of the {source.count} images of {source.name!r} could be read, and a comparison needs 2; "
                "the reasons are in the table images, in the column error"
            )
        if not any(
            known.names[counted.classes[column]] and counted.classes[column]
            for part in counted.parts
            for column in np.unique(part.column).tolist()
        ):
            raise AuditError(
                f"no image of {source.name!r} holds any class of the parser: there is nothing to compare; "
                "is it the parser for these images?"
            )
    sizes = {name: counted.pixels for name, counted in counts.items() if len(counted)}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
        advice = _one_size(store, [source for source in sources if source.name in sizes], sizes)
        raise RequestError(f"label maps of different sizes cannot be compared; they have pixels: {said}{advice}")


def _one_size(store: Store, sources: Sequence[UsedSource], sizes: Mapping[str, int]) -> str:
    """How label maps of different sizes get one: that of a network's, or else the smallest. Maps of kind masks can have any."""
    made = {source.name for source in sources if parser.kind_of(store, source) == "masks"}
    given = [source for source in sources if source.name not in made]
    if not made or len({sizes[source.name] for source in given}) > 1:
        return ""
    least = min(given or sources, key=lambda source: sizes[source.name])
    boxes = [store.read_block(CLASS_PIXELS, least.key, block, ["y_max", "x_max"]) for block in least.blocks]
    height, width = (pa.concat_tables(boxes)[column].to_numpy().max() + 1 for column in ("y_max", "x_max"))
    which = " and ".join(repr(source.name) for source in sources if source.name in made)
    return f"; `size: [{height}, {width}]` in {which} gives all of them one size"


def _compare(
    tables: Tables, run: str, real: str, values: Mapping[str, float | None], states: Mapping[str, GroupMoments],
    split: Mapping[str, Halves | None], alpha: float,
) -> None:  # fmt: skip
    """Adds to `comparison` and `ranks`: every pair of generators once, in the order of the audit file."""
    generators = list(values)
    found = {}
    for a, b in combinations(range(len(generators)), 2):
        first, other = generators[a], generators[b]
        halves = split[real], split[first], split[other]
        found[a, b] = corrected.difference(states[real], states[first], states[other], halves, alpha)
    differences = {
        pair: (difference.value, difference.se) if difference else (None, None) for pair, difference in found.items()
    }
    degrees = {pair: difference.degrees for pair, difference in found.items() if difference}
    pairs, places = compare(list(values.values()), differences, degrees, alpha)
    named = {"run": run, "real": real}
    tables.rows("comparison", ({
        **named, "generator_a": generators[pair.a], "generator_b": generators[pair.b],
        "difference": pair.difference, "difference_low": pair.low, "difference_high": pair.high,
        "difference_se": differences[pair.a, pair.b][1], "p_value": pair.p_value, "verdict": pair.verdict,
    } for pair in pairs))  # fmt: skip
    tables.rows("ranks", (
        {**named, "generator": name, "rank": place.rank, "rank_low": place.low, "rank_high": place.high}
        for name, place in zip(generators, places, strict=True) if place is not None
    ))  # fmt: skip
