"""What an image generator has to offer, and the layered generator that most families are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaudit import images
from ganaudit.errors import RequestError
from ganaudit.generators.truncation import truncated
from ganaudit.random import normals

State = Mapping[str, Tensor]
"""A frozen mapping of tensors on the way from latents to image: `z`, an activation under its layer's name, `image`.

What passes a layer by, such as an image that grows beside the activations, stands under the layer's name + BESIDE: a run
`after` that layer takes it up again, or makes it anew from the latents where it is not there.
"""
BESIDE = ".beside"


@runtime_checkable
class Generator(Protocol):
    """A frozen generator, in eval mode.

    It may also have `clusters(seed, indices)`: for each image the text that it shares with those it is not independent of,
    such as its prompt, or None. And `not_inverted`: why no photo can be searched for in it, in words.
    """

    @property
    def resolution(self) -> int | tuple[int, int]:
        """(height, width) of its images in pixels; one number for both, where they are square."""
        ...

    @property
    def layers(self) -> tuple[str, ...]: ...

    def latents(self, seed: int, indices: Tensor) -> State:
        """Latents of images `indices` (int64, (N,)): image `i`'s latent is the same alone and in any batch."""
        ...

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """`run(latents)` ends in `state["image"]`, (N, 3, H, W) in [-1, 1]; `upto` stops with that layer's output in the
        state, `after` starts from it."""
        ...


@runtime_checkable
class Encoding(Protocol):
    """What a generator also has that was trained together with an encoder of its own, or for which one was trained.

    Such a generator keeps the encoder under the name `encoder`: its tensors are no part of what the samples are known by.
    """

    @property
    def encodes(self) -> str:
        """The name of the space that the encoder answers in: `z` or `w`."""
        ...

    @property
    def encoder_digest(self) -> str:
        """What the encoder is, to the bit, with all that its codes depend on: enters the key of whatever uses its codes."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Codes (N, latent) of images (N, 3, H, W) in [-1, 1], at the generator's resolution: as `run` takes them in the state,
        under the name `encodes`."""
        ...


@runtime_checkable
class Mapped(Protocol):
    """What a generator also has whose images are made of w, and w of z: by a mapping network."""

    def mapped(self, state: State) -> Tensor:
        """w of a state's z, as images are made of it, truncated: (N, L), or (N, layers, L) where not every layer's is."""
        ...


@dataclass(frozen=True)
class Space:
    """A space of latents. shape: of one latent. prior: what it is drawn from, in words; None where it is only reached through
    another space, whose statistics are then here. enters: the layer that is given it. mean, deviation: of many latents, where
    they are not those of the prior."""

    name: str
    shape: tuple[int, ...]
    prior: str | None = None
    enters: str | None = None
    mean: Tensor | None = None
    deviation: Tensor | None = None


def size_of(generator: Generator) -> tuple[int, int]:
    """(height, width) of a generator's images. Raises RequestError where it does not say them, or says more than images have:
    a small file can name layers whose image no machine holds."""
    size: Any = getattr(generator, "resolution", None)
    sides = (size, size) if isinstance(size, int) else size
    if isinstance(sides, tuple | list) and len(sides) == 2 and all(_side(side) for side in sides):
        height, width = int(sides[0]), int(sides[1])
        if height * width > images.MAX_PIXELS or max(height, width) > images.MAX_SIDE:
            limit = f"at most {images.MAX_PIXELS:,} pixels, {images.MAX_SIDE:,} a side, are made"
            raise RequestError(f"its images would be {height:,} × {width:,} pixels; {limit}")
        return height, width
    raise RequestError(
        f"a generator has the attribute resolution, (height, width) of its images in pixels or the side of square ones; "
        f"this one says {size!r}"
    )


def _side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@torch.no_grad()
def spaces_of(generator: Generator) -> tuple[Space, ...]:
    """The spaces that a generator says it has, or else what its latents are made of: tensors of floating-point numbers."""
    said: tuple[Space, ...] | None = getattr(generator, "spaces", None)
    if said is not None:
        return said
    first = generator.layers[0] if generator.layers else None
    latents = generator.latents(0, torch.tensor([0]))
    return tuple(
        Space(name, tuple(value.shape[1:]), "its own", first) for name, value in latents.items() if value.is_floating_point()
    )


DERIVED = ("w", "styles")
"""Entries of a state that a style generator computes from z: where z is replaced they are dropped, and computed anew. So is
what passes layers by (BESIDE)."""


def with_z(state: State, z: Tensor) -> State:
    """The state of other latents z (N, L), with all that does not follow from them: noise, a class."""
    kept = {name: value for name, value in state.items() if name not in DERIVED and not name.endswith(BESIDE)}
    return {**kept, "z": z}


def with_code(state: State, space: str, code: Tensor) -> State:
    """The state of other codes (N, …) of a space: `z`, or one whose codes `run` takes under its own name, such as `w`."""
    if space == "z":
        return with_z(state, code)
    return {**{name: value for name, value in state.items() if not name.endswith(BESIDE)}, space: code}


