"""Adversarial losses: what the discriminator lowers, what the generator lowers, and the penalty on the score's slopes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

Slopes = Callable[[Tensor], Tensor]
"""Images (N, 3, S, S) that require gradients -> (N,) norms of the score's gradient with respect to their pixels."""


class AdversarialLoss(ABC):
    """One loss. Scores are (N,). spread: the discriminator sees a batch's standard deviation (Karras et al., 2018)."""

    betas: ClassVar[tuple[float, float]]
    """Of Adam."""
    spread: ClassVar[bool]

    @abstractmethod
    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> Tensor: ...

    @abstractmethod
    def generator(self, on_fake: Tensor) -> Tensor: ...

    @abstractmethod
    def penalty(self, slopes: Slopes, real: Tensor, fake: Tensor, draws: Callable[[], Tensor]) -> Tensor:
        """Before its weight. draws: standard normal numbers, (N,)."""


class NonSaturating(AdversarialLoss):
    """The non-saturating loss (Goodfellow et al., 2014) with R1 (Mescheder et al., ICML 2018) on half of the real images."""

    betas, spread = (0.0, 0.99), True

    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> Tensor:
        return F.softplus(-on_real).mean() + F.softplus(on_fake).mean()

    def generator(self, on_fake: Tensor) -> Tensor:
        return F.softplus(-on_fake).mean()

    def penalty(self, slopes: Slopes, real: Tensor, fake: Tensor, draws: Callable[[], Tensor]) -> Tensor:
        return 0.5 * slopes(real[: len(real) // 2].requires_grad_(True)).square().mean()


class Wasserstein(AdversarialLoss):
    """The Wasserstein loss with gradient penalty (Gulrajani et al., 2017)."""

    betas, spread = (0.0, 0.9), False

    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> Tensor:
        return on_fake.mean() - on_real.mean()

    def generator(self, on_fake: Tensor) -> Tensor:
        return -on_fake.mean()

    def penalty(self, slopes: Slopes, real: Tensor, fake: Tensor, draws: Callable[[], Tensor]) -> Tensor:
        share = torch.special.ndtr(draws())[:, None, None, None]
        return (slopes((share * real + (1.0 - share) * fake).requires_grad_(True)) - 1.0).square().mean()


LOSSES: dict[str, AdversarialLoss] = {"r1": NonSaturating(), "wgan-gp": Wasserstein()}
