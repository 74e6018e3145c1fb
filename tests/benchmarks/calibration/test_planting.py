"""Planted changes against brute force: every image of the changed pool, written out with its probability."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from benchmarks.calibration.planting import Apart, Change, Thin, distance, erased, population
from benchmarks.calibration.pool import Pool
from ganaudit.statistics.frechet import frechet
from ganaudit.statistics.moments import moments


def written_out(pool: Pool, keep: tuple[float, ...], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every image with every choice of erased classes, and the probability of each."""
    images, chances = [], []
    for counts, weight in zip(pool.counts, weights, strict=True):
        for kept in itertools.product([True, False], repeat=len(keep) - 1):
            changed = counts * np.array([True, *kept])
            changed[0] += counts.sum() - changed.sum()
            images.append(changed)
            chances.append(weight * np.prod([k if stays else 1 - k for k, stays in zip(keep[1:], kept, strict=True)]))
    return np.array(images), np.array(chances)


@settings(max_examples=30, deadline=None)
@given(keep=st.tuples(*[st.floats(0, 1)] * 3), ratio=st.floats(0, 1))
def test_moments_of_a_changed_pool_are_those_of_all_its_images(keep, ratio):
    counts = np.array([[0, 60, 40, 0], [10, 90, 0, 0], [0, 50, 30, 20], [0, 100, 0, 0], [5, 70, 0, 25]], dtype=np.int32)
    pool = Pool("k0", counts, ("void", "sky", "tree", "person"), 100)
    change = Change((1.0, *keep), Thin(2, ratio))
    images, chances = written_out(pool, change.keep, change.thin.weights(pool))
    mean, covariance = population(pool, change)
    np.testing.assert_allclose(chances.sum(), 1)
    np.testing.assert_allclose(mean, chances @ images, atol=1e-9)
    np.testing.assert_allclose(covariance, np.cov(images.T, aweights=chances, ddof=0), atol=1e-8)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_thinning_leaves_exactly_the_ratio_of_presence_and_area(tiny, ratio):
    weights = Thin(2, ratio).weights(tiny)
    assert weights.sum() == pytest.approx(1)
    for measure in (tiny.counts[:, 2] > 0, tiny.counts[:, 2] > 25, tiny.counts[:, 2]):
        assert weights @ measure == pytest.approx(ratio * measure.mean())


def test_a_class_in_all_images_cannot_be_thinned(tiny):
    with pytest.raises(ValueError, match="sky is in all"):
        Thin(1, 0.5).weights(tiny)


def test_erased_pixels_become_void(tiny):
    result = erased(tiny.counts, np.array([2]), np.array([[True], [True], [False], [True], [True], [False]]))
    assert result.sum(axis=1).tolist() == [100] * 6
    assert result[:, 2].tolist() == [40, 0, 0, 0, 0, 0]
    assert result[:, 0].tolist() == [0, 10, 30, 0, 5, 20]


@pytest.mark.parametrize("change", [Change((1.0, 1.0, 0.5, 0.25)), Change(thin=Thin(2, 0.4))])
def test_samples_have_the_moments_of_the_changed_pool(tiny, change):
    n = 40_000
    areas = change.draw(tiny, n, 0, "here", 0).astype(float)
    mean, covariance = population(tiny, change)
    assert (abs(areas.mean(axis=0) - mean) <= 5 * np.sqrt(np.diag(covariance) / n) + 1e-9).all()
    np.testing.assert_allclose(np.cov(areas.T, ddof=0), covariance, atol=0.05 * np.diag(covariance).max())


def test_a_draw_hangs_on_its_purpose_and_number_alone(tiny):
    change = Change((1.0, 1.0, 0.5, 0.5))
    result = change.draw(tiny, 500, 0, "real", 3)
    assert (result == change.draw(tiny, 500, 0, "real", 3)).all()
    assert (result != change.draw(tiny, 500, 0, "real", 4)).any()
    assert (result != change.draw(tiny, 500, 0, "generated", 3)).any()


def test_classes_kept_apart_never_meet_and_either_may_stay(tiny):
    result = Change(apart=Apart((2, 3))).draw(tiny, 2_000, 0, "here", 0)
    assert not ((result[:, 2] > 0) & (result[:, 3] > 0)).any()
    assert result.sum(axis=1).tolist() == [100] * 2_000
    was_both = result[:, 1] == 50
    assert 0.4 < (result[was_both, 2] > 0).mean() < 0.6
    with pytest.raises(ValueError, match="not computed"):
        population(tiny, Change(apart=Apart((2, 3))))


def test_distance_is_that_of_the_formula_and_of_the_audit(village):
    change = Change(thin=Thin(village.classes.index("tree"), 0.5))
    a, b = population(village), population(village, change)
    regular = 1e-7 * np.eye(len(a[0]))
    root = sqrtm((a[1] + regular) @ (b[1] + regular)).real
    by_formula = ((a[0] - b[0]) ** 2).sum() + np.trace(a[1] + b[1] - 2 * root)
    assert distance(a, b) == pytest.approx(by_formula, rel=1e-3)
    tree = village.classes.index("tree")
    left = village.counts[village.counts[:, tree] == 0]
    by_audit = frechet(moments(village.counts, village.pixels), moments(left, village.pixels)).value
    assert distance(a, population(village, Change(thin=Thin(tree, 0.0)))) == pytest.approx(by_audit, rel=2e-3)
    assert distance(a, a) == pytest.approx(0, abs=1e-5)
