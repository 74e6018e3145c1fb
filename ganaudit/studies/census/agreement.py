"""Two parsers over the same images: how far they agree on each class, and the verdicts under each side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit.errors import AuditError
from ganaudit.parsers.matching import paired, spelled
from ganaudit.records.building import Row, Tables, number
from ganaudit.records.store import Store
from ganaudit.records.tables import IMAGES, PARSED_TWICE, PARSER_OVERLAP, RUN_KEYS
from ganaudit.records.used import UsedSource, used_blocks
from ganaudit.spec import Decide
from ganaudit.statistics import corrected
from ganaudit.statistics.agreement import Kappa, kappa
from ganaudit.statistics.class_counts import Threshold, placed, threshold
from ganaudit.studies.census import classes as class_findings
from ganaudit.studies.census.counts import Counts, read_counts
from ganaudit.studies.census.distances import Sides, fsd_row
from ganaudit.studies.census.known import Classes, classes_of
from ganaudit.studies.census.moments import moments_of

DISTANCES = ("fsd", "corrected", "corrected_low", "corrected_high")
MEASURED = ("verdict", "ratio", "ratio_low", "ratio_high")


@dataclass(frozen=True)
class SecondSource:
    """A source as the second parser read it, and the key of what both parsers say of it."""

    used: UsedSource
    overlap: str


def second_sources(store: Store, run: str) -> dict[str, SecondSource]:
    """Those of a run by name; none where it had one parser."""
    keys: dict[tuple[str, str], dict[str, Row]] = {}
    for row in store.of_run(RUN_KEYS, run):
        if "parser_key" in json.loads(row["variant"]):
            keys.setdefault((row["role"], row["source"]), {})[row["table"]] = row
    found = {}
    for (role, name), row_of in keys.items():
        images, twice = row_of[IMAGES.name], row_of[PARSED_TWICE.name]
        blocks = used_blocks(store, images["key"], images["first"], images["count"])
        parser_key = json.loads(images["variant"])["parser_key"]
        used = UsedSource(role, name, images["key"], parser_key, images["first"], images["count"], blocks)
        found[name] = SecondSource(used, twice["key"])
    return found


def add(
    tables: Tables, store: Store, run: str, sources: Sequence[UsedSource], counts: Mapping[str, Counts], known: Classes,
    decide: Decide,
) -> None:  # fmt: skip
    """Adds to `parser_agreement` and `verdicts_by_parser`: nothing where a run had one parser. sources, counts: of the real and
    generated sources as the first parser read them; tables: `dropped_classes` is in it already."""
    second = second_sources(store, run)
    if not second:
        return
    other = classes_of(store, next(iter(second.values())).used.parser_key)
    read = {name: read_counts(store, source.used, list(other.names)) for name, source in second.items()}
    real = next(source.name for source in sources if source.role == "real")
    pairs = paired(known.infos, other.infos)
    limits = [threshold(side[real].held, side[real].pixels, decide.presence_percent) for side in (counts, read)]
    for source in sources:
        if source.name in second and not np.array_equal(counts[source.name].images, read[source.name].images):
            raise AuditError(
                f"both parsers' records of {source.name!r} are not of the same images; `ganaudit verify` says which are wrong"
            )
        if source.name in second and len(counts[source.name]) >= 2:
            sides = [Side(counts[source.name], limits[0]), Side(read[source.name], limits[1])]
            rows = agreement_rows(store, second[source.name], sides, pairs, (known, other), decide.alpha)
            named = {"run": run, "source": source.name, "role": source.role}
            tables.rows("parser_agreement", ({**named, "class": known.names[row["class_id"]], **row} for row in rows))
    _distances(tables, store, run, [second[source.name].used for source in sources if source.name in second], other, decide)
    said = tables.so_far("dropped_classes").to_pylist()
    for source in sources:
        if source.role == "generated" and source.name in second and min(len(read[real]), len(read[source.name])) >= 2:
            ours = [row for row in said if (row["real"], row["generator"]) == (real, source.name)]
            both = class_findings.sides_over(class_findings.judged(read[real]), read[real], read[source.name], decide)
            theirs = class_findings.of_classes(read[real], both, other.names, decide)
            named = {"run": run, "real": real, "generator": source.name}
            tables.rows("verdicts_by_parser", ({**named, **row} for row in side_by_side(ours, _as_rows(theirs))))


def _distances(tables: Tables, store: Store, run: str, sources: Sequence[UsedSource], other: Classes, decide: Decide) -> None:
    """Adds to `fsd_by_parser`; nothing where the second parser's first head is one class, whose areas add up to no image."""
    if len(other.first_head) <= 2:
        return
    read = {source.name: read_counts(store, source, list(other.first_head)) for source in sources}
    real = next(source.name for source in sources if source.role == "real")
    states = {name: moments_of(store, side.source, other.first_head, side) for name, side in read.items() if len(side) >= 2}
    halves = {name: corrected.halves_of(state, read[name].independent) for name, state in states.items()}
    for ours in tables.so_far("fsd").to_pylist():
        name = ours["generator"]
        if ours["real"] != real or not {real, name} <= states.keys():
            continue
        sides = Sides.of((read[real], read[name]), (states[real], states[name]), other.first_head)
        estimate = corrected.estimate(*sides.sums, (halves[real], halves[name]), decide.alpha)
        theirs = fsd_row(sides, halves[real], estimate, 0.0, permutations=0)
        told = {f"second_{column}": theirs.get(column) for column in DISTANCES}
        tables.rows("fsd_by_parser", [{column: ours[column] for column in ("run", "real", "generator", *DISTANCES)} | told])


