"""The interval of the distance: its parts, how often it holds the truth where nothing differs, and when it is withheld."""

import numpy as np
import pytest
from scipy import stats

from ganaudit.statistics import jackknife
from ganaudit.statistics.centred import centred
from ganaudit.statistics.corrected import ABOVE, BELOW, difference, distance, estimate, halves_of
from ganaudit.statistics.halves import halves
from ganaudit.statistics.moments import GroupMoments, group_moments


def side(seed: int, n: int, weight: float = 0.8, classes: int = 4, groups: int = 20) -> GroupMoments:
    rng = np.random.default_rng(seed)
    concentration = np.full(classes, 0.8)
    concentration[1] = weight
    rows = np.stack([rng.multinomial(900, p) for p in rng.dirichlet(concentration, n)])
    return group_moments(rows, np.arange(n) % groups, 900, groups)


@pytest.mark.parametrize("weight", [0.8, 3.0])
def test_an_interval_is_put_together_from_the_jackknife_and_the_halves(weight):
    a, b = side(1, 300), side(2, 400, weight)
    sums = centred(a, b)
    first, split = jackknife.estimate(*sums), [halves(state, 0) for state in sums]
    result = distance(a, b)
    left = max(0.0, (split[0].bias + split[1].bias) / 2)
    assert result.second_order == pytest.approx(left)
    assert result.value == pytest.approx(first.value - left)
    noise = split[0].noise / 300 + split[1].noise / 400
    assert result.se**2 == pytest.approx(max(first.se**2 - noise**2, first.se**2 / 2, noise**2 / 2))
    t = stats.t.ppf(0.975, first.degrees)
    assert result.low == 0 or result.value - result.low >= BELOW * t * noise
    assert result.high - result.value >= max(t * result.se, ABOVE * t * noise)
    wider = distance(a, b, alpha=0.01)
    assert wider.low <= result.low < result.high < wider.high


def test_where_nothing_differs_the_interval_holds_0_and_is_no_wider_than_it_must_be():
    tries = [distance(side(2 * seed, 200), side(2 * seed + 1, 300)) for seed in range(200)]
    given = [each for each in tries if each.doubt is None]
    assert len(given) >= 196
    held = np.mean([each.low == 0 for each in given])
    assert 0.93 - 2 * 0.018 <= held <= 1
    values = np.array([each.value for each in given])
    assert abs(values.mean()) <= 4 * values.std() / len(values) ** 0.5 + 0.2 * values.std()
    assert np.mean([each.se for each in given]) == pytest.approx(values.std(), rel=0.4)


def test_one_image_in_a_hundred_that_makes_the_variance_is_not_enough_of_them():
    rows = np.full((400, 2), [900, 0])
    rows[[50, 210]] = [0, 900]
    few = group_moments(rows, np.arange(400) % 20, 900, 20)
    result = distance(few, few)
    assert result.low is result.high is None
    assert result.doubt.startswith("a few rare images make most of the variance of the real ones; about ")
    many = np.tile(np.full((10, 2), [900, 0]), (100, 1))
    many[::10] = [0, 900]
    rng = np.random.default_rng(0)
    sides = [group_moments(rng.permutation(many), np.arange(1000) % 20, 900, 20) for _ in range(2)]
    assert distance(*sides).doubt is None or "alike" in distance(*sides).doubt


def test_few_clusters_may_have_missed_what_is_rare_on_the_other_side():
    """Two in a hundred of the other side's images make its variance: 1,000 images may show them, 20 clusters of 50 cannot."""
    rng = np.random.default_rng(0)

    def drawn() -> GroupMoments:
        rare = rng.random((1000, 1)) < 0.02
        rows = np.where(rare, [[100, 800]], [[880, 20]]) + rng.integers(0, 20, (1000, 1)) * [[1, -1]]
        return group_moments(rows, np.arange(1000) % 20, 900, 20)

    sides = drawn(), drawn()
    a, b = centred(*sides)
    independent = halves(b, 0)
    doubts = [estimate(a, b, (halves(a, 0, worth), independent)).doubt for worth in (None, 1000.0, 20.0)]
    assert doubts[0] is doubts[1] is None
    assert "of the real ones" in doubts[2] and "clustered as these are, would do" in doubts[2]
    assert halves_of(sides[0], 20.0).independent == 20 and halves_of(sides[0]).independent == 1000


def test_the_same_images_on_both_sides_are_too_alike_for_an_interval():
    a = side(1, 400)
    result = distance(a, a)
    assert result.low is None and "do they share images" in result.doubt


def test_too_few_images_are_said():
    enough = side(0, 200)
    for groups, n in ((3, 9), (4, 4)):
        assert distance(enough, side(1, n, groups=groups)).doubt == "too few images"
    assert distance(enough, side(1, 9, groups=1)) is None


def test_a_difference_is_that_of_the_corrected_values_but_for_the_common_part():
    real, a, b = side(0, 300), side(1, 200, 1.5), side(2, 400, 0.5)
    result, other = difference(real, a, b), difference(real, b, a)
    first, each = jackknife.difference(real, a, b), [distance(real, side_of) for side_of in (a, b)]
    assert result.value == pytest.approx(each[0].value - each[1].value)
    assert result.se == pytest.approx(np.hypot(first.se, (each[0].second_order + each[1].second_order) / 2))
    assert (result.low, result.high) == pytest.approx((-other.high, -other.low), rel=1e-6)
    assert result.p_value == pytest.approx(other.p_value)
