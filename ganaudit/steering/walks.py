"""Walks in latent space: where an image's latent goes as α grows (Jahanian, Chai and Isola, ICLR 2020)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.protocol import Generator, Space, State, size_of
from ganaudit.random import uniforms
from ganaudit.steering.edits import Edit, Size, edit_named
from ganaudit.steering.spaces import latent_of, with_latent

KINDS = ("linear", "residual")
"""linear: z + Σ slider · direction. residual: a small network is added to z, step after step."""
STEPS = 5
"""Of a residual walk from the identity to the end of an edit's range."""


@dataclass(frozen=True)
class WalkShape:
    """What a walk is made for. shape: of one latent of its space. edits: by name, one slider each. size: (height, width) of
    images, which the sliders' units follow from. steps: of a residual walk."""

    kind: str
    space: str
    shape: tuple[int, ...]
    edits: tuple[str, ...]
    size: Size
    steps: int = STEPS

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RequestError(f"there is no walk {self.kind!r}; there are {', '.join(KINDS)}")
        if self.kind == "residual" and len(self.edits) != 1:
            raise RequestError(f"a residual walk has one slider, and {len(self.edits)} edits are asked for")

    @classmethod
    def of(cls, generator: Generator, space: Space, kind: str, *edits: str, steps: int = STEPS) -> WalkShape:
        return cls(kind, space.name, tuple(space.shape), edits, size_of(generator), steps)

    def opened(self) -> tuple[Edit, ...]:
        """The edits themselves."""
        return tuple(edit_named(name) for name in self.edits)


class Walk(nn.Module, ABC):
    """One walk, of one slider or several."""

    def __init__(self, shape: WalkShape) -> None:
        super().__init__()
        self.shape, self.edits = shape, shape.opened()

    @abstractmethod
    def moved(self, latents: Tensor, sliders: Tensor) -> Tensor:
        """Latents (N, …) moved by sliders (N, K)."""

    def state(self, generator: Generator, state: State, alpha: Tensor) -> State:
        """The state of images moved by α, (N,) or (N, K) with a column an edit; the rest of the state stays as it is.

        Raises RequestError for another number of columns than the walk has edits.
        """
        latents = latent_of(generator, state, self.shape.space)
        return with_latent(state, self.shape.space, self.moved(latents, self.sliders(alpha.to(latents.device))))

    def sliders(self, alpha: Tensor) -> Tensor:
        """(N, K): what the walk multiplies."""
        columns = alpha[:, None] if alpha.ndim == 1 else alpha
        if columns.shape[1] != len(self.edits):
            raise RequestError(f"this walk has the edits {', '.join(self.shape.edits)}; α has {columns.shape[1]} columns")
        each = zip(self.edits, columns.unbind(dim=1), strict=True)
        return torch.stack([edit.slider(column, self.shape.size) for edit, column in each], dim=1).float()


class LinearWalk(Walk):
    """z + Σ_k slider_k · direction_k; in w with one style a layer, the same step for each of them. Starts at zero."""

    def __init__(self, shape: WalkShape, directions: Tensor | None = None) -> None:
        super().__init__(shape)
        size = (len(shape.edits), *shape.shape)
        self.directions = nn.Parameter(torch.zeros(size) if directions is None else directions.float().reshape(size))

    def moved(self, latents: Tensor, sliders: Tensor) -> Tensor:
        steps = (sliders @ self.directions.flatten(1)).view(-1, *self.shape.shape)
        return latents + (steps[:, None] if latents.ndim > steps.ndim else steps)

    def lengths(self) -> Tensor:
        """(K, layers) Euclidean norms of each slider's direction, layer by layer; (K, 1) where the space has no layers."""
        lengths: Tensor = torch.linalg.vector_norm(
            self.directions.detach().view(len(self.edits), -1, self.shape.shape[-1]), dim=2
        )
        return lengths


class ResidualWalk(Walk):
    """f(z) = z + network(z), applied once for every 1/steps of the edit's range, by one network forwards and by another one
    backwards; between two steps, what lies between. In z the norm is kept. Starts at f(z) = z."""

    def __init__(self, shape: WalkShape, seed: int = 0) -> None:
        super().__init__(shape)
        self.forwards, self.backwards = (_residual(math.prod(shape.shape), seed, way) for way in ("forwards", "backwards"))

    def moved(self, latents: Tensor, sliders: Tensor) -> Tensor:
        if latents.ndim > 1 + len(self.shape.shape):
            raise RequestError("a residual walk in w needs one style an image; this generator truncates some layers alone")
        slider = sliders[:, 0] * (self.shape.steps / self.edits[0].span(self.shape.size))
        ahead, left = (slider > 0)[:, None], slider.abs()[:, None]
        current = start = latents.flatten(1)
        for done in range(math.ceil(float(left.max()))):
            step = current + torch.where(ahead, self.forwards(current), self.backwards(current))
            between = self._normed(torch.lerp(current, self._normed(step, start), (left - done).clamp(0.0, 1.0)), start)
            current = torch.where(left > done, between, current)
        return current.view(latents.shape)

    def _normed(self, moved: Tensor, start: Tensor) -> Tensor:
        """With the norm of the start, where the space is z."""
        if self.shape.space != "z":
            return moved
        kept: Tensor = functional.normalize(moved, dim=1) * torch.linalg.vector_norm(start, dim=1, keepdim=True)
        return kept


def _residual(width: int, seed: int, way: str) -> nn.Sequential:
    """Gives 0. Its first layer is drawn from the range that is torch's default, by draws of its own: those of the process are
    shared by the threads that train other walks."""
    first, last = nn.Linear(width, width), nn.Linear(width, width)
    draws = torch.from_numpy(uniforms(seed, f"residual walk {way}", range(width), width + 1)).float()
    with torch.no_grad():
        first.weight.copy_((2 * draws[:, :-1] - 1) * width**-0.5)
        first.bias.copy_((2 * draws[:, -1] - 1) * width**-0.5)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(first, nn.ReLU(), last)


def new_walk(shape: WalkShape, seed: int = 0) -> Walk:
    """A walk that does not move yet. seed: of the draws with which a residual one begins to learn."""
    return LinearWalk(shape) if shape.kind == "linear" else ResidualWalk(shape, seed)


def repeated(state: State, times: int) -> State:
    """Each image of a state `times` times, one after the other."""
    return {name: value.repeat_interleave(times, dim=0) if value.ndim else value for name, value in state.items()}


@torch.no_grad()
def images_along(walk: Walk, generator: Generator, state: State, alphas: Tensor) -> Tensor:
    """Images (A, N, 3, H, W) of the state's N at each of α (A,) or (A, K). Raises AuditError where one is not finite."""
    along = []
    for alpha in alphas:
        count = len(next(iter(state.values())))
        image = generator.run(walk.state(generator, state, alpha.expand(count, *alpha.shape)))["image"].float()
        broken = (~image.isfinite().flatten(1).all(dim=1)).nonzero().flatten().tolist()
        if broken:
            where = ", ".join(
                f"{edit} {value:g}" for edit, value in zip(walk.shape.edits, alpha.flatten().tolist(), strict=True)
            )
            raise AuditError(
                f"along the walk, at {where}, the generator gives images that are not finite (the first: image {broken[0]}); "
                "α nearer to the identity may be within its reach"
            )
        along.append(image)
    return torch.stack(along)
