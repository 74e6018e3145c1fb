"""What a function from z, and perhaps a class, to images is given, drawn by index; and images of what it gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.networks.classed import labels
from ganaudit.generators.protocol import Space, State
from ganaudit.generators.truncation import truncated
from ganaudit.random import normals, uniforms


@dataclass(frozen=True)
class Inputs:
    """latent: the shape of one z. prior: normal, or uniform between ±1. classes: 0 where it is given none. label: the class of
    all images. one_hot: how a class is given. range: the values of black and white in its images."""

    latent: tuple[int, ...]
    prior: str = "normal"
    truncation: float | None = None
    classes: int = 0
    label: int | None = None
    one_hot: bool = False
    range: tuple[float, float] = (-1.0, 1.0)

    @property
    def sampling(self) -> Mapping[str, Any]:
        """How images are sampled, where that is not the default."""
        prior = None if self.prior == "normal" else self.prior
        said = {"truncation": self.truncation, "classes": self.classes or None, "label": self.label, "prior": prior}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def space(self) -> Space:
        """That of z."""
        cut = "" if self.truncation is None else f" between ±{self.truncation:g}"
        return Space("z", (math.prod(self.latent),), f"normal{cut}" if self.prior == "normal" else "uniform between ±1")

    def latents(self, seed: int, indices: Tensor, device: torch.device | str = "cpu") -> State:
        """`z` (N, L) float32, flat whatever its shape is, and `label` (N,) where there are classes."""
        numbers, size = indices.cpu().numpy(), math.prod(self.latent)
        if self.prior == "uniform":
            z = (uniforms(seed, "latent z", numbers, size) * 2.0 - 1.0).astype(np.float32)
        else:
            z = normals(seed, "latent z", numbers, size)
        z = z if self.truncation is None else truncated(z, self.truncation)
        state = {"z": torch.from_numpy(z).to(device)}
        if self.classes:
            state["label"] = labels(seed, indices, self.classes, self.label).to(device)
        return MappingProxyType(state)

    def given(self, state: State, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """z in its shape, and the class, of a state; without `label` class 0. dtype: of z."""
        z = state["z"]
        shaped = z.reshape(len(z), *self.latent).to(dtype)
        if not self.classes:
            return [shaped]
        label = state["label"] if "label" in state else torch.zeros(len(z), dtype=torch.int64, device=z.device)
        return [shaped, F.one_hot(label, self.classes).to(dtype) if self.one_hot else label]

    def images(self, output: Any) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] of a function's output: its first tensor, grey or colour, channels first or last.

        Raises RequestError in one sentence for what holds no images.
        """
        first = output
        while isinstance(first, list | tuple) and first:
            first = first[0]
        if not isinstance(first, Tensor):
            raise RequestError(f"what it gives is of type {type(first).__name__}, and images are wanted: (N, 3, H, W)")
        shape = tuple(first.shape)
        if first.ndim == 4 and shape[1] not in (1, 3) and shape[3] in (1, 3):
            first = first.movedim(3, 1)
        if first.ndim != 4 or first.shape[1] not in (1, 3) or first.is_complex():
            raise RequestError(f"what it gives has the shape {'×'.join(map(str, shape))}, and images are N×3×H×W (or N×1×H×W)")
        black, white = self.range
        image = first.float().expand(-1, 3, -1, -1)
        return image if self.range == (-1.0, 1.0) else (image - black) * (2.0 / (white - black)) - 1.0
