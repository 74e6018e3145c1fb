"""Slopes and saturation on planted responses, and against loops over images and resamples."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.statistics import resampling
from ganaudit.statistics.responses import ENOUGH, Changes, estimated, saturation, saturation_estimate, slope

ALPHAS = np.array([-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0])
ORIGIN = 3


def planted(gain=0.5, upto=4.0, noise=0.0, count=60):
    """(N, 2, A): an attribute that follows `gain` of what is asked as far as `upto`, and one that does not move."""
    rng = np.random.default_rng(0)
    follows = rng.normal(size=(count, 1)) + gain * np.clip(ALPHAS, -np.inf, upto)
    still = np.repeat(rng.normal(size=(count, 1)), len(ALPHAS), axis=1)
    return np.stack([follows, still], axis=1) + noise * rng.normal(size=(count, 2, len(ALPHAS)))


def test_a_planted_response_has_its_slope_and_saturates_where_it_was_planted():
    changes = Changes.of(planted(), ORIGIN)
    assert slope(changes.mean, ALPHAS, ORIGIN) == pytest.approx([0.5, 0.0])
    assert saturation_estimate(changes, 0, ALPHAS, ORIGIN, ALPHAS, True) == (4.0, 4.0, 4.0)
    assert saturation_estimate(changes, 0, ALPHAS, ORIGIN, ALPHAS, False) == (None, None, None)  # it follows to the end
    assert saturation_estimate(changes, 1, ALPHAS, ORIGIN, ALPHAS, True) == (None, None, None)  # it never follows


def test_what_is_asked_may_fall_along_the_grid():
    """A zoom asks for smaller things as its field of view grows."""
    asked = -ALPHAS
    changes = Changes.of(-planted(), ORIGIN)
    assert slope(changes.mean, asked, ORIGIN)[0] == pytest.approx(0.5)
    assert saturation(changes.mean, asked, ORIGIN, True)[0] == 5


@pytest.mark.parametrize("origin", [0, 6])
def test_an_identity_at_the_end_of_the_grid_has_one_side(origin):
    changes = Changes.of(planted(upto=np.inf), origin)
    assert slope(changes.mean, ALPHAS, origin)[0] == pytest.approx(0.5)
    assert saturation(changes.mean, ALPHAS, origin, origin == 0)[0] in (-1, 7)


def test_means_and_resamples_are_those_of_loops_over_the_images_that_have_it():
    values = planted(noise=0.3, count=24)
    values[2, 0, 5], values[4, 0, ORIGIN], values[7] = np.nan, np.nan, np.nan
    changes = Changes.of(values, ORIGIN)
    for attribute in range(2):
        for strength in range(len(ALPHAS)):
            kept = [row[attribute, strength] - row[attribute, ORIGIN] for row in values]
            assert changes.mean[attribute, strength] == pytest.approx(np.mean([one for one in kept if np.isfinite(one)]))
    drawn = np.random.default_rng(0).integers(0, 24, (resampling.RESAMPLES, 24))
    for place in (0, 17, 1999):
        kept = [values[image, 0, 5] - values[image, 0, ORIGIN] for image in drawn[place]]
        assert changes.resampled[place, 0, 5] == pytest.approx(np.mean([one for one in kept if np.isfinite(one)]))


def test_intervals_hold_the_truth_and_sizes_are_not_below_what_noise_adds():
    changes = Changes.of(planted(noise=1.0, count=100), ORIGIN)
    value, low, high = estimated(*(slope(means[..., 0, :], ALPHAS, ORIGIN) for means in changes.both))
    assert low < 0.5 < high and low < value < high
    size, still = (np.abs(means[..., 1, -1]) for means in changes.both)
    value, low, high = estimated(float(size), still, centred=True)
    assert 0.0 <= low <= value <= high and (still.mean() > value or value > 0.15)


def test_what_cannot_be_computed_is_none():
    assert estimated(float("nan"), np.array([1.0, 2.0])) == (None, None, None)
    assert estimated(1.0, np.array([np.nan, 2.0])) == (1.0, None, None)


def test_where_the_identity_is_the_end_of_the_grid_nothing_is_saturated_beyond_it():
    changes, asked = np.array([[0.0, 1.0, 2.0, 2.0], [0.0, -1.0, -1.0, -1.0]]), np.arange(4.0)
    assert saturation(changes, asked, 0, False)[0] == -1 and np.isnan(saturation(changes, asked, 0, False)[1])
    assert saturation(changes, asked, 0, True)[0] == 2
    mirrored = changes[:, ::-1] * -1.0
    assert saturation(mirrored, asked, 3, True)[0] == 4 and saturation(mirrored, asked, 3, False)[0] == 1


def test_a_few_images_that_keep_an_attribute_do_not_speak_for_all():
    """One image whose attribute follows exactly, and 59 that lose it, would be a slope of 1 without any doubt."""
    values = planted()
    values[1:, :, ORIGIN + 1 :] = np.nan
    changes = Changes.of(values, ORIGIN)
    assert np.isnan(changes.mean[:, ORIGIN + 1 :]).all() and np.isfinite(changes.mean[:, : ORIGIN + 1]).all()
    assert estimated(float(slope(changes.mean[0], ALPHAS, ORIGIN)), slope(changes.resampled[:, 0], ALPHAS, ORIGIN))[0] is None
    values[:ENOUGH, :, ORIGIN + 1 :] = planted()[:ENOUGH, :, ORIGIN + 1 :]
    assert np.isfinite(Changes.of(values, ORIGIN).mean).all()
