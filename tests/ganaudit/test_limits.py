"""A shard that hangs or leaks is given up in one sentence; all else is as if it had been called directly."""

from __future__ import annotations

import contextvars
import math
import threading
import time

import pytest

from ganaudit import devices, limits
from ganaudit.errors import AuditError


def test_what_a_shard_gives_or_raises_is_given_or_raised():
    assert limits.within(lambda: 7, "x", None, 1.0) == 7

    def fails(error):
        def call():
            raise error

        return call

    for error in (ValueError("no"), TimeoutError("its own"), AuditError("a"), SystemExit(3), OSError(28, "full")):
        with pytest.raises(type(error)) as raised:
            limits.within(fails(error), "x", 1.0, 1.0)
        assert raised.value is error
    assert not limits.given_up()


def test_a_shard_that_hangs_is_named_and_given_up():
    release = threading.Event()
    with pytest.raises(AuditError, match=r"source g 0-63 \(census\) is not done after run.block_minutes, 0.005"):
        limits.within(release.wait, "source g 0-63 (census)", 0.005, 1.0)
    assert limits.given_up() and not release.is_set()
    release.set()
    for thread in limits._GIVEN_UP:
        thread.join()
    assert not limits.given_up()


def test_where_nothing_ends_what_is_at_work_is_named_ever_less_often(monkeypatch, caplog):
    monkeypatch.setattr(limits, "SECONDS", 0.01)
    monkeypatch.setattr(limits, "SILENT_MINUTES", 0.1 / 60)
    release = threading.Event()
    threading.Timer(0.55, release.set).start()
    begun = time.monotonic()
    limits.within(lambda: limits.within(release.wait, "g 0-63", None, 1.0), "the opening of g", None, 1.0)
    assert 1 <= len(caplog.messages) <= 1 + math.log2((time.monotonic() - begun) / 0.1)  # after 0.1, 0.2, 0.4 ... s
    assert all("nothing finished for 0.0" in said and "at work: the opening of g, g 0-63" in said for said in caplog.messages)
    caplog.clear()
    limits.within(lambda: None, "x", None, 1.0)
    assert not caplog.messages


def test_a_shard_that_leaks_is_given_up(monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.02)
    kept, stop = [], threading.Event()
    room = (limits.resident() + 200e6) / limits.available()

    def leaks():
        while not stop.wait(0.01):
            kept.append(bytearray(b"x" * 20_000_000))

    with pytest.raises(AuditError, match=r"GB, more than the .* that run.memory allows, at g 0-63"):
        limits.within(leaks, "g 0-63", None, room)
    stop.set()
    assert sum(map(len, kept)) < 2e9


def test_nothing_is_begun_where_memory_is_full_already():
    with pytest.raises(AuditError, match=r"run\.memory"):
        limits.within(lambda: pytest.fail("begun"), "x", None, 1e-9)
    with pytest.raises(AuditError, match=r"run\.memory"):
        limits.within(lambda: pytest.fail("begun"), "x", None, 0.9, processes=10**9)


def test_the_work_has_the_context_and_the_seat_of_the_thread_that_asks():
    variable = contextvars.ContextVar("variable", default="outside")
    variable.set("inside")
    assert limits.within(lambda: (variable.get(), devices.seat()), "x", None, 1.0) == ("inside", devices.seat())


@pytest.mark.parametrize("text, limit", [("1000000\n", 1e6), ("max\n", None), ("", None)])
def test_a_container_s_limit_counts(tmp_path, monkeypatch, text, limit):
    monkeypatch.setattr(limits, "GROUPS", tmp_path)
    whole = limits.available()
    (tmp_path / "memory.max").write_text(text)
    assert limits.available() == (limit or whole)
