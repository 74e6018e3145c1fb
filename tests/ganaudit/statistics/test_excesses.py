"""The interval of (q - f) / (p - f) against a grid of tests, its symmetries, and simulated parsers."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from ganaudit.statistics import excesses

GRID = np.exp(np.linspace(np.log(0.01), np.log(20), 8001))


@pytest.mark.parametrize("counts", [(3, 400, 90, 600, 40, 500), (0, 50, 20, 600, 1, 500), (9, 900, 60, 800, 130, 700)])
def test_a_ratio_is_inside_where_a_loop_over_ratios_does_not_reject_it(counts):
    (f, f_low, f_high), (p, p_low, p_high), (q, q_low, q_high) = (
        (x / n, *proportion_confint(x, n, 0.05, "wilson")) for x, n in zip(counts[::2], counts[1::2], strict=True)
    )
    inside, estimate = [], (q - f) / (p - f)
    for ratio in GRID:
        middle = q - ratio * p - (1 - ratio) * f
        parts = [(1.0, q, q_low, q_high), (-ratio, p, p_low, p_high), (ratio - 1, f, f_low, f_high)]
        down, up = (
            sum((c * ((v - a) if (c > 0) == low else (b - v))) ** 2 for c, v, a, b in parts) ** 0.5 for low in (True, False)
        )
        if middle - down <= 0 <= middle + up:
            inside.append(ratio)
        elif ratio > estimate:
            break  # beyond the first gap both excesses would have to be negative
    low, high = excesses.interval(*counts)
    for end, result in ((inside[0], low), (inside[-1], high)):
        assert result == pytest.approx(end, rel=2e-3) or result < GRID[0] == end


def test_exchanging_the_sides_inverts_the_interval():
    low, high = excesses.interval(4, 700, 60, 900, 130, 800)
    other_low, other_high = excesses.interval(4, 700, 130, 800, 60, 900)
    assert (other_low, other_high) == pytest.approx((1 / high, 1 / low))


@pytest.mark.parametrize("generated", [55, 60, 85])
def test_whether_1_is_inside_does_not_hang_on_false_positives_which_both_sides_share(generated):
    false = np.arange(0, 40, 5)
    low, high = excesses.interval(false, 700, 60, 900, generated, 800)
    assert len(set(((low <= 1) & (high >= 1)).tolist())) == 1


def test_nothing_seen_leaves_room_above_and_nothing_real_leaves_all_of_it():
    low, high = excesses.interval(0, 1000, 100, 1000, 0, 1000)
    assert low == 0 and 0.03 < high < 0.06  # about 3.8 of 1000 over 100
    low, high = excesses.interval(0, 1000, 0, 1000, 5, 1000)
    assert low > 1 and np.isinf(high)


def test_images_in_which_a_class_was_never_falsely_found_bound_its_ratio_only_by_their_number():
    _, few = excesses.interval(0, 200, 40, 2000, 20, 2000)
    low_few, _ = excesses.interval(0, 200, 40, 2000, 20, 2000)
    low_many, many = excesses.interval(0, 200_000, 40, 2000, 20, 2000)
    assert low_few < low_many and few == pytest.approx(many, rel=0.05)


@pytest.mark.parametrize(
    ("share", "ratio", "false", "measured_on"), [(0.05, 0.05, 0.001, 2000), (0.02, 0.1, 0.002, 500), (0.3, 1.0, 0.01, 2000)]
)
def test_it_covers_the_truth_for_rare_and_for_dropped_classes(share, ratio, false, measured_on):
    rng, n, sensitivity = np.random.default_rng(0), 2000, 0.9
    p, q = (result * sensitivity + (1 - result) * false for result in (share, share * ratio))
    counts = (rng.binomial(total, rate, 2000) for total, rate in ((measured_on, false), (n, p), (n, q)))
    x, y, a = counts
    low, high = excesses.interval(x, measured_on, y, n, a, n)
    assert 0.94 <= ((low <= ratio) & (ratio <= high)).mean() <= 0.985


def test_groups_that_vary_as_independent_images_do_have_design_1_and_whole_clusters_more():
    rng = np.random.default_rng(0)
    n = np.full((20, 1), 100.0)
    independent = rng.binomial(100, 0.3, (20, 500)).astype(float)
    assert (excesses.design(independent, n) == 1).mean() > 0.97
    clustered = 10.0 * rng.binomial(10, 0.3, (20, 500))  # ten images hold it, or none of them
    assert np.median(excesses.design(clustered, n)) == pytest.approx(10, rel=0.15)
    assert excesses.design(np.zeros((20, 1)), n).tolist() == [1.0] and excesses.design(independent[:1], n[:1]).max() == 1
