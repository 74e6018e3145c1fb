"""Directions that no edit was shown to: random ones, those of the first layer, and those of activations; at any length.

What a trained walk is compared with, at equal length: a direction that moves an attribute as far without training says that
the training found nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganaudit.errors import RequestError
from ganaudit.generators.protocol import Generator
from ganaudit.random import normals
from ganaudit.steering.spaces import latent_of, space_named, with_latent
from ganaudit.steering.walks import LinearWalk, WalkShape

SAMPLES = 1000
"""Own samples whose activations principal directions are of."""
PARALLEL = 1e-4
"""1 - cosine, up to which a module's input is a latent, but for its length."""


def random_directions(generator: Generator, space: str, count: int, seed: int = 0) -> Tensor:
    """(count, …) uniform on the sphere; direction k is a function of (seed, k)."""
    shape = space_named(generator, space).shape
    draws = torch.from_numpy(normals(seed, f"random direction in {space}", range(count), int(torch.Size(shape).numel())))
    return _unit(draws).view(count, *shape)


@torch.no_grad()
def closed_form_directions(generator: Generator, space: str, count: int, seed: int = 0) -> Tensor:
    """(count, …), the right singular vectors of the linear maps that are given the latent first, the largest first.

    Of z, the first such map; of w, all that take it, one above the other (Shen and Zhou, CVPR 2021; Spingarn et al., ICLR
    2021). In w+ each layer moves alike. Raises RequestError where no map is given the latent as it is, or but for its length.
    """
    maps = _first_maps(generator, "w" if space == "w+" else space, seed)
    if not maps:
        raise RequestError(f"no layer of this generator is given its {space} as it is: it has no closed-form directions")
    directions = torch.linalg.svd(torch.cat(maps).double(), full_matrices=False).Vh[:count].float()
    return _in_space(generator, space, directions)


@torch.no_grad()
def principal_directions(generator: Generator, space: str, count: int, seed: int = 0, samples: int = SAMPLES) -> Tensor:
    """(count, …), the latents' least-squares directions to the principal components of activations (Härkönen et al., NeurIPS
    2020): of w itself, and of the first layer's output where the space is z. In w+ each layer moves alike."""
    name = "w" if space == "w+" else space
    state = generator.latents(seed, torch.arange(samples))
    latents = latent_of(generator, state, name).double().flatten(1)
    centred = latents - latents.mean(dim=0)
    if name == "w" or not generator.layers:
        components = torch.linalg.svd(centred, full_matrices=False).Vh[:count]
    else:
        features = generator.run(state, upto=generator.layers[0])[generator.layers[0]].double().flatten(1)
        features = features - features.mean(dim=0)
        scores = torch.linalg.svd(features, full_matrices=False).U[:, :count]
        components = torch.linalg.lstsq(scores, centred).solution
    return _in_space(generator, space, components.float())


BASELINES: dict[str, Callable[[Generator, str, int, int], Tensor]] = {
    "random": random_directions,
    "closed-form": closed_form_directions,
    "principal": principal_directions,
}
"""By name: (generator, space, count, seed) -> unit directions (count, …)."""


def at_length(shape: WalkShape, direction: Tensor, length: float) -> LinearWalk:
    """A walk of one slider along a direction, as long as another one at slider 1."""
    return LinearWalk(shape, direction / direction.norm() * length).eval().requires_grad_(False)


def _in_space(generator: Generator, space: str, directions: Tensor) -> Tensor:
    """Unit directions of w, or of the space itself, as directions of the space."""
    shape = space_named(generator, space).shape
    each = _unit(directions.flatten(1))
    if space == "w+":
        return _unit(each[:, None].expand(-1, *shape).flatten(1)).view(-1, *shape)
    return each.view(-1, *shape)


def _unit(rows: Tensor) -> Tensor:
    return functional.normalize(rows, dim=1)


def _first_maps(generator: Generator, space: str, seed: int) -> list[Tensor]:
    """Matrices (out, L) of the affine modules that are given a latent: the first one of z, all of w."""
    state = generator.latents(seed, torch.arange(4))
    latents = latent_of(generator, state, space).flatten(1).float()
    taken: list[tuple[nn.Module, Tensor]] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...], _output: object) -> None:
        x = inputs[0] if inputs else None
        if isinstance(x, Tensor) and x.is_floating_point() and x[0].numel() == latents.shape[1] and len(x) == len(latents):
            same = torch.cosine_similarity(x.float().flatten(1), latents, dim=1)
            if bool((same > 1.0 - PARALLEL).all()):
                taken.append((module, x))

    modules = (
        [module for module in generator.modules() if not list(module.children())] if isinstance(generator, nn.Module) else []
    )
    hooks = [module.register_forward_hook(look) for module in modules]
    try:
        generator.run(with_latent(state, space, latents.view_as(latent_of(generator, state, space))))
    finally:
        for hook in hooks:
            hook.remove()
    matrices = [matrix for module, x in taken if (matrix := _matrix(module, x)) is not None]
    return matrices if space == "w" else matrices[:1]


def _matrix(module: nn.Module, x: Tensor) -> Tensor | None:
    """The matrix (out, L) of an affine module; None for any other: twice the input is twice the output, but for the offset."""
    units = torch.eye(x[0].numel(), dtype=x.dtype, device=x.device).view(-1, *x.shape[1:])
    offset = module(torch.zeros_like(x[:1])).flatten(1)
    matrix: Tensor = (module(units).flatten(1) - offset).T
    affine = torch.allclose(module(x).flatten(1) - offset, x.flatten(1) @ matrix.T, rtol=1e-3, atol=1e-4)
    return matrix.float() if affine and matrix.shape[0] > 1 and not isinstance(module, nn.Identity) else None
