"""Optimisers of many independent problems at once: row i of every matrix is image i, and no row sees another.

torch's own would do for Adam and RMSprop, but not for rows that leave the batch when they are done, and torch's L-BFGS takes
one step length for all. Formulas: Kingma and Ba, ICLR 2015; Tieleman and Hinton, 2012; Nocedal and Wright, chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Evaluation:
    """The losses of N problems at one point. loss: (N,); gradient: (N, D); terms: by name, (N,) each."""

    loss: Tensor
    gradient: Tensor
    terms: Mapping[str, Tensor]

    def take(self, rows: Tensor) -> Evaluation:
        """The problems at these places."""
        return Evaluation(self.loss[rows], self.gradient[rows], {name: value[rows] for name, value in self.terms.items()})


Evaluate = Callable[[Tensor], Evaluation]


class Optimiser(Protocol):
    """Goes from a point (N, D) to the next."""

    def step(self, x: Tensor, here: Evaluation, rate: float, evaluate: Evaluate) -> tuple[Tensor, Evaluation]: ...

    def take(self, rows: Tensor) -> None:
        """Goes on with the problems at these places alone."""
        ...


class Adam:
    """Adam with torch's defaults: decay .9 and .999, epsilon 1e-8."""

    def __init__(self, x: Tensor) -> None:
        self.mean, self.square, self.steps = torch.zeros_like(x), torch.zeros_like(x), 0

    def step(self, x: Tensor, here: Evaluation, rate: float, evaluate: Evaluate) -> tuple[Tensor, Evaluation]:
        g = here.gradient
        self.steps += 1
        self.mean = self.mean.lerp(g, 1.0 - 0.9)
        self.square = (self.square * 0.999).addcmul(g, g, value=1.0 - 0.999)
        scale = self.square.sqrt() / (1.0 - 0.999**self.steps) ** 0.5 + 1e-8
        x = x - rate / (1.0 - 0.9**self.steps) * self.mean / scale
        return x, evaluate(x)

    def take(self, rows: Tensor) -> None:
        self.mean, self.square = self.mean[rows], self.square[rows]


class RMSprop:
    """RMSprop with torch's defaults: smoothing .99, epsilon 1e-8, no momentum."""

    def __init__(self, x: Tensor) -> None:
        self.square = torch.zeros_like(x)

    def step(self, x: Tensor, here: Evaluation, rate: float, evaluate: Evaluate) -> tuple[Tensor, Evaluation]:
        g = here.gradient
        self.square = (self.square * 0.99).addcmul(g, g, value=1.0 - 0.99)
        x = x - rate * g / (self.square.sqrt() + 1e-8)
        return x, evaluate(x)

    def take(self, rows: Tensor) -> None:
        self.square = self.square[rows]


class LBFGS:
    """L-BFGS with a weak Wolfe line search by bisection, each problem with a history and a step length of its own.

    rate: the step length tried first. A problem whose search finds no better point stays where it is.
    """

    HISTORY = 10
    TRIALS = 10
    DECREASE, CURVATURE = 1e-4, 0.9

    def __init__(self, x: Tensor) -> None:
        shape = (self.HISTORY, *x.shape)
        self.moves, self.changes = x.new_zeros(shape), x.new_zeros(shape)
        self.weights = x.new_zeros(self.HISTORY, len(x))  # 1 / (s . y), 0 for a pair that is not there
        self.steps = 0

    def _direction(self, g: Tensor) -> Tensor:
        """Two loops over the pairs, newest first and oldest first."""
        q, shares = g.clone(), []
        for k in range(self.HISTORY):
            share = self.weights[k] * (self.moves[k] * q).sum(dim=1)
            q = q - share[:, None] * self.changes[k]
            shares.append(share)
        curvature = (self.changes[0].square().sum(dim=1) * self.weights[0]).clamp(min=1e-30)
        first = g.abs().sum(dim=1).clamp(min=1e-30).reciprocal().clamp(max=1.0)
        q = q * torch.where(self.weights[0] > 0, curvature.reciprocal(), first)[:, None]
        for k in reversed(range(self.HISTORY)):
            share = shares[k] - self.weights[k] * (self.changes[k] * q).sum(dim=1)
            q = q + share[:, None] * self.moves[k]
        return -q

    def step(self, x: Tensor, here: Evaluation, rate: float, evaluate: Evaluate) -> tuple[Tensor, Evaluation]:
        direction = self._direction(here.gradient)
        slope = (direction * here.gradient).sum(dim=1)
        uphill = ~(slope < 0)
        direction = torch.where(uphill[:, None], -here.gradient, direction)
        slope = torch.where(uphill, -here.gradient.square().sum(dim=1), slope)
        low, high = torch.zeros_like(slope), torch.full_like(slope, torch.inf)
        length, done = torch.full_like(slope, rate), slope == 0
        best, there = x, here
        for _ in range(self.TRIALS):
            trial = x + length[:, None] * direction
            evaluated = evaluate(trial)
            enough = evaluated.loss <= here.loss + self.DECREASE * length * slope
            flat = (evaluated.gradient * direction).sum(dim=1) >= self.CURVATURE * slope
            better = enough & ~done & evaluated.gradient.isfinite().all(dim=1)
            best = torch.where(better[:, None], trial, best)
            there = _choose(better, evaluated, there)
            done = done | (better & flat)
            high = torch.where(enough, high, length)
            low = torch.where(enough, length, low)
            length = torch.where(high.isinf(), 2.0 * length, (low + high) / 2.0)
            if bool(done.all()):
                break
        self._remember(best - x, there.gradient - here.gradient)
        return best, there

    def _remember(self, move: Tensor, change: Tensor) -> None:
        product = (move * change).sum(dim=1)
        good = product > 1e-10 * change.square().sum(dim=1).clamp(min=1e-30)
        for history, newest in ((self.moves, move), (self.changes, change), (self.weights, product.reciprocal())):
            keep = good if history.ndim == 2 else good[:, None]
            older = torch.cat([newest[None], history[:-1]])
            history.copy_(torch.where(keep[None], older, history))

    def take(self, rows: Tensor) -> None:
        self.moves, self.changes, self.weights = self.moves[:, rows], self.changes[:, rows], self.weights[:, rows]


def _choose(where: Tensor, a: Evaluation, b: Evaluation) -> Evaluation:
    """Row by row, `a` where true, `b` elsewhere."""
    terms = {name: torch.where(where, value, b.terms[name]) for name, value in a.terms.items()}
    return Evaluation(torch.where(where, a.loss, b.loss), torch.where(where[:, None], a.gradient, b.gradient), terms)


OPTIMISERS: dict[str, Callable[[Tensor], Optimiser]] = {"adam": Adam, "rmsprop": RMSprop, "lbfgs": LBFGS}
