"""Influences are derivatives of the distance, and their variance is that of the jackknife."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from ganaudit.statistics.centred import centred
from ganaudit.statistics.frechet import distance
from ganaudit.statistics.influence import influences
from ganaudit.statistics.jackknife import estimate
from ganaudit.statistics.moments import group_moments, moments


def rows_of(seed: int, n: int, weight: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.multinomial(900, p) for p in rng.dirichlet([1.0, weight, 0.8, 0.6], n)])


def weighted(rows: np.ndarray, image: int, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance when one image takes `weight` of all and the others share the rest."""
    percent, share = rows / 9, np.full(len(rows), (1 - weight) / len(rows))
    share[image] += weight
    mean = share @ percent
    # N - 1 below, as the distance has it, so that no weight is no change
    return mean, (percent - mean).T @ (share[:, None] * (percent - mean)) * len(rows) / (len(rows) - 1)


@pytest.mark.parametrize("swapped", [False, True])
def test_an_influence_is_the_derivative_by_an_images_weight(swapped):
    a, b = rows_of(0, 60, 1.0), rows_of(1, 45, 3.0)
    real, generated = influences(moments(a, 900), moments(b, 900))
    rows, other, result = (b, a, generated.of(b)) if swapped else (a, b, real.of(a))
    fixed, step = weighted(other, 0, 0.0), 1e-5

    def moved(image: int, weight: float) -> float:
        mean, covariance = weighted(rows, image, weight)
        return distance(mean - fixed[0], covariance, fixed[1]).value

    derivative = np.array([(moved(i, step) - moved(i, -step)) / (2 * step) for i in range(20)])
    # the covariance has N - 1 below, the influence's own mean shift does not: a relative error of 1/N of the quadratic part
    np.testing.assert_allclose(result[:20], derivative, rtol=0.05, atol=0.05 * np.abs(result).max())
    assert np.corrcoef(result[:20], derivative)[0, 1] > 0.999


def test_influences_average_to_nothing_dense_or_sparse_with_or_without_zero_columns():
    a, b = rows_of(2, 400, 1.0), rows_of(3, 300, 2.0)
    sides = influences(moments(a, 900), moments(b, 900))
    wide = [np.insert(rows, [0, 2, 4], 0, axis=1) for rows in (a, b)]
    same = influences(*(moments(rows, 900) for rows in wide))
    for rows, spaced, side, other in zip((a, b), wide, sides, same, strict=True):
        result = side.of(rows)
        assert abs(result.mean()) < 0.02 * result.std()
        np.testing.assert_allclose(side.of(csr_array(rows)), result)
        np.testing.assert_allclose(other.of(spaced), result, rtol=1e-6, atol=1e-6)


def test_the_delta_methods_error_is_that_of_the_jackknife():
    a, b = rows_of(4, 2000, 1.0), rows_of(5, 2000, 3.0)
    real, generated = influences(moments(a, 900), moments(b, 900))
    delta = (real.of(a).var() / 2000 + generated.of(b).var() / 2000) ** 0.5
    groups = np.arange(2000) % 100
    assert delta == pytest.approx(estimate(*centred(*(group_moments(r, groups, 900, 100) for r in (a, b)))).se, rel=0.25)
