"""LIA's second stage: an encoder from images to w of a frozen generator, whose discriminator is tuned on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit import devices, images
from ganaudit.encoders.networks import initialise
from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.networks.lia import LiaGenerator, PooledEncoder
from ganaudit.generators.protocol import size_of
from ganaudit.inversion.perceptual import KINDS, open_perceptual
from ganaudit.state import state_digest
from ganaudit.training.data import Data, TrainingImages
from ganaudit.training.descent import descend, faded, set_rate
from ganaudit.training.discriminator import WIDTHS, Discriminator, Judge
from ganaudit.training.loop import OfParts, float_weights
from ganaudit.training.losses import LOSSES
from ganaudit.training.recipes import JudgedRecipe, Rate, Share, Weight

NORMS = ("whitened", "published", "none")
TARGETS = ("images", "latents")


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe(JudgedRecipe):
    """The second stage, to the hyperparameter."""

    target: str = "images"
    """`images`: those of the data are to come back. `latents`: w of own samples is to be found, and no photo is seen."""
    norm: str = "whitened"
    """What ends the encoder: `published`, a batch norm whose spread is one; `whitened`, the same in units of w; `none`."""
    perceptual: str = "pyramid"
    perceptual_weights: str | None = None
    """A local file of the perceptual distance's backbone."""
    perceptual_share: Weight = 0.5
    """Weight of the perceptual term (beta 1), whose scale is that of its features."""
    adversarial_share: Weight = 0.01
    """Weight of the adversarial term (beta 2). 0.1 is published: in a short training its gradient drowns that of the pixels."""
    rate: Rate = 1e-3
    discriminator_rate: Rate = 1e-4
    decay_from: Share = 0.25
    encoder_widths: tuple[int, ...] = (16, 32, 64, 80, 80)
    """Its channels, from the images' side to 4 pixels."""
    discriminator_widths: tuple[int, ...] = WIDTHS

    def __post_init__(self) -> None:
        for name, valid in (("norm", NORMS), ("target", TARGETS), ("perceptual", KINDS)):
            if getattr(self, name) not in valid:
                raise RequestError(f"there is no {name} {getattr(self, name)!r}; there are {', '.join(valid)}")


