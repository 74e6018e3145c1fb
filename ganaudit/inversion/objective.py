"""What a search lowers: a pixel term, a perceptual term, a prior on z and a penalty on residuals, image by image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.inversion.perceptual import Maps, Perceptual

LOG_TWO_PI = math.log(2.0 * math.pi)
EPSILON = 1e-6
"""How near to 0 and 1 a pixel may come in the cross-entropy."""


def _square(image: Tensor, target: Tensor) -> Tensor:
    return (image - target).square()


def _absolute(image: Tensor, target: Tensor) -> Tensor:
    return (image - target).abs()


def _cross_entropy(image: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of pixels mapped to [0, 1]; its least value is the target's own entropy, not 0."""
    p, t = ((image + 1.0) / 2.0).clamp(EPSILON, 1.0 - EPSILON), (target + 1.0) / 2.0
    return -(t * p.log() + (1.0 - t) * (1.0 - p).log())


PIXEL_TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": _square, "l1": _absolute, "bce": _cross_entropy}


def prior_term(z: Tensor) -> Tensor:
    """-mean_i log N(z_i; 0, 1) of each latent (N, L): (N,). The mean over dimensions is Creswell and Bharath's code's."""
    return (0.5 * (z.square() + LOG_TWO_PI)).flatten(1).mean(dim=1)


@dataclass(frozen=True)
class Targets:
    """Images to be found, with what is computed once.

    images: (N, 3, S, S) in [-1, 1]. weights: (N, 1, S, S), how much each pixel counts, mean 1; None: all the same.
    penalties: (N,), multiples of the objective's penalty, image by image; None: 1.
    """

    images: Tensor
    features: Maps = ()
    weights: Tensor | None = None
    penalties: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Tensor) -> Targets:
        """The targets at these places."""
        weights, penalties = (None if each is None else each[rows] for each in (self.weights, self.penalties))
        return Targets(self.images[rows], tuple(feature[rows] for feature in self.features), weights, penalties)


@dataclass(frozen=True)
class Objective:
    """The loss of each image: pixel + perceptual_weight * perceptual + prior * prior_term(z) + penalty * mean residual²."""

    pixel: str = "mse"
    perceptual: Perceptual | None = None
    perceptual_weight: float = 1.0
    prior: float = 0.0
    penalty: float = 0.0
    """Weight of the sum over layers of mean d²."""

    def __post_init__(self) -> None:
        if self.pixel not in PIXEL_TERMS:
            raise RequestError(f"there is no pixel loss {self.pixel!r}; there are {', '.join(PIXEL_TERMS)}")
        for name in ("perceptual_weight", "prior", "penalty"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise RequestError(f"{name} is {value:g}; it is a number from 0 on")

    def recipe(self) -> dict[str, Any]:
        """What enters a content key, with the digest of the perceptual term's weights."""
        term = self.perceptual.recipe() if self.perceptual else {"perceptual": "none", "weights": None}
        return {
            "pixel": self.pixel, **term, "perceptual_weight": self.perceptual_weight,
            "prior": self.prior, "penalty": self.penalty,
        }  # fmt: skip

    @torch.no_grad()
    def targets(self, images: Tensor, inside: Tensor | None = None, factor: float = 10.0) -> Targets:
        """Targets (N, 3, S, S). inside: (N, S, S) bool, pixels that count `factor` times (the mask-weighted search)."""
        weights = None
        if inside is not None:
            raw = torch.where(inside[:, None], factor, 1.0).to(images)
            weights = raw / raw.mean(dim=(1, 2, 3), keepdim=True)
        return Targets(images, self.perceptual.features(images) if self.perceptual else (), weights)

    def terms(
        self, image: Tensor, targets: Targets, z: Tensor | None = None, residuals: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Each term of the loss before its weight, and `loss`, their sum: (N,) each, in float32."""
        image = image.float()
        difference = PIXEL_TERMS[self.pixel](image, targets.images)
        if targets.weights is not None:
            difference = difference * targets.weights
        terms_by_name = {"pixel": difference.flatten(1).mean(dim=1)}
        loss = terms_by_name["pixel"]
        if self.perceptual is not None:
            terms_by_name["perceptual"] = self.perceptual.distance(image, targets.features, targets.weights)
            loss = loss + self.perceptual_weight * terms_by_name["perceptual"]
        if z is not None:
            terms_by_name["prior"] = prior_term(z)
            if self.prior:
                loss = loss + self.prior * terms_by_name["prior"]
        if residuals:
            terms_by_name["residual"] = torch.stack([d.square().flatten(1).mean(dim=1) for d in residuals.values()]).sum(dim=0)
            if self.penalty:
                multiples = 1.0 if targets.penalties is None else targets.penalties
                loss = loss + self.penalty * multiples * terms_by_name["residual"]
        return {"loss": loss, **terms_by_name}
