"""What each edit asks an object's attributes to become, where records measure them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLOURS = ("red", "green", "blue", "luminance")
ATTRIBUTES = ("x", "y", "area", "count", *COLOURS)
"""Of a class in an image: its middle as shares of the sides, the binary logarithm of its share of the pixels, its connected
regions, its mean colours from 0 to 255."""
STEP = 127.5
"""Of 0 to 255, for a colour that is 1 larger on [-1, 1]."""


@dataclass(frozen=True)
class Asked:
    """attribute: what an edit is measured by. change: by how much, from strengths and the image's (height, width). implied:
    further attributes that the edit changes by itself."""

    attribute: str
    change: Callable[[Floats, tuple[int, int]], Floats]
    implied: tuple[str, ...] = ()


def _added(alphas: Floats, size: tuple[int, int]) -> Floats:
    return alphas * STEP


ASKED: dict[str, Asked] = {
    "zoom": Asked("area", lambda alphas, size: -2.0 * np.log2(alphas), ("x", "y", "count")),
    "shift-x": Asked("x", lambda alphas, size: alphas / size[1]),
    "shift-y": Asked("y", lambda alphas, size: alphas / size[0]),
    "luminance": Asked("luminance", _added, ("red", "green", "blue")),
    **{colour: Asked(colour, _added, ("luminance",)) for colour in ("red", "green", "blue")},
}
"""Rotations, and steps along the axes of L*a*b*, are measured by no attribute."""
