"""The one loop: budgets, the same weights whether stopped or not, and what stands when something goes wrong."""

from __future__ import annotations

import logging
import os
import resource
import signal
import time

import pyarrow.parquet as pq
import pytest
import torch

from ganaudit.errors import AuditError, RequestError
from ganaudit.training import loop
from ganaudit.training.loop import Budget, Kept, train


class Stop(Exception):
    pass


def stop_at(number):
    def fault(training, step):
        if step == number:
            raise Stop

    return fault


@pytest.fixture(autouse=True)
def saved_at_every_step(monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)


@pytest.mark.parametrize("budget", [Budget(steps=25), Budget(images=100), Budget(steps=25, images=400)])
def test_stopped_and_gone_on_is_the_same_training_to_the_bit(tiny, tmp_path, budget, monkeypatch):
    whole, pieces = tiny(), tmp_path / "pieces"
    monkeypatch.setattr(loop, "SAVE_EVERY", 3600.0)
    assert train(whole, tmp_path / "whole", budget).steps == 25
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    for number in (7, 8, 19):
        with pytest.raises(Stop):
            train(tiny(fault=stop_at(number)), pieces, budget)
    last = tiny()
    trained = train(last, pieces, budget)
    assert (trained.steps, trained.images) == (25, 100) and len(last.spent) == 25 - 19
    assert all(torch.equal(value, last.weights()[name]) for name, value in whole.weights().items())
    result, other = (
        pq.read_table(folder / "curves.parquet").drop_columns("seconds") for folder in (tmp_path / "whole", pieces)
    )
    assert result.equals(other) and result["step"].to_pylist() == [10, 10, 20, 20]


def test_weights_that_are_kept_on_the_way_change_nothing(tiny, tmp_path):
    plain, kept = tiny(), {}
    train(plain, tmp_path / "plain", Budget(steps=9))
    mine = tiny()

    def write(steps):
        torch.randn(3)
        kept[steps] = mine.weights()

    train(mine, tmp_path / "kept", Budget(steps=9), kept=Kept(4, write))
    assert list(kept) == [4, 8] and all(torch.equal(value, mine.weights()[name]) for name, value in plain.weights().items())
    assert not all(torch.equal(value, kept[8][name]) for name, value in kept[4].items())
    with pytest.raises(RequestError, match="one or more"):
        Kept(0, write)


def test_what_is_spent_is_the_largest_share_of_what_was_given(tiny, tmp_path):
    assert Budget(steps=10).spent(5, 0, 1e9) == 0.5
    assert Budget(steps=10, images=100, minutes=1.0).spent(1, 20, 30.0) == 0.5
    short = tiny()
    assert train(short, tmp_path, Budget(steps=1000, images=12)).steps == 3
    assert short.spent == [0.0, 4 / 12, 8 / 12]


