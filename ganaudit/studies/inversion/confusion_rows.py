"""What stands where the people were: the classes that a reconstruction shows inside a class's mask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ganaudit.statistics.resampling import interval, ratios
from ganaudit.studies.inversion.reading import InvertedGenerator, Row, named

MOST = 6
"""Classes that are listed for a class; the class itself always is where any of it came back."""


def confusion_rows(run: str, generator: InvertedGenerator, classes: Mapping[int, str]) -> list[Row]:
    """Rows of inversion_confusions, over the images that hold enough of the class to be tested."""
    rows = []
    for inverted in generator.plain:
        for number, parts in inverted.parts().items():
            inside = [
                {other: pixels for target, other, pixels in inverted.confusion[part.image] if target == number}
                for part in parts
            ]
            others = sorted({other for each in inside for other in each})
            tops = np.array([[each.get(other, 0) for other in others] for each in inside], dtype=np.float64)
            bottoms = np.repeat(tops.sum(axis=1, keepdims=True), len(others), axis=1)
            shares = ratios(tops, bottoms, np.array([part.weight for part in parts]))
            order = sorted(range(len(others)), key=lambda place: (-(shares[place][0] or 0.0), others[place]))
            for rank, place in enumerate(order, start=1):
                if rank <= MOST or others[place] == number:
                    rows.append({
                        **named(run, generator, inverted), "sample": inverted.setting.sample, "class_id": number,
                        "class": classes.get(number, str(number)), "rank": rank, "reconstruction_class_id": others[place],
                        "reconstruction_class": classes.get(others[place], str(others[place])),
                        "images": len(parts), **interval("share", shares[place]),
                    })  # fmt: skip
    return rows
