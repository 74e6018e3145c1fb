"""The last layers that families share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Output(nn.Module):
    """(N, C, H, W) -> (N, 3, H, W) in [-1, 1]: a 3x3 convolution and the hyperbolic tangent."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.convolution(x))


class _Clamp(torch.autograd.Function):
    """Clamped to [-1, 1], with the gradient of what is not: a search can leave a value that is out of range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(-1.0, 1.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


class Clamped(nn.Module):
    """An image as a file can hold it."""

    def forward(self, x: Tensor) -> Tensor:
        image: Tensor = _Clamp.apply(x)
        return image
