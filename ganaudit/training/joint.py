"""What LIA is compared with: an encoder and a generator that learn together, in one stage, against one discriminator.

VAE/GAN (Larsen et al., ICML 2016) and ALI (Dumoulin et al., ICLR 2017), on LIA's networks. The generator has no mapping
network, so its z is w. The code of an image is drawn around the encoder's answer, by a spread that it answers too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.generators.networks.coupling import CouplingMapping
from ganaudit.generators.networks.lia import lia
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.random import normals
from ganaudit.training.adversarial import initialise_generator
from ganaudit.training.averaging import follow, numbers
from ganaudit.training.data import Data, TrainingImages
from ganaudit.training.descent import descend, faded
from ganaudit.training.discriminator import Discriminator, Judge
from ganaudit.training.lia import LiaRecipe
from ganaudit.training.lia_encoder import EncoderRecipe, draw_pairs, encoder_of, slopes
from ganaudit.training.loop import OfParts, float_weights
from ganaudit.training.losses import LOSSES
from ganaudit.training.recipes import Weight

METHODS = ("vae-gan", "ali")
UNUSED = frozenset({
    "method", "loss", "critic_steps", "mapping", "mapping_depth", "mapping_rate", "target", "norm",
})  # fmt: skip
"""Values of the recipes that a joint training, which has its own networks and one loss, takes no notice of."""


@dataclass(frozen=True)
class JointRecipe:
    """What a joint training has beside the recipes of LIA's stages, whose sizes, rates and shares it takes."""

    method: str = "vae-gan"
    """`vae-gan`: images are to come back, and codes to be normal. `ali`: pairs of image and code are to look alike."""
    divergence: Weight = 1.0
    """Weight of the codes' divergence from the prior, beside pixels of unit variance."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise RequestError(f"there is no joint training {self.method!r}; there are {', '.join(METHODS)}")


class JointTraining(OfParts):
    """One encoder and one generator. data: the first stage's by default."""

    def __init__(
        self, recipe: JointRecipe, first: LiaRecipe, second: EncoderRecipe, seed: int, device: torch.device,
        data: Data | None = None,
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.recipe, self.first, self.second = recipe, first, replace(second, norm="none")
        self.seed, self.device, self.batch = seed, device, first.batch
        generator = lia(first.latent, CouplingMapping(first.latent, 0), first.first, first.channels)
        initialise_generator(generator)
        encoder = encoder_of(generator, self.second)
        spread = nn.Linear(encoder.last.in_features, first.latent)
        nn.init.zeros_(spread.weight)
        self.generator, self.encoder = devices.placed(generator, device).train(), devices.placed(encoder, device).train()
        self.spread = spread.to(device)
        """Features of the encoder -> the logarithm of its codes' variance."""
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.average_encoder = copy.deepcopy(self.encoder).eval().requires_grad_(False)
        loss, pairs = LOSSES["r1"], recipe.method == "ali"
        network = Discriminator(loss.spread, first.discriminator_widths, 4 if pairs else 3)
        self.judge = Judge(network, loss, first.discriminator_rate, first.penalty, first.penalty_every, seed, device)
        rates = {generator: first.generator_rate, encoder: second.rate, spread: second.rate}
        groups = [{"params": list(part.parameters()), "rate": rate} for part, rate in rates.items()]
        self.optimiser = torch.optim.Adam(groups, betas=loss.betas)
        self.perceptual = open_perceptual(second.perceptual, second.perceptual_weights, device=str(device))
        self.real = TrainingImages(data or first.data(), first.side, first.batch, seed)

    @property
    def belongs(self) -> Mapping[str, Any]:
        recipe = {**asdict(self.recipe), "generator": asdict(self.first), "encoder": asdict(self.second)}
        perceptual = self.perceptual.recipe() if self.perceptual else None
        return {
            "training": f"{self.recipe.method}, averaged", "recipe": recipe, "data": self.real.belongs, "seed": self.seed,
            "perceptual": perceptual,
        }  # fmt: skip

    def step(self, step: int, spent: float) -> dict[str, float]:
        fade = faded(spent, self.first.decay_from)
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * fade
        real, z = self.real.on(self.device, step), self._normals("training z", step)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            features = self.encoder.features(real)
            mean, logarithm = self.encoder.of_features(features), self.spread(features).float().clamp(-12.0, 12.0)
            code = mean + (0.5 * logarithm).exp() * self._normals("training code", step)
            made = self.generator(z).float()
        terms = self._alike(made, z, real, code) if self.recipe.method == "ali" else self._back(made, real, code)
        if self.recipe.method == "vae-gan":
            divergence = 0.5 * (mean.square() + logarithm.exp() - logarithm - 1.0).sum(dim=1).mean()
            terms["divergence"] = (self.recipe.divergence * 2.0 / real[0].numel(), divergence)
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        descend(total, self.optimiser)
        averages, networks = numbers(self.average, self.average_encoder), numbers(self.generator, self.encoder)
        follow(averages, networks, self.first.average, step)
        losses = {name: term.item() for name, (_, term) in terms.items()} | {"D": self.judge.learn(step, *self._shown, fade)}
        return losses | slopes(self.encoder)

    def _back(self, made: Tensor, real: Tensor, code: Tensor) -> dict[str, tuple[float, Tensor]]:
        """Weights and terms of VAE/GAN but for the divergence. Half of what the discriminator sees came back, half is new."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            again = self.generator.run({"w": code})["image"].float()
        half = len(real) // 2
        fake = torch.cat([again[:half], made[half:]])
        self._shown = real, fake.detach()
        terms = {"pixels": (1.0, F.mse_loss(again, real)), "adversarial": (self.second.adversarial_share, self.judge.of(fake))}
        if self.perceptual is not None:
            distance = self.perceptual.distance(again, self.perceptual.features(real)).mean()
            terms["perceptual"] = (self.second.perceptual_share, distance)
        return terms

    def _alike(self, made: Tensor, z: Tensor, real: Tensor, code: Tensor) -> dict[str, tuple[float, Tensor]]:
        """Weights and terms of ALI."""
        pairs = paired(real, code), paired(made, z)
        self._shown = pairs[0].detach(), pairs[1].detach()
        return {"encoder": (1.0, self.judge.of(pairs[0], real=False)), "generator": (1.0, self.judge.of(pairs[1]))}

    def _normals(self, purpose: str, step: int) -> Tensor:
        indices = range(step * self.batch, (step + 1) * self.batch)
        return torch.from_numpy(normals(self.seed, purpose, indices, self.first.latent)).to(self.device)

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {
            "generator": self.generator, "encoder": self.encoder, "spread": self.spread, "optimiser": self.optimiser,
            "average": self.average, "average_encoder": self.average_encoder, "discriminator": self.judge.network,
            "discriminator_step": self.judge.optimiser,
        }  # fmt: skip

    def weights(self) -> dict[str, Tensor]:
        """The averages, of a generator of kind lia, whose z is its w, and of its encoder, which answers without a spread."""
        encoder = float_weights(self.average_encoder)
        return float_weights(self.average) | {f"encoder.{name}": value for name, value in encoder.items()}

    def picture(self, path: Path) -> None:
        """Images of the data above what comes back of them."""
        draw_pairs(self.average_encoder, self.average, self.real.on(self.device, 0)[:16], path)


def paired(images: Tensor, codes: Tensor) -> Tensor:
    """Images (N, 3, S, S) and their codes (N, L) as (N, 4, S, S): the fourth plane is rectangles, one for each number of the
    code, row by row."""
    rows = 2 ** (codes.shape[1].bit_length() // 2)
    columns = -(-codes.shape[1] // rows)
    plane = F.pad(codes, (0, rows * columns - codes.shape[1])).view(-1, 1, rows, columns)
    return torch.cat([images, F.interpolate(plane, images.shape[2:], mode="nearest")], dim=1)
