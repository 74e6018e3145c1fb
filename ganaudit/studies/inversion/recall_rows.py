"""How much of a class comes back, by the size of the object, and the photos that it is lost in most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ganaudit.statistics.resampling import interval, means
from ganaudit.studies.inversion.reading import ClassInImage, InvertedGenerator, InvertedList, Row, named

WORST = 5
"""Photos of a class that are listed."""


def size_rows(run: str, generator: InvertedGenerator, classes: Mapping[int, str]) -> list[Row]:
    """Rows of recall_by_size: bins from one power of two of pixels to the next, those without an image left out."""
    rows = []
    for inverted in generator.plain:
        for number, parts in inverted.parts(least=1).items():
            bins: dict[int, list[ClassInImage]] = {}
            for part in parts:
                bins.setdefault(bin_of(part.seen.target), []).append(part)
            for start, inside in sorted(bins.items()):
                recalls = np.array([[part.seen.recall] for part in inside])
                weights = np.array([part.weight for part in inside])
                rows.append({
                    **named(run, generator, inverted), "sample": inverted.setting.sample, "class_id": number,
                    "class": classes.get(number, str(number)), "pixels_from": start, "pixels_below": 2 * start,
                    "images": len(inside), **interval("recall", means(recalls, weights)[0]),
                })  # fmt: skip
    return rows


def bin_of(pixels: int) -> int:
    """The largest power of two that is no more than a number of pixels from 1 up."""
    return 1 << (pixels.bit_length() - 1)


def worst_rows(
    run: str,
    generator: InvertedGenerator,
    classes: Mapping[int, str],
    names: Mapping[int, str],
    verdicts: Mapping[tuple[str, int, int], str],
) -> list[Row]:
    """Rows of worst_photos. verdicts: by (key, image, class), of the same photos.

    Among the photos that can be tested, those with the lowest recall; of equals those with more pixels, then with the
    lower index. Only ways of which pictures are kept are listed. Beside each the own sample that holds the class in the
    nearest size (by ratio; of equals the lower index).
    """
    rows = []
    for inverted, own in generator.heldout():
        if inverted.setting.factor not in (None, 1.0):
            continue
        theirs = own.parts() if own is not None else {}
        for number, parts in inverted.parts().items():
            order = sorted(parts, key=lambda part: (part.seen.recall, -part.seen.target, part.image))
            for rank, part in enumerate(order[:WORST], start=1):
                rows.append(
                    {
                        **named(run, generator, inverted),
                        "class_id": number,
                        "class": classes.get(number, str(number)),
                        "rank": rank,
                        "key": inverted.setting.key,
                        "image": part.image,
                        "name": names.get(part.image, f"image {part.image}"),
                        "target_pixels": part.seen.target,
                        "recall": part.seen.recall,
                        "verdict": verdicts[inverted.setting.key, part.image, number],
                        **_beside(own, theirs.get(number, []), part.seen.target),
                    }
                )
    return rows


def _beside(own: InvertedList | None, parts: list[ClassInImage], target: int) -> Row:
    if own is None or not parts:
        return {}
    best = min(parts, key=lambda part: (max(part.seen.target / target, target / part.seen.target), part.image))
    return {
        "own_key": own.setting.key, "own_image": best.image, "own_pixels": best.seen.target, "own_recall": best.seen.recall,
    }  # fmt: skip