class EncoderTraining(OfParts):
    """The encoder of one frozen generator. discriminator: the state that the first stage left; without, it starts anew.

    Raises RequestError where sides and widths do not fit each other.
    """

    def __init__(
        self, generator: LiaGenerator, discriminator: Mapping[str, Tensor] | None, recipe: EncoderRecipe, seed: int,
        device: torch.device, data: Data,
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device, self.batch = recipe, seed, device, recipe.batch
        self.side = size_of(generator)[0]
        self.generator = devices.placed(generator, device).eval().requires_grad_(False)
        self.digest = state_digest(self.generator)
        self.encoder = devices.placed(encoder_of(generator, recipe), device).train()
        self.optimiser = torch.optim.Adam(_learning(self.encoder), recipe.rate, betas=(0.9, 0.99))
        loss = LOSSES["r1"]
        network = Discriminator(loss.spread, recipe.discriminator_widths)
        if discriminator is not None:
            _filled(network, discriminator)
        self.began = state_digest(network)
        self.judge = Judge(network, loss, recipe.discriminator_rate, recipe.penalty, recipe.penalty_every, seed, device)
        self.perceptual = open_perceptual(recipe.perceptual, recipe.perceptual_weights, device=str(device))
        self.real = TrainingImages(data, self.side, recipe.batch, seed)

    @property
    def belongs(self) -> Mapping[str, Any]:
        return {
            "training": "lia, stage 2", "recipe": asdict(self.recipe), "data": self.real.belongs, "seed": self.seed,
            "perceptual": self.perceptual.recipe() if self.perceptual else None, "generator": self.digest,
            "discriminator": self.began,
        }  # fmt: skip

    def step(self, step: int, spent: float) -> dict[str, float]:
        fade = faded(spent, self.recipe.decay_from)
        set_rate(self.optimiser, self.recipe.rate * fade)
        losses = self._images(step, fade) if self.recipe.target == "images" else self._latents(step)
        return losses | slopes(self.encoder)

    def _images(self, step: int, fade: float) -> dict[str, float]:
        """What the generator makes of the encoder's answer is to be the image again."""
        r, real = self.recipe, self.real.on(self.device, step)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            again = self.generator.run({"w": self.encoder(real)})["image"]
        again = again.float()
        terms = {"pixels": F.mse_loss(again, real), "adversarial": self.judge.of(again)}
        total = terms["pixels"] + r.adversarial_share * terms["adversarial"]
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual.distance(again, self.perceptual.features(real)).mean()
            total = total + r.perceptual_share * terms["perceptual"]
        descend(total, self.optimiser)
        return {name: term.item() for name, term in terms.items()} | {"D": self.judge.learn(step, real, again.detach(), fade)}

    def _latents(self, step: int) -> dict[str, float]:
        """The encoder is to find w of own samples, in units of w's spread."""
        indices = torch.arange(step * self.batch, (step + 1) * self.batch)
        with torch.no_grad(), torch.autocast(self.device.type, dtype=torch.bfloat16):
            state = dict(self.generator.latents(self.seed, indices))
            w = self.generator.to_w(state["z"]).float()
            shown = self.generator.run({**state, "w": w})["image"].float()
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            guess = self.encoder(images.to_unit(images.to_bytes(shown)).contiguous(memory_format=torch.channels_last))
        loss = ((guess - w) / self.generator.statistics()[1]).square().mean()
        descend(loss, self.optimiser)
        return {"w": loss.item()}

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {
            "encoder": self.encoder, "encoder_step": self.optimiser, "discriminator": self.judge.network,
            "discriminator_step": self.judge.optimiser,
        }  # fmt: skip

    def weights(self) -> dict[str, Tensor]:
        """Of generator and encoder. Raises AuditError where the generator did not stay what it was."""
        if state_digest(self.generator) != self.digest:
            raise AuditError("the generator changed while its encoder was trained; this is a defect, and nothing is written")
        return float_weights(self.generator) | {f"encoder.{name}": value for name, value in float_weights(self.encoder).items()}

    def picture(self, path: Path) -> None:
        """Images of the data above what comes back of them."""
        draw_pairs(self.encoder, self.generator, self.real.on(self.device, 0)[:16], path)


@torch.no_grad()
def draw_pairs(encoder: PooledEncoder, generator: LiaGenerator, real: Tensor, path: Path) -> None:
    """A picture of images (N, 3, S, S) above what comes back of them."""
    from PIL import Image

    learning = encoder.training
    encoder.eval()
    again = generator.run({"w": encoder(real)})["image"]
    encoder.train(learning)
    rows = torch.stack([images.to_bytes(each).cpu() for each in (real, again)])
    pixels = rows.permute(0, 2, 1, 3, 4).flatten(0, 1).flatten(1, 2)
    Image.fromarray(pixels.contiguous().numpy()).save(path)


def slopes(encoder: PooledEncoder) -> dict[str, float]:
    """The length of the last gradient of each part of an encoder."""
    parts = {"stem": encoder.stem, "last": encoder.last}
    parts |= {f"block {number}": block for number, block in enumerate(encoder.blocks, start=1)}
    return {
        f"gradient, {name}": float(nn.utils.get_total_norm([p.grad for p in part.parameters() if p.grad is not None]))
        for name, part in parts.items()
    }


def encoder_of(generator: LiaGenerator, recipe: EncoderRecipe) -> PooledEncoder:
    """An encoder of a generator's w that has learnt nothing yet. Raises RequestError where its widths are not of its side."""
    check_widths(size_of(generator)[0], recipe)
    encoder = PooledEncoder(generator.latent, recipe.encoder_widths, recipe.norm != "none")
    initialise(encoder)
    if recipe.norm == "whitened":
        encoder.mean[:], encoder.deviation[:] = generator.statistics()
    return encoder


def check_widths(side: int, recipe: EncoderRecipe) -> None:
    """Raises RequestError where the widths are not those of networks from images of `side` pixels to 4."""
    if not side == 4 * 2 ** (len(recipe.encoder_widths) - 1) == 4 * 2 ** len(recipe.discriminator_widths):
        raise RequestError(
            f"this generator makes images of {side} pixels: encoder_widths has a number for each side from {side} to 4, "
            f"discriminator_widths for each below {side}; they have {len(recipe.encoder_widths)} and "
            f"{len(recipe.discriminator_widths)}"
        )


def _filled(network: Discriminator, state: Mapping[str, Tensor]) -> None:
    """Gives a discriminator the state that the first stage left. Raises RequestError where it is of other widths."""
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if own != {name: tuple(value.shape) for name, value in state.items()}:
        places = range(len([name for name in state if name.startswith("convolutions.") and name.endswith(".weight")]))
        widths = [state[f"convolutions.{place}.weight"].shape[0] for place in places]
        raise RequestError(
            f"the first stage's discriminator has widths {widths}, and the second one goes on with it: --set "
            f"discriminator_widths={str(widths).replace(' ', '')}"
        )
    network.load_state_dict(dict(state))


def _learning(encoder: nn.Module) -> list[nn.Parameter]:
    return [value for value in encoder.parameters() if value.requires_grad]
