"""Weights that PyTorch keeps in parts, as spectral and weight normalisation do, put together as in eval mode.

Spectral normalisation divides a weight by its largest singular value, u W v with the stored pair (Miyato et al., ICLR 2018);
weight normalisation gives each slice of it a length (Salimans and Kingma, NeurIPS 2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganaudit.errors import RequestError

SPECTRAL = ("weight_orig", "weight_u", "weight_v"), (
    "parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v",
)  # fmt: skip
"""Names of a weight and of the pair, below a module's, in the older way and in the newer one."""
LENGTHS = ("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")
"""Names of lengths and directions."""


def whole(tensors: Mapping[str, Tensor], transposed: bool = False) -> dict[str, Tensor]:
    """Tensors by name, weights put together and in the places of their parts; others as they are.

    transposed: convolutions are, (in, out, k, k), so that their matrices have out as rows. Raises RequestError for parts that
    are missing, or of other sizes than their weight.
    """
    made: dict[str, Tensor] = {}
    for name, value in tensors.items():
        found = _part(name, tensors)
        if found is None:
            made[name] = value
            continue
        module, parts = found
        if f"{module}weight" not in made:
            made[f"{module}weight"] = _divided(tensors, parts, transposed) if len(parts) == 3 else _lengthened(tensors, parts)
    return made


def _part(name: str, tensors: Mapping[str, Tensor]) -> tuple[str, list[str]] | None:
    """The module that a name is a part of a weight of, its dot after it, and the names of all parts; None for any other."""
    for parts in (*SPECTRAL, *LENGTHS):
        for part in parts:
            module = name.removesuffix(part)
            if module != name and (not module or module.endswith(".")) and f"{module}{parts[0]}" in tensors:
                return module, [f"{module}{each}" for each in parts]
    return None


def _divided(tensors: Mapping[str, Tensor], parts: Sequence[str], transposed: bool) -> Tensor:
    value = tensors[parts[0]].float()
    matrix = rows(parts[0], value.transpose(0, 1) if transposed and value.ndim == 4 else value)
    u, v = (vector(name, tensors, size) for name, size in zip(parts[1:], matrix.shape, strict=True))
    return value / (u @ matrix @ v)


def _lengthened(tensors: Mapping[str, Tensor], parts: Sequence[str]) -> Tensor:
    length, direction = (tensors[name].float() if name in tensors else None for name in parts)
    if length is None or direction is None:
        raise RequestError(f"{parts[1]} is missing")
    if length.ndim != direction.ndim or any(a not in (1, b) for a, b in zip(length.shape, direction.shape, strict=True)):
        raise RequestError(f"{parts[0]} is {tuple(length.shape)}, no lengths of {tuple(direction.shape)}")
    over = [axis for axis, size in enumerate(length.shape) if size == 1]
    own = torch.linalg.vector_norm(direction, dim=over, keepdim=True) if over else direction.abs()
    return direction * (length / own)


def rows(name: str, weight: Tensor) -> Tensor:
    """A weight as a matrix, a row for each of its first dimension. Raises RequestError for what is none."""
    if weight.ndim < 2 or weight.numel() == 0:
        raise RequestError(f"{name} is {tuple(weight.shape)}, no matrix")
    return weight.float().flatten(1)


def vector(name: str, tensors: Mapping[str, Tensor], size: int) -> Tensor:
    """The numbers of a tensor, so many. Raises RequestError for others."""
    if name not in tensors or tensors[name].numel() != size:
        found = f"is {tuple(tensors[name].shape)}, not ({size},)" if name in tensors else "is missing"
        raise RequestError(f"{name} {found}")
    return tensors[name].float().flatten()
