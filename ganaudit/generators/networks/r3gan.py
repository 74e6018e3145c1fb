"""The R3GAN body (Huang et al., NeurIPS 2024): a learned 4x4 basis that z weighs, then stages of residual blocks with grouped
convolutions and no normalisation, each but the first after bilinear upsampling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.classed import ClassedGenerator
from ganaudit.generators.networks.half import HIGHEST
from ganaudit.generators.networks.output import Clamped
from ganaudit.generators.networks.published_names import Names, Tensors, numbers
from ganaudit.generators.networks.stylegan2 import doubled
from ganaudit.generators.protocol import State

Shape = Sequence[int]


class Weighing(nn.Linear):
    """z (N, L) -> weights of the basis (N, channels, 1, 1)."""

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z)[:, :, None, None]


class ResidualBlock(nn.Module):
    """x (N, C, h, w) -> the same, and on it what three convolutions make of it: wider, in groups, back. shapes: of their
    weights."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.randn(*shape) for shape in shapes)
        self.biases = nn.ParameterList(torch.zeros(shape[0]) for shape in shapes[:2])
        self.groups = shapes[0][0] // shapes[1][1]

    def forward(self, x: Tensor) -> Tensor:
        wide, grouped, back = (weight.to(x.dtype) for weight in self.weights)
        y = F.conv2d(x, wide)
        y = F.leaky_relu(y + self.biases[0][:, None, None].to(y.dtype), 0.2)
        y = F.conv2d(y, grouped, padding=grouped.shape[-1] // 2, groups=self.groups)
        y = F.leaky_relu(y + self.biases[1][:, None, None].to(y.dtype), 0.2)
        return x + F.conv2d(y, back)


class Basis(nn.Module):
    """Weights (N, C, 1, 1) -> activations (N, C, h, w), each channel a learned one, weighed."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(*shape))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).contiguous(memory_format=torch.channels_last)


class Upsampling(nn.Module):
    """(N, before, h, w) -> (N, after, 2h, 2w), by a 1x1 convolution, if it has a weight of one, and bilinearly."""

    def __init__(self, shape: Shape | None) -> None:
        super().__init__()
        self.weight = None if shape is None else nn.Parameter(torch.randn(*shape))

    def forward(self, x: Tensor) -> Tensor:
        return doubled(x if self.weight is None else F.conv2d(x, self.weight.to(x.dtype)))


class Colours(nn.Module):
    """x (N, C, H, W) -> an image (N, 3, H, W), by a 1x1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, channels, 1, 1))
        self.clamped = Clamped()

    def forward(self, x: Tensor) -> Tensor:
        image: Tensor = self.clamped(self.unclamped(x))
        return image

    def unclamped(self, x: Tensor) -> Tensor:
        """The image, whose values may be out of [-1, 1]."""
        return F.conv2d(x, self.weight.to(x.dtype)).float()


class R3gan(ClassedGenerator):
    """R3GAN, its layers `linear`, what z weighs the basis with, (N, C, 1, 1), and `stage1`, `stage2` and so on: activations
    (N, C, h, w) of a resolution. A class enters with z: a linear map of its one-hot vector stands after it."""

    def __init__(
        self, inputs: int, basis: Shape, stages: Sequence[nn.Module], last: int, classes: int = 0, embedded: int = 0
    ) -> None:
        channels, height, width = basis
        layers: list[tuple[str, nn.Module]] = [("linear", Weighing(inputs, channels, bias=False))]
        layers += [(f"stage{number}", stage) for number, stage in enumerate(stages, start=1)]
        grown = 2 ** (len(stages) - 1)
        super().__init__(inputs - embedded, layers, Colours(last), (height * grown, width * grown), classes)
        self.embedding = nn.Linear(classes, embedded, bias=False) if classes else None

    def halved(self, said: Mapping[str, Any]) -> Mapping[str, torch.dtype]:
        """The stages that are said to be in bfloat16, counted from the end; where none are said the last, never the first."""
        stages, asked = self.layers[1:], said.get("FP16Stages", [*range(-HIGHEST, 0)])
        asked = asked if isinstance(asked, list) else []
        return {name: torch.bfloat16 for place, name in enumerate(stages) if place and place - len(stages) in asked}

    def finish(self, x: Tensor, beside: Tensor | None, state: State) -> Tensor:
        """The image, in the precision of the last stage."""
        return super().finish(self.as_in(self.layers[-1], x), beside, state)

    def start(self, state: State) -> Tensor:
        """z, with the class after it."""
        z = state["z"]
        if self.embedding is None:
            return z
        return torch.cat([z, F.embedding(self.label_of(state), self.embedding.weight.T).to(z.dtype)], dim=1)


