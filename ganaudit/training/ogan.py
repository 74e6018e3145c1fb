"""Training an O-GAN: a generator and the encoder that is its critic, by one loss (Su, arXiv:1903.01931)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganaudit import devices, images
from ganaudit.encoders.decomposition import average, correlation
from ganaudit.encoders.ogan import OganGenerator, ogan
from ganaudit.random import normals
from ganaudit.training.averaging import follow, numbers
from ganaudit.training.data import Data, TrainingImages
from ganaudit.training.descent import descend, faded
from ganaudit.training.loop import OfParts, float_weights
from ganaudit.training.losses import LOSSES
from ganaudit.training.ogan_losses import LATENTS, together
from ganaudit.training.ogan_losses import score as score_loss
from ganaudit.training.recipes import Batch, Every, JudgedRecipe, Keep, Rate, SceneRecipe, Share, Steps, Weight

LOG = logging.getLogger("ganaudit.training")


@dataclass(frozen=True, kw_only=True)
class OganRecipe(SceneRecipe, JudgedRecipe):
    """One training of an O-GAN, to the hyperparameter; by default as published, at the size asked for."""

    body: str = "dcgan"
    """One of `encoders.ogan.BODIES`."""
    resolution: int = 64
    latent: Every | None = None
    """Entries of z (n); default: as many as a side has pixels."""
    width: Every | None = None
    """Channels at 4x4; default: 8 for each pixel of a side."""
    score_loss: Literal["qp", "hinge", "logistic"] = "qp"
    quadratic: Rate = 0.25
    """Weight of qp's quadratic term (λ1)."""
    latent_loss: Literal["correlation", "mse", "linear"] = "correlation"
    """linear: mse of W · code, with a learned W."""
    latent_weight: Weight = 0.5
    """λ2; 1 was published for 256 pixels."""
    warm_up: Steps = 0
    """First steps, of the latents' loss alone: without batch norms an encoder must tell images apart before it is a critic."""
    optimiser: Literal["rmsprop", "adam"] = "rmsprop"
    generator_rate: Rate = 1e-4
    encoder_rate: Rate = 1e-4
    penalty: Weight = 0.0
    """Weight of R1, the squared slope of a real image's score; none was published."""
    average: Keep = 0.999
    """Of all weights and statistics: what is shipped."""
    slow_average: Keep = 0.9999
    """The same, kept beside it."""
    decay_from: Share = 1.0
    batch: Batch = 64
    precision: Literal["float32", "bfloat16"] = "float32"

    def model(self) -> OganGenerator:
        """The network as it starts. Raises RequestError for sizes that it cannot have."""
        latent, width = self.latent or self.resolution, self.width or 8 * self.resolution
        return ogan(self.body, self.resolution, latent, width)


