"""The discriminator that trainings share, with its optimiser: what it learns from a batch, and what it says of one."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit import devices
from ganaudit.random import normals
from ganaudit.training.descent import descend, set_rate
from ganaudit.training.losses import AdversarialLoss

WIDTHS = (24, 48, 96, 160)
"""Channels of the convolutions that lead from 64 pixels to 4."""


class Discriminator(nn.Module):
    """(N, channels, S, S) in [-1, 1] -> scores (N,). Each of its convolutions halves the side, to 4.

    spread: it sees a batch's standard deviation, in groups of 4, or of all where the batch is no multiple of 4.
    """

    def __init__(self, spread: bool, widths: tuple[int, ...] = WIDTHS, channels: int = 3) -> None:
        super().__init__()
        chain = (channels, *widths)
        self.spread = spread
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(chain))
        self.last = nn.Conv2d(widths[-1] + int(spread), widths[-1], 3, padding=1)
        self.score = nn.Linear(widths[-1] * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), 0.2)
        if self.spread:
            groups = x.float().view(-1, x.shape[0] // 4, *x.shape[1:]) if x.shape[0] % 4 == 0 else x.float()[:, None]
            deviation = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
            plane = deviation.repeat(groups.shape[0])[:, None, None, None].expand(-1, 1, *x.shape[2:])
            x = torch.cat([x, plane.to(x.dtype)], dim=1)
        x = F.leaky_relu(self.last(x), 0.2)
        scores: Tensor = self.score(x.flatten(1)).squeeze(1)
        return scores.float()


class Judge:
    """A discriminator and its optimiser. penalty: weight of the loss's penalty, which is added every `every` steps, `every`
    times. seed: of the penalty's draws."""

    def __init__(
        self, network: Discriminator, loss: AdversarialLoss, rate: float, penalty: float, every: int, seed: int,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.network = devices.placed(network, device)
        self.loss, self.rate, self.penalty, self.every, self.seed, self.device = loss, rate, penalty, every, seed, device
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=rate, betas=loss.betas)

    def learn(self, step: int, real: Tensor, fake: Tensor, fade: float) -> float:
        """One optimiser step on real and generated images (N, 3, S, S), at `fade` times the rate. Returns its loss without the
        penalty."""
        set_rate(self.optimiser, self.rate * fade)
        on_real, on_fake = self._scores(real, fake)
        loss = self.loss.discriminator(on_real, on_fake)
        shown = loss.item()
        if step % self.every == 0:

            def draws() -> Tensor:
                return torch.from_numpy(normals(self.seed, "penalty mix", [step], len(real))[0]).to(self.device)

            loss = loss + self.penalty * self.every * self.loss.penalty(self._slopes, real, fake, draws)
        descend(loss, self.optimiser)
        return shown

    def of(self, shown: Tensor, real: bool = True) -> Tensor:
        """The loss of who wants images (N, 3, S, S) to be taken for real ones, or for generated ones.

        Its gradient is the images' alone, the discriminator has none.
        """
        self.network.requires_grad_(False)
        (scores,) = self._scores(shown)
        loss = self.loss.generator(scores if real else -scores)
        self.network.requires_grad_(True)
        return loss

    def _scores(self, *batches: Tensor) -> list[Tensor]:
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            return [self.network(images) for images in batches]

    def _slopes(self, images: Tensor) -> Tensor:
        """(N,) norms of the score's gradient with respect to the pixels."""
        (scores,) = self._scores(images)
        (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
        norms: Tensor = (gradient.float().square().sum(dim=(1, 2, 3)) + 1e-12).sqrt()
        return norms
