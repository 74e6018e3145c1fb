"""DCGANs as people publish them: a chain of transposed convolutions, each with or without batch norm, of any depth and width.

The first is of the latent itself (1×1 → k×k), or a linear layer; each other is 4×4 with stride 2 and doubles the side. A class
enters with the latent: as an embedding after it or times it, or as a one-hot vector after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.classed import ClassedGenerator
from ganaudit.generators.networks.reparametrised import whole
from ganaudit.generators.protocol import LayeredGenerator, State


class Convolution(nn.Module):
    """(N, C, h, w) -> (N, width, 2h, 2w), or (N, C, 1, 1) -> (N, width, k, k); batch norm if it has one, (leaky) ReLU."""

    def __init__(self, weight: Sequence[int], bias: bool, norm: bool, slope: float, first: bool = False) -> None:
        super().__init__()
        before, after, kernel = weight[0], weight[1], weight[2]
        stride, padding = (1, 0) if first else (2, 1)
        self.convolution = nn.ConvTranspose2d(before, after, kernel, stride, padding, bias=bias)
        self.norm = nn.BatchNorm2d(after) if norm else None
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x if x.ndim == 4 else x[:, :, None, None])
        return F.leaky_relu(x if self.norm is None else self.norm(x), self.slope)


class Linear(nn.Module):
    """(N, L) -> (N, width, side, side). norm: how many numbers or channels batch norm is over, 0 for none."""

    def __init__(self, latent: int, width: int, side: int, bias: bool, norm: int, slope: float) -> None:
        super().__init__()
        self.linear = nn.Linear(latent, width * side * side, bias=bias)
        kind = nn.BatchNorm2d if norm == width else nn.BatchNorm1d
        self.norm = kind(norm) if norm else None
        self.width, self.slope = width, slope

    def forward(self, z: Tensor) -> Tensor:
        x = self.linear(z)
        if isinstance(self.norm, nn.BatchNorm1d):
            x = self.norm(x)
        x = x.unflatten(1, (self.width, math.isqrt(x.shape[1] // self.width), -1))
        return F.leaky_relu(self.norm(x) if isinstance(self.norm, nn.BatchNorm2d) else x, self.slope)


class Last(nn.Module):
    """(N, C, h, w) -> (N, 3, 2h, 2w) in [-1, 1]; one grey channel is given three times."""

    def __init__(self, weight: Sequence[int], bias: bool) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(weight[0], weight[1], weight[2], 2, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.convolution(x)).expand(-1, 3, -1, -1)


class ChainedDcgan(ClassedGenerator):
    """A DCGAN, with classes or without."""

    def __init__(
        self, latent: int, layers: Sequence[tuple[str, nn.Module]], output: nn.Module, resolution: int, classes: int = 0,
        embedding: nn.Embedding | None = None,
    ) -> None:  # fmt: skip
        super().__init__(latent, layers, output, resolution, classes)
        self.embedding = embedding

    def start(self, state: State) -> Tensor:
        """z, with the class in it."""
        z = state["z"]
        if not self.classes:
            return z
        label = self.label_of(state)
        if self.embedding is None:
            return torch.cat([z, F.one_hot(label, self.classes).to(z.dtype)], dim=1)
        embedded = self.embedding(label)
        return z * embedded if self.embedding.embedding_dim == self._inputs() else torch.cat([z, embedded], dim=1)

    def _inputs(self) -> int:
        first: Any = self.get_submodule(self.layers[0])
        return int(first.linear.in_features if hasattr(first, "linear") else first.convolution.in_channels)


def body(tensors: Mapping[str, Tensor], options: Any, slope: float = 0.0) -> ChainedDcgan:
    """The network whose sizes are those of `tensors`, by the names that `translated` gives. slope: of its leaky ReLU.

    options: `classes`, how many of the first layer's inputs are a one-hot class. Raises RequestError for other sizes.
    """
    weight = tensors["layer1.convolution.weight" if "layer1.convolution.weight" in tensors else "layer1.linear.weight"].shape
    shapes = [weight]
    while f"layer{len(shapes) + 1}.convolution.weight" in tensors:
        shapes.append(tensors[f"layer{len(shapes) + 1}.convolution.weight"].shape)
    last = tensors["output.convolution.weight"].shape

    def has(number: int, part: str) -> bool:
        kind = "linear" if number == 1 and len(weight) == 2 else "convolution"
        return f"layer{number}.{'norm.weight' if part == 'norm' else f'{kind}.bias'}" in tensors

    first: nn.Module
    if len(weight) == 2:
        following = (*shapes, last)[1][0]
        side = math.isqrt(weight[0] // following)
        normed = len(tensors["layer1.norm.weight"]) if has(1, "norm") else 0
        inputs, first = weight[1], Linear(weight[1], following, side, has(1, "bias"), normed, slope)
    else:
        inputs, side = weight[0], weight[2]
        first = Convolution(weight, has(1, "bias"), has(1, "norm"), slope, first=True)
    layers = [("layer1", first)]
    for number, shape in enumerate(shapes[1:], start=2):
        layers.append((f"layer{number}", Convolution(shape, has(number, "bias"), has(number, "norm"), slope)))
    if last[1] not in (1, 3):
        raise RequestError(f"these are the weights of a generator of {last[1]} channels; images have 1 or 3")
    table = tensors.get("embedding.weight")
    classes = getattr(options, "classes", None) or 0
    if table is not None:
        if classes not in (0, table.shape[0]):
            raise RequestError(f"classes is {classes}, and these weights embed {table.shape[0]}")
        classes, width = table.shape
        latent = inputs if width == inputs else inputs - width
    else:
        width, latent = 0, inputs - classes
    if latent < 1:
        raise RequestError(
            f"these are not the weights of a dcgan generator: {inputs} inputs, {classes} classes of {width} values"
        )
    embedding = None if table is None else nn.Embedding(classes, width)
    return ChainedDcgan(
        latent, layers, Last(last, "output.convolution.bias" in tensors), side * 2 ** len(shapes), classes, embedding
    )


Parts = list[tuple[str, dict[str, Tensor]]]
"""The modules of a state dict in order: a name, and its tensors by their last names."""


def parts(tensors: Mapping[str, Tensor]) -> Parts:
    """The modules of a state dict, numbers in names in their order: safetensors sorts 10 before 2."""
    modules: dict[str, dict[str, Tensor]] = {}
    for name, value in whole(tensors, transposed=True).items():
        module, _, last = name.rpartition(".")
        modules.setdefault(module, {})[last] = value
    return sorted(modules.items(), key=lambda part: _numbers_apart(part[0]))


def _numbers_apart(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _by_number(part: tuple[str, dict[str, Tensor]]) -> list[Any]:
    """Of conv1, conv2, bn1, bn2: by the numbers in their names, a batch norm after its convolution."""
    return [*map(int, re.findall(r"\d+", part[0])), "running_mean" in part[1]]


NUMBERED = re.compile(r"^([A-Za-z_][\w-]*\.)?\d+(\.\d+)*$")
"""A module of an `nn.Sequential`, one inside another too: main.0, net.1.0, 3."""
INVERTING = ("gen1", "gen2", "gen2b", "gen3", "gen3b", "gen4", "gen4b", "gen5")
"""The modules of InvertingGAN's generator (Creswell and Bharath, 2018)."""


