"""Faults that a generator's images may have although everything stands where it should: pixels change, labels do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ganaudit.village.classes import IDS

Pixels = NDArray[np.uint8]
LabelMaps = NDArray[np.uint8]

VERSION = 1
"""Enters the content keys of altered images: raised whenever a pixel of any changes."""


def altered(artefact: str, pixels: Pixels, labels: LabelMaps) -> Pixels:
    """Images (N, H, W, 3) with an artefact of ARTEFACTS; labels (N, H, W) say where things are. Integers throughout."""
    return ARTEFACTS[artefact](pixels, labels)


def smear(pixels: Pixels, labels: LabelMaps) -> Pixels:
    """People, and one pixel around them, melt into the mean of 13 rows by 9 columns; the rest stays."""
    people = labels == IDS["person"]
    padded = np.pad(people, ((0, 0), (1, 1), (1, 1)))
    height, width = people.shape[1:]
    around = np.any([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=0)
    smeared = pixels.copy()
    some = around.any(axis=(1, 2))
    smeared[some] = np.where(around[some][..., None], box_mean(pixels[some], 13, 9), pixels[some])
    return smeared


def checkerboard(pixels: Pixels, labels: LabelMaps) -> Pixels:
    """Pixels grow lighter and darker in turn, by 28 grey levels: what transposed convolutions leave behind."""
    height, width = pixels.shape[1:3]
    sign = 1 - 2 * ((np.arange(height)[:, None] + np.arange(width)) % 2)
    return _bytes(pixels.astype(np.int32) + 28 * sign[..., None])


def blur(pixels: Pixels, labels: LabelMaps) -> Pixels:
    """Each pixel becomes the mean of 5 by 5."""
    return box_mean(pixels, 5, 5)


def colour(pixels: Pixels, labels: LabelMaps) -> Pixels:
    """Red a third stronger, green as it is, blue a third weaker, all 16 levels lighter."""
    return _bytes(pixels.astype(np.int32) * np.array([4, 3, 2]) // 3 + 16)


ARTEFACTS: dict[str, Callable[[Pixels, LabelMaps], Pixels]] = {
    "smear": smear, "checkerboard": checkerboard, "blur": blur, "colour": colour,
}  # fmt: skip


def box_mean(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Rounded mean over a window of odd sides around each pixel; beyond the edge, the edge goes on."""
    sums = np.pad(pixels.astype(np.int32), ((0, 0), (rows // 2 + 1, rows // 2), (0, 0), (0, 0)), mode="edge").cumsum(axis=1)
    tall = sums[:, rows:] - sums[:, :-rows]
    sums = np.pad(tall, ((0, 0), (0, 0), (columns // 2 + 1, columns // 2), (0, 0)), mode="edge").cumsum(axis=2)
    area = rows * columns
    means: Pixels = ((sums[:, :, columns:] - sums[:, :, :-columns] + area // 2) // area).astype(np.uint8)
    return means


def _bytes(values: NDArray[np.int32]) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)
