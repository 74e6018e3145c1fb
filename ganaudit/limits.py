"""What a shard may take: minutes, and memory. Users' code that hangs or leaks ends a run in a sentence, not a machine.

A thread cannot be ended from outside. So a shard works in a thread of its own, for which no process waits when it ends, and
whoever waits for the shard gives it up.
"""

from __future__ import annotations

import contextvars
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

SECONDS = 1.0
"""Between two looks at memory."""
GROUPS = Path("/sys/fs/cgroup")
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
    thread.start()
    until = None if minutes is None else time.monotonic() + 60.0 * minutes
    try:
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
    finally:
        if not done.done():
            _GIVEN_UP.append(thread)


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
