"""The losses of an O-GAN (Su, arXiv:1903.01931): what the critic lowers, what the generator lowers, and the latents' share.

A score is the average of a code; the lower, the more real. Scores are (N,), codes (N, n).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganaudit.encoders.decomposition import average, correlation


@dataclass(frozen=True)
class ScoreLoss:
    """What is lowered over scores. critic: of real images, of generated ones, and of d (N,), the mean squared difference of
    each pair; generator: of generated ones. lowest: t, real − generated, at which the critic is at its best, given mean d."""

    critic: Callable[[Tensor, Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    lowest: Callable[[float], float] = lambda _: -math.inf


def quadratic(weight: float) -> ScoreLoss:
    """GAN-QP (Su, arXiv:1811.07296): t + weight · t² / d of each pair; lowest at t = −d / (2 · weight), where it is t / 2."""

    def critic(real: Tensor, fake: Tensor, d: Tensor) -> Tensor:
        t = real - fake
        return (t + weight * t.square() / d.clamp_min(SMALLEST)).mean()

    return ScoreLoss(critic, lambda fake: fake.mean(), lambda d: -d / (2.0 * weight))


SMALLEST = 1e-6
"""A pair of images that is nearer than this counts as this near."""
HINGE = ScoreLoss(lambda real, fake, _: (F.relu(1.0 + real) + F.relu(1.0 - fake)).mean(), lambda fake: fake.mean())
LOGISTIC = ScoreLoss(lambda real, fake, _: (F.softplus(real) + F.softplus(-fake)).mean(), lambda fake: F.softplus(fake).mean())


def score(name: str, weight: float) -> ScoreLoss:
    """`qp` of that weight, `hinge` (Lim and Ye, 2017) or `logistic` (the non-saturating loss of Goodfellow et al., 2014)."""
    return {"qp": quadratic(weight), "hinge": HINGE, "logistic": LOGISTIC}[name]


def negative_correlation(z: Tensor, code: Tensor) -> Tensor:
    """−ρ, which leaves a code's average and deviation free."""
    return -correlation(z, code).mean()


def square_error(z: Tensor, code: Tensor) -> Tensor:
    """Half the mean squared difference, which is 1 − ρ of standardised vectors; of others it takes all that a code has."""
    return 0.5 * (z - code).square().mean()


LATENTS = {"correlation": negative_correlation, "mse": square_error, "linear": square_error}
"""What codes of generated images, or W · code for `linear`, lose against the z that they were made of."""


def together(loss: ScoreLoss, real: Tensor, fake: Tensor, detached: Tensor, d: Tensor) -> Tensor:
    """One loss of codes whose gradient is the critic's for the encoder and the generator's for the generator.

    Codes of real images, of generated ones, and of the same, detached from the generator. The generator's loss stands in it
    twice, with both signs, and so cancels in the encoder.
    """
    critic = loss.critic(average(real), average(detached), d)
    return critic + loss.generator(average(fake)) - loss.generator(average(detached))
