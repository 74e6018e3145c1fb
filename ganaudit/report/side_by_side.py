"""One picture of an inversion: the photo beside its reconstruction, and both label maps where there are some."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaudit.report.palette import class_colours

GAP = 4
"""Pixels of white between two panes."""
SIDE = 192
"""Panes are enlarged by a whole number to about this side, without smoothing."""
OUTLINE = (255, 0, 160)


def side_by_side(
    photo: NDArray[np.uint8], reconstruction: NDArray[np.uint8],
    maps: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None, outlined: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:  # fmt: skip
    """(h, w, 3) twice, label maps twice, mask => (H, W, 3). The mask's border is drawn into every pane.

    Label maps and mask may be coarser than the photo.
    """
    size = photo.shape[:2]
    scale = max(1, SIDE // max(size))
    panes = [photo, reconstruction]
    if maps is not None:
        colours = class_colours(int(max(labels.max() for labels in maps)) + 1)
        panes += [colours[_spread(labels, size)] for labels in maps]
    large = [pane.repeat(scale, axis=0).repeat(scale, axis=1) for pane in panes]
    if outlined is not None and outlined.any():
        border = _border(_spread(outlined, size).repeat(scale, axis=0).repeat(scale, axis=1))
        large = [np.where(border[..., None], np.array(OUTLINE, dtype=np.uint8), pane) for pane in large]
    gap = np.full((large[0].shape[0], GAP, 3), 255, dtype=np.uint8)
    return np.concatenate([part for pane in large for part in (pane, gap)][:-1], axis=1)


def _spread(values: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """A label map or mask (h, w) at the size of the photo: each of its pixels stands for those that lie in it."""
    down, right = (np.arange(side) * of // side for side, of in zip(size, values.shape, strict=True))
    return values[np.ix_(down, right)]


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels just outside of a mask."""
    padded = np.pad(mask, 1)
    near = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    border: NDArray[np.bool_] = near & ~mask
    return border


def webp(pixels: NDArray[np.uint8]) -> bytes:
    """Lossless WebP, with little effort: 40 times as fast, files a fifth larger, one for each inverted image."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "WEBP", lossless=True, method=0)
    return content.getvalue()
