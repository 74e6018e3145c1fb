"""The running average of weights that trainings ship: of n values it keeps a part, less of it while there are few."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def follow(average: Sequence[Tensor], new: Sequence[Tensor], keep: float, update: int) -> None:
    """Moves an average, in place, toward the numbers after update number `update`, from 0 on. keep: what stays of it, once
    there were many updates; before, the start is not to weigh."""
    torch._foreach_lerp_(list(average), list(new), 1.0 - min(keep, (1 + update) / (10 + update)))


def numbers(*networks: nn.Module) -> list[Tensor]:
    """All weights and statistics of networks, such as the means of batch norms."""
    return [value for network in networks for value in network.state_dict().values() if value.is_floating_point()]