def test_minutes_are_those_of_the_wall_clock_over_all_starts(tiny, tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def half_a_minute(training, step):
        now[0] += 30.0
        if step == 3:
            raise Stop

    with pytest.raises(Stop):
        train(tiny(fault=half_a_minute), tmp_path, Budget(minutes=2.5))
    now[0] += 1e6  # hours between two starts do not count
    trained = train(tiny(fault=lambda *_: now.__setitem__(0, now[0] + 30.0)), tmp_path, Budget(minutes=2.5))
    assert (trained.steps, trained.minutes) == (5, 2.5)


def test_a_training_that_is_done_is_not_gone_on_with(tiny, tmp_path):
    train(tiny(), tmp_path, Budget(steps=5))
    again = tiny(fault=stop_at(5))
    assert train(again, tmp_path, Budget(steps=5)).steps == 5 and again.spent == []


@pytest.mark.parametrize(
    "wrong", [{}, {"steps": 0}, {"steps": -1}, {"images": 0}, {"minutes": -1.0}, {"minutes": float("nan")},
              {"minutes": float("inf")}, {"steps": 5, "minutes": 0.0}],
)  # fmt: skip
def test_a_budget_is_above_nothing(wrong):
    with pytest.raises(RequestError, match="needs a budget"):
        Budget(**wrong)


@pytest.mark.parametrize("name", loop.MOST)
def test_a_budget_beyond_all_trainings_is_refused(name):
    assert Budget(**{name: loop.MOST[name]}).given() == {name: loop.MOST[name]}
    with pytest.raises(RequestError, match=f"^--{name} is 1e\\+20; a training has at most"):
        Budget(**{name: 10**20})


@pytest.mark.parametrize(
    ("other", "differs"),
    [({"seed": 2}, "seed 1, not 2"), ({"rate": 0.5}, "recipe rate nothing, not 0.5"), ({}, "budget steps 5, not 6")],
)
def test_a_folder_of_another_training_is_refused_and_stays_as_it_is(tiny, tmp_path, other, differs):
    train(tiny(), tmp_path, Budget(steps=5))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(RequestError, match=f"holds another training .*{differs}.*--out"):
        train(tiny(**other), tmp_path, Budget(steps=5 if other else 6))
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_of_many_differences_the_first_are_said(tiny, tmp_path):
    train(tiny(names=["x" * 80], a=1, b=2), tmp_path, Budget(steps=1))
    with pytest.raises(RequestError, match=r"\(recipe a 1, not 2; recipe b 2, not 3; another recipe names; 2 more\)"):
        train(tiny(names=[], a=2, b=3, c=4, seed=2), tmp_path, Budget(steps=1))


def test_a_loss_that_is_not_a_number_ends_it_and_the_last_good_checkpoint_stands(tiny, tmp_path):
    def burst(training, step):
        if step == 7:
            training.network[2].bias.data.fill_(float("inf"))

    with pytest.raises(AuditError, match=r"the loss loss is (nan|inf) at step 8; the checkpoint of step 7 stands"):
        train(tiny(fault=burst), tmp_path, Budget(steps=20))
    assert train(tiny(), tmp_path, Budget(steps=20)).steps == 20


def test_weights_that_are_not_finite_never_become_a_checkpoint(tiny, tmp_path):
    class Late(tiny):
        def step(self, step, spent):
            losses = super().step(step, spent)
            if step == 7:
                self.network[0].weight.data[0, 0] = float("nan")
            return losses

    with pytest.raises(AuditError, match=r"network 0.weight is no longer finite at step 8; the checkpoint of step 7 stands"):
        train(Late(), tmp_path, Budget(steps=20))
    with pytest.raises(AuditError, match="there is no checkpoint yet"):
        train(tiny(fault=lambda training, _: training.network[2].bias.data.fill_(float("nan"))), tmp_path / "new", Budget(1))


def test_a_full_disk_is_one_sentence_and_the_last_good_checkpoint_stands(tiny, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(training, step):
        if step == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(AuditError, match=r"cannot be written \(File too large\); the checkpoint of step 5 stands"):
            train(tiny(fault=fill), tmp_path, Budget(steps=9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.glob("partial-*"))
    last = tiny()
    assert train(last, tmp_path, Budget(steps=9)).steps == 9 and len(last.spent) == 4
    whole = tiny()
    train(whole, tmp_path / "whole", Budget(steps=9))
    assert all(torch.equal(value, last.weights()[name]) for name, value in whole.weights().items())


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 100, flipped, lambda b: b + b[:50]],
    ids=["torn", "empty", "something else", "a flipped bit", "longer"],
)  # fmt: skip
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_is_taken(tiny, tmp_path, damage, caplog):
    with pytest.raises(Stop):
        train(tiny(fault=stop_at(8)), tmp_path, Budget(steps=12))
    newest = tmp_path / "checkpoint.pt"
    newest.write_bytes(damage(newest.read_bytes()))
    last = tiny()
    with caplog.at_level(logging.WARNING):
        train(last, tmp_path, Budget(steps=12))
    taken = 12 - len(last.spent)
    assert (taken, "checkpoint of step 7 stands" in caplog.text) in ((7, True), (8, False))  # a tail is harmless
    whole = tiny()
    train(whole, tmp_path / "whole", Budget(steps=12))
    assert all(torch.equal(value, last.weights()[name]) for name, value in whole.weights().items())


def test_where_both_are_damaged_it_is_one_sentence_and_nothing_is_overwritten(tiny, tmp_path):
    train(tiny(), tmp_path, Budget(steps=3))
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RequestError, match=r"checkpoint.pt and checkpoint.previous.pt in .* cannot be read.*remove the folder"):
        train(tiny(), tmp_path, Budget(steps=3))
    assert (tmp_path / "checkpoint.pt").read_bytes() == b"x"


def test_an_older_checkpoint_and_damaged_curves(tiny, tmp_path, caplog):
    train(tiny(), tmp_path, Budget(steps=12))
    (tmp_path / "curves.parquet").write_bytes(b"x")
    assert train(tiny(), tmp_path, Budget(steps=12)).steps == 12 and "curves.parquet cannot be read" in caplog.text
    torch.save({"training": {}, "iteration": 3}, tmp_path / "checkpoint.pt")
    with pytest.raises(RequestError, match="another version of ganaudit; choose another --out"):
        train(tiny(), tmp_path, Budget(steps=12))


def test_a_file_in_the_way_is_refused(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RequestError, match="cannot be made"):
            train(tiny(), folder, Budget(steps=1))


def test_a_folder_that_cannot_be_written_to_is_refused_before_a_step(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # permissions do not stop root
    with pytest.raises(RequestError, match="cannot be written to; choose another one with --out"):
        train(tiny(fault=stop_at(0)), tmp_path, Budget(steps=1))