class OganTraining(OfParts):
    """An O-GAN. data: the recipe's scenes of the village by default."""

    def __init__(
        self, recipe: OganRecipe, seed: int, device: torch.device, data: Data | None = None
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device, self.batch = recipe, seed, device, recipe.batch
        self.score, self.latent = score_loss(recipe.score_loss, recipe.quadratic), LATENTS[recipe.latent_loss]
        self.model = devices.placed(recipe.model(), device).train()
        self.matrix = nn.Linear(self.model.latent, self.model.latent, bias=False).to(device)
        """W, where the latents' loss has one."""
        nn.init.eye_(self.matrix.weight)
        self.average, self.slow = (copy.deepcopy(self.model).eval().requires_grad_(False) for _ in range(2))
        self.average_matrix, self.slow_matrix = (copy.deepcopy(self.matrix).requires_grad_(False) for _ in range(2))
        self.optimiser = self._optimiser()
        self.real = TrainingImages(data or recipe.data(), recipe.resolution, recipe.batch, seed)
        self._told = False

    def _optimiser(self) -> torch.optim.Optimizer:
        encoder = [*self.model.encoder.parameters(), *self.matrix.parameters()]
        known = {id(value) for value in encoder}
        generator = [value for value in self.model.parameters() if id(value) not in known]
        groups = [
            {"params": generator, "rate": self.recipe.generator_rate}, {"params": encoder, "rate": self.recipe.encoder_rate},
        ]  # fmt: skip
        if self.recipe.optimiser == "adam":
            return torch.optim.Adam(groups, betas=LOSSES["r1"].betas)
        return torch.optim.RMSprop(groups, alpha=0.99, eps=1e-7)

    @property
    def belongs(self) -> Mapping[str, Any]:
        return {"training": "ogan", "recipe": asdict(self.recipe), "data": self.real.belongs, "seed": self.seed}

    def step(self, step: int, spent: float) -> dict[str, float]:
        r = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * faded(spent, r.decay_from)
        real = self.real.on(self.device, step)
        z = self._z("training z", range(step * r.batch, (step + 1) * r.batch))
        fake = self._run(self.model, z)
        # three batches, each with batch norms of its own
        on_real, on_fake, detached = (self._run(self.model.encoder, x) for x in (real, fake, fake.detach()))
        answer = self.matrix(on_fake) if r.latent_loss == "linear" else on_fake
        d = (real - fake.detach()).square().mean(dim=(1, 2, 3))
        loss = r.latent_weight * self.latent(z, answer)
        if step >= r.warm_up:
            loss = loss + together(self.score, on_real, on_fake, detached, d)
            if r.penalty and step % r.penalty_every == 0:
                loss = loss + r.penalty * r.penalty_every * LOSSES["r1"].penalty(self._slopes, real, fake, lambda: z)
        descend(loss, self.optimiser)
        self._follow(step)
        shown = {"t_loss": average(on_real) - average(on_fake), "z_corr": correlation(z, answer), "loss": loss}
        losses = {name: value.mean().item() for name, value in shown.items()}
        self._look(step, losses["t_loss"], d.mean().item())
        return losses

    def _z(self, purpose: str, indices: range, seed: int | None = None) -> Tensor:
        draws = normals(self.seed if seed is None else seed, purpose, indices, self.model.latent)
        return torch.from_numpy(draws).to(self.device)

    def _run(self, network: nn.Module, x: Tensor) -> Tensor:
        """What a network makes of x, as float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            made: Tensor = network(x)
        return made.float()

    def _slopes(self, real: Tensor) -> Tensor:
        """(N,) norms of the score's gradient with respect to the pixels."""
        (gradient,) = torch.autograd.grad(average(self._run(self.model.encoder, real)).sum(), real, create_graph=True)
        norms: Tensor = (gradient.float().square().sum(dim=(1, 2, 3)) + 1e-12).sqrt()
        return norms

    def _follow(self, step: int) -> None:
        new = numbers(self.model, self.matrix)
        averages = (
            (self.average, self.average_matrix, self.recipe.average), (self.slow, self.slow_matrix, self.recipe.slow_average),
        )  # fmt: skip
        for network, matrix, keep in averages:
            follow(numbers(network, matrix), new, keep, step)

    def _look(self, step: int, t: float, d: float) -> None:
        """Says early, once, where the critic has left the generator behind: beyond qp's optimum nothing pulls it back."""
        bound = self.score.lowest(d)
        if not self._told and step >= FIRST_LOOK and t < OVERSHOT * bound:
            self._told = True
            LOG.warning(
                "step %d: t_loss is %.3g, and at its best it would be %.3g: the training diverges; lower encoder_rate, or "
                "raise quadratic", step, t, bound,
            )  # fmt: skip

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {name: getattr(self, name) for name in PARTS}

    def state(self) -> dict[str, Any]:
        return super().state() | {"told": self._told}

    def load(self, state: dict[str, Any]) -> None:
        self._told = bool(state.get("told"))  # older checkpoints do not say
        super().load(state)

    def weights(self) -> dict[str, Tensor]:
        """The averaged generator and encoder; W is folded into the encoder's last layer."""
        return self._folded(self.average, self.average_matrix)

    def beside(self) -> dict[str, dict[str, Tensor]]:
        """The same of the slower average."""
        return {"slow": self._folded(self.slow, self.slow_matrix)}

    def _folded(self, network: OganGenerator, matrix: nn.Linear) -> dict[str, Tensor]:
        made = float_weights(network)
        if self.recipe.latent_loss == "linear":
            weight = matrix.weight.detach().float().cpu()
            made |= {name: weight @ made[name] for name in ("encoder.latent.weight", "encoder.latent.bias")}
        return made

    @torch.no_grad()
    def picture(self, path: Path) -> None:
        """Three rows of samples, the first again from the slower average, and three rows of pairs: a training image, and the
        generator's answer to its code."""
        from PIL import Image

        side, z = self.recipe.resolution, self._z("latent z", range(24), 0)
        real = self.real.on(self.device, 0)[:12]
        shipped = copy.deepcopy(self.average)
        shipped.load_state_dict({**shipped.state_dict(), **self.weights()})  # its encoder with W
        pairs = torch.stack([real, shipped(shipped.encode(real))], dim=1).flatten(0, 1)
        pairs = torch.cat([pairs, pairs.new_ones(-len(pairs) % 8, *pairs.shape[1:])])
        made = images.to_bytes(torch.cat([self.average(z), self.slow(z[:8]), pairs]).float().cpu()).numpy()
        sheet = made.reshape(-1, 8, side, side, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 8 * side, 3)
        larger = max(1, 1024 // (8 * side))
        shown = (larger * sheet.shape[1], larger * sheet.shape[0])
        Image.fromarray(sheet).resize(shown, Image.Resampling.NEAREST).save(path)


PARTS = ("model", "matrix", "average", "average_matrix", "slow", "slow_matrix", "optimiser")
FIRST_LOOK = 200
"""Steps after which a training is looked at; before, scores are whatever they start as."""
OVERSHOT = 3.0
"""So many times qp's best t_loss is no longer noise."""
