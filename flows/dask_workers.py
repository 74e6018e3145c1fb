"""What the workers of a Dask cluster must be before a block is sent: there, with the same versions, and within reach.

Records are the same to the bit for one torch build and one code, so that a worker with another one is refused, not used.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distributed import Client
from distributed.comm import get_address_host_port

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.spec import Run

CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer."""
WORKERS_SECONDS = 30.0
"""How long the workers that an audit asks for may take to come."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the cluster at `address`. Raises RequestError where no scheduler answers."""
    try:
        if not address.startswith("inproc://"):
            get_address_host_port(address)  # a client of what is no address would be left half made, and complain at its end
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # whatever it is, the address is not that of a scheduler
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RequestError(
            f"no Dask scheduler answers at {address} ({words}); start one with `dask scheduler`, or leave run.address out "
            "for a cluster on this machine"
        ) from None
    with client:
        yield client


def check_workers(client: Client, run: Run, server: str | None) -> None:
    """Raises RequestError for the first thing that a worker lacks. `server`: Prefect's address; None: a temporary one."""
    assert run.address is not None
    wanted = run.workers if isinstance(run.workers, int) else 1
    start = f"dask worker {run.address} --nthreads 1"
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(wanted, timeout=WORKERS_SECONDS)
    workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    if len(workers) < wanted:
        asked = f" and run.workers asks for {wanted}" if wanted > 1 else ""
        raise RequestError(f"the Dask cluster at {run.address} has {len(workers)} workers{asked}; start more with `{start}`")
    device = devices.pick(run.device)
    for address, worker in workers.items():
        if worker["nthreads"] != 1:
            raise RequestError(
                f"the Dask worker {address} has {worker['nthreads']} threads; a worker makes one block at a time: "
                f"start it with `{start}`"
            )
    if device.startswith("cuda") and not any(worker["resources"].get("GPU") for worker in workers.values()):
        raise RequestError(
            f"no worker of {run.address} has a GPU among its resources; start one for each GPU with "
            f"`CUDA_VISIBLE_DEVICES=0 {start} --resources GPU=1`"
        )
    with _listening(server) as place:
        here = _probe()(place) | {"reach": "yes"}
        there = client.run(_probe(), place, on_error="return")
    for address, versions in there.items():
        complain(address, versions, here, server)


def complain(address: str, there: Any, here: dict[str, str | None], server: str | None) -> None:
    """Raises RequestError where what a worker answered is not what this process answers."""
    if not isinstance(there, dict):
        raise RequestError(f"the Dask worker {address} cannot be asked what it has ({type(there).__name__}: {there})")
    for name, version in here.items():
        if there[name] == version:
            continue
        if name == "reach":
            raise RequestError(_out_of_reach(address, server))
        if there[name] is None:
            raise RequestError(
                f"the Dask worker {address} has no {name}; install there what is here: pip install "
                f"'ganaudit[dask]=={here['ganaudit']}' in the environment of the workers"
            )
        raise RequestError(
            f"the Dask worker {address} has {name} {there[name]} and this command {version}; the same records need the same "
            "versions on every worker"
        )


def _out_of_reach(address: str, server: str | None) -> str:
    if server is None:
        return (
            f"the Dask worker {address} cannot reach the temporary Prefect server, which listens on this machine alone; start "
            "one that it reaches (prefect server start --host 0.0.0.0) and set PREFECT_API_URL to its address"
        )
    return (
        f"the Dask worker {address} cannot reach the Prefect server at {server}; set PREFECT_API_URL to an address that the "
        "workers reach too"
    )


@contextlib.contextmanager
def _listening(server: str | None) -> Iterator[tuple[str, int]]:
    """Host and port that workers have to reach: those of the server, or where a temporary one would be, on this machine."""
    if server is not None:
        parts = urlsplit(server)
        yield parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[:2]


def check_store(client: Client, store: Path) -> None:
    """Raises RequestError where a worker does not see the store's folder as this process does."""
    mark = store / f".seen-{secrets.token_hex(8)}"
    mark.touch()
    try:
        seen: dict[str, bool] = client.run(_exists(), str(mark))
    finally:
        mark.unlink()
    for address, sees in seen.items():
        if not sees:
            raise RequestError(
                f"the Dask worker {address} does not see the store {store}; every worker needs it under the same path, "
                "on a file system that they share"
            )


# These go to workers that may not have this package: as functions within functions they travel whole, not by name.


def _exists() -> Callable[[str], bool]:
    def exists(path: str) -> bool:
        import os

        return os.path.exists(path)

    return exists


def _probe() -> Callable[[tuple[str, int]], dict[str, str | None]]:
    def probe(place: tuple[str, int]) -> dict[str, str | None]:
        import hashlib
        import importlib
        import importlib.metadata
        import importlib.util
        import pathlib
        import socket
        import sys

        versions: dict[str, str | None] = {"python": "{}.{}".format(*sys.version_info[:2])}
        try:
            versions["ganaudit"] = importlib.import_module("ganaudit.version").__version__
            versions["records of version"] = str(importlib.import_module("ganaudit.records.schema").SCHEMA_VERSION)
            code = hashlib.sha256()
            for package in ("ganaudit", "tasks"):
                spec = importlib.util.find_spec(package)
                folder = pathlib.Path(spec.submodule_search_locations[0])  # type: ignore[union-attr, index]
                for path in sorted(folder.rglob("*.py")):
                    code.update(str(path.relative_to(folder)).encode() + path.read_bytes())
            versions["code of ganaudit"] = code.hexdigest()[:12]
        except (ImportError, AttributeError):
            versions |= {"ganaudit": None, "records of version": None, "code of ganaudit": None}
        for name in ("torch", "prefect", "prefect-dask"):
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                versions[name] = None
        try:
            socket.create_connection(place, timeout=10).close()
            versions["reach"] = "yes"
        except OSError:
            versions["reach"] = None
        return versions

    return probe
