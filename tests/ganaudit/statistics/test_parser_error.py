"""The parser's error against closed forms, brute-force counts and simulated parsers whose rates are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from ganaudit.statistics import parser_error
from ganaudit.statistics.parser_error import CorrectedRatios, Measured, ParsedImages
from ganaudit.statistics.verdicts import DROPPED, EQUIVALENT, INCONCLUSIVE, INCREASED, REDUCED, Lines

LEAST, PIXELS, GROUPS = 4, 100, 20


def dealt(n):
    return np.arange(n) % GROUPS


def parsed_presence(rng, n, share, sensitivity, specificity):
    """(n,) whether a class is there, and whether a parser of these rates says so."""
    there = rng.random(n) < share
    return there, np.where(there, rng.random(n) < sensitivity, rng.random(n) >= specificity)


def known(there, said):
    """Measured on one class of ten pixels each, beside a background."""
    true, parsed = (np.stack([0 * result, PIXELS - 10 * result, 10 * result], axis=1).astype(int) for result in (there, said))
    confusion = np.zeros((GROUPS, 3, 3), int)
    for group, here, given in zip(dealt(len(there)), there, said, strict=True):
        confusion[group, 1, 1] += PIXELS - 10 * max(here, given)
        confusion[group, 2, 2] += 10 * (here and given)
        confusion[group, 1, 2] += 10 * (given and not here)
        confusion[group, 2, 1] += 10 * (here and not given)
    return parser_error.measured(true, parsed, confusion, dealt(len(there)), LEAST)


def seen(said):
    counts = np.stack([0 * said, PIXELS - 10 * said, 10 * said], axis=1).astype(int)
    return parser_error.seen(counts, PIXELS, dealt(len(said)), LEAST)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_worth_is_what_a_loop_over_images_and_pixels_counts(rng):
    truth, maps = rng.integers(0, 4, (60, 9)), rng.integers(0, 4, (60, 9))
    confusion = np.zeros((GROUPS, 4, 4), int)
    true, parsed = np.zeros((60, 4), int), np.zeros((60, 4), int)
    for image in range(60):
        for a, b in zip(truth[image], maps[image], strict=True):
            confusion[image % GROUPS, a, b] += 1
            if a > 0:
                true[image, a] += 1
                parsed[image, b] += 1
    found = parser_error.worth(parser_error.measured(true, parsed, confusion, dealt(60), 3))
    labelled = truth > 0
    for result in (1, 2, 3):
        there, said = [(labelled & (where == result)).sum(axis=1) >= 3 for where in (truth, maps)]
        assert found.holding[result] == there.sum()
        assert found.sensitivity[result] == pytest.approx((there & said).sum() / there.sum())
        assert found.specificity[result] == pytest.approx((~there & ~said).sum() / (~there).sum())
        exact = stats.binomtest(int((there & said).sum()), int(there.sum())).proportion_ci(0.95, "exact")
        assert (found.sensitivity_low[result], found.sensitivity_high[result]) == pytest.approx((exact.low, exact.high))
        hits = (labelled & (truth == result) & (maps == result)).sum()
        assert found.recall[result] == pytest.approx(hits / (truth == result).sum())
        assert found.precision[result] == pytest.approx(hits / (labelled & (maps == result)).sum())
        assert found.iou[result] == pytest.approx(hits / (labelled & ((truth == result) | (maps == result))).sum())


def test_rogan_gladen_undoes_known_rates_and_stays_a_share():
    share = np.array([0.0, 0.1, 0.5, 1.0])
    assert parser_error.rogan_gladen(0.8 * share + 0.1 * (1 - share), np.full(4, 0.8), np.full(4, 0.9)) == pytest.approx(share)
    assert parser_error.rogan_gladen(np.array([0.02, 1.0]), np.array([0.8, 0.8]), np.array([0.9, 0.9])).tolist() == [0.0, 1.0]
    assert np.isnan(parser_error.rogan_gladen(np.array([0.5]), np.array([0.5]), np.array([0.52])))


def test_a_perfect_parser_changes_no_ratio(rng):
    there = rng.random(400) < 0.5
    real, generated = rng.random(400) < 0.5, rng.random(400) < 0.3
    for correct in (parser_error.presence, parser_error.area):
        result = correct(known(there, there), seen(real), seen(generated))
        assert result.ratio[2] == pytest.approx(generated.mean() / real.mean())
        assert result.low[2] < result.ratio[2] < result.high[2]


def test_the_jackknife_of_a_perfect_parser_is_that_of_two_means(rng):
    there, real, generated = rng.random(400) < 0.5, rng.random(400) < 0.5, rng.random(400) < 0.3
    variance = 0.0
    for side in (real, generated):
        left = np.array([np.log(side[dealt(400) != group].mean()) for group in range(GROUPS)])
        variance += (GROUPS - 1) / GROUPS * ((left - left.mean()) ** 2).sum()
    result = parser_error.presence(known(there, there), seen(real), seen(generated))
    assert result.log_se[2] == pytest.approx(variance**0.5)


def test_sensitivity_shared_by_both_sides_cancels_and_false_positives_do_not(rng):
    there = np.arange(4000) % 2 == 0
    said = np.where(there, np.arange(4000) % 4 == 0, False)  # sees half of what is there, and nothing else
    real, generated = rng.random(4000) < 0.25, rng.random(4000) < 0.125
    result = parser_error.presence(known(there, said), seen(real), seen(generated))
    assert result.ratio[2] == pytest.approx(generated.mean() / real.mean())
    noisy = np.where(there, True, np.arange(4000) % 20 == 1)  # one in ten of the others
    bent = parser_error.presence(known(there, noisy), seen(real), seen(generated))
    assert bent.ratio[2] == pytest.approx((generated.mean() - 0.1) / (real.mean() - 0.1))


def test_intervals_of_presence_cover_the_truth_that_a_bad_parser_hides():
    rng = np.random.default_rng(1)
    covered, plain = 0, []
    for _ in range(150):
        truth = known(*parsed_presence(rng, 1000, 0.4, 0.8, 0.93))
        real, generated = (seen(parsed_presence(rng, 1500, share, 0.8, 0.93)[1]) for share in (0.4, 0.2))
        result = parser_error.presence(truth, real, generated)
        covered += result.low[2] <= 0.5 <= result.high[2]
        plain.append(generated.present[:, 2].sum() / real.present[:, 2].sum())
    assert 0.90 <= covered / 150 <= 0.99
    assert np.mean(plain) > 0.57  # uncorrected, false positives hide a part of the loss


def test_intervals_of_area_cover_the_truth_that_a_bad_parser_hides():
    rng = np.random.default_rng(2)

    def pixels(n, share):
        """(n,) pixels of a class that are there, of them found, and found where there are none."""
        there = 10 * (rng.random(n) < share)
        return there, rng.binomial(there, 0.8), rng.binomial(PIXELS - there, 0.03)

    def parsed(n, share):
        _, hits, false = pixels(n, share)
        counts = np.stack([0 * hits, PIXELS - hits - false, hits + false], axis=1)
        return parser_error.seen(counts, PIXELS, dealt(n), LEAST), (hits + false).mean()

    covered, plain = 0, []
    for _ in range(150):
        there, hits, false = pixels(1000, 0.8)
        confusion = np.zeros((GROUPS, 3, 3))
        for at, value in (((1, 1), PIXELS - there - false), ((1, 2), false), ((2, 1), there - hits), ((2, 2), hits)):
            np.add.at(confusion, (dealt(1000), *at), value)
        counts = [np.stack([0 * result, PIXELS - result, result], axis=1) for result in (there, hits + false)]
        truth = parser_error.measured(*counts, confusion, dealt(1000), LEAST)
        (real, before), (generated, after) = parsed(1500, 0.8), parsed(1500, 0.4)
        found = parser_error.area(truth, real, generated)
        covered += found.low[2] <= 0.5 <= found.high[2]
        plain.append(after / before)
    assert 0.90 <= covered / 150 <= 0.99
    assert np.mean(plain) > 0.6


def test_true_areas_solve_least_squares_without_negative_areas(rng):
    confusion = rng.random((5, 5)) + 8 * np.eye(5)
    rows = confusion / confusion.sum(axis=1, keepdims=True)
    rows[0] = np.eye(5)[0]
    truth = np.array([0.0, 0.4, 0.3, 0.2, 0.1])
    assert parser_error.true_areas(confusion, rows.T @ truth) == pytest.approx(truth)
    odd = np.array([0.0, 0.9, 0.1, 0.0, 0.0])
    assert parser_error.true_areas(confusion, odd) == pytest.approx(optimize.nnls(rows.T, odd)[0])
    assert (parser_error.true_areas(confusion, odd) >= 0).all()


def test_a_class_that_no_generated_image_shows_has_ratio_0_and_room_above(rng):
    real, none = rng.random(100) < 0.3, np.zeros(100, bool)
    there = rng.random(400) < 0.3
    result = parser_error.presence(known(there, there), seen(real), seen(none))
    assert result.ratio[2] == 0 == result.low[2]
    assert 0.05 < result.high[2] < 0.3


def test_at_the_tipping_point_the_end_of_the_interval_lies_on_the_line():
    lines = Lines()
    se, fp, real = np.full(5, 0.9), np.full(5, 0.05), np.full(5, 0.4)
    ratio, low, high = (
        np.array([0.4, 0.03, 1.0, 2.0, 0.9]),
        np.array([0.3, 0.0, 0.9, 1.5, 0.6]),
        np.array([0.5, 0.06, 1.1, 2.4, 1.2]),
    )
    result = CorrectedRatios(ratio, low, high, np.full(5, 0.1), np.full(5, 30.0), se, fp, real)
    verdict = np.array([REDUCED, DROPPED, EQUIVALENT, INCREASED, INCONCLUSIVE])
    sensitivity, false = parser_error.tipping(result, verdict, lines)
    for place, line in ((0, lines.reduced), (1, lines.dropped)):
        seen_high = fp[place] + high[place] * real[place] * (se[place] - fp[place])
        assert (seen_high - fp[place]) / (sensitivity[place] - fp[place]) / real[place] == pytest.approx(line)
        assert np.isnan(false[place])
    for place, line in ((2, lines.reduced), (3, lines.increased)):
        seen_low = fp[place] + low[place] * real[place] * (se[place] - fp[place])
        assert (seen_low - false[place]) / (se[place] - false[place]) / real[place] == pytest.approx(line)
        assert np.isnan(sensitivity[place])
    assert np.isnan(sensitivity[4]) and np.isnan(false[4])


def test_confidence_falls_when_doubt_grows_by_half_and_by_two_points():
    assert parser_error.confidence_falls(0.95, 0.9) is True
    assert parser_error.confidence_falls(0.995, 0.985) is False
    assert parser_error.confidence_falls(0.6, 0.55) is False
    assert parser_error.confidence_falls(0.9, 0.95) is False
    assert parser_error.confidence_falls(None, 0.9) is None and parser_error.confidence_falls(0.9, None) is None


def test_one_group_gives_ratios_and_only_presence_has_an_interval():
    side = ParsedImages(np.array([10.0]), np.array([[0.0, 10.0, 5.0]]), np.array([[0.0, 950.0, 50.0]]), PIXELS)
    truth = Measured(np.array([10.0]), *(np.array([[0.0, 10.0, 5.0]]),) * 3, np.diag([0.0, 950.0, 50.0])[None])
    result = parser_error.presence(truth, side, side)
    assert result.ratio[2] == 1 and result.low[2] < 1 < result.high[2] and np.isnan(result.log_se[2])
    result = parser_error.area(truth, side, side)
    assert result.ratio[2] == 1 and np.isnan(result.low[2]) and np.isnan(result.high[2])
