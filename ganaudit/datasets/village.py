"""The built-in world as a collection, and, with prevalences changed, as a generator whose omission is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ganaudit.datasets.protocol import Image
from ganaudit.random import VERSION as DRAWS_VERSION
from ganaudit.village.render import VERSION, render
from ganaudit.village.scene import RESOLUTION, Prevalence

SCENES = 2**40
"""The world does not end; an index has to."""


class VillageDataset:
    """Scenes of `seed`. Image `i` has 64x64 pixels and its exact label map."""

    resolution = RESOLUTION

    def __init__(self, seed: int = 0, prevalence: Mapping[str, float] | None = None) -> None:
        self.seed = seed
        self.prevalence = Prevalence.of(prevalence or {})

    def __len__(self) -> int:
        return SCENES

    def image(self, index: int) -> Image:
        """Scene `index`: the same alone and in any batch."""
        if not 0 <= index < SCENES:
            raise IndexError(index)
        pixels, labels = render(self.prevalence, self.seed, [index])
        return Image(pixels[0], f"scene {index}", labels[0])

    def recipe(self) -> Mapping[str, Any]:
        """Seed, prevalences, and the versions of the renderer and of its draws."""
        return {
            "kind": "village", "seed": self.seed, "prevalence": asdict(self.prevalence),
            "renderer": VERSION, "draws": DRAWS_VERSION,
        }  # fmt: skip
