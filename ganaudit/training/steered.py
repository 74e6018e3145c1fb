"""Training a generator that can be steered: on edited images, and together with the walk that is to follow the edit.

Jahanian, Chai and Isola (ICLR 2020): G, w = argmin L_edit + L_GAN, where walked images are judged beside the others against
edited real ones, and L_edit is the masked squares between G(z + αw) and edit(G(z), α).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.protocol import LayeredGenerator, size_of
from ganaudit.random import normals, uniforms
from ganaudit.steering.edits import Edit, Warp, edit_named
from ganaudit.steering.losses import masked_square_error
from ganaudit.steering.spaces import space_named
from ganaudit.steering.walks import LinearWalk, WalkShape
from ganaudit.steering.warping import looked_up
from ganaudit.training.adversarial import AdversarialRecipe, AdversarialTraining
from ganaudit.training.data import Data
from ganaudit.training.descent import descend, faded, set_rate
from ganaudit.training.loop import float_weights


@dataclass(frozen=True)
class SteeredRecipe:
    """What a steered training adds to an adversarial one."""

    edit: str
    reach: float = 0.5
    """Share of the edit's range from which α are drawn, of real images and of walks."""
    together: bool = True
    """The walk is trained with the generator; else real images are edited, and that is all."""
    weight: float = 1.0
    """Of the masked squares."""
    rate: float = 5e-3
    """Of the walk."""


def filled(edit: Edit, images: Tensor, alpha: Tensor) -> Tensor:
    """Images (N, 3, H, W) edited by α (N,); what an edit that moves pixels does not know is filled with the border's pixels."""
    if not isinstance(edit, Warp):
        return edit.apply(images, alpha)[0].clamp(-1.0, 1.0)
    size = (int(images.shape[2]), int(images.shape[3]))
    half = alpha.new_tensor([(size[1] - 1) / 2.0, (size[0] - 1) / 2.0]).expand(len(alpha), 2)
    return looked_up(images, edit.homographies(alpha, size), half_sides=half)[0]


class SteeredTraining(AdversarialTraining):
    """An adversarial training on edited images, with a walk in z or without. Raises RequestError for a Wasserstein loss, whose
    penalty is between pairs of real and generated images."""

    def __init__(
        self, generator: LayeredGenerator, recipe: AdversarialRecipe, steered: SteeredRecipe, seed: int, device: torch.device,
        data: Data | None = None,
    ) -> None:  # fmt: skip
        if recipe.loss != "r1":
            raise RequestError(f"a generator and its walk are trained by the loss r1, not by {recipe.loss!r}")
        super().__init__(generator, recipe, seed, device, data)
        self.steered, self.edit = steered, edit_named(steered.edit)
        self.walk = LinearWalk(WalkShape.of(generator, space_named(generator, "z"), "linear", steered.edit)).to(device)
        self.walk_step = torch.optim.Adam(self.walk.parameters(), steered.rate)

    @property
    def belongs(self) -> Mapping[str, Any]:
        return {**super().belongs, "training": "steered", "steered": asdict(self.steered)}

    def step(self, step: int, spent: float) -> dict[str, float]:
        r, fade = self.recipe, faded(spent, self.recipe.decay_from)
        indices = range(step * r.batch, (step + 1) * r.batch)
        real = filled(self.edit, self.real.on(self.device, step), self._alphas("edited images", indices)[0])
        z = torch.from_numpy(normals(self.seed, "training z", indices, self.generator.latent)).to(self.device)
        if not self.steered.together:
            return self._learned(step, real, self._made(z), fade)
        alphas, sliders = self._alphas("walked images", indices)
        fake = self._made(torch.cat([z, self.walk.moved(z, sliders[:, None])]))
        still, walked = fake.chunk(2)
        targets, mask = self.edit.apply(still.detach(), alphas)
        apart = masked_square_error(walked, targets, mask).mean()
        return {**self._learned(step, real, fake, fade, apart), "edit": apart.item()}

    def _made(self, z: Tensor) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            images: Tensor = self.generator(z)
        return images.float()

    def _alphas(self, purpose: str, indices: range) -> tuple[Tensor, Tensor]:
        """α (N,) and their sliders, of images `indices`."""
        draws = uniforms(self.seed, purpose, indices, 1)[:, 0].astype(np.float32)
        size = size_of(self.generator)
        sliders = torch.from_numpy(2.0 * draws - 1.0).to(self.device) * self.edit.span(size) * self.steered.reach
        return self.edit.alpha(sliders, size), sliders

    def _learned(
        self, step: int, real: Tensor, fake: Tensor, fade: float, apart: Tensor | None = None
    ) -> dict[str, float]:  # fmt: skip
        """One step of the discriminator, then of the generator and of the walk."""
        losses = {"D": self.judge.learn(step, real, fake.detach(), fade)}
        set_rate(self.generator_step, self.recipe.generator_rate * fade)
        set_rate(self.walk_step, self.steered.rate * fade)
        score = self.judge.of(fake)
        descend(score if apart is None else score + self.steered.weight * apart, self.generator_step, self.walk_step)
        self._follow(step)
        return {**losses, "G": score.item()}

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {**super()._parts, "walk": self.walk, "walk_step": self.walk_step}

    def walk_weights(self) -> dict[str, Tensor]:
        """The walk's, as float32 on the CPU."""
        return float_weights(self.walk)
