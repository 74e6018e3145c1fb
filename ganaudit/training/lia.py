"""LIA in two stages: a style generator with an invertible mapping, then, with the generator frozen, an encoder into its w.

Zhu et al., "LIA: Latently Invertible Autoencoder with Adversarial Learning", and its code, for what the paper leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch

from ganaudit.errors import RequestError
from ganaudit.generators.networks.coupling import CouplingMapping
from ganaudit.generators.networks.lia import LiaGenerator, OrdinaryMapping, lia
from ganaudit.random import normals
from ganaudit.training.adversarial import AdversarialRecipe, AdversarialTraining
from ganaudit.training.data import Data
from ganaudit.training.recipes import Every, Rate, Share

MAPPINGS = ("coupling", "mlp")
MEASURED_EVERY = 50
"""Steps between two measurements of the round trip z -> w -> z."""


@dataclass(frozen=True, kw_only=True)
class LiaRecipe(AdversarialRecipe):
    """The first stage, to the hyperparameter. The discriminator's penalty is R1's gamma."""

    loss: Literal["r1"] = "r1"
    """The second stage goes on with the discriminator, under the same loss."""
    generator_rate: Rate = 8e-4
    decay_from: Share = 0.72
    mapping: str = "coupling"
    """`coupling`, of `mapping_depth` steps of two leaky layers, or `mlp`, of twice as many layers."""
    mapping_depth: Every = 4
    mapping_rate: Rate = 0.1
    """Share of the learning rate at which the mapping network learns. 0.01 is published, for a hundred times as many steps."""
    latent: Every = 64
    first: Every = 128
    """Channels at 4 pixels."""
    channels: tuple[tuple[int, ...], ...] = ((128, 128), (64, 64), (32,), (16,))
    """Of the convolutions of each further resolution."""

    def __post_init__(self) -> None:
        if self.mapping not in MAPPINGS:
            raise RequestError(f"there is no mapping {self.mapping!r}; there are {', '.join(MAPPINGS)}")
        if len(self.discriminator_widths) != len(self.channels):
            raise RequestError(
                f"channels are of {len(self.channels)} resolutions above 4 pixels, discriminator_widths of "
                f"{len(self.discriminator_widths)}; give one for each"
            )

    @property
    def side(self) -> int:
        """Of its images, in pixels."""
        return 4 << len(self.channels)

    def body(self) -> LiaGenerator:
        """A generator that has learnt nothing yet."""
        mapping = (
            CouplingMapping(self.latent, self.mapping_depth, slow=self.mapping_rate)
            if self.mapping == "coupling"
            else OrdinaryMapping(self.latent, 2 * self.mapping_depth, self.mapping_rate)
        )
        return lia(self.latent, mapping, self.first, self.channels)


class StyleTraining(AdversarialTraining):
    """The first stage. Its curves also have the round trip's largest error, in 64 and in 32 bits."""

    def __init__(self, recipe: LiaRecipe, seed: int, device: torch.device, data: Data | None = None) -> None:
        torch.manual_seed(seed)  # the weights that the body is born with
        super().__init__(recipe.body(), recipe, seed, device, data)

    @property
    def belongs(self) -> Mapping[str, Any]:
        return {**super().belongs, "training": "lia, stage 1"}

    def step(self, step: int, spent: float) -> dict[str, float]:
        losses = super().step(step, spent)
        mapping = cast(LiaGenerator, self.average).mapping
        if step % MEASURED_EVERY == 0 and isinstance(mapping, CouplingMapping):
            z = torch.from_numpy(normals(self.seed, "round trip z", range(256), self.generator.latent)).to(self.device)
            losses |= {"round trip, 64 bits": mapping.round_trip(z.double()), "round trip, 32 bits": mapping.round_trip(z)}
        return losses

    def settled(self) -> LiaGenerator:
        """The averaged generator as it is shipped."""
        settled = cast(LiaGenerator, super().settled())
        settled.settle()
        return settled
