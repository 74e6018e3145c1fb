"""Counting label maps: pixels, places, connected regions and confidence of every class in every image of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.regions import regions, with_instances

CONFIDENCE_STEPS = 65_535
"""Confidences are rounded to 1/65535 before they are summed: sums of integers are the same in any order."""
CELLS = 2**24
"""Most counters, and most pixels, at once; images are counted in groups that stay below."""


@dataclass(frozen=True)
class Tally:
    """One row per class present in an image, sorted by image and class. Coordinates are pixels from the top left.

    image: place in the batch. x_sum and y_sum add up the coordinates of the class's pixels; confidence is their mean, [0, 1].
    parts: connected regions of at least four pixels, or things where a parser tells them apart; largest: pixels of the largest
    (see `ganaudit.regions`).
    """

    image: NDArray[np.int64]
    class_id: NDArray[np.int64]
    pixels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    x_sum: NDArray[np.int64]
    y_sum: NDArray[np.int64]
    x_min: NDArray[np.int64]
    y_min: NDArray[np.int64]
    x_max: NDArray[np.int64]
    y_max: NDArray[np.int64]
    parts: NDArray[np.int64]
    largest: NDArray[np.int64]


def tally(maps: Tensor, confidence: Tensor | None, classes: int, instances: Tensor | None = None) -> Tally:
    """Label maps (N, h, w) or (N, heads, h, w) with ids below `classes`, and confidences in [0, 1] of the same shape.
    instances: the same shape, numbers of things, 0 where there is none.

    Void (class 0) is counted in the first head alone: that head's classes then add up to h·w.
    Two bincounts of profiles (pixels of each class by row, and by column) hold the counts, the sums and the boxes.
    """
    if maps.device.type == "mps":  # has no 64-bit floats
        maps = maps.cpu()
        confidence, instances = (None if each is None else each.cpu() for each in (confidence, instances))
    n = maps.shape[0]
    height, width = maps.shape[-2:]
    maps = maps if maps.ndim == 4 else maps[:, None]
    slots = classes + 1  # the last one takes the void of later heads
    group = max(1, CELLS // max(slots * max(height, width), maps.shape[1] * height * width))
    if n > group:
        sure = None if confidence is None else confidence.reshape(maps.shape)
        groups = [
            tally(maps[some], None if sure is None else sure[some], classes, None if instances is None else instances[some])
            for some in (slice(i, i + group) for i in range(0, n, group))
        ]
        return _joined(groups, group)
    if maps.shape[1] > 1:
        later = torch.arange(maps.shape[1], device=maps.device)[None, :, None, None] > 0
        maps = torch.where(later & (maps == 0), classes, maps.long())
    owner = (torch.arange(n, device=maps.device) * slots)[:, None, None, None] + maps
    rows = torch.arange(height, device=maps.device)[None, None, :, None]
    columns = torch.arange(width, device=maps.device)[None, None, None, :]
    by_row = torch.bincount((owner * height + rows).flatten(), minlength=n * slots * height).view(-1, height)
    by_column = torch.bincount((owner * width + columns).flatten(), minlength=n * slots * width).view(-1, width)
    total = None
    if confidence is not None:
        steps = (confidence.reshape(maps.shape).float() * CONFIDENCE_STEPS).round_().double()
        total = torch.bincount(owner.flatten(), steps.flatten(), minlength=n * slots).cpu().numpy()
    owners = owner.int().reshape(-1, height, width).cpu().numpy()
    if instances is None:
        connected = regions(owners, n * slots)
    else:
        connected = with_instances(owners, instances.reshape(-1, height, width).cpu().numpy(), n * slots)
    return _rows(by_row.cpu().numpy(), by_column.cpu().numpy(), total, *connected, slots)


def _rows(
    by_row: NDArray[np.int64], by_column: NDArray[np.int64], total: NDArray[np.float64] | None, parts: NDArray[np.int64],
    largest: NDArray[np.int64], slots: int,
) -> Tally:  # fmt: skip
    pixels = by_row.sum(axis=1)
    present = np.flatnonzero((pixels > 0) & (np.arange(len(pixels)) % slots < slots - 1))
    by_row, by_column, pixels = by_row[present], by_column[present], pixels[present]
    height, width = by_row.shape[1], by_column.shape[1]
    confidence = np.ones(len(present)) if total is None else total[present] / pixels / CONFIDENCE_STEPS
    return Tally(
        image=present // slots, class_id=present % slots, pixels=pixels, confidence=confidence.astype(np.float32),
        x_sum=by_column @ np.arange(width), y_sum=by_row @ np.arange(height),
        x_min=(by_column > 0).argmax(axis=1), y_min=(by_row > 0).argmax(axis=1),
        x_max=width - 1 - (by_column > 0)[:, ::-1].argmax(axis=1), y_max=height - 1 - (by_row > 0)[:, ::-1].argmax(axis=1),
        parts=parts[present], largest=largest[present],
    )  # fmt: skip


@dataclass(frozen=True)
class Confusion:
    """One row per pair of true and parsed class in an image, sorted by image, true class and parsed class."""

    image: NDArray[np.int64]
    true_class: NDArray[np.int64]
    class_id: NDArray[np.int64]
    pixels: NDArray[np.int64]


def confused(truth: NDArray[np.int64], maps: NDArray[np.int64], classes: int) -> Confusion:
    """True (N, H, W) against parsed (N, h, w) class ids below `classes`; true labels are resampled, nearest, to (h, w)."""
    height, width = maps.shape[1:]
    rows, columns = (
        (2 * np.arange(to) + 1) * have // (2 * to) for to, have in zip((height, width), truth.shape[1:], strict=True)
    )
    pairs = truth[:, rows[:, None], columns] * classes + maps
    counted = [np.unique(pair, return_counts=True) for pair in pairs]
    names, counts = np.concatenate([codes[0] for codes in counted]), np.concatenate([codes[1] for codes in counted])
    image = np.repeat(np.arange(len(counted)), [len(codes[0]) for codes in counted])
    return Confusion(image, names // classes, names % classes, counts.astype(np.int64))


def _joined(tallies: list[Tally], group: int) -> Tally:
    columns = {name: [getattr(t, name) for t in tallies] for name in Tally.__dataclass_fields__}
    columns["image"] = [images + place * group for place, images in enumerate(columns["image"])]
    return Tally(**{name: np.concatenate(parts) for name, parts in columns.items()})
