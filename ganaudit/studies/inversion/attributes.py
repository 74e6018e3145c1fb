"""What a class looks like inside its mask: colour and sharpness, of a photo and of its reconstruction alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""


def laplacian(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Laplacian of the luminance of pixels (h, w, 3) in 0–255: four neighbours less four times the pixel, (h, w).

    The image goes on beyond its border as it ends there, so a border has no edge of its own.
    """
    light = pixels.astype(np.float64) @ np.array(LUMINANCE)
    padded = np.pad(light, 1, mode="edge")
    return np.asarray(padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4.0 * light)


def attributes(pixels: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each mask (K, h, w) in pixels (h, w, 3): mean red, green, blue and mean absolute Laplacian, all in 0–255, (K, 4).

    NaN for an empty mask.
    """
    values = np.concatenate([pixels.astype(np.float64), np.abs(laplacian(pixels))[..., None]], axis=-1).reshape(-1, 4)
    inside = masks.reshape(len(masks), -1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray((inside @ values) / inside.sum(axis=1, keepdims=True))
