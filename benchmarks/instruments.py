"""What a parser out of its element does to verdicts: how many of them are false on a village that omits nothing.

    python -m benchmarks.instruments

Real scenes of one seed against generated ones of another, of the same prevalences: every class's true ratio is 1. The
generated ones have an artefact or none, and are read by the parser of the village, or by one that learned a village drawn
otherwise. A verdict that says dropped, reduced, increased or invented is false. Measured on clean scenes of a third seed
(none of which a training saw), the parser's own error is taken out, and the corrected ratios are judged in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ganaudit import images, weights
from ganaudit.datasets.village import VillageDataset
from ganaudit.parsers.segmentation import SegmentationParser, unet_parser
from ganaudit.statistics import grouping, parser_error, verdicts
from ganaudit.statistics.class_counts import Held, count_classes, least_pixels, threshold
from ganaudit.statistics.parser_error import CorrectedRatios, Measured
from ganaudit.statistics.proportions import Floats
from ganaudit.tally import confused
from ganaudit.village.artefacts import ARTEFACTS
from ganaudit.village.classes import NAMES
from ganaudit.village.scene import RESOLUTION

PARSERS = ("village", "village-redrawn")
REAL, GENERATED, TRUTH = 0, 1, 5
PRESENCE = 0.1
BATCH = 64
CLASSES = len(NAMES) + 1
FALSE = (verdicts.DROPPED, verdicts.REDUCED, verdicts.INCREASED, verdicts.INVENTED)


@dataclass(frozen=True)
class Instrument:
    """One parser reading one kind of generated village. Shares are of the testable verdicts, presence and area together.

    wrong: the rows that are false before, wrong_after: after the correction, as `class measure`.
    """

    parser: str
    artefact: str
    images: int
    verdicts: int
    false: float
    false_after: float
    agreement: float
    """Share of the generated images' pixels to which the parser gives their true class."""
    wrong: tuple[str, ...]
    wrong_after: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Read:
    """Parsed scenes: (N, C) pixels of each class, true and parsed, and (N, C, C) those of both."""

    true: NDArray[np.int64]
    parsed: NDArray[np.int64]
    confusion: NDArray[np.int64]


def instruments(
    count: int = 2000,
    parsers: Sequence[str] = PARSERS,
    artefacts: Sequence[str | None] = (None, *ARTEFACTS),
    tell: Callable[[Instrument], None] = lambda row: None,
) -> list[Instrument]:
    """A row for each parser and artefact, `count` images a side and to measure the parser; told: of each when it is there."""
    rows = []
    for name in parsers:
        parser = unet_parser(weights.load(f"builtin:{name}"), "cpu", "bfloat16")
        real, known = read(parser, VillageDataset(REAL), count), _measured(read(parser, VillageDataset(TRUTH), count))
        for artefact in artefacts:
            generated = read(parser, VillageDataset(GENERATED, artefact=artefact), count)
            rows.append(_row(name, artefact or "none", real, generated, known))
            tell(rows[-1])
    return rows


def read(parser: SegmentationParser, scenes: VillageDataset, count: int) -> _Read:
    """The first `count` scenes, parsed."""
    confusion = np.zeros((count, CLASSES, CLASSES), np.int64)
    for first in range(0, count, BATCH):
        batch = [scenes.image(index) for index in range(first, min(first + BATCH, count))]
        maps = parser.parse(images.to_unit(np.stack([image.pixels for image in batch]))).maps.cpu().numpy().astype(np.int64)
        truth = np.stack([image.labels for image in batch if image.labels is not None]).astype(np.int64)
        pixels_confused = confused(truth, maps, CLASSES)
        confusion[first + pixels_confused.image, pixels_confused.true_class, pixels_confused.class_id] = pixels_confused.pixels
    return _Read(confusion.sum(axis=2), confusion.sum(axis=1), confusion)


