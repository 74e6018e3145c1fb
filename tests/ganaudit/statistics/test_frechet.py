"""The Fréchet segmentation distance: the reference's values, its properties, and its floor."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaudit.errors import RequestError
from ganaudit.statistics.frechet import Frechet, floor, frechet, frechet_from_rows
from ganaudit.statistics.moments import moments

light = settings(max_examples=25, deadline=None, database=None)


@pytest.fixture(scope="module")
def golden() -> list[np.ndarray]:
    """The four sets of areas whose distances the published code was run on."""
    random = np.random.RandomState(0)
    small = [random.dirichlet(0.5 * np.ones(6), 200), random.dirichlet(np.linspace(0.2, 1.2, 6), 150)]
    wide = [np.zeros((500, 336)), np.zeros((500, 336))]
    wide[0][:, 1:31] = random.dirichlet(0.3 * np.ones(30), 500)
    wide[1][:, 1:41] = random.dirichlet(0.3 * np.ones(40), 500)
    return [100 * rows for rows in (*small, *wide)]


def test_six_classes_as_the_published_code(golden):
    found = frechet_from_rows(golden[0], golden[1])
    assert found.value == pytest.approx(841.8451318997, rel=1e-6)
    assert found.mean_part == pytest.approx(566.9852707638, rel=1e-9)
    assert found.covariance_part == pytest.approx(274.8598769, rel=1e-9)


def test_336_classes_of_which_few_live_as_the_published_code(golden):
    found = frechet_from_rows(golden[2], golden[3])
    assert found.mean_part == pytest.approx(88.0217675163, rel=1e-9)
    assert found.covariance_part == pytest.approx(274.643033086, rel=1e-9)


def counts(seed: int, n: int = 40, classes: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.multinomial(900, p) for p in rng.dirichlet(np.full(classes, 0.6), n)])


def by_numpy(a: np.ndarray, b: np.ndarray) -> float:
    """The formula as it stands, with the square root of the product by its general eigenvalues."""
    covariances = [np.cov(rows, rowvar=False) for rows in (a, b)]
    root = np.sqrt(np.clip(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0, None)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root


@light
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_moments_rows_and_the_plain_formula_agree(one, other):
    a, b = counts(one), counts(other, n=31)
    found = frechet(moments(a, 900), moments(b, 900))
    rows = frechet_from_rows(a / 9, b / 9)
    assert found.value == pytest.approx(rows.value, rel=1e-9, abs=1e-8)
    assert found.value == pytest.approx(by_numpy(a / 9, b / 9), rel=1e-5, abs=1e-4)
    assert found.value == found.mean_part + found.covariance_part


@light
@given(st.integers(0, 2**32), st.permutations(range(5)), st.sampled_from([0.01, 3.0, 100.0]))
def test_order_zero_columns_permuted_classes_and_scale(seed, order, scale):
    a, b = counts(seed) / 9.0, counts(seed + 1) / 9.0
    value = frechet_from_rows(a, b).value
    same = [
        frechet_from_rows(b, a).value,
        frechet_from_rows(a[:, order], b[:, order]).value,
        frechet_from_rows(a[::-1], b).value,
        frechet_from_rows(np.insert(a, [0, 2, 5], 0, axis=1), np.insert(b, [0, 2, 5], 0, axis=1)).value,
        frechet_from_rows(a * scale, b * scale).value / scale**2,
    ]
    assert same == pytest.approx([value] * len(same), rel=1e-9)


def test_the_distance_to_itself_is_zero_although_covariances_are_singular(golden):
    for rows in golden:
        assert frechet_from_rows(rows, rows).value == pytest.approx(0, abs=1e-8)
        assert frechet_from_rows(rows, rows[::-1]).value == pytest.approx(0, abs=1e-8)


def test_independent_classes_are_the_sum_of_squared_differences_of_spreads():
    a = np.array([[x, y] for x in (-1.0, 1.0) for y in (-2.0, 2.0)])
    found = frechet_from_rows(a, a * [3, 0.5])
    spreads = a.std(axis=0, ddof=1)
    assert found.covariance_part == pytest.approx(((spreads - spreads * [3, 0.5]) ** 2).sum())


def test_constant_and_empty_sources_have_a_distance():
    constant, varied = np.tile([900, 0], (5, 1)), np.array([[900, 0], [0, 900]])
    assert frechet(moments(constant, 900), moments(constant, 900)) == Frechet(0, 0, 0)
    assert frechet(moments(constant, 900), moments(varied, 900)).value == pytest.approx(5000 + 10000)
    nothing = moments(constant * 0, 900)
    assert frechet(nothing, nothing) == Frechet(0, 0, 0)
    assert frechet_from_rows(constant * 0, constant * 0) == Frechet(0, 0, 0)


def test_one_image_has_no_covariance():
    with pytest.raises(RequestError, match="at least 2 images on each side; one side has 1"):
        frechet(moments(counts(0), 900), moments(counts(0, n=1), 900))
    with pytest.raises(RequestError, match="one side has 0"):
        frechet_from_rows(np.zeros((0, 2)), np.zeros((3, 2)))


def test_the_floor_is_what_two_samples_of_one_population_give():
    population = counts(7, n=12_000)
    pairs = [population[start : start + 600] for start in range(0, 12_000, 600)]
    seen = [frechet(moments(a, 900), moments(b, 900)).value for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
    told = floor(population[:600], 900, n_real=600, n_generated=600, seed=1)
    assert told == pytest.approx(np.mean(seen), rel=0.3)


def test_the_floor_falls_with_the_numbers_of_images_and_follows_its_seed():
    rows = counts(3, n=101)
    told = floor(rows, 900, n_real=101, n_generated=101, seed=1)
    assert told is not None and told > 0
    assert floor(rows, 900, n_real=1010, n_generated=1010, seed=1) == pytest.approx(told / 10)
    assert floor(rows, 900, n_real=101, n_generated=101, seed=1) == told
    assert floor(rows, 900, n_real=101, n_generated=101, seed=2) != told
    with_zeros = np.insert(rows, [1, 1, 4], 0, axis=1)
    assert floor(with_zeros, 900, n_real=101, n_generated=101, seed=1) == pytest.approx(told, rel=1e-9)


def test_the_floor_by_a_plain_loop():
    rows, rng, found = counts(5, n=24), np.random.default_rng(9), []
    for _ in range(20):
        order = rng.permutation(24)
        found.append(frechet_from_rows(rows[order[:12]] / 9, rows[order[12:]] / 9).value)
    told = floor(rows, 900, n_real=500, n_generated=250, seed=9)
    assert told == pytest.approx(np.mean(found) * (1 / 500 + 1 / 250) / (2 / 12))


def test_fewer_than_four_real_images_have_no_floor():
    assert floor(counts(0, n=3), 900, n_real=3, n_generated=3, seed=1) is None
    four = floor(counts(0, n=4), 900, n_real=4, n_generated=4, seed=1)
    assert four is not None and math.isfinite(four)
