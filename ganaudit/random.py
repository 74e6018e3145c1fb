"""The one place that draws random numbers: every draw is a function of (seed, purpose, image index).

Counter based, so image `i` gets the same numbers alone, in any batch and on any machine. The generator is SplitMix64
(Steele, Lea and Flood, OOPSLA 2014): one stream per image, started at a hash of seed, purpose and index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

VERSION = 1
"""Enters every content key whose records depend on these draws."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _start(seed: int, purpose: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest(), "little")


def bits(seed: int, purpose: str, indices: Sequence[int] | NDArray[np.int64], n: int) -> NDArray[np.uint64]:
    """(len(indices), n) uniform 64-bit words."""
    streams = _mix(_mix(np.asarray(indices, dtype=np.int64).astype(np.uint64) * _GAMMA) ^ np.uint64(_start(seed, purpose)))
    counters = np.arange(1, n + 1, dtype=np.uint64) * _GAMMA
    return _mix(streams[:, None] + counters[None, :])


def uniforms(seed: int, purpose: str, indices: Sequence[int] | NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """(len(indices), n) independent draws from [0, 1)."""
    return (bits(seed, purpose, indices, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normals(seed: int, purpose: str, indices: Sequence[int] | NDArray[np.int64], n: int) -> NDArray[np.float32]:
    """(len(indices), n) independent draws from the standard normal distribution, by its inverse distribution function."""
    from scipy.special import ndtri

    open_interval = ((bits(seed, purpose, indices, n) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return np.asarray(ndtri(open_interval), dtype=np.float32)


def normals_on(device: torch.device, seed: int, purpose: str, indices: Tensor, n: int) -> Tensor:
    """`normals` as a tensor on a device. A GPU draws its own: the same words, and the same numbers but for the last bit of one
    now and then, where its inverse distribution function rounds otherwise."""
    import torch

    if device.type in ("cpu", "mps"):  # the second has no 64-bit floats
        return torch.from_numpy(normals(seed, purpose, indices.cpu().numpy(), n)).to(device)
    return normals_of_words(words_on(device, seed, purpose, indices, n))


def words_on(device: torch.device, seed: int, purpose: str, indices: Tensor, n: int) -> Tensor:
    """`bits` in the signed 64-bit integers of a device, whose sums and products wrap."""
    import torch

    def mixed(x: Tensor) -> Tensor:
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
            x = (x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))) * _signed(factor)
        return x

    streams = mixed(mixed(indices.to(device, torch.int64) * _signed(int(_GAMMA))) ^ _signed(_start(seed, purpose)))
    return mixed(streams[:, None] + torch.arange(1, n + 1, device=device) * _signed(int(_GAMMA)))


def normals_of_words(words: Tensor) -> Tensor:
    """The normal draws (N, n) float32 that signed 64-bit words (N, n) stand for."""
    import torch

    upper = (words >> 12) & ((1 << 52) - 1)
    drawn: Tensor = torch.special.ndtri((upper.double() + 0.5) * 2.0**-52).float()
    return drawn


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
