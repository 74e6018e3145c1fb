"""What a training will cost is said once for each of its stages, when its first steps have shown it."""

from __future__ import annotations

import pytest

from flows import training_bar


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training_bar.time, "monotonic", lambda: now[0])
    return now


def sentences(clock, cost, steps, seconds, first=1):
    """Of steps that take so many seconds each."""
    said = []
    for step in range(first, steps + 1):
        clock[0] += seconds
        said.append((step, cost(step / steps, step)))
    return [(step, sentence) for step, sentence in said if sentence]


def test_once_for_each_stage(clock):
    cost = training_bar.Cost("lia")
    said = "lia: another 983 steps, about 33 min on this machine."
    assert sentences(clock, cost, 1000, 2.0) == [(6, "lia: another 994 steps, about 33 min on this machine.")]
    assert sentences(clock, cost, 1000, 0.5) == [(17, said.replace("33 min", "8 min"))]


def test_of_what_is_left_where_it_goes_on(clock):
    assert sentences(clock, training_bar.Cost("ogan"), 1000, 0.1, first=901) == [
        (917, "ogan: another 83 steps, about 8 s on this machine.")
    ]


def test_not_of_one_that_is_done_before(clock):
    assert not sentences(clock, training_bar.Cost("ogan"), 10, 0.1)
