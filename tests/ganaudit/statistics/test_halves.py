"""Halves of one source: noise against samples of one population, and plain loops over the same halvings."""

import numpy as np
import pytest

from ganaudit.statistics import jackknife
from ganaudit.statistics.centred import centred
from ganaudit.statistics.frechet import frechet
from ganaudit.statistics.halves import CORRECTED_SPLITS, SPLITS, halves, support
from ganaudit.statistics.moments import group_moments, moments


def rows_of(rng: np.random.Generator, n: int, weight: float = 0.8) -> np.ndarray:
    return np.stack([rng.multinomial(900, p) for p in rng.dirichlet([0.8, weight, 0.8], n)])


def state_of(rows: np.ndarray, number: int):
    return centred(group_moments(rows, np.arange(len(rows)) % number, 900, number))[0]


def test_noise_is_what_two_samples_of_one_population_give():
    population = rows_of(np.random.default_rng(7), 8000)
    pairs = [(population[s : s + 400], population[s + 400 : s + 800]) for s in range(0, 8000, 800)]
    seen = np.mean([frechet(moments(a, 900), moments(b, 900)).value for a, b in pairs])
    told = [halves(state_of(population[s : s + 400], 20), seed) for seed, s in enumerate(range(0, 8000, 400))]
    # ten pairs: the mean of a squared distance in two free directions has a tenth of its square as variance
    assert np.mean([half.level for half in told]) * (2 / 400) == pytest.approx(seen, rel=0.6)
    assert np.mean([2 * half.floor(400) for half in told]) == pytest.approx(seen, rel=0.6)
    assert np.mean([half.noise for half in told]) < 2 * np.mean([half.level for half in told])
    assert abs(np.mean([half.bias for half in told])) < seen / 2, "400 images of 3 classes leave little bias"


def test_levels_by_a_plain_loop_over_the_same_halvings():
    rows, rng = rows_of(np.random.default_rng(5), 84), np.random.default_rng(9)
    group, plain, corrected = np.arange(84) % 12, [], []
    for split in range(SPLITS):
        order = rng.permutation(12)
        a, b = (rows[np.isin(group, part)] for part in (order[:6], order[6:]))
        plain.append(frechet(moments(a, 900), moments(b, 900)).value / (1 / len(a) + 1 / len(b)))
        if split < CORRECTED_SPLITS:
            whole = group_moments(rows, group, 900, 12)
            sides = centred(*(type(whole)(whole.n[p], whole.total[p], whole.product[p], 900) for p in (order[:6], order[6:])))
            corrected.append(jackknife.estimate(*sides).value)
    result = halves(state_of(rows, 12), seed=9)
    assert result.level == pytest.approx(np.mean(plain), rel=1e-5)
    assert result.noise == pytest.approx(np.std(plain, ddof=1), rel=1e-4)
    assert result.bias == pytest.approx(np.mean(corrected) / 2, rel=1e-4)
    assert result == halves(state_of(rows, 12), seed=9) != halves(state_of(rows, 12), seed=1)


@pytest.mark.parametrize("rare", [2, 20, 60])
def test_support_is_the_number_of_rare_images_that_make_the_variance(rare):
    told = []
    for seed in range(30):
        rows = np.zeros((2000, 2), np.int64)
        rows[:, 0] = 900
        rows[np.random.default_rng(seed).permutation(2000)[:rare]] = [0, 900]
        told.append(support(state_of(rows, 20)))
    # rare images with the chance p in n: their squares vary by √((1 - p) / p), so that n p / (1 - p) of them count
    assert np.median(told) == pytest.approx(rare / (1 - rare / 2000), rel=0.35)


def test_few_images_have_no_halves():
    rows = rows_of(np.random.default_rng(0), 12)
    assert halves(state_of(rows[:6], 3), seed=1) is None
    assert halves(state_of(rows[:4], 4), seed=1) is None
    assert halves(state_of(rows, 6), seed=1).level > 0
