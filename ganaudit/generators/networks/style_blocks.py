"""A style-based generator of blocks, one a resolution, as StyleGAN and StyleGAN2 are: what both have in common."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor, nn

from ganaudit.generators.networks.stylegan import MappingNetwork, StyleGenerator
from ganaudit.generators.protocol import State
from ganaudit.random import normals_on

Size = tuple[int, int]
"""Height and width in pixels."""


class Styled(Protocol):
    """x (N, before, h, w) under style w (N, L), with noise (N, 1, *size): (N, after, *size)."""

    size: Size
    noise_const: Tensor | None

    def __call__(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor: ...


class Block(nn.Module):
    """One resolution. The first holds the constant of the start, `const` (C, h, w)."""

    def styled(self) -> list[Styled]:
        """What takes a style each, and noise, in their order."""
        raise NotImplementedError


class BlockGenerator(StyleGenerator):
    """Its layers are `b4`, `b8` and so on: the activations (N, C, h, w) of a resolution.

    Its latents hold `z` and the noise of each styled layer, `noise0` (N, 1, 4, 4) and so on; `w` in a state as in
    `StyleGenerator`. styles: of an image. averaged: it holds its average style. shared: the noise of a resolution is one.
    """

    w_avg: Tensor | None

    def __init__(
        self, latent: int, mapping: MappingNetwork, blocks: Sequence[Block], output: nn.Module, resolution: Size, styles: int,
        averaged: bool, shared: bool = False,
    ) -> None:  # fmt: skip
        layers = [(f"b{4 * 2**place}", block) for place, block in enumerate(blocks)]
        super().__init__(latent, mapping, layers, output, resolution)
        self.styles, self.shared = styles, shared
        width = mapping.linears[-1].get_parameter("bias").shape
        self.register_buffer("w_avg", torch.zeros(width) if averaged else None)

    def center(self) -> Tensor:
        """The average style that was kept in training, where there is one."""
        return super().center() if self.w_avg is None else self.w_avg

    def latents(self, seed: int, indices: Tensor) -> State:
        """Standard normal `z` and noise, float32 on the generator's device; `const`: the noise that is in the weights, or the
        same draws for all images where there is none."""
        state = self._drawn(seed, indices)
        device = state["z"].device
        if self.noise == "none":
            return MappingProxyType(state)
        for name, styled in self._noises().items():
            if self.noise == "const" and styled.noise_const is not None:
                state[name] = styled.noise_const.expand(len(indices), 1, -1, -1)
                continue
            which, from_seed = (indices, seed) if self.noise == "index" else (0 * indices, 0)
            purpose = name.replace("noise", "noise input ")
            draws = normals_on(device, from_seed, purpose, which, styled.size[0] * styled.size[1])
            state[name] = draws.view(-1, 1, *styled.size)
        return MappingProxyType(state)

    def start(self, state: State) -> Tensor:
        """The learned constant, as often as there are styles."""
        constant = self.get_parameter(f"{self.layers[0]}.const")
        return constant.expand(len(state["w"]), -1, -1, -1).contiguous(memory_format=torch.channels_last)

    def layer(self, name: str, x: Tensor, state: State) -> Tensor:
        first = sum(len(self._block(before).styled()) for before in self.layers[: self.layers.index(name)])
        for number, styled in enumerate(self._block(name).styled(), start=first):
            x = styled(x, self._style(state, number), state.get(self._noise(name, number)))
        return x

    def _noises(self) -> dict[str, Styled]:
        """The names of noise, and one that takes it."""
        each = [(name, styled) for name in self.layers for styled in self._block(name).styled()]
        return {self._noise(name, number): styled for number, (name, styled) in enumerate(each)}

    def _noise(self, name: str, number: int) -> str:
        return f"noise{self.layers.index(name) if self.shared else number}"

    def _style(self, state: State, number: int) -> Tensor:
        w = state["w"]
        return w[:, number] if w.ndim == 3 else w

    def _block(self, name: str) -> Block:
        block = self.get_submodule(name)
        assert isinstance(block, Block)
        return block
