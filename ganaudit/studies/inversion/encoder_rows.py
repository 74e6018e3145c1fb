"""What an encoder cannot say: classes of photos that come back neither by it nor by a search from it, but otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ganaudit.inversion.methods import needs
from ganaudit.statistics.resampling import interval, means
from ganaudit.studies.inversion.reading import ClassInImage, InvertedGenerator, InvertedList, Row
from ganaudit.studies.inversion.settings import UNKNOWN
from ganaudit.studies.inversion.verdicts import INCONCLUSIVE, NOT_TESTABLE, Rules, proportion

MISSED, REACHED = "missed", "reached"


def encoder_rows(run: str, generator: InvertedGenerator, classes: Mapping[int, str]) -> list[Row]:
    """Rows of encoder_limits: one for each encoder whose own reconstructions were asked for, and class.

    Upper bounds (methods that are no evidence) are no starts here, nor are other penalties of residuals than the chosen one,
    nor somebody else's reconstructions.
    """
    usable = [
        inverted for inverted, _ in generator.heldout()
        if inverted.setting.factor in (None, 1.0) and inverted.images[0]["evidential"] and inverted.layer != UNKNOWN
    ]  # fmt: skip
    return [row for each in usable if _alone(each.setting.method) for row in _rows(run, generator.name, each, usable, classes)]


def _alone(method: str) -> bool:
    """Whether a method is an encoder, and no search."""
    return needs(method) == method


def _rows(
    run: str, generator: str, alone: InvertedList, usable: Sequence[InvertedList], classes: Mapping[int, str]
) -> Iterator[Row]:
    encoder = alone.setting.method
    searched = [other for other in usable if needs(other.setting.method) == encoder and other is not alone]
    elsewhere = [other for other in usable if needs(other.setting.method) != encoder]
    rules = Rules()
    back = {which: _recovered(lists, rules) for which, lists in (("searched", searched), ("elsewhere", elsewhere))}
    for number, parts in alone.parts(rules.least_pixels).items():
        fates = [_fate(part, number, back, rules) for part in parts]
        count = {fate: fates.count(fate) for fate in ("encoded", "searched", "elsewhere", "nowhere")}
        missed = np.array([[float(fate == "elsewhere")] for fate in fates])
        weights = np.array([part.weight for part in parts])
        yield {
            "run": run, "generator": generator, "encoder": encoder, "class_id": number,
            "class": classes.get(number, str(number)), "images": len(fates), **count,
            **interval("missed", means(missed, weights)[0]),
            "verdict": _verdict(count["elsewhere"], len(fates), bool(elsewhere), rules),
        }  # fmt: skip


def _recovered(lists: Sequence[InvertedList], rules: Rules) -> set[tuple[int, int]]:
    """(image, class) that came back by any of several methods."""
    return {
        (part.image, number)
        for inverted in lists
        for number, parts in inverted.parts(rules.least_pixels).items()
        for part in parts
        if part.seen.recall >= rules.recovered
    }


def _fate(part: ClassInImage, number: int, back: Mapping[str, set[tuple[int, int]]], rules: Rules) -> str:
    """The first way in which a class came back in a photo."""
    if part.seen.recall >= rules.recovered:
        return "encoded"
    return next((which for which, recovered in back.items() if (part.image, number) in recovered), "nowhere")


def _verdict(missed: int, photos: int, other_starts: bool, rules: Rules) -> str:
    if photos < rules.cases or not other_starts:
        return NOT_TESTABLE
    share = proportion(missed, photos)
    if share.low > rules.made:
        return MISSED
    return REACHED if share.high < rules.rest else INCONCLUSIVE
