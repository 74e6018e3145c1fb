"""The curve over layers: the more of a generator is free, the less is lost. What is lost at z and comes back further on
tells which layers cannot ask for it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ganaudit.statistics.resampling import interval, means
from ganaudit.studies.inversion.reading import InvertedGenerator, Pairs, Row, named

Z = "z"


def layer_rows(run: str, generator: InvertedGenerator) -> list[Row]:
    """Rows of inversion_by_layer, z first, then by how many numbers are free."""
    ratios: dict[str, float] = {}
    for inverted in generator.plain:
        ratio = inverted.images[0]["ratio"]
        ratios[inverted.layer] = max(math.inf if ratio is None else ratio, ratios.get(inverted.layer, 0.0))
    order = sorted(ratios, key=lambda layer: (layer != Z, ratios[layer], layer))
    rows = []
    for one in generator.plain:
        ended = one.ended
        values = np.array(
            [[_or_nan(row["mse"]), _or_nan(row["psnr"]), agreement(one.confusion.get(row["image"], ()))] for row in ended],
            dtype=np.float64,
        ).reshape(-1, 3)
        estimates = means(values, np.array([row["weight"] for row in ended], dtype=np.float64))
        rows.append({
            **named(run, generator, one), "place": order.index(one.layer) + 1, "sample": one.setting.sample,
            "ratio": one.images[0]["ratio"], "evidential": one.images[0]["evidential"], "images": len(ended),
            **interval("mse", estimates[0]), **interval("psnr", estimates[1]), **interval("agreement", estimates[2]),
        })  # fmt: skip
    return sorted(rows, key=lambda row: row["place"])


def agreement(pairs: Pairs) -> float:
    """Share of an image's pixels that the parser gives one class in both; NaN where nothing was recorded."""
    total = sum(pixels for _, _, pixels in pairs)
    return sum(pixels for target, other, pixels in pairs if target == other) / total if total else float("nan")


def summary_rows(run: str, generator: InvertedGenerator) -> list[Row]:
    """Rows of inversion_summary."""
    rows = []
    measures = ("mse", "psnr", "ssim", "lpips")
    for inverted in generator.plain:
        values = np.array([[_or_nan(row[name]) for name in measures] for row in inverted.images], dtype=np.float64)
        estimates = means(values, np.array([row["weight"] for row in inverted.images], dtype=np.float64))
        counts: Mapping[str, int] = {"images": len(inverted.images), "failed": len(inverted.images) - len(inverted.ended)}
        row = {**named(run, generator, inverted), "sample": inverted.setting.sample, **counts}
        for name, each in zip(measures, estimates, strict=True):
            row |= interval(name, each)
        rows.append(row)
    return rows


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
