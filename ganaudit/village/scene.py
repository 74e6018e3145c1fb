"""What stands in a street scene: the draws of one image become shapes on a map of instances, back to front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ganaudit.errors import RequestError
from ganaudit.village.classes import IDS
from ganaudit.village.spread import USUAL, Spread
from ganaudit.village.style import PLAIN, Style

RESOLUTION = 64
CELLS = 3
"""Canvas pixels along each side of an image pixel: colours are averaged over them, the label is the middle one's."""
CANVAS = RESOLUTION * CELLS

Colour = tuple[float, float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Prevalence:
    """The probability that a scene holds one or more of a kind. Sky, grass and the chapel stand in every scene."""

    sun: float = 0.30
    cloud: float = 0.60
    road: float = 0.70
    tower: float = 0.75
    side_houses: float = 0.50
    tree: float = 0.75
    person: float = 0.30
    car: float = 0.25
    fence: float = 0.25
    lamp: float = 0.25

    @classmethod
    def of(cls, changes: Mapping[str, float]) -> Prevalence:
        """The defaults with `changes`; raises RequestError for a kind that does not exist or is no probability."""
        kinds = [field.name for field in fields(cls)]
        for kind, value in changes.items():
            if kind not in kinds:
                raise RequestError(f"prevalence.{kind}: the village has no such kind; it has {', '.join(kinds)}")
            if not 0.0 <= value <= 1.0:
                raise RequestError(f"prevalence.{kind}: {value} is not a probability between 0 and 1")
        return cls(**{kind: float(value) for kind, value in changes.items()})


SLOTS: dict[str, int] = {
    "weather": 10, "ground": 8, "sun": 4, "cloud": 20, "road": 8, "side_houses": 24, "chapel": 28,
    "tree": 28, "fence": 8, "lamp": 10, "car": 14, "person": 28,
}  # fmt: skip
"""Uniform draws per kind: fixed places, so that changing one kind's prevalence leaves every other kind as it was."""
DRAWS = sum(SLOTS.values())


class Draws:
    """Uniform draws in [0, 1), taken one after the other; those of an attribute are spread as its kind's is."""

    def __init__(self, values: NDArray[np.float64], spread: Spread = USUAL) -> None:
        self._values = values.tolist()
        self._next = 0
        self._spread = spread

    def unit(self) -> float:
        self._next += 1
        return float(self._values[self._next - 1])

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.unit()

    def pick(self, n: int) -> int:
        return int(self.unit() * n)

    def across(self, low: float, high: float) -> float:
        """A place from left to right."""
        return low + (high - low) * _spread(self.unit(), self._spread.position)

    def sized(self, low: float, high: float) -> float:
        return low + (high - low) * _spread(self.unit(), self._spread.scale)

    def tone(self) -> float:
        """A share of one colour in a blend of two."""
        return _spread(self.unit(), self._spread.colour)

    def paint(self, palette: Sequence[Colour]) -> Colour:
        """One of the colours, as far from their mean as the kind's colours are spread."""
        picked, mean = palette[self.pick(len(palette))], np.mean(palette, axis=0).tolist()
        return picked if self._spread.colour == 1.0 else blend((mean[0], mean[1], mean[2]), picked, self._spread.colour)


def _spread(draw: float, factor: float) -> float:
    """`draw` as many times as far from the middle of [0, 1); exactly `draw` where the factor is 1."""
    return (1.0 - factor) / 2.0 + factor * draw


def parts(values: NDArray[np.float64], spreads: Mapping[str, Spread] = MappingProxyType({})) -> dict[str, Draws]:
    """The draws of one image (DRAWS numbers), by kind. spreads: of the kinds that are not as in the plain village."""
    draws, start = {}, 0
    for kind, size in SLOTS.items():
        draws[kind] = Draws(values[start : start + size], spreads.get(kind, USUAL))
        start += size
    return draws


@dataclass(frozen=True)
class Instance:
    """One thing on the canvas: class, colour at the top and at the bottom of the canvas, strength of its texture."""

    class_id: int
    top: Colour
    bottom: Colour
    texture: float


class Canvas:
    """The map of instance numbers while it is painted. Coordinates are canvas pixels, y downwards, cut to integers."""

    def __init__(self, style: Style = PLAIN) -> None:
        self._style = style
        self._map = Image.new("L", (CANVAS, CANVAS), 0)
        self._pen = ImageDraw.Draw(self._map)
        self.instances: list[Instance] = []

    def thing(self, name: str, colour: Colour, bottom: Colour | None = None, texture: float = 0.0) -> int:
        """A new instance; its number is the fill of its shapes."""
        top, low = (self._style.colour(name, colour_of) for colour_of in (colour, bottom or colour))
        self.instances.append(Instance(IDS[name], top, low, self._style.texture(name, texture)))
        return len(self.instances) - 1

    def rectangle(self, number: int, box: Box) -> None:
        left, top, right, bottom = (int(v) for v in box)
        if right > left and bottom > top:
            self._pen.rectangle((left, top, right - 1, bottom - 1), fill=number)

    def ellipse(self, number: int, box: Box) -> None:
        left, top, right, bottom = (int(v) for v in box)
        if right > left and bottom > top:
            self._pen.ellipse((left, top, right - 1, bottom - 1), fill=number)

    def polygon(self, number: int, *points: tuple[float, float]) -> None:
        self._pen.polygon([(int(x), int(y)) for x, y in points], fill=number)

    def half_ellipse(self, number: int, box: Box) -> None:
        left, top, right, bottom = (int(v) for v in box)
        if right > left and bottom > top:
            self._pen.pieslice((left, top, right - 1, 2 * bottom - top), 180, 360, fill=number)

    def array(self) -> NDArray[np.uint8]:
        """(CANVAS, CANVAS) instance numbers."""
        return np.asarray(self._map, dtype=np.uint8)


def shade(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` of `b`."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)
