"""The built-in world as a collection, and, with prevalences changed, as a generator whose omission is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from pydantic import Field

from ganaudit.context import Context
from ganaudit.datasets.protocol import Image
from ganaudit.errors import RequestError
from ganaudit.fields import Probability, Seed
from ganaudit.kinds import Kind
from ganaudit.options import Source
from ganaudit.random import VERSION as DRAWS_VERSION
from ganaudit.village import artefacts
from ganaudit.village.classes import NAMES
from ganaudit.village.render import VERSION, render
from ganaudit.village.scene import RESOLUTION, Prevalence
from ganaudit.village.spread import spreads
from ganaudit.village.style import style as style_of

SCENES = 2**40
"""The world does not end; an index has to."""


class VillageSource(Source):
    """The built-in world, drawn by seed; with a prevalence changed it is a generator whose omission is known."""

    seed: Seed | None = None
    """Default: 0 for the real side, 5 for a truth, `sample.seed` for a generator."""
    prevalence: dict[str, Probability] = Field(default_factory=dict)
    """The probability that a scene holds one or more of a class: {person: 0.15, …}."""
    spread: dict[str, dict[str, float]] = Field(default_factory=dict)
    """How much the things of a class differ, as a factor of the plain village's, 0 to 3: {chapel: {position: 0.1}, …}."""
    style: Literal["plain", "redrawn"] = "plain"
    """How it is drawn: redrawn has other colours and textures, in which `builtin:village-redrawn` was trained."""
    artefact: Literal["smear", "checkerboard", "blur", "colour"] | None = None
    """A planted fault: the images are altered (smear: the people in them), what stands in them is not."""


class VillageDataset:
    """Scenes of `seed`. Image `i` has 64x64 pixels and its exact label map, which neither style nor artefact changes.

    Raises RequestError for a prevalence, spread, style or artefact that does not exist.
    """

    resolution = RESOLUTION
    endless = True
    classes = NAMES

    def __init__(
        self, seed: int = 0, prevalence: Mapping[str, float] | None = None, style: str = "plain",
        artefact: str | None = None, spread: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:  # fmt: skip
        self.seed = seed
        self.prevalence = Prevalence.of(prevalence or {})
        self.spreads = spreads(spread or {})
        self.style = style
        self.artefact = artefact
        self._drawn = style_of(style)
        if artefact is not None and artefact not in artefacts.ARTEFACTS:
            raise RequestError(f"artefact {artefact!r} does not exist; there are {', '.join(artefacts.ARTEFACTS)}")

    def __len__(self) -> int:
        return SCENES

    def image(self, index: int) -> Image:
        """Scene `index`: the same alone and in any batch."""
        if not 0 <= index < SCENES:
            raise IndexError(index)
        pixels, labels = render(self.prevalence, self.seed, [index], self._drawn, self.spreads)
        if self.artefact is not None:
            pixels = artefacts.altered(self.artefact, pixels, labels)
        return Image(pixels[0], f"scene {index}", labels[0])

    def recipe(self) -> Mapping[str, Any]:
        """Seed, prevalences, and the versions of the renderer and of its draws; spread, style and artefact where any is."""
        recipe: dict[str, Any] = {
            "kind": "village", "seed": self.seed, "prevalence": asdict(self.prevalence),
            "renderer": VERSION, "draws": DRAWS_VERSION,
        }  # fmt: skip
        if self.spreads:
            recipe["spread"] = {kind: asdict(spread) for kind, spread in self.spreads.items()}
        if self.style != "plain":
            recipe["style"] = self.style
        if self.artefact is not None:
            recipe["artefact"] = {"name": self.artefact, "version": artefacts.VERSION}
        return recipe


def open_village(options: VillageSource, context: Context) -> VillageDataset:
    """Its scenes."""
    seed = context.seed if options.seed is None else options.seed
    return VillageDataset(seed, options.prevalence, options.style, options.artefact, options.spread)


KIND = Kind(
    "village", VillageSource, open_village, "the built-in world, rendered by seed; prevalences changed, a known omission",
    offers=frozenset({"labels"}),
)  # fmt: skip
