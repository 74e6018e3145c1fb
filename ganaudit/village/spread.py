"""How much the things of one kind differ in a world: how far apart they stand, how unlike their sizes and colours are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ganaudit.errors import RequestError

WIDEST = 3.0
"""Beyond three times the plain village's spread sizes would fall below nothing."""


@dataclass(frozen=True)
class Spread:
    """Factors of the plain village's range about its middle: 0, all of a kind are alike; 1, as in the plain village."""

    position: float = 1.0
    """Of where it stands, from left to right."""
    scale: float = 1.0
    colour: float = 1.0


USUAL = Spread()
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "sun": ("position", "scale"), "cloud": ("position", "scale"), "side_houses": ("position", "scale", "colour"),
    "chapel": ("position", "scale", "colour"), "tree": ("position", "scale", "colour"),
    "fence": ("position", "scale", "colour"), "lamp": ("position", "scale"), "car": ("position", "scale", "colour"),
    "person": ("position", "scale", "colour"),
}  # fmt: skip
"""What can be spread, by kind."""


def spreads(changes: Mapping[str, Mapping[str, float]]) -> dict[str, Spread]:
    """The kinds of `changes` with their spreads. Raises RequestError for a kind, attribute or factor that does not exist."""
    for kind, factors in changes.items():
        if kind not in ATTRIBUTES:
            raise RequestError(f"spread.{kind}: the village has no such kind; it has {', '.join(ATTRIBUTES)}")
        for attribute, factor in factors.items():
            if attribute not in ATTRIBUTES[kind]:
                raise RequestError(f"spread.{kind}.{attribute}: a {kind} has {', '.join(ATTRIBUTES[kind])} to spread")
            if not 0.0 <= factor <= WIDEST:
                raise RequestError(f"spread.{kind}.{attribute}: {factor} is not between 0 (all alike) and {WIDEST:g}")
    return {kind: Spread(**{name: float(factor) for name, factor in factors.items()}) for kind, factors in changes.items()}
