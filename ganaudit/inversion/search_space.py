"""What a search may change: the latent, additive residuals on early layers (Bau et al., ICCV 2019), or r itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.protocol import Generator, State, with_code


def with_residuals(
    generator: Generator, state: State, residuals: Mapping[str, Tensor], nonnegative_layers: frozenset[str] = frozenset()
) -> State:
    """The generator's run with d added to the output of each named layer: g_k(d + g_{k-1}(...)). Zero changes nothing at all.

    nonnegative_layers: never negative (ReLU), and stay so. Raises RequestError for a layer that does not exist.
    """
    unknown = sorted(residuals.keys() - set(generator.layers))
    if unknown:
        raise RequestError(f"layer {unknown[0]!r} does not exist; this generator has {', '.join(generator.layers)}")
    before = None
    for name in (layer for layer in generator.layers if layer in residuals):
        state = generator.run(state, after=before, upto=name)
        moved = state[name] + residuals[name]
        state = {**state, name: rectified(moved) if name in nonnegative_layers else moved}
        before = name
    return generator.run(state, after=before)


def rectified(x: Tensor) -> Tensor:
    """x where it is not negative, else 0. Unlike torch's own, what is exactly 0 has a slope, and can be turned on."""
    return torch.where(x < 0, torch.zeros_like(x), x)


@torch.no_grad()
def nonnegative_layers(generator: Generator, seed: int = 0, count: int = 64) -> frozenset[str]:
    """The layers whose outputs were never negative on `count` own samples."""
    state, before, never_negative = generator.latents(seed, torch.arange(count)), None, []
    for name in generator.layers:
        state = generator.run(state, after=before, upto=name)
        if bool((state[name] >= 0).all()):
            never_negative.append(name)
        before = name
    return frozenset(never_negative)


@dataclass(frozen=True)
class SearchSpace:
    """The images within reach of a search.

    latent: the code is free, of the latent space `space`. residuals: layers that get an additive residual, which starts at that
    of `begin`, or at zero. feature: this layer's output is free, and nothing before it counts. state: the start; everything in
    it that is not free stays as it is.
    """

    generator: Generator
    state: State
    latent: bool = False
    residuals: tuple[str, ...] = ()
    feature: str | None = None
    nonnegative_layers: frozenset[str] = frozenset()
    begin: Mapping[str, Tensor] | None = None
    space: str = "z"

    def start(self) -> dict[str, Tensor]:
        """The free variables, by name, float32 with one row an image."""
        free: dict[str, Tensor] = {}
        if self.latent:
            free[self.space] = self.state[self.space].float()
        if self.feature is not None:
            known = self.state if self.feature in self.state else self.generator.run(self.state, upto=self.feature)
            free[self.feature] = known[self.feature].float()
        with torch.no_grad():
            state, before = self.state, None
            for name in (layer for layer in self.generator.layers if layer in self.residuals):
                state = self.generator.run(state, after=before, upto=name)
                free[name] = torch.zeros_like(state[name], dtype=torch.float32, memory_format=torch.contiguous_format)
                before = name
                if self.begin is not None:
                    free[name] = self.begin[name].to(free[name])
        if len(free) < self.latent + (self.feature is not None) + len(self.residuals):
            unknown = sorted(set(self.residuals) - free.keys())
            raise RequestError(f"layer {unknown[0]!r} does not exist; this generator has {', '.join(self.generator.layers)}")
        return {name: value.detach().clone() for name, value in free.items()}

    def take(self, rows: Tensor) -> SearchSpace:
        """The same space for the images at these places."""
        count = len(self.state["z"])
        state = {name: value[rows] if value.ndim and len(value) == count else value for name, value in self.state.items()}
        begin = None if self.begin is None else {name: value[rows] for name, value in self.begin.items()}
        return replace(self, state=state, begin=begin)

    def image(self, free: Mapping[str, Tensor]) -> Tensor:
        """(N, 3, S, S) in [-1, 1], differentiable in the free variables."""
        if self.feature is not None:
            value = free[self.feature]
            floored = rectified(value) if self.feature in self.nonnegative_layers else value
            return self.generator.run({**self.state, self.feature: floored}, after=self.feature)["image"]
        state = with_code(self.state, self.space, free[self.space]) if self.latent else self.state
        return with_residuals(self.generator, state, {name: free[name] for name in self.residuals}, self.nonnegative_layers)[
            "image"
        ]

    def residual_parts(self, free: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The residuals among the free variables."""
        return {name: free[name] for name in self.residuals}
