"""Training a generator against a discriminator; what is shipped is the running average of the generator's weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit import images
from ganaudit.datasets.village import VillageDataset
from ganaudit.generators.protocol import LayeredGenerator
from ganaudit.random import normals
from ganaudit.training.data import Data, TrainingImages
from ganaudit.training.loop import float_weights
from ganaudit.training.losses import LOSSES
from ganaudit.village.scene import RESOLUTION, Prevalence

NORM_BATCHES = 40
"""Batches of 64 that batch norms are measured anew on."""


@dataclass(frozen=True)
class AdversarialRecipe:
    """One adversarial training, to the hyperparameter."""

    loss: str
    """One of `losses.LOSSES`: `r1` (non-saturating with R1) or `wgan-gp`."""
    prevalence: Prevalence = field(default_factory=Prevalence)
    data_seed: int = 1_000_002
    images: int = 30_000
    """With prevalence and data_seed: the village's scenes that it is trained on where no other data are given."""
    batch: int = 32
    generator_rate: float = 4e-4
    discriminator_rate: float = 4e-4
    critic_steps: int = 1
    penalty: float = 0.2
    penalty_every: int = 16
    average: float = 0.999
    decay_from: float = 0.6
    """Share of the budget after which both learning rates fall linearly, to 2 % of themselves at the end."""


class Discriminator(nn.Module):
    """(N, 3, 64, 64) in [-1, 1] -> scores (N,)."""

    def __init__(self, spread: bool, widths: tuple[int, ...] = (24, 48, 96, 160)) -> None:
        super().__init__()
        chain = (3, *widths)
        self.spread = spread
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(chain))
        self.last = nn.Conv2d(widths[-1] + int(spread), widths[-1], 3, padding=1)
        self.score = nn.Linear(widths[-1] * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), 0.2)
        if self.spread:
            groups = x.float().view(-1, x.shape[0] // 4, *x.shape[1:]) if x.shape[0] % 4 == 0 else x.float()[None]
            deviation = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
            plane = deviation.repeat(groups.shape[0])[:, None, None, None].expand(-1, 1, *x.shape[2:])
            x = torch.cat([x, plane.to(x.dtype)], dim=1)
        x = F.leaky_relu(self.last(x), 0.2)
        scores: Tensor = self.score(x.flatten(1)).squeeze(1)
        return scores.float()


class AdversarialTraining:
    """A generator of 64 pixels against its discriminator. data: the recipe's scenes of the village by default."""

    def __init__(
        self, generator: LayeredGenerator, recipe: AdversarialRecipe, seed: int, device: torch.device, data: Data | None = None
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device, self.batch = recipe, seed, device, recipe.batch
        self.loss = LOSSES[recipe.loss]
        for module in generator.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, a=0.2, nonlinearity="leaky_relu")
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.normal_(generator.output.convolution.weight, std=0.02)  # type: ignore[union-attr, arg-type]
        layout = torch.channels_last
        self.generator = generator.to(device, memory_format=layout).train()  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.discriminator = Discriminator(self.loss.spread).to(device, memory_format=layout)  # type: ignore[call-overload]
        self.generator_step = torch.optim.Adam(self.generator.parameters(), lr=recipe.generator_rate, betas=self.loss.betas)
        self.discriminator_step = torch.optim.Adam(
            self.discriminator.parameters(), lr=recipe.discriminator_rate, betas=self.loss.betas
        )
        data = data or Data(VillageDataset(recipe.data_seed, asdict(recipe.prevalence)), recipe.images)
        self.real = TrainingImages(data, RESOLUTION, recipe.batch, seed)

    @property
    def belongs(self) -> Mapping[str, Any]:
        return {"training": "adversarial", "recipe": asdict(self.recipe), "data": self.real.belongs, "seed": self.seed}

    def step(self, step: int, spent: float) -> dict[str, float]:
        r = self.recipe
        fade = 1.0 - 0.98 * max(0.0, (spent - r.decay_from) / (1.0 - r.decay_from))
        for optimiser, rate in ((self.generator_step, r.generator_rate), (self.discriminator_step, r.discriminator_rate)):
            for group in optimiser.param_groups:
                group["lr"] = rate * fade
        pixels = images.to_unit(self.real.batch_of(step)[0]).to(self.device).contiguous(memory_format=torch.channels_last)
        indices = range(step * r.batch, (step + 1) * r.batch)
        z = torch.from_numpy(normals(self.seed, "training z", indices, self.generator.latent))
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            fake = self.generator(z.to(self.device))
        fake = fake.float()
        losses = self._discriminate(step, pixels, fake.detach())
        if step % r.critic_steps == r.critic_steps - 1:
            losses |= self._generate(fake)
            self._follow(step // r.critic_steps)
        return losses

    def _discriminate(self, step: int, real: Tensor, fake: Tensor) -> dict[str, float]:
        r = self.recipe
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            on_real, on_fake = self.discriminator(real), self.discriminator(fake)
        loss = self.loss.discriminator(on_real, on_fake)
        shown = {"D": loss.item()}
        if step % r.penalty_every == 0:

            def draws() -> Tensor:
                return torch.from_numpy(normals(self.seed, "penalty mix", [step], len(real))[0]).to(self.device)

            loss = loss + r.penalty * r.penalty_every * self.loss.penalty(self._slopes, real, fake, draws)
        self.discriminator_step.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.discriminator_step.step()
        return shown

    def _slopes(self, images: Tensor) -> Tensor:
        """(N,) norms of the score's gradient with respect to the pixels."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            scores = self.discriminator(images)
        (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
        norms: Tensor = (gradient.float().square().sum(dim=(1, 2, 3)) + 1e-12).sqrt()
        return norms

    def _generate(self, fake: Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            scores = self.discriminator(fake)
        loss = self.loss.generator(scores)
        self.generator_step.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.generator_step.step()
        self.discriminator.requires_grad_(True)
        return {"G": loss.item()}

    @torch.no_grad()
    def _follow(self, update: int) -> None:
        keep = min(self.recipe.average, (1 + update) / (10 + update))
        ours, theirs = list(self.average.parameters()), list(self.generator.parameters())
        torch._foreach_lerp_(ours, theirs, 1.0 - keep)

    @torch.no_grad()
    def _settled(self) -> LayeredGenerator:
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

    def state(self) -> dict[str, Any]:
        return {
            "generator": self.generator.state_dict(), "average": self.average.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_step": self.generator_step.state_dict(), "discriminator_step": self.discriminator_step.state_dict(),
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)

    def weights(self) -> dict[str, Tensor]:
        return float_weights(self._settled())

    @torch.no_grad()
    def picture(self, path: Path) -> None:
        from PIL import Image

        side = RESOLUTION
        z = torch.from_numpy(normals(0, "latent z", range(40), self.generator.latent)).to(self.device)
        made = images.to_bytes(self._settled()(z).float().cpu()).numpy()
        sheet = made.reshape(5, 8, side, side, 3).transpose(0, 2, 1, 3, 4).reshape(5 * side, 8 * side, 3)
        Image.fromarray(sheet).resize((16 * side, 10 * side), Image.Resampling.NEAREST).save(path)
