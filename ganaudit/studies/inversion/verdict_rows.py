"""Verdicts of inversions: on every class in every photo, and on every class of a generator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ganaudit.records.schema import OK
from ganaudit.statistics.resampling import interval, means
from ganaudit.studies.inversion.reading import InvertedGenerator, InvertedList, Row, named
from ganaudit.studies.inversion.settings import OWN
from ganaudit.studies.inversion.verdicts import ClassInPhoto, ControlCase, Rules, class_verdict, control, photo_verdict, seen


def verdict_rows(
    run: str, generator: InvertedGenerator, classes: Mapping[int, str], names: Mapping[int, str], dropped: set[tuple[str, int]],
    siblings: Sequence[InvertedGenerator] = (),
) -> tuple[list[Row], list[Row]]:  # fmt: skip
    """Rows of photo_verdicts and of omissions, for every way in which photos were inverted.

    siblings: the audit's other generators, whose own samples are the last resort of a control.
    """
    photos: list[Row] = []
    omissions: list[Row] = []
    for inverted, own in generator.heldout():
        theirs = {other.name: _cases(other.like(inverted, OWN)) for other in siblings if other.name != generator.name}
        judged = _judged(run, generator, inverted, own, theirs, classes, names, dropped)
        photos += judged[0]
        omissions += judged[1]
    return photos, omissions


def _cases(own: InvertedList | None) -> dict[int, list[ControlCase]]:
    """By class: where own samples hold enough of it. Where nothing is known of a contrast, all count as of one."""
    if own is None:
        return {}
    contrasts = own.contrasts()
    return {
        number: [ControlCase(part.seen.target, contrasts.get((part.image, number), 1.0), part.seen.recall) for part in parts]
        for number, parts in own.parts().items()
    }


def _judged(
    run: str, generator: InvertedGenerator, inverted: InvertedList, own: InvertedList | None,
    siblings: Mapping[str, Mapping[int, list[ControlCase]]], classes: Mapping[int, str], names: Mapping[int, str],
    dropped: set[tuple[str, int]],
) -> tuple[list[Row], list[Row]]:  # fmt: skip
    rules, shared = Rules(), named(run, generator, inverted)
    cases, contrasts, collapsed = _cases(own), inverted.contrasts(), inverted.collapsed(rules)
    areas_by_class = _areas(inverted)
    photos: list[Row] = []
    omissions: list[Row] = []
    for number, areas in sorted(areas_by_class.items()):
        said = {"class_id": number, "class": classes.get(number, str(number))}
        tested = [(row, area) for row, area in areas if area.target >= rules.least_pixels and row["status"] == OK]
        size = float(np.median([area.target for _, area in tested])) if tested else 0.0
        contrast = float(np.median([contrasts.get((row["image"], number), 1.0) for row, _ in tested])) if tested else 1.0
        others = [case for other, some in cases.items() if other != number for case in some]
        theirs = {name: some[number] for name, some in siblings.items() if len(some.get(number, ())) >= rules.cases}
        known = control(cases.get(number, []), others, size, contrast, rules, theirs)
        for row, area in areas:
            failed = row["status"] != OK
            photos.append({
                **shared, **said, "key": inverted.setting.key, "image": row["image"], "target_pixels": area.target,
                "name": names.get(row["image"], f"image {row['image']}"), "recall": None if failed else area.recall,
                "verdict": photo_verdict(
                    area, known.passes(rules), failed, rules, (row["image"], number) in collapsed, bool(row["evidential"])
                ),
            })  # fmt: skip
        weighted = _weighted(generator, inverted, number)
        recalls = np.array([area.recall for _, area in tested], dtype=np.float64)
        weights = np.array([row["weight"] for row, _ in tested], dtype=np.float64)
        omissions.append({
            **shared, **said, "images": len(tested), **interval("recall", means(recalls[:, None], weights)[0]),
            "control": known.kind if known.recovered.images else None, "control_images": known.recovered.images,
            "control_recall": None if math.isnan(known.recall) else known.recall,
            "weighted_recall": means(weighted[:, :1], weighted[:, 1])[0][0],
            "verdict": class_verdict(
                recalls.tolist(), (generator.name, number) in dropped, weighted[:, 0].tolist(),
                bool(inverted.images[0]["evidential"]), known.passes(rules), rules,
            ),
        })  # fmt: skip
    return photos, omissions


def _areas(inverted: InvertedList) -> dict[int, list[tuple[Row, ClassInPhoto]]]:
    """By class but void: where it is in a photo. Of a search that was set aside the photo's pixels are known all the same."""
    targets: dict[int, dict[int, ClassInPhoto]] = {}
    for row in inverted.classes:
        targets.setdefault(row["image"], {})[row["class_id"]] = ClassInPhoto(row["target_pixels"], 0, 0)
    areas_by_class: dict[int, list[tuple[Row, ClassInPhoto]]] = {}
    for row in inverted.images:
        areas = seen(inverted.confusion.get(row["image"], ())) if row["status"] == OK else targets.get(row["image"], {})
        for number, area in areas.items():
            if number > 0:
                areas_by_class.setdefault(number, []).append((row, area))
    return areas_by_class


def _weighted(
    generator: InvertedGenerator, inverted: InvertedList, number: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(recall, weight) of the class in each photo of the same method's search that is weighted for it, at the same penalty."""
    way = inverted.setting.method, inverted.setting.factor
    same = [
        other
        for other in generator.inverted
        if other.setting.weighted_class == number and (other.setting.method, other.setting.factor) == way
    ]
    recalls = [(part.seen.recall, part.weight) for other in same for part in other.parts().get(number, [])]
    return np.array(recalls, dtype=np.float64).reshape(-1, 2)
