"""Mapping networks of published style-based generators, whose input may have a class after z."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.progan import pixel_norm
from ganaudit.generators.networks.stylegan import MappingNetwork, SlowLinear

SLOW = 0.01
"""Share of the learning rate at which these networks learn: their parameters are kept divided by it."""


class EmbeddedMapping(MappingNetwork):
    """z and a linear map of the one-hot class, each on its sphere (StyleGAN2-ADA; Karras et al., NeurIPS 2020)."""

    def __init__(self, widths: Sequence[int], classes: int, embedded: int) -> None:
        super().__init__([widths[0] + embedded, *widths[1:]], SLOW)
        self.embed = SlowLinear(classes, embedded, 1.0)
        self.classes = classes

    def given(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Without label: of class 0."""
        label = torch.zeros(len(z), dtype=torch.int64, device=z.device) if label is None else label
        embedded = self.embed(F.one_hot(label, self.classes).to(z.dtype))
        return torch.cat([pixel_norm(z), pixel_norm(embedded)], dim=1)


class JoinedMapping(MappingNetwork):
    """z and the vector of its class, on one sphere together (StyleGAN and StyleGAN2; Karras et al., CVPR 2019 and 2020)."""

    def __init__(self, widths: Sequence[int], classes: int, embedded: int) -> None:
        super().__init__([widths[0] + embedded, *widths[1:]], SLOW)
        self.embed = nn.Embedding(classes, embedded)
        self.classes = classes

    def given(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Without label: of class 0."""
        label = torch.zeros(len(z), dtype=torch.int64, device=z.device) if label is None else label
        return pixel_norm(torch.cat([z, self.embed(label)], dim=1))


def mapping_of(tensors: Mapping[str, Tensor]) -> tuple[int, MappingNetwork]:
    """Size of z, and the mapping network whose sizes are those of `tensors` (its parameters are not filled yet).

    Raises KeyError or IndexError for what is missing, RequestError for sizes of 0 and a class that leaves none for z.
    """
    numbers = [int(found[1]) for name in tensors if (found := re.match(r"mapping\.linears\.(\d{1,3})\.", name))]
    linears = [tensors[f"mapping.linears.{number}.weight"] for number in range(max(numbers, default=0) + 1)]
    latent, widths = int(linears[0].shape[1]), [int(linear.shape[0]) for linear in linears]
    weight, joined = tensors.get("mapping.embed.weight"), "mapping.embed.bias" not in tensors
    if weight is None:
        embedded, classes = 0, 0
    else:
        embedded, classes = (int(weight.shape[joined]), int(weight.shape[not joined]))
        latent -= embedded
    if latent < 1 or not all(widths) or (weight is not None and not (embedded and classes)):
        raise RequestError("its mapping network has sizes of 0")
    if weight is None:
        return latent, MappingNetwork([latent, *widths], SLOW)
    return latent, (JoinedMapping if joined else EmbeddedMapping)([latent, *widths], classes, embedded)
