"""The layered generator of images of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.protocol import LayeredGenerator, State
from ganaudit.random import uniforms


class ClassedGenerator(LayeredGenerator):
    """A generator that may have classes. Where it has, its latents hold `label` (N,), int64: image i's class follows from its
    index, drawn uniformly or with given shares, or is one for all. It stays where z is replaced."""

    def __init__(
        self, latent: int, layers: Sequence[tuple[str, nn.Module]], output: nn.Module, resolution: int | tuple[int, int],
        classes: int,
    ) -> None:  # fmt: skip
        super().__init__(latent, layers, output, resolution)
        self.classes = classes
        self.label: int | None = None
        self.shares: Mapping[int, float] = {}

    def sampled(
        self, truncation: float | None = None, label: int | None = None, label_shares: Mapping[int, float] | None = None
    ) -> None:
        """Sets how it is sampled. label: the class of all images. label_shares: class → its share of the images. Raises
        RequestError for a class that it does not have."""
        for option, asked in (("label", () if label is None else (label,)), ("label_shares", label_shares or ())):
            if any(each >= self.classes for each in asked):
                has = f"{self.classes} classes, from 0" if self.classes else "no classes"
                raise RequestError(f"{option} is {max(asked)}, and this generator has {has}")
        super().sampled(truncation)
        self.label, self.shares = label, label_shares or {}

    @property
    def sampling(self) -> Mapping[str, Any]:
        """How it is sampled, where that is not the default."""
        said = {"label": self.label, "label_shares": {str(label): share for label, share in self.shares.items()} or None}
        return {**super().sampling, **{name: value for name, value in said.items() if value is not None}}

    @property
    def notes(self) -> tuple[str, ...]:
        """Which classes it makes, where those are not all that it has."""
        made = [str(self.label)] if self.label is not None else [str(label) for label in self.shares]
        if not made or len(made) == self.classes:
            return ()
        which = f"class {made[0]}" if len(made) == 1 else f"{len(made):,} classes"
        return (f"its images are of {which} of {self.classes:,}; against real images of other classes, distances say that too",)

    def latents(self, seed: int, indices: Tensor) -> State:
        """Normal `z`, and `label` where it has classes."""
        state = super().latents(seed, indices)
        if not self.classes:
            return state
        return MappingProxyType({**state, "label": self._labels(seed, indices).to(state["z"].device)})

    def _labels(self, seed: int, indices: Tensor) -> Tensor:
        return labels(seed, indices, self.classes, self.label, self.shares)

    def label_of(self, state: State) -> Tensor:
        """(N,) the class of each image; 0 where the state does not say it."""
        return state["label"] if "label" in state else torch.zeros(len(state["z"]), dtype=torch.int64, device=state["z"].device)


def labels(
    seed: int, indices: Tensor, classes: int, label: int | None, shares: Mapping[int, float] = MappingProxyType({})
) -> Tensor:
    """(N,) int64: the class of each image, drawn by its index: uniformly, or by shares of classes; or one for all."""
    if label is not None:
        return torch.full((len(indices),), label)
    draws = uniforms(seed, "class", indices.cpu().numpy(), 1)[:, 0]
    if not shares:
        return torch.from_numpy((draws * classes).astype(np.int64))
    reached = np.cumsum(list(shares.values()))
    places = np.searchsorted(reached[:-1], draws * reached[-1], side="right")
    return torch.from_numpy(np.array(list(shares))[places])
