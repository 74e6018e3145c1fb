"""What trainings share of their steps: learning rates that fall, and one step down a gradient."""

from __future__ import annotations

from torch import Tensor, autograd
from torch.optim import Optimizer


def faded(spent: float, decay_from: float) -> float:
    """What is left of a learning rate where `spent` of the budget is over: it falls linearly from `decay_from` on, to 2 %. With
    a `decay_from` of 1 it never falls."""
    late = max(0.0, spent - decay_from)
    return 1.0 - 0.98 * late / (1.0 - decay_from) if late else 1.0


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Sets the learning rate of all of an optimiser's parameters."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def descend(loss: Tensor, *optimisers: Optimizer) -> None:
    """One step of each optimiser down the gradient of a loss, which replaces their gradients."""
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    autograd.backward(loss)
    for optimiser in optimisers:
        optimiser.step()
