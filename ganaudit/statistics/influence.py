"""How much each image pulls at the Fréchet distance, and the distance's error by the delta method.

With T₁₂ = Σ₁^-½ (Σ₁^½ Σ₂ Σ₁^½)^½ Σ₁^-½, the best linear map from one normal distribution to the other, the influence of a
real image x is  2(μ₁-μ₂)ᵀ(x-μ₁) + (x-μ₁)ᵀ(I-T₁₂)(x-μ₁) - tr((I-T₁₂)Σ₁), and the same with sides exchanged for a
generated one (Rippl, Munk and Sturm, 2016). Influences of a side average to 0; Var F ≈ Var φ₁/n₁ + Var φ₂/n₂, which
vanishes where the distance does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from ganaudit.statistics.frechet import Floats
from ganaudit.statistics.moments import Moments, Rows

_ROWS = 16_384


@dataclass(frozen=True, eq=False)
class Influence:
    """Quadratic form whose value at an image's areas x is its influence: linear·d + dᵀ form d - offset, d = x - centre.

    All over the live classes, in percent of pixels.
    """

    live: Floats
    centre: Floats
    linear: Floats
    form: Floats
    offset: float
    pixels: int

    def of(self, counts: Rows) -> Floats:
        """(N,) influence of the images with these (N, C) pixel counts, (percent of pixels)²."""
        percent = 100.0 / self.pixels
        every = csr_array(counts)
        sparse = (every if self.live.all() else every[:, np.flatnonzero(self.live)]).astype(np.float64) * percent
        # xᵀFx + (linear - 2Fc)ᵀx + cᵀFc - linearᵀc, since most of x is 0
        toward = self.linear - 2 * self.form @ self.centre
        constant = float(self.centre @ self.form @ self.centre - self.linear @ self.centre) - self.offset
        values = sparse @ toward + constant
        for start in range(0, len(values), _ROWS):
            some = sparse[start : start + _ROWS]
            product = some @ self.form
            row = np.repeat(np.arange(some.shape[0]), np.diff(some.indptr))
            pulls = product[row, some.indices] * some.data
            values[start : start + _ROWS] += np.bincount(row, pulls, minlength=some.shape[0])
        return np.asarray(values)


def influences(real: Moments, generated: Moments) -> tuple[Influence, Influence]:
    """What gives the influence of a real and of a generated image. Needs two images a side."""
    live = (real.total != 0) | (generated.total != 0)
    kept = np.ix_(live, live)
    means = real.mean()[live], generated.mean()[live]
    covariances = real.covariance()[kept], generated.covariance()[kept]
    forward, backward = _maps(*covariances)
    return (
        _one(live, means[0], means[1], covariances[0], forward, real.pixels),
        _one(live, means[1], means[0], covariances[1], backward, real.pixels),
    )


def _one(live: Floats, mean: Floats, other: Floats, covariance: Floats, onto: Floats, pixels: int) -> Influence:
    form = np.eye(len(mean)) - onto
    return Influence(live, mean, 2 * (mean - other), form, float((form * covariance).sum()), pixels)


def _maps(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The symmetric maps T₁₂ and T₂₁, each the other's inverse on what both sides span."""
    values, vectors = np.linalg.eigh(a)
    kept = values > values.max(initial=0.0) * len(values) * 1e-12
    basis, scale = vectors[:, kept], np.sqrt(values[kept])
    root = basis * scale
    inner, inner_vectors = np.linalg.eigh(root.T @ b @ root)
    inner = np.maximum(inner, 0.0)
    half = (inner_vectors * np.sqrt(inner)) @ inner_vectors.T
    some = inner > inner.max(initial=0.0) * 1e-12
    inverse = np.where(some, 1 / np.sqrt(np.where(some, inner, 1.0)), 0.0)
    inverse_half = (inner_vectors * inverse) @ inner_vectors.T
    white = basis / scale
    return white @ half @ white.T, root @ inverse_half @ root.T