def numbered(tensors: Mapping[str, Tensor]) -> bool:
    """Whether it is the tutorials' layout: a chain whose shapes follow each other, perhaps an embedding beside it."""
    return not inverting(tensors) and _fits(lambda: chain_of(tensors) is not None)


def _fits(does: Callable[[], bool]) -> bool:
    try:
        return does()
    except RequestError:  # a weight in parts that are missing, or do not fit
        return False


def chain_of(tensors: Mapping[str, Tensor]) -> tuple[Parts, Parts] | None:
    """The modules of a chain in their order, and an embedding that stands beside it, or nothing; None where there is none.

    The order is that of numbers in names, or else that in which they stand in the file, as they were made.
    """
    every = parts(tensors)
    unnumbered = [part for part in every if not NUMBERED.match(part[0])]
    tables = [part for part in unnumbered if set(part[1]) == {"weight"} and part[1]["weight"].ndim == 2]
    if len(unnumbered) > 1:  # where all others are numbered, whatever it is called
        tables = [part for part in tables if re.search(r"emb|label|class|cond", part[0], re.IGNORECASE)]
    chain = [part for part in every if all(part is not table for table in tables)]
    stored = list(dict.fromkeys(name.rpartition(".")[0] for name in whole(tensors, transposed=True)))
    orders = (chain, sorted(chain, key=_by_number), sorted(chain, key=lambda part: stored.index(part[0])))
    return next(((order, tables) for order in orders if len(tables) <= 1 and _chained(order)), None)


def inverting(tensors: Mapping[str, Tensor]) -> bool:
    """Whether it is InvertingGAN's layout."""
    modules = {name.rpartition(".")[0] for name in tensors}
    return modules == set(INVERTING) and _fits(lambda: _chained(parts(tensors)))


def _chained(chain: Parts) -> bool:
    """Whether modules are convolutions, each with or without a batch norm, whose channels follow each other."""
    channels: int | None = None
    convolutions, norms, numbers = 0, True, 0
    for place, (_, inside) in enumerate(chain):
        weight = inside.get("weight")
        if weight is None:
            return False
        if "running_mean" in inside:
            if norms or weight.ndim != 1 or weight.shape[0] not in (channels, numbers):
                return False
            norms = True
            continue
        if weight.ndim == 2 and place == 0:
            channels = next((int(part["weight"].shape[0]) for _, part in chain[1:] if _convolves(part)), 0)
            numbers = int(weight.shape[0])
            side = math.isqrt(numbers // channels) if channels else 0
            if side < 2 or numbers != channels * side**2:  # of one pixel: a layer before the first, of which nothing is known
                return False
        elif weight.ndim == 4 and weight.shape[2] == weight.shape[3]:
            if channels is not None and (weight.shape[0] != channels or weight.shape[2] != 4):
                return False
            channels, numbers = int(weight.shape[1]), 0
        else:
            return False
        convolutions, norms = convolutions + 1, False
    return convolutions >= 2 and not norms


def _convolves(inside: Mapping[str, Tensor]) -> bool:
    return "weight" in inside and inside["weight"].ndim == 4 and inside["weight"].shape[0] > 0


def translated(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of either layout by the names of `ChainedDcgan`."""
    chain, tables = (parts(tensors), []) if inverting(tensors) else chain_of(tensors) or ([], [])
    last = max(place for place, (_, inside) in enumerate(chain) if inside["weight"].ndim == 4)
    named: dict[str, Tensor] = {}
    number = 0
    for place, (_, inside) in enumerate(chain):
        norm, linear = "running_mean" in inside, inside["weight"].ndim == 2
        number += not norm
        module = "output" if place == last else f"layer{number}"
        kind = "norm" if norm else "linear" if linear else "convolution"
        named |= {f"{module}.{kind}.{name}": value for name, value in inside.items()}
    return {**named, "embedding.weight": tables[0][1]["weight"]} if tables else named


def sloped(slope: float) -> Callable[[Mapping[str, Tensor], Any], LayeredGenerator]:
    """`body` with a leaky ReLU."""
    return lambda tensors, options: body(tensors, options, slope)
