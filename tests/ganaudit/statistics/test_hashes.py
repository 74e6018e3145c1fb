"""Near pairs beside a comparison of each hash with each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganaudit.statistics import hashes
from ganaudit.statistics.hashes import near


def each_with_each(a, b, bits):
    """(distance, place, place) of every near pair, in order."""
    pairs = [(i, j, x, y) for i, x in enumerate(a) for j, y in enumerate(a if b is None else b) if b is not None or i < j]
    return sorted(((int(x) ^ int(y)).bit_count(), i, j) for i, j, x, y in pairs if (int(x) ^ int(y)).bit_count() <= bits)


def found(result):
    return sorted(zip(result.distance.tolist(), result.first.tolist(), result.second.tolist(), strict=True))


def alike(seed, n, spread):
    """Hashes around a few, in which some bits are flipped."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, 4, dtype=np.uint64)[rng.integers(0, 4, n)]
    for _ in range(spread):
        centres = centres ^ (np.uint64(1) << rng.integers(0, 64, n, dtype=np.uint64))
    return centres


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 25), st.integers(0, 5), st.integers(0, 5))
def test_every_near_pair_is_found_once(seed, n, m, spread, bits):
    a, b = alike(seed, n, spread), alike(seed, m, max(0, spread - 1))
    for other in (None, b):
        expected, result = each_with_each(a, other, bits), near(a, other, bits, 10**6)
        assert found(result) == expected and result.complete
        assert result.counts.tolist() == np.bincount([d for d, _, _ in expected], minlength=bits + 1).tolist()
        if other is None:
            assert result.near_a == result.near_b == len({place for _, i, j in expected for place in (i, j)})
        else:
            assert (result.near_a, result.near_b) == (len({i for _, i, _ in expected}), len({j for _, _, j in expected}))


@pytest.mark.parametrize("agreeing", [(2,), (3,), (4,)])
def test_however_many_blocks_have_to_agree(monkeypatch, agreeing):
    monkeypatch.setattr(hashes, "AGREEING", agreeing)
    a = alike(5, 300, 3)
    assert found(near(a, None, 4, 10**6)) == each_with_each(a, None, 4)


def test_the_nearest_are_kept_and_all_are_counted():
    a = alike(1, 200, 3)
    everything, some = each_with_each(a, None, 6), near(a, None, 6, 10)
    assert some.pairs == len(everything) > 100
    assert len(some.first) == 10 and some.distance.tolist() == [distance for distance, _, _ in everything[:10]]


def test_many_equal_ones_cost_nothing():
    n = 200_000
    result = near(np.full(n, 7, np.uint64), np.full(3, 6, np.uint64), 4, 5)
    assert result.counts.tolist() == [0, 3 * n, 0, 0, 0] and (result.near_a, result.near_b) == (n, 3)
    assert near(np.full(n, 7, np.uint64), None, 4, 5).pairs == n * (n - 1) // 2


def test_a_search_that_would_not_end_says_so(monkeypatch):
    monkeypatch.setattr(hashes, "MOST_FOUND", 50)
    a = alike(2, 400, 2)
    result = near(a, None, 6, 10)
    assert not result.complete and 50 < result.pairs < len(each_with_each(a, None, 6))


def test_none():
    nothing = np.zeros(0, np.uint64)
    assert near(nothing, None, 4, 5).pairs == near(nothing, nothing, 4, 5).pairs == 0
