"""Colour and sharpness inside a class's mask, image against reconstruction: what a model cannot express of a class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ganaudit.statistics.resampling import interval, means
from ganaudit.studies.inversion.reading import InvertedGenerator, Row, named
from ganaudit.studies.inversion.verdicts import Rules

ATTRIBUTES = ("red", "green", "blue", "sharpness")


def attribute_rows(run: str, generator: InvertedGenerator, classes: Mapping[int, str]) -> list[Row]:
    """Rows of inversion_attributes: weighted means over images that can be tested, and of their differences."""
    rows = []
    for inverted in generator.plain:
        weights = {row["image"]: row["weight"] for row in inverted.ended}
        inside: dict[int, list[Row]] = {}
        for row in inverted.classes:
            if row["class_id"] > 0 and row["target_pixels"] >= Rules.least_pixels and row["image"] in weights:
                inside.setdefault(row["class_id"], []).append(row)
        for number, areas in sorted(inside.items()):
            by_image = np.array([weights[row["image"]] for row in areas])
            for attribute in ATTRIBUTES:
                before = np.array([row[f"target_{attribute}"] for row in areas], dtype=np.float64)
                after = np.array([row[attribute] for row in areas], dtype=np.float64)
                estimates = means(np.stack([before, after, after - before], axis=1), by_image)
                rows.append({
                    **named(run, generator, inverted), "sample": inverted.setting.sample, "class_id": number,
                    "class": classes.get(number, str(number)), "attribute": attribute, "images": len(areas),
                    "target": estimates[0][0], "reconstruction": estimates[1][0], **interval("difference", estimates[2]),
                })  # fmt: skip
    return rows
