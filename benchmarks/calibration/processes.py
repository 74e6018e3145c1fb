"""Processes for replicates: many small NumPy calls hold Python's lock, so that threads would share one core.

A process ends with the one that began it, whatever ends that: it watches it. Ctrl-C is that one's to answer.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import TypeVar

from ganaudit.errors import AuditError

T = TypeVar("T")


@contextlib.contextmanager
def processes(number: int) -> Iterator[ProcessPoolExecutor]:
    """An executor of so many fresh processes; an error inside does not wait for what is at work."""
    executor = ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), initializer=_end_with_parent)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


def run_in(executor: ProcessPoolExecutor, work: Callable[[T], None], what: T) -> None:
    """`work(what)` in a process. Raises AuditError where the process was ended from outside."""
    try:
        executor.submit(work, what).result()
    except BrokenProcessPool as error:
        raise AuditError(
            "a process of the calibration was ended from outside (is there enough memory?); the same command goes on"
        ) from error


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_outlive, args=(parent,), daemon=True).start()


def _outlive(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
