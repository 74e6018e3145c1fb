"""The last layer that the families share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Output(nn.Module):
    """(N, C, H, W) -> (N, 3, H, W) in [-1, 1]: a 3x3 convolution and the hyperbolic tangent."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.convolution(x))
