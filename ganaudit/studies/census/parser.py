"""What the parser is worth on images whose labels are known, and what class findings become when its error is taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ganaudit.records.building import Row, Tables, number
from ganaudit.records.store import Store
from ganaudit.records.tables import PARSER_CONFUSION, SOURCES
from ganaudit.records.used import UsedSource
from ganaudit.spec import Decide
from ganaudit.statistics import grouping, parser_error
from ganaudit.statistics.class_counts import threshold
from ganaudit.statistics.parser_error import Measured, ParsedImages, Worth
from ganaudit.statistics.verdicts import Lines
from ganaudit.studies.census.classes import threshold_percent
from ganaudit.studies.census.counts import Counts, read_counts
from ganaudit.studies.census.doubt import doubts, falls

SHARES = (
    "sensitivity", "sensitivity_low", "sensitivity_high", "specificity", "specificity_low", "specificity_high",
    "recall", "precision", "iou",
)  # fmt: skip


def add(
    tables: Tables,
    store: Store,
    run: str,
    sources: Sequence[UsedSource],
    counts: Mapping[str, Counts],
    classes: Sequence[int],
    names: Mapping[int, str],
    stats: pa.Table,
    decide: Decide,
) -> None:
    """Adds to `parser_classes` and `parser_corrected`: nothing where no source has true labels.

    classes: those of the parser's first head, void first; counts: of real and generated sources; stats: `class_stats`;
    tables: `dropped_classes` is in it already, whose verdicts the tipping points are about.
    """
    truth = next((source for source in sources if source.role == "truth"), None)
    if truth is None:
        return
    classes = [*classes] if classes and classes[0] == 0 else [0, *classes]
    read = read_counts(store, truth, list(names))
    if len(read) < 2:
        return
    real_source = next(source.name for source in sources if source.role == "real")
    present_from = threshold(counts[real_source].held_of(classes), read.pixels, decide.presence_percent)
    least, percents = present_from.least, threshold_percent(present_from, read.pixels, decide.presence_percent)
    known = known_of(store, truth, read, classes, least)
    worth = parser_error.worth(known, decide.alpha)
    named = {"run": run, "source": truth.name, "images": len(read)}
    sizes = dict(zip(classes, percents, strict=True))
    rows = worth_rows(worth, classes, names)
    tables.rows("parser_classes", ({**named, "presence_threshold": sizes[row["class_id"]], **row} for row in rows))
    seen = {
        name: parser_error.seen(counted.of(classes), counted.pixels, counted.groups, least)
        for name, counted in counts.items()
        if len(counted) >= 2
    }
    sure = {
        (row["real"], row["generator"], row["class_id"]): (row["real_confidence"], row["generated_confidence"])
        for row in stats.select(["real", "generator", "class_id", "real_confidence", "generated_confidence"]).to_pylist()
    }
    verdicts_so_far = tables.so_far("dropped_classes").to_pylist()
    said = {(row["real"], row["generator"], row["measure"], row["class_id"]): row["verdict"] for row in verdicts_so_far}
    lines = Lines(decide.alpha, decide.dropped, decide.reduced, decide.increased)
    corrected: list[Row] = []
    doubted = doubts(store, run)
    parsed = {
        source.name for source in sources if kind_of(store, source) != "masks"
    }  # label maps taken as they are have no error
    for real, generator in dict.fromkeys(pair[:2] for pair in said):
        if not {real, generator} <= parsed:
            continue
        verdicts = {
            measure: np.array([said.get((real, generator, measure, class_id), "") for class_id in classes])
            for measure in ("presence", "area")
        }
        confidence = [sure.get((real, generator, class_id), (None, None)) for class_id in classes]
        falling = falls(doubted, real, generator, [class_id for class_id in classes if class_id != 0], decide.alpha)
        ids = {"run": run, "real": real, "generator": generator}
        for row in corrected_rows(known, seen[real], seen[generator], classes, names, verdicts, lines):
            before, after = confidence[list(classes).index(row["class_id"])]
            falls_there = None if before is None or after is None else falling[row["class_id"]]
            sides = {"real_confidence": before, "generated_confidence": after, "confidence_falls": falls_there}
            corrected.append({**ids, **row, **sides})
    tables.rows("parser_corrected", corrected)


def kind_of(store: Store, source: UsedSource) -> str:
    """The kind of a source, as it was recorded; empty where it was not."""
    rows = store.read(SOURCES, store.source(source.key), ["kind"]) if store.source(source.key).is_file() else None
    return "" if rows is None else str(rows["kind"][0].as_py())


def known_of(store: Store, truth: UsedSource, read: Counts, classes: Sequence[int], least: NDArray[np.int64]) -> Measured:
    """The parser's error on a source with true labels, summed by groups of its images. least: (C,) pixels from which on a class
    is present, by all its pixels: of true labels the regions are not recorded."""
    parts = [
        store.read_block(PARSER_CONFUSION, truth.key, block, ["image", "true_class", "class_id", "pixels"])
        for block in truth.blocks
    ]
    image, true, given, pixels = (
        np.concatenate([part[name].to_numpy() for part in parts]).astype(np.int64)
        for name in ("image", "true_class", "class_id", "pixels")
    )
    column = np.full(2**15, -1)
    column[list(classes)] = np.arange(len(classes))
    order = np.argsort(read.images)
    place = np.minimum(np.searchsorted(read.images[order], image), len(read) - 1)
    used = (read.images[order][place] == image) & (column[true] >= 0) & (column[given] >= 0)
    row, true, given, pixels = order[place[used]], column[true[used]], column[given[used]], pixels[used]
    groups = grouping.by_rank(read.rank, read.cluster)
    shape = len(read), len(classes)
    labelled = true > 0  # where the true labels say nothing, the parser is neither right nor wrong
    class_pixels = [np.zeros(shape, np.int64) for _ in range(2)]
    np.add.at(class_pixels[0], (row[labelled], true[labelled]), pixels[labelled])
    np.add.at(class_pixels[1], (row[labelled], given[labelled]), pixels[labelled])
    confusion = np.zeros((int(groups.max()) + 1, shape[1], shape[1]), np.int64)
    np.add.at(confusion, (groups[row], true, given), pixels)
    return parser_error.measured(class_pixels[0], class_pixels[1], confusion, groups, least)


def worth_rows(worth: Worth, classes: Sequence[int], names: Mapping[int, str]) -> Iterator[Row]:
    """Rows of `parser_classes`, without its source."""
    for place, class_id in enumerate(classes):
        if class_id == 0:
            continue
        row = {"class_id": class_id, "class": names[class_id], "holding": int(worth.holding[place])}
        yield row | {name: number(getattr(worth, name)[place]) for name in SHARES}


def corrected_rows(
    known: Measured,
    real: ParsedImages,
    generated: ParsedImages,
    classes: Sequence[int],
    names: Mapping[int, str],
    verdicts: Mapping[str, Any],
    lines: Lines,
) -> Iterator[Row]:
    """Rows of `parser_corrected` for one pair, without names of sources and without confidences."""
    for measure, correct in (("presence", parser_error.presence), ("area", parser_error.area)):
        ratios = correct(known, real, generated, lines.alpha)
        sensitivity, false = parser_error.tipping(ratios, verdicts[measure], lines)
        for place, class_id in enumerate(classes):
            if class_id == 0 or not verdicts[measure][place]:
                continue
            yield {
                "class_id": class_id, "class": names[class_id], "measure": measure, "ratio": number(ratios.ratio[place]),
                "ratio_low": number(ratios.low[place]), "ratio_high": number(ratios.high[place]),
                "tipping_sensitivity": number(sensitivity[place]), "tipping_false_positive": number(false[place]),
            }  # fmt: skip
