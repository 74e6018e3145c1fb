"""Planted changes against brute force: every image of the changed pool, written out with its probability."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from benchmarks.calibration.planting import Apart, Change, Copies, Frames, Thin, distance, population
from benchmarks.calibration.pool import Pool, with_void
from ganaudit.statistics.class_counts import Held
from ganaudit.statistics.frechet import frechet
from ganaudit.statistics.moments import moments


def written_out(pool: Pool, keep: tuple[float, ...], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every image with every choice of erased classes, void first, and the probability of each."""
    images, chances = [], []
    for counts, weight in zip(with_void(pool.held, pool.pixels).toarray(), weights, strict=True):
        for kept in itertools.product([True, False], repeat=len(keep)):
            changed = counts * np.array([True, *kept])
            changed[0] += counts.sum() - changed.sum()
            images.append(changed)
            chances.append(weight * np.prod([k if stays else 1 - k for k, stays in zip(keep, kept, strict=True)]))
    return np.array(images), np.array(chances)


@settings(max_examples=30, deadline=None)
@given(keep=st.tuples(*[st.floats(0, 1)] * 3), ratio=st.floats(0, 1))
def test_moments_of_a_changed_pool_are_those_of_all_its_images(keep, ratio):
    counts = np.array([[60, 40, 0], [90, 0, 0], [50, 30, 20], [100, 0, 0], [70, 0, 25]])
    pool = Pool("k0", Held.of_pixels(counts), ("sky", "tree", "person"), 100)
    change = Change(keep, Thin(1, ratio))
    images, chances = written_out(pool, change.keep, change.thin.weights(pool))
    mean, covariance = population(pool, change)
    np.testing.assert_allclose(chances.sum(), 1)
    np.testing.assert_allclose(mean, chances @ images, atol=1e-9)
    np.testing.assert_allclose(covariance, np.cov(images.T, aweights=chances, ddof=0), atol=1e-8)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_thinning_leaves_exactly_the_ratio_of_presence_and_area(tiny, ratio):
    weights, tree = Thin(1, ratio).weights(tiny), with_void(tiny.held, 100).toarray()[:, 2]
    assert weights.sum() == pytest.approx(1)
    for measure in (tree > 0, tree > 25, tree):
        assert weights @ measure == pytest.approx(ratio * measure.mean())


def test_a_class_in_all_images_cannot_be_thinned(tiny):
    with pytest.raises(ValueError, match="sky is in all"):
        Thin(0, 0.5).weights(tiny)


@pytest.mark.parametrize("change", [Change((1.0, 0.5, 0.25)), Change(thin=Thin(1, 0.4)), Change(together=Frames(2, 0.7))])
def test_samples_have_the_moments_of_the_changed_pool(tiny, change):
    n = 40_000
    areas = with_void(change.draw(tiny, n, 0, "here", 0).held, 100).toarray().astype(float)
    assert (areas.sum(axis=1) == 100).all()
    mean, covariance = population(tiny, change)
    assert (abs(areas.mean(axis=0) - mean) <= 7 * np.sqrt(np.diag(covariance) / n) + 1e-9).all()
    np.testing.assert_allclose(np.cov(areas.T, ddof=0), covariance, atol=0.05 * np.diag(covariance).max())


def test_a_draw_hangs_on_its_purpose_and_number_alone(tiny):
    change = Change((1.0, 0.5, 0.5))

    def drawn(purpose, replicate):
        return with_void(change.draw(tiny, 500, 0, purpose, replicate).held, 100).toarray()

    assert (drawn("real", 3) == drawn("real", 3)).all()
    assert (drawn("real", 3) != drawn("real", 4)).any()
    assert (drawn("real", 3) != drawn("generated", 3)).any()


def test_classes_kept_apart_never_meet_and_either_may_stay(tiny):
    result = with_void(Change(apart=Apart((1, 2))).draw(tiny, 2_000, 0, "here", 0).held, 100).toarray()
    assert not ((result[:, 2] > 0) & (result[:, 3] > 0)).any()
    was_both = result[:, 1] == 50
    assert 0.4 < (result[was_both, 2] > 0).mean() < 0.6
    with pytest.raises(ValueError, match="not computed"):
        population(tiny, Change(apart=Apart((1, 2))))


def test_copies_and_frames_are_told(village):
    copies = Change(together=Copies(10, 4)).draw(village, 100, 0, "here", 0)
    assert sorted(np.bincount(copies.clusters)[np.bincount(copies.clusters) > 0]) == [1] * 60 + [4] * 10
    areas = with_void(copies.held, village.pixels).toarray()
    assert all((areas[copies.clusters == cluster] == areas[cluster]).all() for cluster in range(10))
    frames = Change(together=Frames(20, 1.0)).draw(village, 100, 0, "here", 0)
    areas = with_void(frames.held, village.pixels).toarray()
    assert (areas == areas[20 * frames.clusters]).all() and frames.clusters.max() == 4


def test_distance_is_that_of_the_formula_and_of_the_audit(village):
    change = Change(thin=Thin(village.classes.index("tree"), 0.5))
    a, b = population(village), population(village, change)
    regular = 1e-7 * np.eye(len(a[0]))
    root = sqrtm((a[1] + regular) @ (b[1] + regular)).real
    by_formula = ((a[0] - b[0]) ** 2).sum() + np.trace(a[1] + b[1] - 2 * root)
    assert distance(a, b) == pytest.approx(by_formula, rel=1e-3)
    tree = village.classes.index("tree")
    counts = with_void(village.held, village.pixels).toarray()
    by_audit = frechet(*(moments(rows, village.pixels) for rows in (counts, counts[counts[:, tree + 1] == 0]))).value
    assert distance(a, population(village, Change(thin=Thin(tree, 0.0)))) == pytest.approx(by_audit, rel=2e-3)
    assert distance(a, a) == pytest.approx(0, abs=1e-5)
