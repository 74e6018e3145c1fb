"""What is said to be detectable is found as often as wanted, and planned numbers of images agree with it."""

import numpy as np
import pytest
from scipy import stats

from ganaudit.statistics.areas import Areas
from ganaudit.statistics.class_counts import ClassCounts
from ganaudit.statistics.power import detectable, images_for, images_to_test
from ganaudit.statistics.verdicts import Lines, score

LINES = Lines()


def counts(n: int, present: np.ndarray) -> ClassCounts:
    x, result = np.asarray(present, float), np.ones(len(present))
    return ClassCounts(n, x, result, Areas(n, x, x * 100, x * 12_500, x * 1_750_000, result))


@pytest.mark.parametrize("share, level", [(0.05, 0.05), (0.3, 0.002)])
def test_the_detectable_ratio_of_presence_is_found_nine_times_in_ten(share, level):
    n, tries, rng = 4000, 4000, np.random.default_rng(5)
    planned = float(detectable(counts(n, np.array([n * share])), n, LINES, level)["presence"][0])
    assert 0 < planned < LINES.reduced
    real, generated = (counts(n, rng.binomial(n, p, tries)) for p in (share, share * planned))
    from_score = score(real, generated, "presence", LINES.reduced)
    result = (stats.norm.cdf(from_score) <= level).mean()
    assert 0.87 <= result <= 0.93


def test_planned_images_find_the_ratio_that_they_were_planned_for():
    real = counts(1000, np.array([400, 50, 10]))
    needed = images_for(real, 0.5, LINES, 0.005)
    for measure, images in needed.items():
        assert (np.diff(images) > 0).all(), "rarer classes need more images"
        for place, n in enumerate(images):
            told = detectable(real.scaled(n), n, LINES, 0.005)[measure][place]
            assert told == pytest.approx(0.5, abs=0.01)


def test_where_not_even_a_total_loss_would_be_found_nothing_is_detectable():
    result = detectable(counts(1000, np.array([0, 2, 300])), 1000, LINES, 0.001)
    for told in result.values():
        assert np.isnan(told).tolist() == [True, True, False]
    assert np.isinf(images_for(counts(1000, np.array([0])), 0.5, LINES, 0.01)["presence"]).all()


def test_a_class_is_testable_from_the_images_that_are_said_to_be_needed_and_not_with_fewer():
    real = counts(1000, np.array([0, 3, 40, 400]))
    for measure, needed in images_to_test(real, LINES, 0.0005).items():
        assert np.isinf(needed[0]) and needed[1] > needed[2] > needed[3]
        for place, n in enumerate(needed[1:], start=1):
            for images, passes in ((n, True), (0.97 * n, False)):
                planned = real.scaled(images)
                loss = score(planned, planned.scaled(images, 0.0), measure, LINES.reduced)[place]
                assert (stats.norm.cdf(loss) <= 0.0005) == passes
