"""The Fréchet segmentation distance between two sets of images, from the moments of their class areas.

    FSD = ‖μ₁ - μ₂‖² + Tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½)

with μ the mean and Σ the covariance (N - 1 below) of the areas of all classes of the parser's first head, with void, in
percent of pixels: the unit of "Seeing What a GAN Cannot Generate" (Bau et al., ICCV 2019) and of its published code.
The formula is the distance of two normal distributions (Dowson and Landau, 1982), as in the FID (Heusel et al., 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit.errors import RequestError
from ganaudit.statistics.moments import Moments, moments, without

Floats = NDArray[np.float64]

SPLITS = 20


@dataclass(frozen=True)
class Frechet:
    """A distance and its two parts, (percent of pixels)²: value = mean_part + covariance_part, each 0 or more."""

    value: float
    mean_part: float
    covariance_part: float


def frechet(a: Moments, b: Moments) -> Frechet:
    """The distance between two sets of images whose moments have the same classes, (percent of pixels)².

    Raises RequestError for fewer than two images on a side, which have no covariance.
    """
    _enough(a.n, b.n)
    live = (a.total != 0) | (b.total != 0)
    covariances = a.covariance()[np.ix_(live, live)], b.covariance()[np.ix_(live, live)]
    return _distance(a.mean()[live] - b.mean()[live], *covariances)


def frechet_from_rows(a: NDArray[Any], b: NDArray[Any]) -> Frechet:
    """The distance between (N, C) and (M, C) areas in percent of pixels, one row per image.

    >>> round(frechet_from_rows(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])).value, 6)
    9.0
    """
    _enough(len(a), len(b))
    live = a.any(axis=0) | b.any(axis=0)
    a, b = np.asarray(a[:, live], np.float64), np.asarray(b[:, live], np.float64)
    covariances = (np.atleast_2d(np.cov(rows, rowvar=False)) if live.any() else np.zeros((0, 0)) for rows in (a, b))
    return _distance(a.mean(axis=0) - b.mean(axis=0), *covariances)


def floor(counts: NDArray[np.integer[Any]], pixels: int, n_real: int, n_generated: int, seed: int) -> float | None:
    """About what the plain distance would be if the generator were perfect, at these numbers of images.

    counts: (N, C) pixel counts of real images, rows in the order of their index; pixels: of one label map. The real
    images are split at random into halves of N/2, 20 times, and the mean of the 20 distances (noise alone, which falls
    as 1/n₁ + 1/n₂) is scaled by (1/n_real + 1/n_generated) / (2 / (N/2)). None for fewer than four real images.
    """
    level = noise_level(counts, pixels, seed)
    return None if level is None else level * (1 / n_real + 1 / n_generated)


def noise_level(counts: NDArray[np.integer[Any]], pixels: int, seed: int) -> float | None:
    """The distance between two samples of the same images, divided by 1/n₁ + 1/n₂; see `floor`."""
    rng = np.random.default_rng(seed)
    counts = counts[:, counts.any(axis=0)]
    n = len(counts)
    if n < 4:
        return None
    everything = moments(counts, pixels)
    distances = []
    for _ in range(SPLITS):
        half = moments(counts[rng.permutation(n)[: n // 2]], pixels)
        distances.append(frechet(half, without(everything, half)).value)
    return float(np.mean(distances)) / (1 / (n // 2) + 1 / (n - n // 2))


def _enough(*images: int) -> None:
    if min(images) < 2:
        raise RequestError(f"a Fréchet distance needs at least 2 images on each side; one side has {min(images)}")


def _distance(difference: Floats, covariance_a: Floats, covariance_b: Floats) -> Frechet:
    """(C,) difference of means and two (C, C) covariances → the distance.

    Tr (Σ₁Σ₂)^½ is the sum of the singular values of F₁ᵀF₂ where FFᵀ = Σ: the covariances are always singular (areas sum
    to 100 %), and this form, unlike the square root of a product, loses no digits to that.
    """
    mean_part = float(difference @ difference)
    overlap = np.linalg.svd(_factor(covariance_a).T @ _factor(covariance_b), compute_uv=False).sum()
    covariance_part = max(0.0, float(np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap))
    return Frechet(mean_part + covariance_part, mean_part, covariance_part)


def _factor(covariance: Floats) -> Floats:
    """(C, R) F with FFᵀ the covariance, by symmetric eigendecomposition; eigenvalues that are rounding noise are 0."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values.max(initial=0.0) * len(values) * np.finfo(np.float64).eps
    factor: Floats = vectors[:, kept] * np.sqrt(values[kept])
    return factor
