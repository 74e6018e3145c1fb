"""LIA (Zhu et al., ECCV 2020): a style-based body with an invertible mapping network, and the encoder trained for it.

The paper's y, which the encoder answers in, is w here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.coupling import CouplingMapping
from ganaudit.generators.networks.output import Output
from ganaudit.generators.networks.progan import convolution_widths
from ganaudit.generators.networks.stylegan import LatentMapping, MappingNetwork, SlowLinear, Styled, StyleGenerator
from ganaudit.state import state_digest


def _normed(before: int, after: int, side: int) -> nn.Sequential:
    """A convolution with batch norm and leaky ReLU."""
    convolution = nn.Conv2d(before, after, side, padding=side // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.LeakyReLU(0.2))


class PooledBlock(nn.Module):
    """(N, before, 2h, 2w) -> (N, after, h, w): means of squares of 2, then two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        narrow = min(before, after)
        self.convolutions = nn.Sequential(_normed(before, narrow, 3), _normed(narrow, after, 3))
        self.shortcut = nn.Identity() if before == after else _normed(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 2)
        output: Tensor = self.convolutions(x) + self.shortcut(x)
        return output


class PooledEncoder(nn.Module):
    """f: images (N, 3, S, S) in [-1, 1] -> w (N, latent). widths: channels at side S, S/2 and so on, to 4.

    normed: a batch norm, with a shift and without a scale, on what the last layer gives. Its spread is one in every number,
    which that of w is not, so `mean` and `deviation` of w, (latent,), scale and shift it; 0 and 1: as published.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, latent: int, widths: Sequence[int], normed: bool = True) -> None:
        super().__init__()
        self.stem = _normed(3, widths[0], 3)
        self.blocks = nn.Sequential(*(PooledBlock(a, b) for a, b in pairwise(widths)))
        self.last = nn.Linear(widths[-1] * 16, latent, bias=not normed)
        self.norm = nn.BatchNorm1d(latent) if normed else None
        if self.norm is not None:
            self.norm.weight.requires_grad_(False)
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("deviation", torch.ones(latent))

    def forward(self, x: Tensor) -> Tensor:
        return self.of_features(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the last layer is given, (N, F)."""
        features: Tensor = self.blocks(self.stem(x)).flatten(1)
        return features

    def of_features(self, features: Tensor) -> Tensor:
        """w (N, latent) of features (N, F)."""
        code: Tensor = self.last(features).float()
        return (code if self.norm is None else self.norm(code)) * self.deviation + self.mean


class OrdinaryMapping(LatentMapping):
    """The mapping network of a style generator, (N, latent) -> (N, latent): what an invertible one is compared with."""

    def __init__(self, latent: int, layers: int, slow: float) -> None:
        super().__init__()
        self.network = MappingNetwork([latent] * (layers + 1), slow)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        w: Tensor = self.network(z)
        return w


class LiaGenerator(StyleGenerator):
    """A style-based generator whose z and w follow from each other, by `to_w` and `to_z`.

    With an ordinary mapping network it is what LIA is compared with, and there is no way from w to z.
    """

    @torch.no_grad()
    def settle(self) -> None:
        """Its mapping network's parameters as they act, no longer divided by the share of the learning rate: as files have
        them."""
        for module in self.mapping.modules():
            if isinstance(module, SlowLinear):
                module.weight.mul_(module.slow)
                module.bias.mul_(module.slow)
                module.slow = 1.0

    def to_z(self, w: Tensor) -> Tensor:
        """z (N, L) of w (N, L), in its precision: in 64 bits, that of `to_w` but for its last digits. Raises RequestError where
        the mapping network has no inverse."""
        if not isinstance(self.mapping, CouplingMapping):
            raise RequestError("this generator has an ordinary mapping network; no z follows from w")
        return self.mapping.inverse(w)


class EncodingLia(LiaGenerator):
    """With the encoder that was trained for it: an `Encoding`."""

    encodes = "w"

    def __init__(
        self, latent: int, mapping: LatentMapping, layers: Sequence[tuple[str, nn.Module]], output: nn.Module,
        resolution: tuple[int, int], encoder: PooledEncoder,
    ) -> None:  # fmt: skip
        super().__init__(latent, mapping, layers, output, resolution)
        self.encoder = encoder

    @property
    def encoder_digest(self) -> str:
        """SHA-256 of the encoder's tensors."""
        digest = state_digest(self.encoder)
        assert digest is not None
        return digest

    def encode(self, images: Tensor) -> Tensor:
        """w (N, L) of images (N, 3, S, S) in [-1, 1]."""
        w: Tensor = self.encoder(images)
        return w


def lia(
    latent: int, mapping: LatentMapping, width: int, widths: Sequence[Sequence[int]], encoder: PooledEncoder | None = None
) -> LiaGenerator:
    """`layer1` is (width, 4, 4), one convolution of the constant; each further layer doubles the side, with convolutions to
    widths[k]."""
    chains = [[width], *map(list, widths)]
    layers = [
        (f"layer{number}", Styled(latent, before, chain, first=number == 1))
        for number, (before, chain) in enumerate(zip([width, *(chain[-1] for chain in chains)], chains, strict=False), start=1)
    ]
    side, output = 4 * 2 ** len(widths), Output(chains[-1][-1])
    if encoder is None:
        return LiaGenerator(latent, mapping, layers, output, (side, side))
    return EncodingLia(latent, mapping, layers, output, (side, side), encoder)


def from_weights(tensors: Mapping[str, Tensor]) -> LiaGenerator:
    """The body whose sizes are those of `tensors` (its parameters are not filled yet), which are as `settle` leaves them."""
    try:
        width = int(tensors["layer1.constant"].shape[0])
        latent = int(tensors["layer1.convolutions.0.style.weight"].shape[1])
        mapping = _mapping(tensors, latent)
        widths = convolution_widths(tensors)
        encoder = _encoder(tensors, latent) if "encoder.stem.0.weight" in tensors else None
    except (KeyError, IndexError) as missing:
        raise RequestError(f"these are not the weights of a lia generator (no usable {missing})") from None
    if not widths:
        raise RequestError("these are not the weights of a lia generator (no layer2)")
    return lia(latent, mapping, width, widths, encoder)


def _count(tensors: Mapping[str, Tensor], name: str) -> int:
    """How many of `name` there are, counted from 0."""
    count = 0
    while name.format(count) in tensors:
        count += 1
    return count


def _mapping(tensors: Mapping[str, Tensor], latent: int) -> LatentMapping:
    ordinary = _count(tensors, "mapping.network.linears.{}.weight")
    if ordinary:
        return OrdinaryMapping(latent, ordinary, 1.0)
    steps = _count(tensors, "mapping.steps.{}.linears.0.weight")
    return CouplingMapping(latent, steps, max(1, _count(tensors, "mapping.steps.0.linears.{}.weight")), 1.0)


def _encoder(tensors: Mapping[str, Tensor], latent: int) -> PooledEncoder:
    blocks = _count(tensors, "encoder.blocks.{}.convolutions.1.0.weight")
    widths = [tensors[f"encoder.blocks.{place}.convolutions.1.0.weight"].shape[0] for place in range(blocks)]
    return PooledEncoder(latent, [tensors["encoder.stem.0.weight"].shape[0], *widths], "encoder.norm.bias" in tensors)