@dataclass(frozen=True)
class Side:
    """What one parser saw in a source, and from which size on its classes are present."""

    counts: Counts
    limit: Threshold

    def present(self, class_id: int) -> NDArray[np.int64]:
        """(N,) 1 for each image in which a class is present."""
        column = self.counts.classes.index(class_id)
        seen = np.zeros(len(self.counts), np.int64)
        for first, piece in placed(self.counts.held):
            seen[first + piece.image[self.limit.seen(piece) & (piece.column == column)].astype(np.int64)] = 1
        return seen

    def area(self, class_id: int) -> NDArray[np.int64]:
        """(N,) pixels of a class in each image."""
        return self.counts.of([class_id]).toarray()[:, 0].astype(np.int64)


def agreement_rows(
    store: Store, second: SecondSource, sides: Sequence[Side], pairs: Mapping[int, int], parsers: tuple[Classes, Classes],
    alpha: float,
) -> Iterator[Row]:  # fmt: skip
    """Rows of `parser_agreement` for one source, without run, source, role and class."""
    first, other = sides
    n, pixels = len(first.counts), first.counts.pixels
    overlap = _overlap(store, second, first.counts)
    of_first_head = np.isin(overlap["class_id"], parsers[0].first_head)
    for class_id, second_id in pairs.items():
        theirs = overlap["second_class_id"] == second_id
        both = theirs & (overlap["class_id"] == class_id)
        if second_id in parsers[1].first_head:  # held against the whole first head, and perhaps against a class of another
            theirs = theirs & of_first_head
        areas = ((overlap["row"][chosen], overlap["pixels"][chosen]) for chosen in (theirs, both))
        whole = [first.area(class_id), *(np.bincount(*area, n).astype(np.int64) for area in areas)]
        seen = [first.present(class_id), other.present(second_id)]
        by_pixel = kappa(whole[0], whole[1], whole[2], pixels, first.counts.cluster, alpha)
        by_image = kappa(seen[0], seen[1], seen[0] * seen[1], 1, first.counts.cluster, alpha)
        yield {
            "class_id": class_id, "second_class_id": second_id, "images": n,
            **_spread("pixel_kappa", by_pixel), **_spread("presence_kappa", by_image),
            "area": 100.0 * float(whole[0].mean()) / pixels, "second_area": 100.0 * float(whole[1].mean()) / pixels,
            "presence": float(seen[0].mean()), "second_presence": float(seen[1].mean()),
            "both_presence": float((seen[0] * seen[1]).mean()),
        }  # fmt: skip


def _spread(name: str, found: Kappa | None) -> Row:
    ends = (None, None, None) if found is None else (found.value, found.low, found.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def _overlap(store: Store, second: SecondSource, first: Counts) -> dict[str, NDArray[np.int64]]:
    """The pairs of classes of the images that a run uses; row: place of the image among those that were read."""
    columns = ["image", "class_id", "second_class_id", "pixels"]
    parts = [store.read_block(PARSER_OVERLAP, second.overlap, block, columns) for block in second.used.blocks]
    values = {name: np.concatenate([part[name].to_numpy() for part in parts]).astype(np.int64) for name in columns}
    order = np.argsort(first.images)
    place = np.minimum(np.searchsorted(first.images[order], values["image"]), len(order) - 1)
    used = first.images[order][place] == values["image"]
    return {name: value[used] for name, value in values.items()} | {"row": order[place[used]]}


def side_by_side(ours: Sequence[Row], theirs: Sequence[Row]) -> Iterator[Row]:
    """Rows of `verdicts_by_parser`, without names of sources: classes of one name together, then those of one parser alone."""
    others: dict[tuple[str, str], list[Row]] = {}
    for row in theirs:  # several heads may have a class of one name: the first of each parser's are held together
        others.setdefault((spelled(row["class"]), row["measure"]), []).append(row)
    for row in ours:
        named = others.get((spelled(row["class"]), row["measure"]))
        other = named.pop(0) if named else None
        told = None if other is None else row["verdict"] == other["verdict"]
        yield {"class": row["class"], "measure": row["measure"], "same": told} | _verdict(row, "") | _verdict(other, "second_")
    for row in (row for named in others.values() for row in named):
        yield {"class": row["class"], "measure": row["measure"], "same": None} | _verdict(row, "second_")


def _verdict(row: Row | None, prefix: str) -> Row:
    return {} if row is None else {f"{prefix}{name}": row[name] for name in ("class_id", *MEASURED)}


def _as_rows(columns: Mapping[str, Any]) -> list[Row]:
    """Rows of columns that are lists, arrays or Arrow arrays, numbers made finite."""
    plain = {name: list(columns[name]) for name in ("class_id", "class", "measure", *MEASURED)}
    rows = [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]
    return [{name: _plain(value) if name in MEASURED[1:] else value for name, value in row.items()} for row in rows]


def _plain(value: Any) -> float | None:
    found = value.as_py() if hasattr(value, "as_py") else value
    return None if found is None else number(found)
