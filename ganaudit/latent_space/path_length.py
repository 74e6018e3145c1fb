"""Perceptual path length (Karras et al., CVPR 2019): how far an image moves when its code takes a small step between two codes.

    E d(G(γ(t)), G(γ(t + ε))) / ε²

z goes along a great circle, w along a straight line. A great circle of directions alone has radius 1, while normal codes are
at about √n: behind a pixel norm that is the same image, elsewhere it is not the generator's own prior, and z and w cannot be
compared. So the radius is an argument: `prior` takes the lengths of the two codes, which the circle goes between evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.protocol import Generator, Mapped, with_code, with_z
from ganaudit.inversion.perceptual import Perceptual
from ganaudit.random import uniforms
from ganaudit.steering.spaces import latent_of

Floats = NDArray[np.float64]
Distance = Callable[[Tensor, Tensor], Tensor]
"""Images (N, 3, H, W) and others -> distances (N,) that are squares: half the step, a quarter of the distance."""
Radius = Literal["prior"] | float

EPSILON = 1e-4
BATCH = 64
OTHER_END = 1_000_003
"""Added to the seed of the latents that paths lead to."""


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Codes (N, …) at shares t (N,) of the straight line from a to b."""
    return a + (b - a) * t.view(-1, *(1,) * (a.ndim - 1))


def slerp(a: Tensor, b: Tensor, t: Tensor, radius: Radius = "prior") -> Tensor:
    """Codes (N, L) at shares t (N,) of the great circle from the direction of a to that of b. radius: the codes' length;
    `prior`: from that of a evenly to that of b."""
    lengths = [code.norm(dim=1, keepdim=True) for code in (a, b)]
    first, second = a / lengths[0], b / lengths[1]
    angle = (first * second).sum(dim=1, keepdim=True).clamp(-1.0, 1.0).acos()
    across = second - first * angle.cos()
    across = across / across.norm(dim=1, keepdim=True).clamp_min(torch.finfo(a.dtype).tiny)
    turned = angle * t[:, None]
    size = lerp(lengths[0], lengths[1], t) if radius == "prior" else radius
    on_circle: Tensor = first * turned.cos() + across * turned.sin()
    return on_circle * size


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances (N,) of images."""
    squared: Tensor = (a - b).square().flatten(1).sum(dim=1)
    return squared


def perceptual_distance(perceptual: Perceptual) -> Distance:
    """The project's perceptual distance of that name, as it enters searches; its differences have to be squares."""
    return lambda a, b: perceptual.distance(a, perceptual.features(b))


@dataclass(frozen=True)
class PathLengths:
    """One length a pair of codes, (N,), in a space along the whole path (`full`) or from its beginning (`end`)."""

    space: str
    lengths: Floats

    def mean(self) -> float:
        """The path length, of all pairs."""
        return float(self.lengths.mean())

    def trimmed(self, share: float = 0.01) -> float:
        """As published: without the pairs below the lower percentile or above the upper one, which biases it low where
        lengths are skewed."""
        low = np.percentile(self.lengths, 100 * share, method="lower")
        high = np.percentile(self.lengths, 100 * (1 - share), method="higher")
        return float(self.lengths[(self.lengths >= low) & (self.lengths <= high)].mean())


@torch.no_grad()
def path_lengths(
    generator: Generator, space: str, pairs: int, distance: Distance, seed: int = 0, ends: bool = False,
    radius: Radius = "prior", epsilon: float = EPSILON,
) -> PathLengths:  # fmt: skip
    """The lengths of `pairs` paths in `z` or `w`. Pair i's ends and its share t are the same in any batch and in both spaces.

    Both ends are latents as the generator draws them, truncated where it truncates. ends: from t = 0 instead of from a share
    drawn at random. Both images of a step have the same noise and class, those of image i.
    Raises RequestError for w where w does not follow from z alone.
    """
    if space not in ("z", "w") or (space == "w" and not isinstance(generator, Mapped)):
        raise RequestError(f"path lengths are measured in z, or in w where it follows from z; this generator has no {space!r}")
    measured = []
    for first in range(0, pairs, BATCH):
        indices = torch.arange(first, min(first + BATCH, pairs))
        state = generator.latents(seed, indices)
        other = with_z(state, generator.latents(seed + OTHER_END, indices)["z"])
        a, b = (latent_of(generator, end, space) for end in (state, other))
        t = torch.from_numpy(uniforms(seed, "path share", indices.numpy(), 1)[:, 0]).to(a) * (0.0 if ends else 1.0)
        shares = (t, t + epsilon)
        codes = [lerp(a, b, share) if space == "w" else slerp(a, b, share, radius) for share in shares]
        images = [generator.run(with_code(state, space, code))["image"] for code in codes]
        measured.append(distance(*images).double().cpu().numpy() / epsilon**2)
    return PathLengths(space, np.concatenate(measured))
