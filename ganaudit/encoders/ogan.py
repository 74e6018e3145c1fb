"""The encoder of an O-GAN, which is its critic, and the generator that has it (Su, arXiv:1903.01931)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.encoders.decomposition import standardised
from ganaudit.encoders.networks import initialise
from ganaudit.errors import RequestError
from ganaudit.generators.networks import ogan as bodies
from ganaudit.generators.networks.ogan import Body, Norm, Normed
from ganaudit.generators.protocol import LayeredGenerator, State
from ganaudit.state import state_digest

RECONSTRUCTION_SCALE = 0.9
"""What the published code multiplies N(E(x)) by; the article does not (1)."""
BODIES = ("dcgan", "self-modulated", "residual", "growing")
"""dcgan: 5x5 kernels. self-modulated: 4x4 kernels, batch norms that depend on z. Both as published. residual: of 3x3 kernels.
growing: that of ProGAN, without batch norms."""


class ConvolutionalEncoder(nn.Module):
    """Images (N, 3, S, S) in [-1, 1] -> (N, latent): halved by each convolution, then one linear layer.

    kernel: 4 or 5. norms: batch norm behind all but the first. last: channels of one more 3x3 convolution, at the same side.
    """

    def __init__(
        self, resolution: int, latent: int, widths: Sequence[int], kernel: int, norms: bool, last: int = 0
    ) -> None:  # fmt: skip
        super().__init__()
        self.pad = (1, kernel - 3, 1, kernel - 3)  # Keras' "same": the larger half at the end
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, kernel, stride=2) for a, b in pairwise((3, *widths)))
        self.norms = nn.ModuleList(Norm(width) for width in widths[1:] if norms)
        self.last = nn.Conv2d(widths[-1], last, 3, padding=1) if last else None
        self.latent = nn.Linear((last or widths[-1]) * (resolution >> len(widths)) ** 2, latent)

    def forward(self, x: Tensor) -> Tensor:
        for place, convolution in enumerate(self.convolutions):
            x = convolution(F.pad(x, self.pad))
            x = F.leaky_relu(self.norms[place - 1](x) if place and len(self.norms) else x, 0.2)
        if self.last is not None:
            x = F.leaky_relu(self.last(x), 0.2)
        code: Tensor = self.latent(x.flatten(1))
        return code


class Halving(nn.Module):
    """(N, C, 2h, 2w) -> (N, width, h, w): twice norm, leaky ReLU and 3x3, then the mean of 2x2; a 1x1 beside it.

    first: of an image, which is neither normed nor cut."""

    def __init__(self, channels: int, width: int, first: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(each) for each in ([width] if first else [channels, width]))
        self.convolutions = nn.ModuleList((nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)))
        self.beside = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x if len(self.norms) == 1 else F.leaky_relu(self.norms[0](x), 0.2)
        y = self.convolutions[1](F.leaky_relu(self.norms[-1](self.convolutions[0](y)), 0.2))
        return F.avg_pool2d(y + self.beside(x), 2)


class ResidualEncoder(nn.Module):
    """Images (N, 3, S, S) in [-1, 1] -> (N, latent): halved by each residual block, then one linear layer."""

    def __init__(self, resolution: int, latent: int, widths: Sequence[int]) -> None:
        super().__init__()
        chain = pairwise((3, *widths))
        self.blocks = nn.Sequential(*(Halving(a, b, place == 0) for place, (a, b) in enumerate(chain)))
        self.latent = nn.Linear(widths[-1] * (resolution >> len(widths)) ** 2, latent)

    def forward(self, x: Tensor) -> Tensor:
        code: Tensor = self.latent(F.leaky_relu(self.blocks(x), 0.2).flatten(1))
        return code


class OganGenerator(LayeredGenerator):
    """A generator whose critic encodes: `encoder` (N, 3, S, S) -> (N, latent), the average of which is the critic's score.

    The lower the score, the more real; what `standardised` leaves of the code is the latent.
    """

    encodes = "z"

    def __init__(self, body: Body, encoder: nn.Module) -> None:
        super().__init__(*body)
        self.encoder = encoder
        self.reconstruction_scale = RECONSTRUCTION_SCALE

    def layer(self, name: str, x: Tensor, state: State) -> Tensor:
        module = self.get_submodule(name)
        output: Tensor = module(x, state["z"]) if isinstance(module, Normed) else module(x)
        return output

    @property
    def encoder_digest(self) -> str:
        """Of the encoder's tensors, and the scale of what it says."""
        return f"{state_digest(self.encoder)} × {self.reconstruction_scale:g}"

    def encode(self, images: Tensor) -> Tensor:
        """N(E(x)) · `reconstruction_scale`: z (N, latent) of images (N, 3, S, S) in [-1, 1]."""
        return standardised(self.encoder(images).float()) * self.reconstruction_scale


