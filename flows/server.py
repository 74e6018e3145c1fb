"""The Prefect server that a command talks to: the user's own, or a temporary one that ends with the command.

The temporary server reads from a pipe that the command holds open. Whatever ends the command, a kill included, ends the
pipe, and the server with it: no process stays behind.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

from flows import settings
from ganaudit.errors import AuditError, RequestError

PATIENCE_SECONDS = 5.0
"""How long a server that was asked to stop may take."""


@contextlib.contextmanager
def connected(tell: Callable[[str], None], meanwhile: Callable[[], object]) -> Iterator[None]:
    """Inside, Prefect has a server that answers. `tell` is called with what is waited for; `meanwhile` runs while one starts.

    Raises RequestError where the user's own server does not answer, AuditError where the temporary one does not start.
    """
    url = settings.api_url()
    if url:
        tell(f"Connecting to the Prefect server at {url} …")
        _check(url)
        yield
        return
    from prefect.settings import PREFECT_API_URL, temporary_settings

    for name in settings.unusable_proxies():
        tell(f"{name} names a proxy that cannot be used here; this command goes without it.")
        del os.environ[name]
    tell(_start_up_note())
    own = TemporaryServer()
    meanwhile()
    own.wait()
    with temporary_settings({PREFECT_API_URL: own.url}):
        yield


@contextlib.contextmanager
def answering(finished: str) -> Iterator[None]:
    """Raises AuditError where the server stops answering inside. finished: what is in the store all the same."""
    import httpx

    try:
        yield
    except httpx.HTTPError as error:
        raise AuditError(
            f"the Prefect server stopped answering ({str(error) or type(error).__name__}); "
            f"the {finished} are in the store, and the same command goes on from there"
        ) from error


TRIES = 3
"""Ports that are tried: another program may take one before the server does."""


class TemporaryServer:
    """A server in a process of its own. Ctrl-C in the terminal does not reach it, so that the run can say it was stopped."""

    def __init__(self) -> None:
        self._tries = TRIES
        self._start()
        atexit.register(self.stop)

    def _start(self) -> None:
        self._tries -= 1
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the server
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(self.port)], stdin=subprocess.PIPE, stdout=self._said, stderr=self._said,
            start_new_session=True,
            env={**os.environ, "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1",
                 "PREFECT_API_BLOCKS_REGISTER_ON_START": "0"},  # nobody needs them, and two servers at once collide in them
        )  # fmt: skip

    def wait(self) -> None:
        """Returns when the server answers. Raises AuditError with its last words where it does not."""
        limit = time.monotonic() + float(os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"])
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                self._said.seek(0)
                why = reason(self._said.read().decode(errors="replace"))
                if self._tries and "address already in use" in why.lower():  # taken since it was found free
                    self.stop()
                    self._start()
                    continue
                raise AuditError(f"the temporary Prefect server did not start ({why}); its folder is {settings.home()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)  # not through a proxy
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """Ends the server; nothing happens where it has ended."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def reason(said: str) -> str:
    """The line of a program's output that names its error: the last one that reads like `Module.SomeError: …`."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR: +)?[\w.]*(Error|Exception|Interrupt)\b", line)]
    return (errors or lines or ["it said nothing"])[-1]


def check_version(url: str, server: str, client: str) -> None:
    """Raises RequestError where a server is older than its client, or of another major version: Prefect asks for neither."""
    from packaging.version import Version

    if Version(server).major != Version(client).major or Version(server) < Version(client):
        raise RequestError(
            f"the Prefect server at {url} has version {server} and this command {client}; a server has to be as new as its "
            f"clients: upgrade it, or pip install prefect=={server} here"
        )


def _check(url: str) -> None:
    import prefect
    from prefect.client.base import ServerType
    from prefect.client.orchestration import get_client

    server = None
    try:
        with get_client(sync_client=True) as client:
            failure = client.api_healthcheck()
            if failure is None and client.server_type != ServerType.CLOUD:
                server = client.api_version()
    except Exception as error:  # whatever it is, the address is not that of a server
        failure = error
    if server is not None:
        check_version(url, server, prefect.__version__)
    if failure is not None:
        words = str(failure).strip() or type(failure).__name__
        raise RequestError(
            f"no Prefect server answers at {url} ({words.splitlines()[0]}); start it, or unset PREFECT_API_URL to use a "
            "temporary one"
        )


def _start_up_note() -> str:
    """What the user waits for, in one line."""
    wait = "15 s" if (settings.home() / "prefect.db").exists() else "25 s this first time, 15 s later"
    return f"Starting a temporary Prefect server: about {wait} (none if PREFECT_API_URL names yours) …"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _serve(port: int) -> None:
    """The server process."""
    threading.Thread(target=_stop_after_the_command, daemon=True).start()
    _prepare_database()
    import uvicorn

    uvicorn.run("prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error")


def _prepare_database() -> None:
    """Makes or migrates the database, one server after the other: two that do it together leave one with an error."""
    import fcntl

    from prefect.server.database import provide_database_interface

    home = settings.home()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "ganaudit.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        asyncio.run(provide_database_interface().create_db())


def _stop_after_the_command() -> None:
    while os.read(0, 1):  # not by way of sys.stdin, whose lock would spoil an end for another reason
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