class LayeredGenerator(nn.Module):
    """A generator that is a chain of named layers from `z` (N, latent) to `image` (N, 3, H, W).

    resolution: (height, width), or the side of square images.
    """

    def __init__(
        self, latent: int, layers: Sequence[tuple[str, nn.Module]], output: nn.Module, resolution: int | tuple[int, int]
    ) -> None:
        super().__init__()
        self.latent = latent
        self.resolution: tuple[int, int] = (resolution, resolution) if isinstance(resolution, int) else resolution
        self.truncation: float | None = None
        self.card: Mapping[str, Any] = {}
        self.halves: Mapping[str, torch.dtype] = {}
        """Layers in half precision, where no gradients are asked for: they would fall below its smallest number."""
        self.layers: tuple[str, ...] = tuple(name for name, _ in layers)
        for name, module in layers:
            self.add_module(name, module)
        self.output = output

    def sampled(self, truncation: float | None = None, label: int | None = None) -> None:
        """Sets how it is sampled. truncation: z is drawn between ± this. Raises RequestError for a label: it has no classes."""
        if label is not None:
            raise RequestError(f"label is {label}, and this generator has no classes")
        self.truncation = truncation

    @property
    def sampling(self) -> Mapping[str, Any]:
        """How it is sampled, where that is not the default: with its tensors, what makes its images."""
        return {} if self.truncation is None else {"truncation": self.truncation}

    def made_with(self, said: Mapping[str, Any]) -> Mapping[str, float]:
        """Sets what no tensor shows of how the official code computes, and gives it, as a key knows it: nothing in most
        families. said: the arguments with which that code made the network, {} where a file does not say them. Raises
        RequestError for what cannot be."""
        return {}

    def halved(self, said: Mapping[str, Any]) -> Mapping[str, torch.dtype]:
        """The layers that the official code computes in half precision on a GPU: none in most families. said: the arguments
        with which that code made the network, {} where a file does not say them."""
        return {}

    def as_in(self, name: str, x: Tensor) -> Tensor:
        """x in the precision of a layer."""
        if not self.halves:
            return x
        return x.float() if torch.is_grad_enabled() else x.to(self.halves.get(name, torch.float32))

    @property
    def spaces(self) -> tuple[Space, ...]:
        """z alone."""
        cut = "" if self.truncation is None else f" between ±{self.truncation:g}"
        return (Space("z", (self.latent,), f"normal{cut}", self.layers[0]),)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of its images, in sentences."""
        return ()

    def latents(self, seed: int, indices: Tensor) -> State:
        """Normal `z`, (N, latent) float32 on the generator's device."""
        z = self.cut_off(normals(seed, "latent z", indices.cpu().numpy(), self.latent))
        return MappingProxyType({"z": torch.from_numpy(z).to(next(self.parameters()).device)})

    def cut_off(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standard normal draws (N, latent) as they are truncated."""
        return z if self.truncation is None else truncated(z, self.truncation)

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """See `Generator.run`. Raises RequestError for a layer that does not exist, naming those that do."""
        for name in (after, upto):
            if name is not None and name not in self.layers:
                raise RequestError(f"layer {name!r} does not exist; this generator has {', '.join(self.layers)}")
        begin = 0 if after is None else self.layers.index(after) + 1
        end = len(self.layers) if upto is None else self.layers.index(upto) + 1
        x, beside = (self.start(state), None) if after is None else (state[after], self.resumed(after, state))
        for name in self.layers[begin:end]:
            x, beside = self.layer(name, self.as_in(name, x), state), self.beside(name, x, beside, state)
        if upto is not None:
            x = x.float() if self.halves else x
            return MappingProxyType({**state, upto: x, **({} if beside is None else {upto + BESIDE: beside})})
        return MappingProxyType({**state, "image": self.finish(x, beside, state)})

    def start(self, state: State) -> Tensor:
        """What the first layer is given."""
        return state["z"]

    def layer(self, name: str, x: Tensor, state: State) -> Tensor:
        """One layer's output; x: that of the layer before it, or the start. state: what else a family's layers need."""
        output: Tensor = self.get_submodule(name)(x)
        return output

    def beside(self, name: str, x: Tensor, beside: Tensor | None, state: State) -> Tensor | None:
        """What passes layer `name` by; x and beside: what comes to it. Nothing does in most families."""
        return None

    def resumed(self, after: str, state: State) -> Tensor | None:
        """What passed layer `after` by."""
        return None

    def finish(self, x: Tensor, beside: Tensor | None, state: State) -> Tensor:
        """The image of what the last layer gives, and of what passed it by."""
        image: Tensor = self.output(x)
        return image

    def forward(self, z: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] of latents (N, latent)."""
        return self.run({"z": z})["image"]
