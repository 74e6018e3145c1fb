"""The Fréchet segmentation distance between two sets of images, from the moments of their class areas.

    FSD = ‖μ₁ - μ₂‖² + Tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½)

with μ the mean and Σ the covariance (N - 1 below) of the areas of all classes of the parser's first head, with void, in
percent of pixels: the unit of "Seeing What a GAN Cannot Generate" (Bau et al., ICCV 2019) and of its published code.
The formula is the distance of two normal distributions (Dowson and Landau, 1982), as in the FID (Heusel et al., 2017).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit.errors import RequestError
from ganaudit.statistics.moments import Moments

Floats = NDArray[np.float64]

_ROUNDING = 1e-9
"""Of a covariance's trace: below it a sum of rows is zero, a distance nothing."""
_SHARED = 64
"""Classes from which distances are worth a thread of their own."""
_THREADS = 8
"""At most: each holds some matrices of all classes."""


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
    return distance(a.mean()[live] - b.mean()[live], *covariances)


def frechet_from_rows(a: NDArray[Any], b: NDArray[Any]) -> Frechet:
    """The distance between (N, C) and (M, C) areas in percent of pixels, one row per image.

    >>> round(frechet_from_rows(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])).value, 6)
    9.0
    """
    _enough(len(a), len(b))
    live = a.any(axis=0) | b.any(axis=0)
    a, b = np.asarray(a[:, live], np.float64), np.asarray(b[:, live], np.float64)
    covariances = (np.atleast_2d(np.cov(rows, rowvar=False)) if live.any() else np.zeros((0, 0)) for rows in (a, b))
    return distance(a.mean(axis=0) - b.mean(axis=0), *covariances)


def shares(a: Moments, b: Moments) -> Floats:
    """(C,) each class's exact share of the distance, (percent of pixels)²: 0 or more, adding up to its value.

    With S = Σ₁, T = Σ₂, FFᵀ = S, HHᵀ = T and FᵀH = U D Vᵀ, the best coupling of the two normal distributions has the
    cross-covariance C = F U Vᵀ Hᵀ, and E(x_c - y_c)² = (Δμ_c)² + S_cc + T_cc - 2 C_cc is the class's own cost of transport.
    """
    _enough(a.n, b.n)
    live = (a.total != 0) | (b.total != 0)
    first, second = a.covariance()[np.ix_(live, live)], b.covariance()[np.ix_(live, live)]
    f, h = factor(first), factor(second)
    u, _, v = np.linalg.svd(f.T @ h, full_matrices=False)
    crossed = ((f @ u) * (h @ v.T)).sum(axis=1)
    parts = np.zeros(len(a.total))
    spread = np.diag(first) + np.diag(second) - 2 * crossed
    parts[live] = (a.mean()[live] - b.mean()[live]) ** 2 + np.maximum(spread, 0.0)
    return parts


def distance(difference: Floats, covariance_a: Floats, covariance_b: Floats) -> Frechet:
    """(C,) difference of means and two (C, C) covariances → the distance.

    Tr (Σ₁Σ₂)^½ is the sum of the singular values of F₁ᵀF₂ where FFᵀ = Σ: the covariances are always singular (areas sum
    to 100 %), and this form, unlike the square root of a product, loses no digits to that.
    """
    mean_part = float(difference @ difference)
    overlap = np.linalg.svd(factor(covariance_a).T @ factor(covariance_b), compute_uv=False).sum()
    covariance_part = max(0.0, float(np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap))
    return Frechet(mean_part + covariance_part, mean_part, covariance_part)


def factor(covariance: Floats) -> Floats:
    """(C, R) F with FFᵀ the covariance, by symmetric eigendecomposition; eigenvalues that are rounding noise are 0."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values.max(initial=0.0) * len(values) * np.finfo(np.float64).eps
    root: Floats = vectors[:, kept] * np.sqrt(values[kept])
    return root


def quick(apart: Floats, covariance_a: Floats, covariance_b: Floats) -> float:
    """As `distance`, the value alone, several times as fast and to about 1e-7 of the variance: for the hundreds of
    distances that a jackknife and a permutation need.

    Tr (Σ₁Σ₂)^½ adds up the roots of the eigenvalues of Σ₁Σ₂, which are those of LᵀΣ₂L with LLᵀ = Σ₁. Σ₁ has no such L where
    it is singular, and it always is, but mostly for two reasons that can be taken out: a class that never varies adds
    nothing, and where areas sum to 100 % one class is minus the sum of the others.
    """
    traces = float(np.trace(covariance_a) + np.trace(covariance_b))
    return float(apart @ apart) + traces - 2 * _root_trace(covariance_a, covariance_b)


def quick_each(pairs: Sequence[tuple[Floats, Floats, Floats]]) -> Floats:
    """(K,) `quick` of K pairs, on several processors: NumPy's linear algebra holds no lock of Python's."""
    if not pairs or len(pairs[0][0]) < _SHARED:
        return np.array([quick(*pair) for pair in pairs])
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1), "ganaudit-distances") as pool:
        return np.array(list(pool.map(quick, *zip(*pairs, strict=True))))


def _root_trace(a: Floats, b: Floats) -> float:
    trace = float(np.trace(a))
    varies = np.flatnonzero(np.diag(a) > _ROUNDING * trace / max(len(a), 1))
    if len(varies) < len(a):
        a, b = a[np.ix_(varies, varies)], b[np.ix_(varies, varies)]
    if len(a) > 1 and float(np.abs(a.sum(axis=1)).max()) <= _ROUNDING * trace:
        row = b[:-1, -1]
        a, b = a[:-1, :-1], b[:-1, :-1] - row[:, None] - row[None, :] + b[-1, -1]
    if not len(a):
        return 0.0
    try:
        lower = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return float(np.linalg.svd(factor(a).T @ factor(b), compute_uv=False).sum())
    values = np.linalg.eigvalsh(lower.T @ b @ lower)
    return float(np.sqrt(np.maximum(values, 0.0)).sum())


def _enough(*images: int) -> None:
    if min(images) < 2:
        raise RequestError(f"a Fréchet distance needs at least 2 images on each side; one side has {min(images)}")