def corrected_verdicts(found: CorrectedRatios, testable: NDArray[np.bool_], lines: verdicts.Lines) -> NDArray[np.str_]:
    """(rows,) words for corrected ratios: one-sided t-tests of log(ratio) against the lines, adjusted as other verdicts are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(found.ratio)
        reduced, increased = (
            stats.t.cdf(sign * (logs - np.log(line)) / found.log_se, found.degrees)
            for sign, line in ((1, lines.reduced), (-1, lines.increased))
        )
    sure = found.ratio == 0  # no spread on the log scale: the upper end decides
    reduced = np.where(sure, np.where(found.high < lines.reduced, 0.0, 1.0), reduced)
    increased = np.where(sure, 1.0, increased)
    words = np.full(len(logs), verdicts.INCONCLUSIVE, dtype="U12")
    for word, p in ((verdicts.REDUCED, reduced), (verdicts.INCREASED, increased)):
        usable = testable & np.isfinite(p)
        words[verdicts.adjusted(p, usable) <= lines.alpha] = word
    return words


def _row(parser: str, artefact: str, real: _Read, generated: _Read, known: Measured) -> Instrument:
    lines = verdicts.Lines()
    pixels = RESOLUTION * RESOLUTION
    held = [Held.of_pixels(side.parsed[:, 1:]) for side in (real, generated)]
    sides = [count_classes(side, threshold(held[0], pixels, PRESENCE)) for side in held]
    decided = verdicts.decide(sides[0], sides[1], lines)
    words = np.concatenate([decided[measure].verdict for measure in decided])
    testable = np.concatenate([decided[measure].testable for measure in decided])
    after = corrected_verdicts(_both(known, real, generated), testable, lines)
    names = [f"{name} {measure}" for measure in decided for name in NAMES]
    wrong = tuple(name for name, word in zip(names, words, strict=True) if word in FALSE)
    wrong_after = tuple(name for name, word in zip(names, after, strict=True) if word in FALSE)
    judged = int((testable | np.isin(words, FALSE)).sum())
    right = np.trace(generated.confusion.sum(axis=0)) / generated.confusion.sum()
    return Instrument(
        parser, artefact, len(real.parsed), judged, len(wrong) / judged, len(wrong_after) / judged, float(right),
        wrong, wrong_after,
    )  # fmt: skip


def _both(known: Measured, real: _Read, generated: _Read) -> CorrectedRatios:
    """Corrected presence, then area, of all classes but void, as one."""
    pixels, least = RESOLUTION * RESOLUTION, least_pixels(RESOLUTION * RESOLUTION, PRESENCE)
    seen = [parser_error.seen(side.parsed, pixels, _groups(side), least) for side in (real, generated)]
    parts = [correct(known, seen[0], seen[1]) for correct in (parser_error.presence, parser_error.area)]

    def joined(name: str) -> Floats:
        return np.concatenate([getattr(part, name)[1:] for part in parts])

    return CorrectedRatios(*(joined(name) for name in CorrectedRatios.__dataclass_fields__))


def _measured(truth: _Read) -> Measured:
    groups = _groups(truth)
    confusion = np.stack([truth.confusion[groups == group].sum(axis=0) for group in range(groups.max() + 1)])
    return parser_error.measured(truth.true, truth.parsed, confusion, groups, least_pixels(RESOLUTION * RESOLUTION, PRESENCE))


def _groups(side: _Read) -> NDArray[np.int64]:
    return grouping.by_rank(np.arange(len(side.parsed)))


def table(rows: Sequence[Instrument]) -> Iterator[str]:
    """The rows as a Markdown table."""
    yield "| parser | artefact | pixels right | verdicts | false | false, corrected | which, corrected |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        which = ", ".join(row.wrong_after) or "none"
        yield (
            f"| {row.parser} | {row.artefact} | {row.agreement:.1%} | {row.verdicts} | {row.false:.1%} | "
            f"{row.false_after:.1%} | {which} |"
        )


def main() -> None:
    import sys

    import torch

    torch.set_num_threads(1)
    rows = instruments(tell=lambda row: print(row, file=sys.stderr))
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
