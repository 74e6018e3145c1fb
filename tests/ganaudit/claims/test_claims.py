"""Verdicts at their margins, the workshop, and the table of `ganaudit claims`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pyarrow.parquet as pq
import pytest
from toy_claims import toy_claims

from ganaudit.claims import systems
from ganaudit.claims.claim import HELD, NOT_HELD, UNDECIDED, Criterion, Measurement
from ganaudit.claims.measuring import mean_over, mean_over_seeds, ratio_over
from ganaudit.claims.settling import TABLE, settle
from ganaudit.claims.workshop import Workshop
from ganaudit.errors import RequestError


@pytest.mark.parametrize(
    ("side", "margin", "interval", "verdict"),
    [
        ("above", 1.0, (1.01, 2.0), HELD),
        ("above", 1.0, (1.0, 2.0), UNDECIDED),
        ("above", 1.0, (0.5, 1.0), NOT_HELD),
        ("above", 1.0, (0.5, 1.01), UNDECIDED),
        ("below", 0.5, (-3.0, 0.49), HELD),
        ("below", 0.5, (-3.0, 0.5), UNDECIDED),
        ("below", 0.5, (0.5, 0.9), NOT_HELD),
        ("within", 0.2, (-0.19, 0.19), HELD),
        ("within", 0.2, (-0.2, 0.1), UNDECIDED),
        ("within", 0.2, (0.2, 0.9), NOT_HELD),
        ("within", 0.2, (-0.9, -0.2), NOT_HELD),
        ("within", 0.2, (-0.9, 0.9), UNDECIDED),
        ("above", 1.0, (None, None), UNDECIDED),
    ],
)
def test_a_verdict_follows_the_whole_interval(side, margin, interval, verdict):
    assert Criterion(side, margin).verdict(*interval) == verdict


def test_intervals_of_seeds_are_students_and_of_one_seed_there_is_none():
    values = [1.0, 2.0, 4.0]
    half = 4.302652729911275 * np.std(values, ddof=1) / np.sqrt(3)  # t of 2 degrees at .975
    seen = mean_over_seeds(values)
    assert (seen.low, seen.high) == pytest.approx((7 / 3 - half, 7 / 3 + half)) and (seen.n, seen.of) == (3, "seeds")
    assert mean_over_seeds([1.0]) == Measurement(1.0, None, None, 1, "seeds")


def test_effects_over_photos_cover_what_the_plain_formula_gives():
    draws = np.random.default_rng(3).normal(2.0, 1.0, 400)
    seen = mean_over(draws)
    assert seen.effect == pytest.approx(draws.mean())
    assert seen.high - seen.low == pytest.approx(2 * 1.96 * draws.std() / 20, rel=0.1)
    twice = ratio_over(2 * draws, draws)
    assert (twice.effect, twice.low, twice.high) == pytest.approx((2.0, 2.0, 2.0))


@pytest.fixture
def system(monkeypatch):
    return toy_claims(monkeypatch)


def test_each_claim_is_a_row_and_a_second_call_replaces_its_own(system, tmp_path):
    rows = list(settle("toy", systems.claims_of("toy"), Workshop(tmp_path)))
    assert [row["verdict"] for row in rows] == [HELD, NOT_HELD, UNDECIDED, UNDECIDED]
    assert [row["seen"] for row in rows[2:]] == ["there is no village-toy", "the loss is nan"]
    assert system.made == [("small-5-steps", {"steps": 5})]
    again = Workshop(tmp_path, minutes=2.0)
    for _ in range(2):  # what it has made is not made again
        list(settle("toy", systems.claims_of("toy", "first"), again))
    assert len(system.made) == 2
    kept = pq.read_table(tmp_path / TABLE).to_pylist()
    assert sorted(row["claim"] for row in kept) == ["first", "fourth", "second", "third"]
    assert {row["claim"]: row["command"] for row in kept}["first"] == "ganaudit claims toy --only first --minutes 2"
    assert system.made[1] == ("small-2-minutes", {"minutes": 2.0})


def test_of_two_commands_at_once_none_loses_the_others_row(system, tmp_path, monkeypatch):
    list(settle("toy", systems.claims_of("toy", "third"), Workshop(tmp_path)))
    both, read = threading.Barrier(2), pq.read_table

    def read_beside_the_other(*args, **options):
        table = read(*args, **options)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # the other has read the same, unless it may not yet
        return table

    monkeypatch.setattr(pq, "read_table", read_beside_the_other)
    with ThreadPoolExecutor() as pool:
        for claim in ("first", "second"):
            pool.submit(lambda name=claim: list(settle("toy", systems.claims_of("toy", name), Workshop(tmp_path))))
    assert sorted(read(tmp_path / TABLE)["claim"].to_pylist()) == ["first", "second", "third"]


def test_what_does_not_exist_is_told_with_the_nearest_name(system):
    with pytest.raises(RequestError, match=r"toys.*toy"):
        systems.claims_of("toys")
    with pytest.raises(RequestError, match=r"frist.*first"):
        systems.claims_of("toy", "frist")
