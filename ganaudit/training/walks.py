"""Training walks on a frozen generator: each image at several α in one pass, against targets made beside it.

Jahanian, Chai and Isola (ICLR 2020): w = argmin E_{z, α} loss(G(z + αw), edit(G(z), α)). A walk starts at zero, where the
published code starts at noise that its training never takes away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.generators.protocol import Generator, State, size_of
from ganaudit.generators.shapes import generator_digest
from ganaudit.inversion.perceptual import Perceptual
from ganaudit.random import VERSION as DRAWS_VERSION
from ganaudit.random import uniforms
from ganaudit.steering.edits import edit_named, edited
from ganaudit.steering.losses import masked_perceptual, masked_square_error
from ganaudit.steering.spaces import latent_of, space_named, with_latent
from ganaudit.steering.strips import draw_strip
from ganaudit.steering.walks import STEPS, LinearWalk, WalkShape, new_walk, repeated
from ganaudit.training.descent import descend, set_rate
from ganaudit.training.loop import OfParts, float_weights


@dataclass(frozen=True)
class WalkRecipe:
    """One training of a walk, to the hyperparameter."""

    edits: tuple[str, ...]
    """One slider each."""
    space: str = "auto"
    """`auto`: w where the generator has one, else its first."""
    kind: str = "linear"
    steps: int = STEPS
    """Of a residual walk, from the identity to the end of the edit's range."""
    reach: float = 0.5
    """Share of the edits' ranges from which α are drawn."""
    legacy_range: bool = False
    """A perceptual loss is shown 2x - 1 of images in [-1, 1], as in the published code."""
    reference_rims: bool = False
    """Targets as in the published code: whole pixels, and rims that are half outside count."""
    images: int = 8
    alphas: int = 4
    """Of each image in one step: drawn from as many equal parts of the range."""
    rate: float | None = None
    """Of Adam; by default RATES, for a linear walk in standard deviations of the space's latents."""
    data_seed: int = 1_000_004

    def __post_init__(self) -> None:
        if not self.edits:
            raise RequestError("a walk follows an edit; name one, such as zoom")
        if not 0.0 < self.reach <= 1.0:
            raise RequestError(f"reach is {self.reach:g}; it is a share of the edit's range, above 0 and at most 1")
        for edit in self.edits:
            edit_named(edit)
        if len(set(self.edits)) < len(self.edits):
            raise RequestError(f"{'+'.join(self.edits)} names an edit twice; a walk has one slider of each")

    def as_dict(self) -> dict[str, Any]:
        """What enters the content key, with the versions of the training and of the draws."""
        return {**asdict(self), "edits": list(self.edits), "version": VERSION, "draws": DRAWS_VERSION}


VERSION = 3
"""Of the training: raised when the same recipe would give another walk."""
RATES = {"linear": 0.05, "residual": 1e-3}
FADE = 0.05
"""What is left of the learning rate at the end of the budget."""
SHOWN = 5
"""Values of α in a look at where the training is."""


def refuse_without_gradients(generator: Generator) -> None:
    """Raises RequestError with the reason why no walk can be trained in a generator."""
    why: str | None = getattr(generator, "not_inverted", None)
    if why is not None:
        raise RequestError(f"no walk can be trained in it: {why}")


