"""What a shard, or the opening of a model, may take: minutes, and memory. Users' code that hangs or leaks ends a run in a
sentence, not a machine.

A thread cannot be ended from outside. So the work is done in a thread of its own, for which the process does not wait when it
ends, and whoever waits for the work gives it up. Where nothing ends for a while, what is at work is named in the log.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import TypeVar

from ganaudit import devices
from ganaudit.errors import AuditError

T = TypeVar("T")
LOG = logging.getLogger("ganaudit.limits")

SECONDS = 1.0
"""Between two looks at memory."""
GROUPS = Path("/sys/fs/cgroup")
SILENT_MINUTES = 5.0
"""Without anything that ends, after which what is at work is named; each time twice as long as the time before."""
_GIVEN_UP: list[threading.Thread] = []


def within(work: Callable[[], T], who: str, minutes: float | None, memory: float, processes: int = 1) -> T:
    """What `work` gives. Raises what it raises, and AuditError where it takes more than `minutes` of wall time or this process
    more than `memory`, a share of what the machine has, over `processes`. who: names it in the sentence."""
    most = memory * available() / processes
    _check(most, who)
    done: Future[T] = Future()
    seat = devices.seat()
    inside = contextvars.copy_context()

    def run() -> None:
        devices.take(seat)
        try:
            done.set_result(inside.run(work))
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=run, name=f"{threading.current_thread().name}-work", daemon=True)
    until = None if minutes is None else time.monotonic() + 60.0 * minutes
    _SILENCE.begin(thread, who)  # before it begins, so that what it calls in turn is named after it
    try:
        thread.start()
        while True:
            left = SECONDS if until is None else until - time.monotonic()
            if left <= 0:
                raise AuditError(
                    f"{who} is not done after run.block_minutes, {minutes:g}, and was given up: something in it hangs, or is "
                    "slow; the same command goes on from the blocks that are done"
                )
            try:
                return done.result(min(left, SECONDS))
            except NotYet:
                if done.done():  # meanwhile, or what it raised
                    return done.result()
                _check(most, who)
                _SILENCE.look()
    finally:
        _SILENCE.end(thread)
        if not done.done():
            _GIVEN_UP.append(thread)


class _Silence:
    """What is at work in this process, and since when nothing of it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work: dict[threading.Thread, str] = {}
        self._since, self._told = 0.0, 1

    def begin(self, thread: threading.Thread, who: str) -> None:
        with self._lock:
            if not self._at_work:
                self._since, self._told = time.monotonic(), 1
            self._at_work[thread] = who

    def end(self, thread: threading.Thread) -> None:
        with self._lock:
            del self._at_work[thread]
            self._since, self._told = time.monotonic(), 1

    def look(self) -> None:
        """Logs who is at work where nothing has ended for long."""
        with self._lock:
            minutes, who = (time.monotonic() - self._since) / 60.0, ", ".join(self._at_work.values())
            if minutes < SILENT_MINUTES * self._told:
                return
            self._told *= 2
        LOG.warning("nothing finished for %.2g minutes; at work: %s (run.block_minutes would end it)", minutes, who)


_SILENCE = _Silence()


def given_up() -> bool:
    """Whether a shard that was given up is at work still: then a process ends without waiting for anything."""
    return any(thread.is_alive() for thread in _GIVEN_UP)


def _check(most: float, who: str) -> None:
    taken = resident()
    if taken > most:
        raise AuditError(
            f"this process holds {taken / 1e9:.2g} GB, more than the {most / 1e9:.2g} GB that run.memory allows, at {who}: "
            "something keeps what it makes, or sample.batch or run.workers is too high; the same command goes on from the "
            "blocks that are done"
        )


def resident() -> float:
    """Bytes of memory that this process holds now; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0.0
    return int(pages[1]) * float(os.sysconf("SC_PAGE_SIZE"))


def available() -> float:
    """Bytes of memory of the machine, or of the control groups that this process is in, where they have fewer."""
    whole = os.sysconf("SC_PHYS_PAGES") * float(os.sysconf("SC_PAGE_SIZE"))
    limits = [file.read_text().strip() for file in _limit_files() if file.is_file()]
    return min([whole, *(float(limit) for limit in limits if limit.isdecimal())])


def _limit_files() -> list[Path]:
    """Where the memory limits of this process's control groups stand, in either version of them."""
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    files = [GROUPS / "memory" / "memory.limit_in_bytes", GROUPS / "memory.max"]
    for _, controllers, path in (line.split(":", 2) for line in groups if line.count(":") >= 2):
        root, name = (GROUPS, "memory.max") if not controllers else (GROUPS / "memory", "memory.limit_in_bytes")
        if controllers in ("", "memory"):
            own = root / path.lstrip("/")
            files += [folder / name for folder in (own, *own.parents) if folder.is_relative_to(root)]
    return files
