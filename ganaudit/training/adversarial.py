"""Training a village generator: non-saturating loss with R1, or the Wasserstein loss with gradient penalty.

Non-saturating loss: Goodfellow et al., 2014. R1: Mescheder et al., ICML 2018, lazily as in StyleGAN2 (Karras et al., 2020).
WGAN-GP: Gulrajani et al., 2017. Under the first loss only, the discriminator sees a batch's standard deviation
(Karras et al., 2018).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.generators.protocol import LayeredGenerator
from ganaudit.random import normals
from ganaudit.training.loop import batch_indices, scenes
from ganaudit.village.scene import Prevalence


@dataclass(frozen=True)
class AdversarialRecipe:
    """One adversarial training, to the hyperparameter."""

    loss: str
    """`r1` (non-saturating with R1) or `wgan-gp`."""
    prevalence: Prevalence = field(default_factory=Prevalence)
    data_seed: int = 1_000_002
    images: int = 30_000
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


def _discriminator_loss(loss: str, on_real: Tensor, on_fake: Tensor) -> Tensor:
    if loss == "r1":
        return F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    return on_fake.mean() - on_real.mean()


class AdversarialTraining:
    """A generator against its discriminator; what is shipped is the running average of the generator's weights."""

    def __init__(self, generator: LayeredGenerator, recipe: AdversarialRecipe, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device = recipe, seed, device
        for module in generator.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, a=0.2, nonlinearity="leaky_relu")
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.normal_(generator.output.convolution.weight, std=0.02)  # type: ignore[union-attr, arg-type]
        layout = torch.channels_last
        self.generator = generator.to(device, memory_format=layout).train()  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.discriminator = Discriminator(recipe.loss == "r1").to(device, memory_format=layout)  # type: ignore[call-overload]
        betas = (0.0, 0.99) if recipe.loss == "r1" else (0.0, 0.9)
        self.generator_step = torch.optim.Adam(self.generator.parameters(), lr=recipe.generator_rate, betas=betas)
        self.discriminator_step = torch.optim.Adam(self.discriminator.parameters(), lr=recipe.discriminator_rate, betas=betas)
        self.real = scenes(recipe.prevalence, recipe.data_seed, recipe.images)[0]

    def step(self, iteration: int, spent: float) -> dict[str, float]:
        r = self.recipe
        fade = 1.0 - 0.98 * max(0.0, (spent - r.decay_from) / (1.0 - r.decay_from))
        for optimiser, rate in (
            (self.generator_step, r.generator_rate),
            (self.discriminator_step, r.discriminator_rate),
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * fade
        members = batch_indices(len(self.real), r.batch, self.seed, iteration)
        pixels = torch.from_numpy(self.real[members]).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        z = torch.from_numpy(normals(self.seed, "training z", range(iteration * r.batch, (iteration + 1) * r.batch), 64))
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            fake = self.generator(z.to(self.device))
        fake = fake.float()
        losses = self._discriminate(iteration, pixels, fake.detach())
        if iteration % r.critic_steps == r.critic_steps - 1:
            losses |= self._generate(fake)
            self._follow(iteration // r.critic_steps)
        return losses

    def _discriminate(self, iteration: int, real: Tensor, fake: Tensor) -> dict[str, float]:
        r = self.recipe
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            on_real, on_fake = self.discriminator(real), self.discriminator(fake)
        loss = _discriminator_loss(r.loss, on_real, on_fake)
        shown = {"D": loss.item()}
        if iteration % r.penalty_every == 0:
            if r.loss == "r1":
                half = real[: len(real) // 2].requires_grad_(True)
                loss = loss + 0.5 * r.penalty * r.penalty_every * self._slopes(half).square().mean()
            else:
                draws = torch.from_numpy(normals(self.seed, "penalty mix", [iteration], len(real))[0]).to(self.device)
                share = torch.special.ndtr(draws)[:, None, None, None]
                between = (share * real + (1.0 - share) * fake).requires_grad_(True)
                loss = loss + r.penalty * r.penalty_every * (self._slopes(between) - 1.0).square().mean()
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
        loss = F.softplus(-scores).mean() if self.recipe.loss == "r1" else -scores.mean()
        self.generator_step.zero_grad(set_to_none=True)
        loss.backward()
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
        for number in range(40 if norms else 0):
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
        return {name: value.float().cpu() for name, value in self._settled().state_dict().items() if value.is_floating_point()}

    @torch.no_grad()
    def picture(self, path: Path) -> None:
        from PIL import Image

        z = torch.from_numpy(normals(0, "latent z", range(40), 64)).to(self.device)
        images = ((self._settled()(z).float().cpu() + 1.0) * 127.5).round().clamp(0, 255).byte().numpy()
        sheet = images.reshape(5, 8, 3, 64, 64).transpose(0, 3, 1, 4, 2).reshape(5 * 64, 8 * 64, 3)
        Image.fromarray(sheet).resize((8 * 128, 5 * 128), Image.Resampling.NEAREST).save(path)
