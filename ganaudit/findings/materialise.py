"""All findings of a run: read each source once, compare every generator with the real images, write the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pyarrow as pa

from ganaudit.errors import AuditError, RequestError
from ganaudit.findings import classes as class_findings
from ganaudit.findings import distances
from ganaudit.findings.counts import Counts, read_counts
from ganaudit.findings.moments import moments_of
from ganaudit.findings.sources import Source, sources_of
from ganaudit.records import schema
from ganaudit.records.schema import CLASSES, FINDINGS
from ganaudit.records.store import Store
from ganaudit.spec import Decide, Slice
from ganaudit.statistics import jackknife
from ganaudit.statistics.centred import centred
from ganaudit.statistics.comparison import compare
from ganaudit.statistics.moments import GroupMoments
from ganaudit.statistics.permutation import noise_level

Row = dict[str, Any]


@dataclass(frozen=True)
class Classes:
    """The classes of a run's parser. first_head: those whose areas add up to the image, with void first."""

    names: Mapping[int, str]
    heads: Mapping[int, str]
    first_head: tuple[int, ...]


def materialise(
    store: Store,
    run: str,
    decide: Decide | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    slices: Mapping[str, Slice] | None = None,
) -> dict[str, pa.Table]:
    """Compute the findings of a run for every pair of real source and generator, write them, and return them by name.

    A generator with fewer than two readable images is in no finding: its images were set aside, and the records say
    why. Raises AuditError where that happens to the real images, RequestError where sources cannot be compared.
    """
    decide = decide or Decide()
    sources = [source for source in sources_of(store, run) if source.role in ("real", "generated")]
    if not sources:
        raise RequestError(f"the run {run!r} has no sources")
    known = classes_of(store, sources[0].parser_key)
    counts = {source.name: read_counts(store, source, list(known.names)) for source in sources}
    _check_comparable(sources, counts, known)
    states = {name: moments_of(store, one.source, known.first_head, one) for name, one in counts.items() if len(one) >= 2}
    used = [source for source in sources if source.name in states]
    rows: dict[str, list[Row]] = {name: [] for name in FINDINGS}
    pulls: list[pa.Table] = []
    for real in (source for source in used if source.role == "real"):
        level = noise_level(centred(states[real.name])[0], distances.SEED)
        for generator in (source for source in used if source.role == "generated"):
            pair = _Pair(store, run, counts[real.name], counts[generator.name], known, decide)
            pulls.append(pair.distances(rows, (states[real.name], states[generator.name]), level))
            pair.classes(rows, groups or {}, slices or {})
        generators = [source.name for source in used if source.role == "generated"]
        _compare(rows, run, real.name, generators, states, decide.alpha)
    findings = {
        name: FINDINGS[name].from_rows(found) for name, found in rows.items() if name not in ("class_stats", "influences")
    }
    findings["class_stats"] = class_findings.class_stats(store, run, decide.presence, used)
    findings["influences"] = pa.concat_tables(pulls) if pulls else schema.INFLUENCES.from_rows([])
    for name, table in findings.items():
        store.write_finding(run, name, table)
    return findings


