"""Ratios of mean areas: a limit and its reverse, the case of Welch, nothing generated, and how often an interval is right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ganaudit.statistics import proportions
from ganaudit.statistics.areas import Areas, deviate, interval, limit, p_above, p_below, ratio, room_below

light = settings(max_examples=30, deadline=None, database=None)


def areas_of(rows: np.ndarray) -> Areas:
    """Of (N, C) pixel counts."""
    result = np.ones(rows.shape[1])
    sums = ((rows > 0).sum(0), rows.sum(0), (rows**2).sum(0), (rows**3).sum(0))
    return Areas(len(rows), *(np.asarray(values, float) for values in sums), result)


def drawn(rng: np.random.Generator, n: int, classes: int, share: float, size: float) -> np.ndarray:
    return rng.binomial(1, share, (n, classes)) * rng.lognormal(np.log(size), 0.7, (n, classes))


@light
@given(st.integers(0, 2**32), st.floats(0.3, 3.5), st.sampled_from([-1, 1]))
def test_the_deviate_of_a_limit_is_the_deviate(seed, distance, sign):
    rng = np.random.default_rng(seed)
    a, b = areas_of(drawn(rng, 400, 3, 0.1, 90)), areas_of(drawn(rng, 300, 3, 0.15, 60))
    edge = limit(a, b, sign * distance)
    np.testing.assert_allclose(deviate(a, b, edge), -sign * distance, atol=0.02)
    np.testing.assert_allclose(p_below(a, b, 1.0) + p_above(a, b, 1.0), 1)


@light
@given(st.integers(0, 2**32), st.floats(-3.0, 6.0), st.floats(0.05, 1.5), st.sampled_from([0.0, 0.01, 0.3]))
def test_there_is_room_below_a_bound_exactly_where_the_deviate_is_far_enough(seed, z, bound, share):
    rng = np.random.default_rng(seed)
    a, b = areas_of(drawn(rng, 400, 40, 0.1, 90)), areas_of(drawn(rng, 300, 40, share, 60))
    deviates = deviate(a, b, bound)
    told = np.abs(deviates + z) > 0.02  # a root is found to so much
    np.testing.assert_array_equal((room_below(a, b, bound, z) >= 0)[told], (deviates <= -z)[told])


def test_where_every_image_holds_a_class_the_interval_is_welchs_of_the_logarithm():
    rng = np.random.default_rng(3)
    rows = rng.lognormal(4, 0.3, (60, 1)), rng.lognormal(4.2, 0.4, (50, 1))
    low, high = interval(*map(areas_of, rows))
    means, parts = [r.mean() for r in rows], [r.var(ddof=1) / len(r) / r.mean() ** 2 for r in rows]
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 59 + parts[1] ** 2 / 49)
    half = stats.t.ppf(0.975, degrees) * sum(parts) ** 0.5
    # that a share is 1 is itself known from 50 and 60 images only, which widens the interval
    centre = np.log(means[1] / means[0])
    for end, sign in ((low, -1), (high, 1)):
        assert half <= sign * (np.log(end[0]) - centre) <= half * 1.6


def test_nothing_generated_and_nothing_real():
    rows = drawn(np.random.default_rng(0), 500, 1, 0.3, 80)
    some, none = areas_of(rows), areas_of(rows * 0)
    low, high = interval(some, none)
    assert ratio(some, none)[0] == low[0] == 0 < high[0] < 0.1
    assert deviate(some, none, 0.8)[0] < -4
    assert np.isnan(ratio(none, some)[0])
    assert (interval(none, some)[1], deviate(none, some, 1.0)) == (np.inf, 0)


@pytest.mark.parametrize("share", [0.05, 0.4])
def test_an_interval_holds_the_true_ratio_as_often_as_it_says(share):
    rng, classes = np.random.default_rng(8), 1500
    a, b = drawn(rng, 800, classes, share, 90), drawn(rng, 1000, classes, share * 0.8, 60)
    low, high = interval(areas_of(a), areas_of(b))
    truth = 0.8 * 60 / 90
    inside = ((low <= truth) & (truth <= high)).mean()
    assert 0.93 <= inside <= 0.985


@pytest.mark.parametrize("n_real, n_generated", [(10_000, 500), (500, 10_000), (2_000, 2_000)])
@pytest.mark.parametrize("truth", [1.0, 0.1])
def test_heavy_tailed_sizes_are_not_called_different_more_often_than_the_level_says(n_real, n_generated, truth):
    rng, classes, share = np.random.default_rng(4), 3000, 0.06

    def side(n: int, kept: float) -> Areas:
        """What n images would count of classes whose log-normal sizes have a skewness of 6."""
        holding = rng.binomial(n, share * kept, classes)
        sizes = rng.lognormal(0, 1, holding.sum())
        owner = np.repeat(np.arange(classes), holding)
        sums = (np.bincount(owner, sizes**power, minlength=classes) for power in (1, 2, 3))
        return Areas(n, holding.astype(float), *sums, np.ones(classes))

    real, generated = side(n_real, 1.0), side(n_generated, truth)
    low, high = interval(real, generated)
    assert 0.93 <= ((low <= truth) & (truth <= high)).mean() <= 0.995
    for tail in (p_below(real, generated, truth), p_above(real, generated, truth)):
        assert (tail <= 0.001).mean() <= 0.001 + 3 * (0.001 / classes) ** 0.5


@pytest.mark.parametrize("n_real, n_generated, kept", [(1000, 30, 1.0), (30, 1000, 1.0), (400, 40, 0.1)])
def test_a_side_that_happens_to_lack_the_few_large_regions_is_not_called_smaller(n_real, n_generated, kept):
    """One region in twenty is forty times as large: of forty images 13 % lack any, and then look alike."""
    rng, classes = np.random.default_rng(6), 3000

    def side(n: int, holding: int) -> Areas:
        large = rng.binomial(holding, 0.05, classes)
        sums = (holding - large + large * 40.0**power for power in (1, 2, 3))
        return Areas(n, np.full(classes, float(holding)), *sums, np.ones(classes))

    real, generated = side(20 * n_real, n_real), side(round(20 * n_generated / kept), n_generated)
    low, high = interval(real, generated)
    assert ((low <= kept) & (kept <= high)).mean() >= 0.93
    assert (p_below(real, generated, kept) < 1e-3).mean() <= 2e-3
    lacks = (generated.total == generated.holding) | (real.total == real.holding)
    assert lacks.mean() == pytest.approx(0.95 ** min(n_real, n_generated), abs=0.03)


def test_where_sizes_are_alike_the_interval_is_hardly_wider_than_that_of_the_shares():
    holding, n = np.full(1, 300.0), 3000.0
    alike = Areas(n, holding, holding * 50, holding * 50**2, holding * 50**3, np.ones(1))
    shares = proportions.interval(holding, n, holding, n)
    for end, plain in zip(interval(alike, alike), shares, strict=True):
        assert abs(np.log(end[0])) <= 1.15 * abs(np.log(plain[0]))
