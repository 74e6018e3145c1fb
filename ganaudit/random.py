"""The one place that draws random numbers: every draw is a function of (seed, purpose, image index).

Counter based, so image `i` gets the same numbers alone, in any batch and on any machine. The generator is SplitMix64
(Steele, Lea and Flood, OOPSLA 2014): one stream per image, started at a hash of seed, purpose and index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

VERSION = 1
"""Enters every content key whose records depend on these draws."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def bits(seed: int, purpose: str, indices: Sequence[int] | NDArray[np.int64], n: int) -> NDArray[np.uint64]:
    """(len(indices), n) uniform 64-bit words."""
    digest = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest()
    start = np.uint64(int.from_bytes(digest, "little"))
    streams = _mix(_mix(np.asarray(indices, dtype=np.int64).astype(np.uint64) * _GAMMA) ^ start)
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
