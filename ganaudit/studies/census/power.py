"""What an audit of the planned size could find, class by class, before a generated image is made.

How frequent each class is comes from the records of the real images where the store has some, and otherwise from a pilot:
a few hundred of them are parsed, and nothing is written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from ganaudit.errors import RequestError
from ganaudit.names import first_few
from ganaudit.records.store import Store
from ganaudit.records.used import UsedSource
from ganaudit.report.words import share
from ganaudit.sources.opening import Batch
from ganaudit.sources.planned import Plan, PlannedSource
from ganaudit.spec import Decide
from ganaudit.statistics import power, verdicts
from ganaudit.statistics.class_counts import ClassCounts, Held, Pieces, count_classes, threshold
from ganaudit.statistics.grouping import clusters_of
from ganaudit.studies.census import work
from ganaudit.studies.census.blocks import block_of
from ganaudit.studies.census.classes import lines_of
from ganaudit.studies.census.counts import read_counts
from ganaudit.studies.section import Block, Table, Text
from ganaudit.tally import Tally

PILOT_IMAGES = 512
PILOT_SECONDS = 30.0
"""A pilot ends with the batch in which it has one or the other."""

RECORDS, PILOT = "records", "pilot"
UNSEEN = 12
"""Classes that no real image holds which are named before the rest is counted."""


@dataclass(frozen=True)
class ClassPower:
    """What would be found of one class. presence: share of the real images that hold it.

    detectable_…: the largest ratio of generated to real that would be found reduced, with 90 % power; None where not even a
    total loss would. images_…: the images on each side that the wanted ratio needs; None where a billion are too few, or no
    ratio was asked.
    """

    class_id: int
    name: str
    presence: float
    detectable_presence: float | None
    detectable_area: float | None
    images_presence: int | None
    images_area: int | None


@dataclass(frozen=True)
class Power:
    """What the planned numbers of images could find. basis: records, or a pilot, of so many real images."""

    basis: str
    basis_images: int
    real_images: int
    generated_images: int
    """Of the generator that has fewest."""
    ratio: float | None
    """The ratio that `images_…` are for."""
    classes: tuple[ClassPower, ...]
    """Those that the real images hold, the most frequent first."""
    unseen: tuple[str, ...]
    """Those that no real image of the basis holds: not testable."""

    def block(self) -> Block:
        """Class by class, for a terminal."""

        def fall(ratio: float | None) -> str:
            return "not testable" if ratio is None else f"to {share(ratio)}"

        basis = "recorded" if self.basis == RECORDS else "parsed for this check"
        heading = (
            f"What {self.real_images:,} real and {self.generated_images:,} generated images would find, judged by "
            f"{self.basis_images:,} real images {basis}: the smallest fall that 9 in 10 such audits call reduced."
        )
        rows = [
            {
                "class": each.name, "real images with it": share(each.presence),
                "presence": fall(each.detectable_presence), "area": fall(each.detectable_area),
                **({} if self.ratio is None else {
                    f"images a side for {share(self.ratio)}": _images(each.images_presence),
                    "by area": _images(each.images_area),
                }),
            }
            for each in self.classes
        ]  # fmt: skip
        few = first_few(self.unseen, UNSEEN)
        rest = [Text(f"In none of these images, so not testable at these numbers: {few}.")] if self.unseen else []
        return [Text(heading), Table(rows, "No class is in any of these images."), *rest]


def planned_power(planned: Plan, store: Store, ratio: float | None = None) -> Power | None:
    """What the audit could find; None where fewer than two real images can be read. Writes nothing.

    Raises RequestError for a ratio that is not between 0 and decide.reduced: only a reduction is found.
    """
    decide = planned.spec.decide
    check_ratio(ratio, decide)
    real = next(source for source in planned.sources if source.role == "real")
    generated = min(source.count for source in planned.sources if source.role == "generated")
    ids = [info.id for info in planned.classes if info.id != 0]
    basis, seen = _recorded(planned, store, real, ids) or (PILOT, _pilot(planned, real, ids))
    if seen is None:
        return None
    names = {info.id: info.name for info in planned.classes}
    return _power(basis, seen, (real.count, generated), [(class_id, names[class_id]) for class_id in ids], decide, ratio)


def check_ratio(ratio: float | None, decide: Decide) -> None:
    """Raises RequestError for a ratio that no audit would call reduced."""
    if ratio is not None and not 0 < ratio < decide.reduced:
        raise RequestError(
            f"--detect {ratio:g} is not between 0 and decide.reduced ({decide.reduced:g}): no smaller loss is called reduced"
        )


def _power(
    basis: str, seen: ClassCounts, images: tuple[int, int], named: list[tuple[int, str]], decide: Decide, ratio: float | None
) -> Power:
    lines, expected = lines_of(decide), seen.scaled(images[0])
    losses = verdicts.loss_p_values(expected, images[1], lines)
    measures = verdicts.measures_of(seen)
    chosen, level = verdicts.testable(np.stack([losses[measure] for measure in measures]), lines.alpha)
    detectable = power.detectable(expected, images[1], lines, level)
    detectable = {
        measure: np.where(among, detectable[measure], np.nan) for measure, among in zip(measures, chosen, strict=True)
    }
    needed = {measure: np.full(len(named), np.inf) for measure in measures}
    if ratio is not None:
        # With more images more classes are testable, at worst all that there are: that level is the one to plan for.
        rows = sum(int((seen.holding(measure) > 0).sum()) for measure in measures)
        needed = power.images_for(seen, ratio, lines, lines.alpha / max(verdicts.WORDS_AT_A_LINE * rows, 1))
    classes = tuple(
        ClassPower(
            named[place][0], named[place][1], float(seen.present[place] / seen.n),
            _finite(detectable["presence"][place]), _finite(detectable["area"][place]),
            _whole(needed["presence"][place]), _whole(needed["area"][place]),
        )
        for place in np.argsort(-seen.present, kind="stable")
        if seen.touched[place] > 0
    )  # fmt: skip
    unseen = tuple(name for place, (_, name) in enumerate(named) if seen.touched[place] == 0)
    return Power(basis, int(seen.n), *images, ratio, classes, unseen)


def _recorded(planned: Plan, store: Store, real: PlannedSource, ids: list[int]) -> tuple[str, ClassCounts] | None:
    """From the records of those planned blocks that are done; None where they hold fewer than two readable images."""
    there = tuple(sorted(set(real.blocks) & store.finished_blocks(real.key)))
    source = UsedSource("real", real.name, real.key, planned.parser_key, 0, real.count, there)
    counts = read_counts(store, source, ids) if there else None
    if counts is None or len(counts) < 2:
        return None
    return RECORDS, _seen(counts.held_of(ids), counts.pixels, planned.spec.decide, counts.cluster)


def _pilot(planned: Plan, real: PlannedSource, ids: list[int]) -> ClassCounts | None:
    """From the first images of the real source, parsed now."""
    columns = np.full(max(ids, default=0) + 1, -1)
    columns[ids] = np.arange(len(ids))
    rows, clusters, size = list[dict[str, NDArray[np.int64]]](), list[str | None](), 0
    digests: list[str | None] = []
    started = time.monotonic()
    for batch, counted in _first_batches(planned, real):
        good = np.array([error is None for error in batch.errors])
        known = good[counted.image] & (counted.class_id > 0)
        image = np.cumsum(good)[counted.image[known]] - 1 + len(clusters)
        values = {name: getattr(counted, name)[known] for name in ("pixels", "largest", "parts")}
        rows.append({"image": image, "column": columns[counted.class_id[known]], **values})
        clusters += list(compress(batch.clusters, good))
        digests += list(compress(batch.digests, good))
        size = size or _label_pixels(planned, counted, good)
        if len(clusters) >= PILOT_IMAGES or time.monotonic() - started > PILOT_SECONDS:
            break
    if len(clusters) < 2:
        return None
    columns_of = ("image", "column", "pixels", "largest", "parts")
    held = Held((len(clusters), len(ids)), **{name: np.concatenate([part[name] for part in rows]) for name in columns_of})
    return _seen(held, size, planned.spec.decide, clusters_of(clusters, digests))


def _seen(held: Held | Pieces, pixels: int, decide: Decide, clusters: NDArray[np.int64] | None) -> ClassCounts:
    return count_classes(held, threshold(held, pixels, decide.presence_percent), clusters)


def _first_batches(planned: Plan, real: PlannedSource) -> Iterator[tuple[Batch, Tally]]:
    last = min(real.count, PILOT_IMAGES) - 1
    for first, end in real.blocks:
        if first > last:
            return
        task = block_of(planned, real, first, min(end, last))
        yield from work.counted_batches(task, *work.opened(task))


def _label_pixels(planned: Plan, counted: Tally, good: np.ndarray) -> int:
    """Pixels of one label map: what the first head's classes and void add up to; 0 where no image was read."""
    if not good.any():
        return 0
    first_head = [0, *(info.id for info in planned.classes if info.head == planned.classes[0].head)]
    image = int(np.flatnonzero(good)[0])
    return int(counted.pixels[(counted.image == image) & np.isin(counted.class_id, first_head)].sum())


def _images(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _whole(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None
