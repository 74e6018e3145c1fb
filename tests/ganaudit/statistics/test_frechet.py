"""The Fréchet segmentation distance: the reference's values, its properties, and each class's share of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from ganaudit.errors import RequestError
from ganaudit.statistics.frechet import Frechet, distance, frechet, frechet_from_rows, quick, quick_each, shares
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
    result = frechet_from_rows(golden[0], golden[1])
    assert result.value == pytest.approx(841.8451318997, rel=1e-6)
    assert result.mean_part == pytest.approx(566.9852707638, rel=1e-9)
    assert result.covariance_part == pytest.approx(274.8598769, rel=1e-9)


def test_336_classes_of_which_few_live_as_the_published_code(golden):
    result = frechet_from_rows(golden[2], golden[3])
    assert result.mean_part == pytest.approx(88.0217675163, rel=1e-9)
    assert result.covariance_part == pytest.approx(274.643033086, rel=1e-9)


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
    result = frechet(moments(a, 900), moments(b, 900))
    rows = frechet_from_rows(a / 9, b / 9)
    assert result.value == pytest.approx(rows.value, rel=1e-9, abs=1e-8)
    assert result.value == pytest.approx(by_numpy(a / 9, b / 9), rel=1e-5, abs=1e-4)
    assert result.value == result.mean_part + result.covariance_part


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
    result = frechet_from_rows(a, a * [3, 0.5])
    spreads = a.std(axis=0, ddof=1)
    assert result.covariance_part == pytest.approx(((spreads - spreads * [3, 0.5]) ** 2).sum())


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


def coupled(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Each class's cost of transport: its cross-covariance under the optimal map a → b, by square roots of matrices.

    The map of two normal distributions is T = A^-½ (A^½ B A^½)^½ A^-½ (Olkin and Pukelsheim, 1982), and y - μ = T(x - μ).
    """
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(first).real
    onto = np.linalg.inv(root) @ sqrtm(root @ second @ root).real @ np.linalg.inv(root)
    return (a.mean(0) - b.mean(0)) ** 2 + np.diag(first) + np.diag(second) - 2 * np.diag(first @ onto)


@light
@given(st.integers(0, 2**32))
def test_shares_are_the_costs_of_the_optimal_coupling(seed):
    a, b = counts(seed), counts(seed + 1)
    a, b = a[:, :4], b[:, :4]  # without the last class the covariances are regular, as the plain formula needs
    np.testing.assert_allclose(shares(moments(a, 900), moments(b, 900)), coupled(a / 9, b / 9), rtol=1e-5, atol=1e-5)


def test_shares_of_two_classes_belong_to_the_cheapest_coupling_of_all():
    """Couplings of two planar normal distributions are S^½ K T^½ with K a contraction: the cheapest K is a turn or a mirror."""
    a, b = counts(1, classes=3)[:, :2], counts(2, classes=3)[:, :2]
    first, second = np.cov(a / 9, rowvar=False), np.cov(b / 9, rowvar=False)
    angle = np.linspace(0, 2 * np.pi, 20_001)
    turns = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    crossed = sqrtm(first).real @ np.concatenate([turns, turns * [1, -1]]) @ sqrtm(second).real
    costs = (a.mean(0) - b.mean(0)) ** 2 / 81 + np.diag(first) + np.diag(second) - 2 * crossed.diagonal(axis1=1, axis2=2)
    best = costs[costs.sum(axis=1).argmin()]
    np.testing.assert_allclose(shares(moments(a, 900), moments(b, 900)), best, rtol=1e-3, atol=1e-3)


@light
@given(st.integers(0, 2**32), st.permutations(range(5)))
def test_shares_add_up_and_follow_their_classes(seed, order):
    a, b = counts(seed), counts(seed + 1, n=33)
    result = shares(moments(a, 900), moments(b, 900))
    assert (result >= 0).all()
    assert result.sum() == pytest.approx(frechet(moments(a, 900), moments(b, 900)).value, rel=1e-8)
    permuted = shares(moments(a[:, order], 900), moments(b[:, order], 900))
    np.testing.assert_allclose(permuted, result[order], rtol=1e-6, atol=1e-6)
    wide = [np.insert(rows, [0, 2, 5], 0, axis=1) for rows in (a, b)]
    with_zeros = shares(*(moments(rows, 900) for rows in wide))
    assert (with_zeros[[0, 3, 7]] == 0).all()
    np.testing.assert_allclose(with_zeros[[1, 2, 4, 5, 6]], result, rtol=1e-6, atol=1e-6)


KINDS = {
    "regular": lambda rows: rows[:, :4],
    "singular, areas sum to 100": lambda rows: rows,
    "not closed, yet singular": lambda rows: np.column_stack([rows[:, :3], rows[:, 0] + rows[:, 1]]),
    "a class that never varies": lambda rows: np.column_stack([rows, np.full(len(rows), 7.0)]),
    "fewer images than classes": lambda rows: rows[:4],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_quick_is_the_distance(kind, other):
    for seed in range(8):
        a, b = KINDS[kind](counts(seed) / 9), KINDS[other](counts(seed + 100, n=31) / 9)
        classes = max(a.shape[1], b.shape[1])
        a, b = (np.pad(rows, ((0, 0), (0, classes - rows.shape[1]))) for rows in (a, b))
        parts = a.mean(0) - b.mean(0), np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        variance = np.trace(parts[1]) + np.trace(parts[2])
        assert quick(*parts) == pytest.approx(distance(*parts).value, abs=1e-6 * variance)


@pytest.mark.parametrize("classes", [3, 80])
def test_many_at_once_are_each_one(classes):
    rng = np.random.default_rng(classes)
    rows = rng.gamma(0.5, 1.0, (6, 2, 200, classes))
    pairs = [(a.mean(0) - b.mean(0), np.cov(a, rowvar=False), np.cov(b, rowvar=False)) for a, b in rows]
    assert quick_each(pairs).tolist() == [quick(*pair) for pair in pairs]
    assert quick_each([]).tolist() == []


def test_quick_of_nothing_is_nothing():
    assert quick(np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0))) == 0
    assert quick(np.array([3.0, 4.0]), np.zeros((2, 2)), np.diag([1.0, 2.0])) == pytest.approx(28)
