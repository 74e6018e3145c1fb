"""How the village is drawn: its own colours and textures, or others, in which a parser learns another world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ganaudit.errors import RequestError

Gain = tuple[float, float, float]


@dataclass(frozen=True)
class Style:
    """What becomes of the paint of each class: factors of red, green and blue, and of the strength of its texture.

    Shapes, draws and label maps are those of the plain village. A class that is not named stays as it is.
    """

    gains: Mapping[str, Gain] = field(default_factory=dict)
    textures: Mapping[str, float] = field(default_factory=dict)

    def colour(self, name: str, colour: Gain) -> Gain:
        """The colour of a thing of class `name`, 0 to 255 each."""
        if name not in self.gains:
            return colour
        red, green, blue = (min(255.0, value * gain) for value, gain in zip(colour, self.gains[name], strict=True))
        return red, green, blue

    def texture(self, name: str, strength: float) -> float:
        return strength * self.textures.get(name, 1.0)


PLAIN = Style()
REDRAWN = Style(
    gains={
        "sky": (1.25, 0.95, 0.75), "cloud": (0.85, 0.92, 1.0), "sun": (1.0, 0.72, 0.9), "grass": (1.45, 0.85, 0.95),
        "road": (1.2, 0.95, 0.75), "building": (0.75, 0.85, 1.05), "roof": (0.65, 1.1, 1.2), "dome": (1.35, 0.8, 1.1),
        "door": (1.5, 0.8, 0.8), "window": (0.8, 0.75, 0.7), "tree": (2.0, 0.95, 0.7), "person": (0.8, 1.25, 0.85),
        "car": (0.85, 0.8, 1.3), "fence": (0.7, 0.85, 0.95), "lamp": (1.3, 0.9, 0.6),
    },
    textures={
        "sky": 2.5, "cloud": 0.0, "grass": 0.4, "road": 2.0, "building": 2.5, "roof": 0.3, "dome": 3.0, "tree": 0.5, "car": 3.0,
    },
)  # fmt: skip
"""An evening in autumn, printed badly: every class has other colours, most have other textures."""

STYLES: dict[str, Style] = {"plain": PLAIN, "redrawn": REDRAWN}


def style(name: str) -> Style:
    """The style of that name. Raises RequestError naming those there are."""
    if name not in STYLES:
        raise RequestError(f"style {name!r} does not exist; the village can be drawn {' or '.join(STYLES)}")
    return STYLES[name]
