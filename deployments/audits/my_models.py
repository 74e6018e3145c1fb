"""A generator of your own, as an audit file names it: `kind: "my_models:make_generator"`."""

from __future__ import annotations

from types import MappingProxyType

import torch
from safetensors.torch import load_file
from torch import Tensor

from ganaudit import State
from ganaudit.generators.networks.progan import from_weights
from ganaudit.random import normals


class MyGenerator(torch.nn.Module):
    """Anything that turns latents into images in [-1, 1]; here, one of the shipped bodies stands in for your network."""

    resolution = 64
    layers: tuple[str, ...] = ()  # names of layers that can be held and resumed from; none here

    def __init__(self, weights: str) -> None:
        super().__init__()
        tensors = {name: value.float() for name, value in load_file(weights).items()}
        self.network = from_weights(tensors)
        self.network.load_state_dict(tensors)

    def latents(self, seed: int, indices: Tensor) -> State:
        """Image i's latent depends on (seed, i) alone: `normals` sees to that."""
        z = normals(seed, "my latents", indices.numpy(), 64)
        return MappingProxyType({"z": torch.from_numpy(z)})

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        return MappingProxyType({**state, "image": self.network(state["z"])})


def make_generator(weights: str) -> MyGenerator:
    return MyGenerator(weights)
