"""The built-in world as a collection, and, with prevalences changed, as a generator whose omission is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ganaudit.datasets.protocol import Image
from ganaudit.errors import RequestError
from ganaudit.random import VERSION as DRAWS_VERSION
from ganaudit.village import artefacts
from ganaudit.village.render import VERSION, render
from ganaudit.village.scene import RESOLUTION, Prevalence
from ganaudit.village.style import style as style_of

SCENES = 2**40
"""The world does not end; an index has to."""


class VillageDataset:
    """Scenes of `seed`. Image `i` has 64x64 pixels and its exact label map, which neither style nor artefact changes.

    Raises RequestError for a prevalence, style or artefact that does not exist.
    """

    resolution = RESOLUTION

    def __init__(
        self,
        seed: int = 0,
        prevalence: Mapping[str, float] | None = None,
        style: str = "plain",
        artefact: str | None = None,
    ) -> None:
        self.seed = seed
        self.prevalence = Prevalence.of(prevalence or {})
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
        pixels, labels = render(self.prevalence, self.seed, [index], self._drawn)
        if self.artefact is not None:
            pixels = artefacts.altered(self.artefact, pixels, labels)
        return Image(pixels[0], f"scene {index}", labels[0])

    def recipe(self) -> Mapping[str, Any]:
        """Seed, prevalences, and the versions of the renderer and of its draws; style and artefact where there are any."""
        recipe: dict[str, Any] = {
            "kind": "village", "seed": self.seed, "prevalence": asdict(self.prevalence),
            "renderer": VERSION, "draws": DRAWS_VERSION,
        }  # fmt: skip
        if self.style != "plain":
            recipe["style"] = self.style
        if self.artefact is not None:
            recipe["artefact"] = {"name": self.artefact, "version": artefacts.VERSION}
        return recipe