def from_weights(tensors: Mapping[str, Tensor]) -> R3gan:
    """The body whose sizes are those of `tensors`, named as `PUBLISHED` gives them (its parameters are not filled yet)."""

    def shape(name: str, *dimensions: int) -> Shape:
        found = tensors[name].shape
        if len(found) not in dimensions or 0 in found:
            raise RequestError(f"{name} of an r3gan generator is not {tuple(found)}")
        return found

    def block(prefix: str) -> nn.Module:
        wide, grouped, back = (shape(f"{prefix}.weights.{number}", 4) for number in range(3))
        if wide[0] != grouped[0] or grouped[0] % grouped[1]:
            raise RequestError(f"{prefix} of an r3gan generator has convolutions that do not follow each other")
        return ResidualBlock((wide, grouped, back))

    try:
        basis, output, (_, inputs) = shape("stage1.0.weight", 3), shape("output.weight", 4), shape("linear.weight", 2)
        stages: list[nn.Module] = []
        for number in range(1, numbers(r"stage(\d{1,3})\.", tensors)):
            first = f"stage{number}.0.weight"
            entry = Basis(basis) if number == 1 else Upsampling(shape(first, 4) if first in tensors else None)
            places = range(1, numbers(rf"stage{number}\.(\d{{1,3}})\.", tensors))
            stages.append(nn.Sequential(entry, *(block(f"stage{number}.{place}") for place in places)))
        embedded, classes = shape("embedding.weight", 2) if "embedding.weight" in tensors else (0, 0)
    except KeyError as missing:
        raise RequestError(f"these are not the weights of an r3gan generator (no usable {missing})") from None
    if inputs <= embedded:
        raise RequestError(
            f"these are not the weights of an r3gan generator: {inputs} inputs, of which {embedded} are of a class"
        )
    return R3gan(inputs, basis, stages, output[1], classes, embedded)


def _names(theirs: Tensors) -> Iterator[tuple[str, str]]:
    """Their names and ours."""
    yield "MainLayers.0.Layers.0.LinearLayer.weight", "linear.weight"
    yield "MainLayers.0.Layers.0.Basis", "stage1.0.weight"
    yield "AggregationLayer.Layer.weight", "output.weight"
    if "EmbeddingLayer.weight" in theirs:
        yield "EmbeddingLayer.weight", "embedding.weight"
    for stage in range(numbers(r"MainLayers\.(\d{1,3})\.", theirs)):
        layers = f"MainLayers.{stage}.Layers"
        if f"{layers}.0.LinearLayer.Layer.weight" in theirs:
            yield f"{layers}.0.LinearLayer.Layer.weight", f"stage{stage + 1}.0.weight"
        for place in range(1, numbers(rf"MainLayers\.{stage}\.Layers\.(\d{{1,3}})\.", theirs)):
            for number in range(3):
                own = f"stage{stage + 1}.{place}"
                yield f"{layers}.{place}.LinearLayer{number + 1}.Layer.weight", f"{own}.weights.{number}"
                if number < 2:
                    yield f"{layers}.{place}.NonLinearity{number + 1}.Bias", f"{own}.biases.{number}"


PUBLISHED = Names(
    "R3GAN", "MainLayers.0.Layers.0.Basis", _names, lambda value, own, their: value,
    filters=(".Resampler.Kernel",), taps=(1.0, 3.0, 3.0, 1.0),
)  # fmt: skip
"""The names of its authors' state dicts."""
