"""What an image generator has to offer, and the layered generator that most families are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.random import normals

State = Mapping[str, Tensor]
"""A frozen mapping of tensors on the way from latents to image: `z`, an activation under its layer's name, `image`."""


@runtime_checkable
class Generator(Protocol):
    """A frozen generator, in eval mode."""

    resolution: int
    layers: tuple[str, ...]

    def latents(self, seed: int, indices: Tensor) -> State:
        """Latents of images `indices` (int64, (N,)): image `i`'s latent is the same alone and in any batch."""
        ...

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """`run(latents)` ends in `state["image"]`, (N, 3, H, W) in [-1, 1]; `upto` stops with that layer's output in the
        state, `after` starts from it."""
        ...


DERIVED = ("w", "styles")
"""Entries of a state that a style generator computes from z: where z is replaced they are dropped, and computed anew."""


def with_z(state: State, z: Tensor) -> State:
    """The state of other latents z (N, L), with all that does not follow from them: noise, a class."""
    return {**{name: value for name, value in state.items() if name not in DERIVED}, "z": z}


class LayeredGenerator(nn.Module):
    """A generator that is a chain of named layers from `z` (N, latent) to `image` (N, 3, H, W)."""

    def __init__(self, latent: int, layers: Sequence[tuple[str, nn.Module]], output: nn.Module, resolution: int) -> None:
        super().__init__()
        self.latent = latent
        self.resolution = resolution
        self.layers: tuple[str, ...] = tuple(name for name, _ in layers)
        for name, module in layers:
            self.add_module(name, module)
        self.output = output

    def latents(self, seed: int, indices: Tensor) -> State:
        """Standard normal `z`, (N, latent) float32 on the generator's device."""
        z = torch.from_numpy(normals(seed, "latent z", indices.cpu().numpy(), self.latent))
        return MappingProxyType({"z": z.to(next(self.parameters()).device)})

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """See `Generator.run`. Raises RequestError for a layer that does not exist, naming those that do."""
        for name in (after, upto):
            if name is not None and name not in self.layers:
                raise RequestError(f"layer {name!r} does not exist; this generator has {', '.join(self.layers)}")
        begin = 0 if after is None else self.layers.index(after) + 1
        end = len(self.layers) if upto is None else self.layers.index(upto) + 1
        x = self.start(state) if after is None else state[after]
        for name in self.layers[begin:end]:
            x = self.layer(name, x, state)
        if upto is not None:
            return MappingProxyType({**state, upto: x})
        return MappingProxyType({**state, "image": self.output(x)})

    def start(self, state: State) -> Tensor:
        """What the first layer is given."""
        return state["z"]

    def layer(self, name: str, x: Tensor, state: State) -> Tensor:
        """One layer's output; x: that of the layer before it, or the start. state: what else a family's layers need."""
        output: Tensor = self.get_submodule(name)(x)
        return output

    def forward(self, z: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] of latents (N, latent)."""
        return self.run({"z": z})["image"]
