"""Colours: of the figures (light and dark), and of any number of classes in a label map."""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

ROLES: Mapping[str, tuple[str, str]] = {
    "ink": ("#1c2127", "#e7eaee"),
    "soft": ("#5c6670", "#a2acb7"),
    "grid": ("#e4e7eb", "#303841"),
    "real": ("#a9bccd", "#587591"),
    "real_edge": ("#5d7a95", "#9bb7d0"),
    "generated": ("#c2274f", "#ff7d96"),
    "dropped": ("#9c1f1f", "#ff7f6b"),
    "less": ("#c05a12", "#f09347"),
    "less_pale": ("#f0d3bb", "#674733"),
    "more": ("#2369ab", "#62aeea"),
    "more_pale": ("#c1d8ec", "#2e4b65"),
    "same": ("#2c7a5c", "#62c29b"),
    "band": ("#eef3f0", "#212c28"),
    "paper": ("#fefefe", "#14181d"),
    "mean": ("#3d6287", "#7fa8cf"),
    "covariance": ("#b3c6d8", "#405a74"),
}
"""What a colour stands for, as (light, dark). Figure files use light; the page follows the reader's setting.

Less is orange and more is blue, which colour-blind readers tell apart; the pale ones are changes without a verdict.
No verdict is shown by its colour alone: it has a shape and a word as well.
"""

VOID = (30, 32, 36)

_FIRST = (
    (146, 163, 255),
    (255, 255, 255),
    (255, 246, 47),
    (140, 216, 48),
    (90, 112, 164),
    (220, 198, 167),
    (206, 52, 16),
    (62, 173, 162),
    (117, 47, 3),
    (8, 20, 162),
    (0, 122, 62),
    (217, 8, 124),
    (223, 128, 0),
    (136, 33, 232),
    (58, 227, 255),
)
"""Colours of the classes 1 to 15, apart from each other to all three kinds of eyes below; the others follow."""

_AT_ONCE = 64
"""Colours are found by so many: to look up one more is free."""

# Linear-light RGB as seen without red cones and without green cones (Viénot, Brettel and Mollon 1999).
_SEEN = (
    np.eye(3),
    np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
    np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
)


def class_colour(class_id: int) -> tuple[int, int, int]:
    """The 8-bit RGB colour of a class, the same whatever other classes there are. 0 (void) is near black."""
    if class_id <= 0:
        return VOID
    red, green, blue = (int(value) for value in class_colours(class_id + 1)[class_id])
    return red, green, blue


def class_colours(count: int) -> npt.NDArray[np.uint8]:
    """Colours of the classes 0 to count - 1, as (count, 3).

    Each colour after the first ones is the candidate farthest from all before it, at worst over three kinds of eyes
    (full colour vision, no red cones, no green cones), by Euclidean distance in Oklab. So colours never depend on how
    many classes there are. Where every candidate is in use they start again.
    """
    return _colours(math.ceil(count / _AT_ONCE) * _AT_ONCE)[:count]


@lru_cache(maxsize=16)
def _colours(count: int) -> npt.NDArray[np.uint8]:
    steps = np.linspace(0, 255, 13).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[_places(grid)[:, 0, 0] > 0.3]  # darker ones all look black
    first = np.array([VOID, *_FIRST], dtype=np.uint8)
    places = _places(grid)
    order = _farthest(places, np.min([_distance(places, place) for place in _places(first)], axis=0), count - len(first))
    rest = max(0, count - len(first) - len(order))
    if rest:
        order += np.resize(_farthest(places, np.full(len(grid), np.inf), rest), rest).tolist()
    return np.concatenate([first, grid[order]])[:count]


def _farthest(places: npt.NDArray[np.float64], nearest: npt.NDArray[np.float64], count: int) -> list[int]:
    """Indices of places in turn, `count` of them or all that there are, each the farthest from all before it.

    nearest: how far each is from what was chosen before.
    """
    chosen: list[int] = []
    while len(chosen) < count and nearest.max() > 0:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _distance(places, places[chosen[-1]]))
    return chosen


def _places(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Oklab places as three kinds of eyes see the colours: (N, 3) => (N, 3 kinds, 3)."""
    encoded = colours / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_cones = np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]])
    to_lab = np.array([[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]])
    return np.stack([np.cbrt(np.clip(linear @ seen.T, 0, 1) @ to_cones.T) @ to_lab.T for seen in _SEEN], axis=1)


def _distance(places: npt.NDArray[np.float64], place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The distance of each place from one place, at worst over the kinds of eyes; full vision counts in full."""
    apart: npt.NDArray[np.float64] = np.sqrt(((places - place) ** 2).sum(axis=2))
    nearest: npt.NDArray[np.float64] = np.minimum(apart[:, 0], 1.5 * apart[:, 1:].min(axis=1))
    return nearest
