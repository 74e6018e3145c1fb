"""Generators of several runs side by side, against the jackknife written out and against simulated truth."""

import math
from itertools import combinations

import numpy as np
import pytest

from ganaudit.comparison.differences import Entrant, difference, side_by_side
from ganaudit.errors import RequestError
from ganaudit.records.used import UsedSource
from ganaudit.statistics import corrected
from ganaudit.statistics.comparison import A_NEARER, NOT_TOLD_APART
from ganaudit.statistics.moments import group_moments

PIXELS = 100


def state(seed, n=400, person=0.4, pixels=PIXELS):
    """Group moments of n pictures of sky and, in some, a person."""
    rng = np.random.default_rng(seed)
    held = rng.binomial(40, 0.5, n) * (rng.random(n) < person)
    return group_moments(np.stack([pixels - held, held], axis=1), np.arange(n) % 20, pixels, 20)


def used(key, count=400, role="generated", name="gan"):
    return UsedSource(role, name, key, "p0", 0, count, ())


def entrant(seed, real=1, run="r1", name="gan", person=0.4, real_n=400):
    moments, real_moments = state(seed, person=person), state(real, real_n)
    estimate = corrected.distance(real_moments, moments)
    real_used = used(f"real{real}", real_n, "real", "photos")
    return Entrant(run, used(f"k{seed}", name=name), real_used, moments, real_moments, estimate.value)


def test_from_shared_real_images_it_is_the_jackknife_of_the_difference():
    a, b = entrant(2), entrant(3, person=0.2, run="r2")
    result, oracle = difference(a, b), corrected.difference(a.real_moments, a.moments, b.moments)
    assert (result.value, result.se, result.degrees) == (oracle.value, oracle.se, oracle.degrees)
    assert result.value == pytest.approx(a.corrected - b.corrected)


def test_from_independent_real_images_both_errors_count():
    a, b = entrant(2, real=1), entrant(3, real=4, person=0.2)
    result, other = (corrected.distance(side.real_moments, side.moments) for side in (a, b))
    found = difference(a, b)
    assert found.value == pytest.approx(result.value - other.value)
    assert found.se == pytest.approx(math.hypot(result.se, other.se))
    assert min(result.degrees, other.degrees) <= found.degrees <= result.degrees + other.degrees


def test_what_is_shared_cancels():
    """Two like generators, both far from the real images: their distances hang on the real images alike."""
    shared = difference(entrant(2, person=0.1), entrant(3, person=0.1))
    independent = difference(entrant(2, person=0.1), entrant(3, person=0.1, real=4))
    assert shared.se < 0.8 * independent.se


@pytest.mark.parametrize(("count", "key"), [(390, "real1"), (400, "real9")])
def test_real_images_are_shared_only_if_they_are_the_very_same(count, key):
    a, b = entrant(2), entrant(3)
    b = Entrant(b.run, b.generator, used(key, count, "real"), b.moments, b.real_moments, b.corrected)
    (apart,), _ = side_by_side([a, b], 0.05)
    assert apart.shared_real is False
    (apart,), _ = side_by_side([a, entrant(3)], 0.05)
    assert apart.shared_real is True


def test_places_and_adjusted_verdicts():
    entrants = [entrant(2, person=0.05), entrant(3, person=0.4), entrant(4, person=0.4, run="r2")]
    found, places = side_by_side(entrants, 0.05)
    assert [(result.pair.a, result.pair.b) for result in found] == list(combinations(range(3), 2))
    assert [result.pair.verdict for result in found][:2] == ["b is nearer", "b is nearer"]
    assert found[2].pair.verdict == NOT_TOLD_APART
    assert (places[0].low, places[0].high) == (3, 3) and {place.low for place in places[1:]} == {1}


def test_only_the_pairs_that_are_asked_are_adjusted_for():
    entrants = [entrant(seed, person=0.3) for seed in (2, 3, 4, 5)]
    everything, _ = side_by_side(entrants, 0.05)
    (result,), _ = side_by_side(entrants, 0.05, [(0, 2)])
    same = next(other for other in everything if (other.pair.a, other.pair.b) == (0, 2))
    assert result.pair.p_value <= same.pair.p_value
    assert result.pair[2:5] == same.pair[2:5]


def test_a_generator_compared_with_itself_is_not_told_apart():
    a = entrant(2, person=0.2)
    (apart,), places = side_by_side([a, Entrant("r2", *list(a.__dict__.values())[1:])], 0.05)
    assert (apart.pair.difference, apart.pair.verdict) == (pytest.approx(0, abs=1e-9), NOT_TOLD_APART)
    assert [place.rank for place in places] == [1, 1]


def test_too_few_images_are_no_verdict():
    a, b = entrant(2), entrant(3, person=0.0)
    few = Entrant("r2", b.generator, b.real, state(3, n=2), b.real_moments, None)
    (apart,), places = side_by_side([a, few], 0.05)
    assert apart.pair[2:] == (None, None, None, None, NOT_TOLD_APART)
    assert places[1] is None and places[0].rank == 1


def test_nearer_beyond_doubt():
    (apart,), _ = side_by_side([entrant(2, person=0.4), entrant(3, person=0.0, run="r2")], 0.05)
    assert apart.pair.verdict == A_NEARER and apart.pair.high < 0


def test_label_maps_of_different_sizes_are_refused_by_name():
    a, b = entrant(2), entrant(3, run="r2", name="big")
    big = Entrant(b.run, b.generator, b.real, state(3, pixels=400), b.real_moments, None)
    with pytest.raises(RequestError, match="'gan' of run 'r1' has label maps of 100 pixels and 'big' of run 'r2' of 400"):
        side_by_side([a, big], 0.05)