def ogan(body: str, resolution: int, latent: int, width: int) -> OganGenerator:
    """One of `BODIES`, its weights as they start. width: channels at 4x4, halved with each doubling of the side.

    Raises RequestError for another body, a resolution that is no power of two from 16 on, a latent below 3, a width that
    cannot be halved so often.
    """
    doublings = resolution.bit_length() - 3
    if resolution < 16 or resolution & (resolution - 1):
        raise RequestError(f"an O-GAN makes images of 16, 32, 64 … pixels a side, not {resolution}")
    if latent < 3:
        raise RequestError(f"the latent has {latent} entries; average, deviation and what is left of them take 3 or more")
    if width < 1 or width % (1 << doublings):
        raise RequestError(f"width is {width}; it is halved {doublings} times for {resolution} pixels, so a multiple of "
                           f"{1 << doublings} is wanted")  # fmt: skip
    widths = [width >> number for number in range(doublings + 1)]
    halving = widths[-2::-1]
    if body in ("dcgan", "self-modulated"):
        kernel = 5 if body == "dcgan" else 4
        encoder: nn.Module = ConvolutionalEncoder(resolution, latent, halving, kernel, norms=True)
        made = OganGenerator(bodies.transposed(latent, widths[:-1], kernel, body == "self-modulated"), encoder)
    elif body == "residual":
        made = OganGenerator(bodies.residual(latent, widths), ResidualEncoder(resolution, latent, halving))
    elif body == "growing":
        encoder = ConvolutionalEncoder(resolution, latent, [*halving[1:], width], 4, norms=False, last=latent)
        grown = [(each,) * (1 + (place == 1)) for place, each in enumerate((width, *widths[1:-1]))]
        return _started_as_progan(OganGenerator(bodies.growing(latent, width, grown), encoder))
    else:
        raise RequestError(f"there is no O-GAN of body {body!r}; there are {', '.join(BODIES)}")
    return _started(made)


def _started(made: OganGenerator) -> OganGenerator:
    """As published: N(0, 0.02), but in the self-modulation Glorot's uniform weights; no biases."""
    for name, module in made.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if ".norm.scale" in name or ".norm.shift" in name:
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return made


def _started_as_progan(made: OganGenerator) -> OganGenerator:
    """Kaiming's normal weights and no biases, so that codes of different images differ from the start."""
    initialise(made)
    nn.init.normal_(made.get_parameter("output.convolution.weight"), std=0.02)
    return made


def from_weights(tensors: Mapping[str, Tensor]) -> OganGenerator:
    """The network whose sizes are those of `tensors` (its parameters are not filled yet)."""
    body = bodies.from_weights(tensors)
    try:
        latent, _ = tensors["encoder.latent.weight"].shape
        blocks = _shapes(tensors, "encoder.blocks.{}.beside.weight")
        convolutions = _shapes(tensors, "encoder.convolutions.{}.weight")
        widths = [int(shape[0]) for shape in (blocks or convolutions)]
        kernel = 0 if blocks else int(convolutions[0][-1])
        last = int(tensors["encoder.last.weight"].shape[0]) if "encoder.last.weight" in tensors else 0
    except (KeyError, ValueError, IndexError) as missing:
        raise RequestError(f"these are not the weights of an O-GAN (no usable {missing})") from None
    if latent != body.latent or not (blocks or kernel in (4, 5)):
        found = f"an encoder to {latent} entries, of kernels of {kernel} pixels, z has {body.latent}"
        raise RequestError(f"these are not the weights of an O-GAN ({found})")
    if blocks:
        return OganGenerator(body, ResidualEncoder(body.resolution, latent, widths))
    norms = "encoder.norms.0.weight" in tensors
    return OganGenerator(body, ConvolutionalEncoder(body.resolution, latent, widths, kernel, norms, last))


def _shapes(tensors: Mapping[str, Tensor], name: str) -> list[torch.Size]:
    """Of the tensors that a name with a number stands for, from 0 on."""
    shapes: list[torch.Size] = []
    while name.format(len(shapes)) in tensors:
        shapes.append(tensors[name.format(len(shapes))].shape)
    return shapes
