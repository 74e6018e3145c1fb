"""The style-based body: a mapping network, layers modulated by styles (Karras et al., CVPR 2019 and 2020), noise by index.

A layer's convolution sees its input scaled by the style, and its output is demodulated, as in the second paper. Scaling
activations instead of weights is the same linear map, and needs no convolution of its own for each image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.classed import ClassedGenerator
from ganaudit.generators.networks.output import Output
from ganaudit.generators.networks.progan import convolution_widths, pixel_norm
from ganaudit.generators.protocol import Space, State
from ganaudit.random import normals_on

GAIN = math.sqrt(2.0)
"""Keeps the size of what passes a leaky ReLU."""
SLOW = 0.1
"""Share of the learning rate at which the mapping network learns: its parameters are kept divided by it."""
STYLES = 10_000
"""Latents over which the statistics of w are taken."""


class SlowLinear(nn.Module):
    """A linear layer (N, before) -> (N, after) whose parameters are kept divided by `slow`."""

    def __init__(self, before: int, after: int, slow: float = SLOW) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before) / slow)
        self.bias = nn.Parameter(torch.zeros(after))
        self.slow = slow

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight * (self.slow * x.shape[1] ** -0.5), self.bias * self.slow
        return F.linear(x, weight.to(x.dtype), bias.to(x.dtype))


class LatentMapping(nn.Module):
    """z (N, L) -> w (N, L). classes: how many it has; its input has one of them."""

    classes = 0

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        raise NotImplementedError


class MappingNetwork(LatentMapping):
    """z (N, widths[0]) on its sphere -> w (N, widths[-1]), by leaky linear layers."""

    def __init__(self, widths: Sequence[int], slow: float = SLOW) -> None:
        super().__init__()
        self.linears = nn.ModuleList(SlowLinear(a, b, slow) for a, b in pairwise(widths))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        w = self.given(z, label)
        for linear in self.linears:
            w = F.leaky_relu(linear(w), 0.2) * GAIN
        return w

    def given(self, z: Tensor, label: Tensor | None) -> Tensor:
        """What the first linear layer is given."""
        return pixel_norm(z)


class Modulated(nn.Module):
    """A 3x3 convolution of x (N, in, h, w) under style w (N, L): (N, out, h, w), each output channel of unit expected size."""

    def __init__(self, latent: int, before: int, after: int) -> None:
        super().__init__()
        self.style = nn.Linear(latent, before)
        self.weight = nn.Parameter(torch.randn(after, before, 3, 3) * (before * 9) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(after))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        style = self.style(w).float() + 1.0
        squares = self.weight.float().square().sum(dim=(2, 3))
        size = torch.rsqrt(style.square() @ squares.T + 1e-8)
        x = F.conv2d(x * style[:, :, None, None].to(x.dtype), self.weight, padding=1)
        x = x * size[:, :, None, None].to(x.dtype)
        if noise is not None:
            x = x + noise.to(x.dtype)
        return F.leaky_relu(x + self.bias[:, None, None].to(x.dtype), 0.2) * GAIN


class Styled(nn.Module):
    """One resolution: (N, C, h, w) -> (N, widths[-1], 2h, 2w); the first keeps its side and has the constant of the start.

    noise (N, 1, 2h, 2w) is added before the first convolution's nonlinearity, times a learned strength.
    """

    def __init__(self, latent: int, width: int, widths: Sequence[int], first: bool) -> None:
        super().__init__()
        chain = [width, *widths]
        if first:
            self.constant = nn.Parameter(torch.randn(width, 4, 4))
        self.first = first
        self.convolutions = nn.ModuleList(Modulated(latent, a, b) for a, b in pairwise(chain))
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        if not self.first:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        for place, convolution in enumerate(self.convolutions):
            x = convolution(x, w, noise * self.strength if noise is not None and place == 0 else None)
        return x


class StyleGenerator(ClassedGenerator):
    """A style-based generator.

    Its latents hold `z` (N, L) and, for each layer, the noise of image i, fixed by its index: `noise1` (N, 1, 4, 4) and so on;
    `label`, where it has classes.
    A state that also holds `w`, (N, L) or one style a layer (N, layers, L), is run from that instead of from `z`: nothing adds
    it but its user, so that it is never out of step with `z`. A state without noise is run without.
    """

    def __init__(
        self, latent: int, mapping: LatentMapping, layers: Sequence[tuple[str, nn.Module]], output: nn.Module,
        resolution: tuple[int, int],
    ) -> None:  # fmt: skip
        super().__init__(latent, layers, output, resolution, mapping.classes)
        self.mapping = mapping
        self.styles = len(layers)
        """How many styles an image is made of, where each may be its own."""
        self.cutoff: int | None = None
        self.noise = "index"
        self.of_class = False
        self._statistics: tuple[Tensor, Tensor] | None = None
        self._centers: dict[int, Tensor] = {}

    def sampled(
        self, truncation: float | None = None, label: int | None = None, label_shares: Mapping[int, float] | None = None,
        cutoff: int | None = None, noise: str = "index", center: str = "all",
    ) -> None:  # fmt: skip
        """Sets how it is sampled. truncation: psi, of the first `cutoff` layers' styles, of all by default. center: where it
        goes, `all` or `class`. label, label_shares: the classes of images. noise: by the image's index, `const` or `none`.
        Raises RequestError for a cutoff beyond its layers, and for classes that it does not have."""
        if center == "class" and not self.classes:
            raise RequestError("center is class, and this generator has no classes")
        if cutoff is not None and cutoff > self.styles:
            raise RequestError(f"cutoff is {cutoff}, and this generator has {self.styles} layers that take a style")
        super().sampled(truncation, label, label_shares)
        self.cutoff, self.noise, self.of_class = cutoff, noise, center == "class"
        self._statistics = None

    @property
    def sampling(self) -> Mapping[str, Any]:
        """How it is sampled, where that is not the default."""
        said = {"cutoff": self.cutoff, "noise": None if self.noise == "index" else self.noise}
        said["center"] = "class" if self.of_class else None
        return {**super().sampling, **{name: value for name, value in said.items() if value is not None}}

    @property
    def spaces(self) -> tuple[Space, ...]:
        """z, w, and w+ with a style for each layer; their statistics are before truncation."""
        mean, deviation = self.statistics()
        first, (width,) = self.layers[0], mean.shape
        every = (mean.expand(self.styles, -1), deviation.expand(self.styles, -1))
        return (
            Space("z", (self.latent,), "normal", "mapping"), Space("w", (width,), None, first, mean, deviation),
            Space("w+", (self.styles, width), None, first, *every),
        )  # fmt: skip

    @torch.inference_mode(False)  # they also stand in searches, whose gradients go through them
    @torch.no_grad()
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (L,) of w over 10,000 latents of a fixed seed, whose classes are drawn as those of
        images are."""
        if self._statistics is None:
            parts = [torch.arange(first, first + 1000) for first in range(0, STYLES, 1000)]
            draws = (self._drawn(0, part, "statistics of w") for part in parts)
            styles = torch.cat([self.mapping(drawn["z"], drawn.get("label")).double() for drawn in draws])
            self._statistics = (styles.mean(dim=0).float(), styles.std(dim=0).float())
        return self._statistics

    def _drawn(self, seed: int, indices: Tensor, purpose: str = "latent z") -> dict[str, Tensor]:
        """Standard normal `z`, and `label` where it has classes, on the generator's device."""
        device = next(self.parameters()).device
        z = normals_on(device, seed, purpose, indices, self.latent)
        return {"z": z, "label": self._labels(seed, indices).to(device)} if self.classes else {"z": z}

    def latents(self, seed: int, indices: Tensor) -> State:
        """Standard normal `z` and noise, float32 on the generator's device."""
        state = self._drawn(seed, indices)
        device = state["z"].device
        for number in range(len(self.layers) if self.noise != "none" else 0):
            side = 4 * 2**number
            which = indices if self.noise == "index" else 0 * indices
            draws = normals_on(device, seed if self.noise == "index" else 0, f"noise {side}", which, side * side)
            state[f"noise{number + 1}"] = draws.view(-1, 1, side, side)
        return MappingProxyType(state)

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """See `Generator.run`. Raises RequestError for a layer that does not exist, naming those that do."""
        if "w" in state:
            return super().run(state, after, upto)
        after_layers = super().run({**state, "w": self.mapped(state)}, after, upto)
        return MappingProxyType({name: value for name, value in after_layers.items() if name != "w"})

    def mapped(self, state: State) -> Tensor:
        """The styles that a state's z comes to, truncated: (N, L), or (N, layers, L) where not every layer's are."""
        return self._truncated(self.mapping(state["z"], state.get("label")), state)

    def to_w(self, z: Tensor) -> Tensor:
        """w (N, L) of z (N, L), in its precision, before truncation. Raises RequestError where w also follows from a class."""
        if self.classes:
            raise RequestError("this generator has classes: its w follows from z and a class")
        w: Tensor = self.mapping(z)
        return w

    def _truncated(self, w: Tensor, state: State) -> Tensor:
        """Styles (N, L) on their way to the mean: (N, L), or (N, layers, L) where not every layer's are."""
        if self.truncation is None:
            return w
        mean = self.center().to(w)
        if self.of_class:
            mean = torch.stack([self.center_of(label) for label in self.label_of(state).tolist()]).to(w)
        nearer = mean + self.truncation * (w - mean)
        if self.cutoff is None:
            return nearer
        return torch.stack([nearer if place < self.cutoff else w for place in range(self.styles)], dim=1)

    def center(self) -> Tensor:
        """The style (L,) that truncation goes to."""
        return self.statistics()[0]

    @torch.inference_mode(False)
    @torch.no_grad()
    def center_of(self, label: int) -> Tensor:
        """The mean style (L,) of a class, over 1,000 latents of a fixed seed."""
        if label not in self._centers:
            device = next(self.parameters()).device
            z = normals_on(device, 0, "statistics of w", torch.arange(1000), self.latent)
            styles: Tensor = self.mapping(z, torch.full((1000,), label, device=device))
            self._centers[label] = styles.double().mean(dim=0).float()
        return self._centers[label]

    def start(self, state: State) -> Tensor:
        """The learned constant, as often as there are styles: (N, C, 4, 4)."""
        constant = self.get_parameter(f"{self.layers[0]}.constant")
        return constant.expand(len(state["w"]), -1, -1, -1).contiguous(memory_format=torch.channels_last)

    def layer(self, name: str, x: Tensor, state: State) -> Tensor:
        number, w = self.layers.index(name), state["w"]
        output: Tensor = self.get_submodule(name)(x, w[:, number] if w.ndim == 3 else w, state.get(f"noise{number + 1}"))
        return output

    def forward(self, z: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] of latents (N, latent): with fresh noise while it is trained, without noise after."""
        state = {"z": z}
        if self.training:
            for number in range(len(self.layers)):
                side = 4 * 2**number
                state[f"noise{number + 1}"] = torch.randn(len(z), 1, side, side, device=z.device)
        return self.run(state)["image"]


def stylegan(latent: int, mapping: int, width: int, widths: Sequence[Sequence[int]]) -> StyleGenerator:
    """`layer1` is (width, 4, 4), one convolution of the constant; each further layer doubles the side, with convolutions to
    widths[k]. mapping: linear layers of the mapping network."""
    layers: list[tuple[str, nn.Module]] = [("layer1", Styled(latent, width, [width], first=True))]
    for number, chain in enumerate(widths, start=2):
        layers.append((f"layer{number}", Styled(latent, width, chain, first=False)))
        width = chain[-1]
    side = 4 * 2 ** len(widths)
    return StyleGenerator(latent, MappingNetwork([latent] * (mapping + 1)), layers, Output(width), (side, side))


def from_weights(tensors: Mapping[str, Tensor]) -> StyleGenerator:
    """The body whose sizes are those of `tensors` (its parameters are not filled yet)."""
    try:
        latent = int(tensors["mapping.linears.0.weight"].shape[0])
        width = int(tensors["layer1.constant"].shape[0])
        depth = 0
        while f"mapping.linears.{depth}.weight" in tensors:
            depth += 1
        widths = convolution_widths(tensors)
    except (KeyError, IndexError) as missing:
        raise RequestError(f"these are not the weights of a stylegan generator (no usable {missing})") from None
    if not widths:
        raise RequestError("these are not the weights of a stylegan generator (no layer2)")
    return stylegan(latent, depth, width, widths)
