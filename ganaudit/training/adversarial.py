"""Training a generator against a discriminator; what is shipped is the running average of the generator's weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganaudit import devices, images
from ganaudit.datasets.village import VillageDataset
from ganaudit.generators.protocol import LayeredGenerator, size_of
from ganaudit.random import normals
from ganaudit.training.averaging import follow
from ganaudit.training.data import Data, TrainingImages
from ganaudit.training.descent import descend, faded, set_rate
from ganaudit.training.discriminator import WIDTHS, Discriminator, Judge
from ganaudit.training.loop import OfParts, float_weights
from ganaudit.training.losses import LOSSES
from ganaudit.training.recipes import Every, JudgedRecipe, Keep, Rate, SceneRecipe

NORM_BATCHES = 40
"""Batches of 64 that batch norms are measured anew on."""


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe(SceneRecipe, JudgedRecipe):
    """One adversarial training, to the hyperparameter."""

    loss: Literal["r1", "wgan-gp"]
    """One of `losses.LOSSES`: `r1` (non-saturating with R1) or `wgan-gp`."""
    spread: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of the village's scenes."""
    generator_rate: Rate = 4e-4
    discriminator_rate: Rate = 4e-4
    critic_steps: Every = 1
    average: Keep = 0.999
    discriminator_widths: tuple[int, ...] = WIDTHS
    """Channels of its convolutions, from the images' side to 4 pixels."""

    def data(self) -> Data:
        return Data(VillageDataset(self.data_seed, asdict(self.prevalence), spread=self.spread), self.images)


def initialise_generator(generator: LayeredGenerator) -> None:
    """The weights that a generator starts from; biases stay those it was made with."""
    for module in generator.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=0.2, nonlinearity="leaky_relu")
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.02)
    nn.init.normal_(generator.output.convolution.weight, std=0.02)  # type: ignore[union-attr, arg-type]


class AdversarialTraining(OfParts):
    """A generator against its discriminator. data: the recipe's scenes of the village by default."""

    def __init__(
        self, generator: LayeredGenerator, recipe: AdversarialRecipe, seed: int, device: torch.device, data: Data | None = None
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device, self.batch = recipe, seed, device, recipe.batch
        self.loss = LOSSES[recipe.loss]
        initialise_generator(generator)
        self.generator = devices.placed(generator, device).train()
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.judge = Judge(
            Discriminator(self.loss.spread, recipe.discriminator_widths), self.loss, recipe.discriminator_rate, recipe.penalty,
            recipe.penalty_every, seed, device,
        )  # fmt: skip
        self.generator_step = torch.optim.Adam(self.generator.parameters(), lr=recipe.generator_rate, betas=self.loss.betas)
        self.side = size_of(generator)[0]
        self.real = TrainingImages(data or recipe.data(), self.side, recipe.batch, seed)

    @property
    def belongs(self) -> Mapping[str, Any]:
        return {"training": "adversarial", "recipe": asdict(self.recipe), "data": self.real.belongs, "seed": self.seed}

    def step(self, step: int, spent: float) -> dict[str, float]:
        r, fade = self.recipe, faded(spent, self.recipe.decay_from)
        real = self.real.on(self.device, step)
        indices = range(step * r.batch, (step + 1) * r.batch)
        z = torch.from_numpy(normals(self.seed, "training z", indices, self.generator.latent))
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            fake = self.generator(z.to(self.device))
        fake = fake.float()
        losses = {"D": self.judge.learn(step, real, fake.detach(), fade)}
        if step % r.critic_steps == r.critic_steps - 1:
            losses["G"] = self._generate(fake, fade)
            self._follow(step // r.critic_steps)
        return losses

    def _generate(self, fake: Tensor, fade: float) -> float:
        set_rate(self.generator_step, self.recipe.generator_rate * fade)
        loss = self.judge.of(fake)
        descend(loss, self.generator_step)
        return loss.item()

    def _follow(self, update: int) -> None:
        follow(list(self.average.parameters()), list(self.generator.parameters()), self.recipe.average, update)

    @torch.no_grad()
    def settled(self) -> LayeredGenerator:
        """The averaged generator, its batch norms measured anew: averaged weights do not fit the running statistics."""
        settled: LayeredGenerator = copy.deepcopy(self.average).train()
        norms = [m for m in settled.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        for number in range(NORM_BATCHES if norms else 0):
            z = torch.from_numpy(normals(self.seed, "calibration z", range(number * 64, number * 64 + 64), settled.latent))
            settled(z.to(self.device))
        settled.eval()
        return settled

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {
            "generator": self.generator, "average": self.average, "discriminator": self.judge.network,
            "generator_step": self.generator_step, "discriminator_step": self.judge.optimiser,
        }  # fmt: skip

    def weights(self) -> dict[str, Tensor]:
        return float_weights(self.settled())

    @torch.no_grad()
    def picture(self, path: Path) -> None:
        from PIL import Image

        side = self.side
        z = torch.from_numpy(normals(0, "latent z", range(40), self.generator.latent)).to(self.device)
        made = images.to_bytes(self.settled()(z).float().cpu()).numpy()
        sheet = made.reshape(5, 8, side, side, 3).transpose(0, 2, 1, 3, 4).reshape(5 * side, 8 * side, 3)
        Image.fromarray(sheet).resize((16 * side, 10 * side), Image.Resampling.NEAREST).save(path)