@dataclass(frozen=True)
class _Pair:
    """One generator against one real source."""

    store: Store
    run: str
    real: Counts
    generated: Counts
    known: Classes
    decide: Decide

    def distances(self, rows: dict[str, list[Row]], states: tuple[GroupMoments, GroupMoments], level: float | None) -> pa.Table:
        """Adds the rows of the distance tables; returns those of `influences`."""
        sides = distances.Sides.of((self.real, self.generated), states, self.known.first_head)
        estimate = jackknife.estimate(*sides.sums, alpha=self.decide.alpha)
        pulls, variance = distances.influence_rows(self.run, sides)
        row = distances.fsd_row(sides, level, estimate, variance, self.decide.permutations)
        self._add(rows, "fsd", [row])
        self._add(rows, "fsd_by_class", distances.share_rows(sides, self.known.names))
        self._add(rows, "fsd_curve", distances.curve_rows(sides, estimate, self.decide.alpha))
        return pulls

    def classes(self, rows: dict[str, list[Row]], groups: Mapping[str, Sequence[str]], slices: Mapping[str, Slice]) -> None:
        """Adds the rows of the verdict tables."""
        sides, names = (self.real, self.generated), self.known.names
        self._add(rows, "dropped_classes", class_findings.class_rows(*sides, names, self.decide))
        self._add(rows, "dropped_groups", class_findings.group_rows(*sides, names, groups, self.decide))
        self._add(rows, "dropped_pairs", class_findings.pair_rows(*sides, names, self.known.heads, self.decide))
        found = class_findings.slice_rows(self.store, self.run, *sides, names, slices, self.decide)
        self._add(rows, "dropped_in_slices", found)

    def _add(self, rows: dict[str, list[Row]], table: str, found: Iterable[Row]) -> None:
        names = {"run": self.run, "real": self.real.source.name, "generator": self.generated.source.name}
        rows[table] += [{**names, **row} for row in found]


def classes_of(store: Store, parser_key: str) -> Classes:
    """The classes of a parser, as they were recorded."""
    rows = store.read(CLASSES, store.classes(parser_key)).to_pylist()
    heads = {row["class_id"]: row["head"] for row in rows}
    head = next((row["head"] for row in rows if row["class_id"] > 0), None)
    first = [row["class_id"] for row in rows if row["class_id"] == 0 or row["head"] == head]
    return Classes({row["class_id"]: row["name"] for row in rows}, heads, tuple(first))


def _check_comparable(sources: Sequence[Source], counts: Mapping[str, Counts], known: Classes) -> None:
    """The real images are there and hold something, and all label maps have one size."""
    for source in sources:
        one = counts[source.name]
        if source.role != "real":
            continue
        if len(one) < 2:
            raise AuditError(
                f"{len(one)} of the {source.count} images of {source.name!r} could be read, and a comparison needs 2; "
                "the reasons are in the table images, in the column error"
            )
        if not any(known.names[one.classes[column]] and one.classes[column] for column in set(one.matrix.indices.tolist())):
            raise AuditError(
                f"no image of {source.name!r} holds any class of the parser: there is nothing to compare; "
                "is it the parser for these images?"
            )
    sizes = {name: one.pixels for name, one in counts.items() if len(one)}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
        raise RequestError(f"label maps of different sizes cannot be compared; they have pixels: {said}")


def _compare(
    rows: dict[str, list[Row]], run: str, real: str, generators: Sequence[str], states: Mapping[str, GroupMoments], alpha: float
) -> None:
    """Adds the rows of `comparison` and `ranks`: every pair of generators once, in the order of the audit file."""
    values = [row.get("corrected") for row in rows["fsd"] if row["real"] == real]
    found = {
        (a, b): jackknife.difference(states[real], states[generators[a]], states[generators[b]], alpha)
        for a, b in combinations(range(len(generators)), 2)
    }
    differences = {pair: (one.value, one.se) if one else (None, None) for pair, one in found.items()}
    degrees = {pair: one.degrees for pair, one in found.items() if one}
    pairs, places = compare(values, differences, degrees, alpha)
    for pair in pairs:
        rows["comparison"].append({
            "run": run, "real": real, "generator_a": generators[pair.a], "generator_b": generators[pair.b],
            "difference": pair.difference, "difference_low": pair.low, "difference_high": pair.high,
            "difference_se": differences[pair.a, pair.b][1], "p_value": pair.p_value, "verdict": pair.verdict,
        })  # fmt: skip
    for name, place in zip(generators, places, strict=True):
        if place is not None:
            rank = {"rank": place.rank, "rank_low": place.low, "rank_high": place.high}
            rows["ranks"].append({"run": run, "real": real, "generator": name, **rank})
