"""The Prefect server of all tests that need one."""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from flows import server as room
from flows import settings

STARTED_BY, OURS = "GANAUDIT_TESTS", uuid.uuid4().hex
"""In the environment of all that these tests start, and that their commands start."""


def server_processes() -> set[int]:
    """Temporary servers of ganaudit, and Prefect's own ones, that these tests started: not those of others on this machine."""
    result = set()
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if (room.__file__ in line or "prefect.server.api.server" in line) and process.environ().get(STARTED_BY) == OURS:
                result.add(process.pid)
        except psutil.Error:
            continue
    return result


def servers_here() -> set[int]:
    """Those below this process."""
    return {child.pid for child in psutil.Process().children(recursive=True)} & server_processes()


def gone(processes: set[int], seconds: float = 15.0) -> bool:
    """Whether these processes end within some seconds."""
    limit = time.monotonic() + seconds
    while any(psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE for process in processes):
        if time.monotonic() > limit:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the one server; environment and Prefect's settings name it. pytest-xdist's workers share it: the first
    that needs it starts it, and ends it when no other holds the lock that all have meanwhile."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOGGING_LEVEL, temporary_settings

    folder = tmp_path_factory.getbasetemp()
    home = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "prefect"
    home.mkdir(exist_ok=True)
    before = dict(os.environ)
    os.environ |= {**settings.DEFAULTS, "PREFECT_HOME": str(home), STARTED_BY: OURS}
    os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "600"  # how long it takes says what else the machine does
    os.environ.pop("PREFECT_API_URL", None)
    address, lock = home / "address", (home / "used.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_SH)
    while not address.exists():
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not address.exists():
            _start_server(address, lock)
        fcntl.flock(lock, fcntl.LOCK_SH)
    url = os.environ["PREFECT_API_URL"] = address.read_text()
    with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home, PREFECT_LOGGING_LEVEL: "CRITICAL"}):
        yield url
    mine = servers_here()
    assert len(mine) == len(_ends)  # tests left none of their own
    assert outside_connections(mine | {os.getpid()}) == []
    os.environ.clear()
    os.environ |= before
    if not _ends:
        lock.close()


_ends: list[Callable[[], None]] = []
"""What ends a server that this process started."""


def _start_server(address: Path, lock: IO[str]) -> None:
    running = room.TemporaryServer()
    mine = servers_here()
    running.wait()
    address.write_text(running.url)

    def end() -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        address.unlink()
        running.stop()
        assert gone(mine)

    _ends.append(end)


def pytest_unconfigure() -> None:
    """Not within the last test's time: what others do with the server may take longer."""
    while _ends:
        _ends.pop()()


def outside_connections(processes: set[int]) -> list[str]:
    """Addresses beyond this machine that the processes are connected to."""
    result = [
        connection.raddr.ip
        for process in processes
        for connection in psutil.Process(process).net_connections("inet")
        if connection.raddr
    ]
    return [address for address in result if not address.startswith(("127.", "::1", "::ffff:127."))]
