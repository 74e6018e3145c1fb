"""The DCGAN body (Radford et al., ICLR 2016): transposed convolutions, batch norm, ReLU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.output import Output
from ganaudit.generators.protocol import LayeredGenerator


class DcganFirst(nn.Module):
    """z (N, latent) -> (N, width, 4, 4)."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(latent, width * 16, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, z: Tensor) -> Tensor:
        return F.relu(self.norm(self.linear(z).unflatten(1, (-1, 4, 4))))


class DcganDoubling(nn.Module):
    """(N, C, h, w) -> (N, width, 2h, 2w)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.convolution(x)))


def dcgan(latent: int, width: int, widths: Sequence[int]) -> LayeredGenerator:
    """`layer1` is (width, 4, 4); each further layer doubles the side and has widths[k] channels."""
    layers: list[tuple[str, nn.Module]] = [("layer1", DcganFirst(latent, width))]
    for number, following in enumerate(widths, start=2):
        layers.append((f"layer{number}", DcganDoubling(width, following)))
        width = following
    return LayeredGenerator(latent, layers, Output(width), resolution=4 * 2 ** len(widths))


def from_weights(tensors: Mapping[str, Tensor]) -> LayeredGenerator:
    """The body whose sizes are those of `tensors` (its parameters are not filled yet)."""
    try:
        rows, latent = tensors["layer1.linear.weight"].shape
        (width,) = tensors["layer1.norm.weight"].shape
        widths: list[int] = []
        while f"layer{len(widths) + 2}.convolution.weight" in tensors:
            widths.append(int(tensors[f"layer{len(widths) + 2}.convolution.weight"].shape[1]))
    except (KeyError, ValueError, IndexError) as missing:
        raise RequestError(f"these are not the weights of a dcgan generator (no usable {missing})") from None
    if not widths or rows != 16 * width:
        raise RequestError("these are not the weights of a dcgan generator (no layer2, or a first layer that is not 4x4)")
    return dcgan(int(latent), int(width), widths)
