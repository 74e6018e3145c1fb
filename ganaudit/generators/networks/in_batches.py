"""Batch norm in training mode, as some generators are sampled, with images that are the same alone and in any batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ganaudit.generators.protocol import LayeredGenerator, State

BATCH = 100
"""Images that share their statistics: the batch in which Bau et al. (ICCV 2019) sample."""
STATISTICS = ".statistics"
"""Ends a state's entry of a layer's statistics, (N, 2, C): mean and variance of its batch norm, of each image."""


class InBatches(LayeredGenerator):
    """A generator whose batch norms take the statistics of each hundred images: of 0 to 99, of 100 to 199 and so on.

    They are in its latents, so that a search that moves one image keeps them. Each of its layers has `convolved(x)`, what is
    normalised, and `normed(x, statistics)`, what follows from that.
    """

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*parts, **named)
        self._known: dict[tuple[int, int], list[Tensor]] = {}

    def sampled(self, truncation: float | None = None, label: int | None = None) -> None:
        super().sampled(truncation, label)
        self._known.clear()

    @property
    def sampling(self) -> Mapping[str, Any]:
        """How it is sampled."""
        return {**super().sampling, "batch_norm": "batch"}

    def clusters(self, seed: int, indices: Tensor) -> list[str]:
        """Images of one hundred are not independent of each other."""
        return [f"batch {index // BATCH}" for index in indices.tolist()]

    def latents(self, seed: int, indices: Tensor) -> State:
        """Normal `z`, and the statistics of each layer."""
        every = [self._statistics(seed, index // BATCH) for index in indices.tolist()]
        by_layer = {
            name + STATISTICS: torch.stack(each) for name, each in zip(self.layers, zip(*every, strict=True), strict=False)
        }
        return MappingProxyType({**super().latents(seed, indices), **by_layer})

    def layer(self, name: str, x: Tensor, state: State) -> Tensor:
        """One layer's output; by the stored statistics, where the state has none."""
        module: Any = self.get_submodule(name)
        output: Tensor = module.normed(module.convolved(x), state.get(name + STATISTICS))
        return output

    @torch.inference_mode(False)  # they also stand in searches, whose gradients go through them
    @torch.no_grad()
    def _statistics(self, seed: int, number: int) -> list[Tensor]:
        """(2, C) of each layer, of one hundred."""
        key = (seed, number)
        if key not in self._known:
            x, found = super().latents(seed, torch.arange(number * BATCH, (number + 1) * BATCH))["z"], list[Tensor]()
            x = x.to(next(self.parameters()).dtype)
            for name in self.layers:
                module: Any = self.get_submodule(name)
                x = module.convolved(x)
                found.append(torch.stack([x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)]))
                x = module.normed(x, found[-1][None])
            self._known[key] = found
        return self._known[key]
