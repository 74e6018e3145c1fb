"""What holds for every test: one thread for its numbers, a Ctrl-C that arrives, and its place beside the other workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch is imported: each of pytest-xdist's workers has one core

COSTLY = ("server", "inverted", "village")
"""Fixtures that take long to make: the tests that use one run in one worker, which makes it once. Else a file stays together."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        used = getattr(item, "fixturenames", ())
        shared = next((fixture for fixture in COSTLY if fixture in used), item.path.as_posix())
        item.add_marker(pytest.mark.xdist_group(shared))


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """What cron, nohup or `&` in a script starts ignores SIGINT, and so would the commands that tests stop by Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