class WalkTraining(OfParts):
    """One walk of a frozen generator. perceptual: the loss instead of masked squares.

    Raises RequestError for a generator without gradients, without the space, or with images that cannot hold the edits.
    """

    def __init__(
        self, generator: Generator, recipe: WalkRecipe, seed: int, device: torch.device, perceptual: Perceptual | None = None
    ) -> None:  # fmt: skip
        refuse_without_gradients(generator)
        self.generator, self.recipe, self.seed, self.device = generator, recipe, seed, device
        self.perceptual, self.batch = perceptual, recipe.images * recipe.alphas
        self.edits = tuple(edit_named(name, recipe.reference_rims) for name in recipe.edits)
        for edit in self.edits:
            edit.check(edit.ends(size_of(generator)), size_of(generator))
        shape = WalkShape.of(generator, space_named(generator, recipe.space), recipe.kind, *recipe.edits, steps=recipe.steps)
        self.walk = new_walk(shape, seed).to(device)
        self.rate = (
            RATES[recipe.kind] * (self._deviation() if recipe.kind == "linear" else 1.0) if recipe.rate is None else recipe.rate
        )
        self.optimiser = torch.optim.Adam(self.walk.parameters(), self.rate)
        self.generator_digest = generator_digest(generator)
        self.belongs: dict[str, Any] = {
            "training": "walk", "recipe": recipe.as_dict(), "loss": perceptual.recipe() if perceptual else "l2",
            "data": {"own samples of": self.generator_digest}, "seed": seed,
        }  # fmt: skip

    def sliders(self, first: int, seed: int) -> Tensor:
        """(images · alphas, K) of images `first` and on: each edit's range in equal parts, one draw from each, in any order."""
        count, parts, edits = self.recipe.images, self.recipe.alphas, len(self.edits)
        draws = uniforms(seed, "walk sliders", range(first, first + count), 2 * parts * edits)
        places, orders = np.moveaxis(draws.reshape(count, 2, edits, parts), 1, 0)
        strata = (np.argsort(orders, axis=2) + places) / parts
        limits = np.array([edit.span(self.walk.shape.size) for edit in self.edits]) * self.recipe.reach
        sliders = (2.0 * strata - 1.0).transpose(0, 2, 1).reshape(-1, edits) * limits
        return torch.from_numpy(sliders.astype(np.float32)).to(self.device)

    def step(self, step: int, spent: float) -> dict[str, float]:
        """One optimiser step on fresh samples."""
        set_rate(self.optimiser, self.rate * (1.0 - (1.0 - FADE) * spent))
        first = step * self.recipe.images
        losses = self.losses(self.recipe.data_seed, first)
        loss = losses.get("perceptual", losses["l2"]).mean()
        descend(loss, self.optimiser)
        return {name: value.mean().item() for name, value in losses.items()}

    def losses(self, seed: int, first: int) -> dict[str, Tensor]:
        """Losses (images · alphas,) of own samples `first` and on; always `l2`, and `perceptual` where that is lowered."""
        sliders = self.sliders(first, seed)
        with self._precision():
            with torch.no_grad():
                targets, mask, state = self._targets(seed, first, sliders)
            latents = self.walk.moved(latent_of(self.generator, state, self.walk.shape.space).float(), sliders)
            images = self.generator.run(with_latent(state, self.walk.shape.space, latents))["image"].float()
            losses = {"l2": masked_square_error(images, targets, mask)}
            if self.perceptual is not None:
                losses["perceptual"] = masked_perceptual(self.perceptual, images, targets, mask, self.recipe.legacy_range)
        return losses

    def _targets(self, seed: int, first: int, sliders: Tensor) -> tuple[Tensor, Tensor, State]:
        """Edited images, their masks, and the states that the walk starts from."""
        state = self.generator.latents(seed, torch.arange(first, first + self.recipe.images))
        space = self.walk.shape.space
        state = with_latent(state, space, latent_of(self.generator, state, space))
        images = self.generator.run(state)["image"].float().repeat_interleave(self.recipe.alphas, dim=0)
        each = zip(self.edits, sliders.unbind(dim=1), strict=True)
        alphas = torch.stack([edit.alpha(slider, size_of(self.generator)) for edit, slider in each], dim=1)
        with torch.autocast(self.device.type, enabled=False):  # bfloat16 has no eighth of a pixel at 32
            targets, mask = edited(self.edits, images, alphas)
        return targets, mask, repeated(state, self.recipe.alphas)

    def _precision(self) -> torch.autocast:
        """bfloat16 where the device computes in it itself. Without autocast's cache of weights: all threads share it, and one
        that leaves empties it for those that train other walks, whose gradients then add up in another precision."""
        return torch.autocast(self.device.type, torch.bfloat16, devices.has_bfloat16(self.device.type), cache_enabled=False)

    @torch.no_grad()
    def _deviation(self) -> float:
        """The standard deviation of the space's latents about their mean, over own samples."""
        state = self.generator.latents(self.recipe.data_seed - 1, torch.arange(256))
        latents = latent_of(self.generator, state, self.walk.shape.space).float()
        return max(float((latents - latents.mean(dim=0)).square().mean().sqrt()), 1e-6)

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {"walk": self.walk, "optimiser": self.optimiser}

    def weights(self) -> dict[str, Tensor]:
        return float_weights(self.walk)

    @torch.no_grad()
    def figures(self, steps: int = 8) -> dict[str, Any]:
        """On own samples that it was not trained on: masked squares with the walk and without, and what share of them it takes
        away; each direction's length, layer by layer."""
        seed, starts = self.recipe.data_seed + 1, [step * self.recipe.images for step in range(steps)]
        walked = torch.cat([self.losses(seed, first)["l2"] for first in starts]).mean()
        still = torch.cat([self._unmoved(seed, first) for first in starts]).mean()
        figures: dict[str, Any] = {
            "l2": round(float(walked), 5), "l2_unmoved": round(float(still), 5),
            "followed": round(1.0 - float(walked / still), 4),
        }  # fmt: skip
        if isinstance(self.walk, LinearWalk):
            figures["lengths"] = [[round(value, 3) for value in row] for row in self.walk.lengths().tolist()]
        return figures

    def _unmoved(self, seed: int, first: int) -> Tensor:
        with self._precision():
            targets, mask, state = self._targets(seed, first, self.sliders(first, seed))
            return masked_square_error(self.generator.run(state)["image"].float(), targets, mask)

    def picture(self, path: Path) -> None:
        """Own samples along the first edit, each above the edit itself."""
        draw_strip(self.walk, self.generator, self.recipe.data_seed + 1, range(4), SHOWN).save(path)
