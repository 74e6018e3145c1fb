"""Who is at work in a store: a file that its holder keeps locked and touches now and then.

A run that was killed leaves no word. Its lock is gone at once, which another process of the same machine can see; from any
other machine the lease has expired when it was not touched for EXPIRES seconds. Ages are taken by the store's own clock
(the time that its file system gives a file touched now), so that machines whose clocks differ agree.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from ganaudit.errors import AuditError, RequestError
from ganaudit.records import writer
from ganaudit.records.store import Store

BEAT = 15.0
"""Seconds between two touches."""

EXPIRES = 180.0
"""Seconds without a touch after which the holder counts as dead, seen from another machine."""

PRUNE, COMPACT = "prune", "compact"
_RUN, _READ = "run-", "read-"


def of_run(run: str) -> str:
    """The name of a run's lease."""
    return f"{_RUN}{run}"


def now(store: Store) -> float:
    """Seconds since 1970 by the store's own clock; by this machine's where the store cannot be written to."""
    try:
        store.temporary.mkdir(exist_ok=True)
        with writer.temporary_file(store.temporary, "clock") as touched:
            touched.touch()
            return touched.stat().st_mtime
    except OSError:
        return time.time()


def skew(store: Store) -> timedelta:
    """How far the store's clock is ahead of this machine's, in whole seconds; 0 below five."""
    ahead = now(store) - time.time()
    return timedelta(seconds=round(ahead)) if abs(ahead) >= 5 else timedelta(0)


def utc(store: Store) -> datetime:
    """Now, by the store's clock where this machine's differs from it: runs of several machines stay in order."""
    return datetime.now(UTC) + skew(store)


def announce(store: Store, run: str) -> None:
    """Say that a run begins, before it looks at what is there. Raises RequestError while the store is being pruned."""
    with writer.writing(store.leases):
        store.leases.mkdir(parents=True, exist_ok=True)
        _path(store, of_run(run)).write_text(_holder(locked=False))
    if is_live(store, PRUNE):
        _path(store, of_run(run)).unlink(missing_ok=True)
        raise RequestError(f"the store {store.path} is being pruned; run the audit again in a minute")


@contextlib.contextmanager
def taken(store: Store, name: str) -> Iterator[None]:
    """Hold a lease while what is inside is at work; its file is gone afterwards."""
    with writer.writing(store.leases):
        store.leases.mkdir(parents=True, exist_ok=True)
        handle = os.open(_path(store, name), os.O_RDWR | os.O_CREAT, 0o666)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(_path(store, name), stop), name="ganaudit-lease", daemon=True)
    try:
        _write_holder(handle)
        beat.start()
        yield
    finally:
        stop.set()
        with contextlib.suppress(OSError):
            _path(store, name).unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def alone(store: Store, name: str) -> Iterator[None]:
    """Hold a lease that nobody else may hold. Raises RequestError, naming the holder, where somebody does."""
    with writer.writing(store.leases):
        store.leases.mkdir(parents=True, exist_ok=True)
    path = _path(store, name)
    for _ in range(2):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            if is_live(store, name):
                busy(store, name)
            with contextlib.suppress(FileNotFoundError):  # its holder is dead; only one of two that see it moves it away
                dead = store.temporary / f"lease-{uuid.uuid4().hex}.tmp"
                os.replace(path, dead)
                dead.unlink()
        else:
            break
    with taken(store, name):
        yield


@contextlib.contextmanager
def reading(store: Store) -> Iterator[None]:
    """Keep `prune` away from what is read inside. Raises RequestError while it is at work.

    Where the store cannot be written to, nothing is held.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(RequestError, AuditError):
            stack.enter_context(taken(store, f"{_READ}{uuid.uuid4().hex}"))
        if is_live(store, PRUNE):
            raise RequestError(f"the store {store.path} is being pruned; ask again in a minute")
        yield


def readers(store: Store) -> list[str]:
    """Who reads now, in words; the leases of those that died are removed."""
    leases = []
    for path in sorted(store.leases.glob(f"{_READ}*.lease")):
        if is_live(store, path.stem):
            leases.append(_who(store, path.stem))
        else:
            path.unlink(missing_ok=True)
    return leases


def _who(store: Store, name: str) -> str:
    try:
        said = _said(_path(store, name))
    except FileNotFoundError:  # it has just ended
        said = {}
    return f"process {said.get('pid', '?')} on {said.get('host', 'another machine')}"


def busy(store: Store, name: str) -> NoReturn:
    """Raises RequestError that names the holder of a lease."""
    who = _who(store, name)
    raise RequestError(f"`ganaudit {name}` is at work in {store.path} ({who}); try again when it is done") from None


def is_live(store: Store, name: str) -> bool:
    """Whether a lease's holder is at work."""
    path = _path(store, name)
    try:
        said = _said(path)
        if said.get("boot") == _boot():
            return _is_locked(path)
        return now(store) - path.stat().st_mtime < EXPIRES
    except FileNotFoundError:
        return False


def open_runs(store: Store) -> list[str]:
    """The runs that are at work now."""
    names = sorted(path.stem for path in store.leases.glob(f"{_RUN}*.lease"))
    return [name.removeprefix(_RUN) for name in names if is_live(store, name)]


def settle(store: Store) -> list[str]:
    """Give every run that was killed its row with the status interrupted; the runs that this call settled.

    Where the store cannot be written to, nothing changes.
    """
    settled = []
    with contextlib.suppress(OSError, RequestError):
        for folder in store.folder("runs").glob("run=*"):
            run = folder.name.removeprefix("run=")
            there = {path.name for path in folder.iterdir()}
            unsettled = "started.parquet" in there and not there & {"finished.parquet", "interrupted.parquet"}
            if unsettled and not is_live(store, of_run(run)) and store.interrupt_run(run):
                settled.append(run)
    return settled


def _path(store: Store, name: str) -> Path:
    return store.leases / f"{name}.lease"


def _holder(locked: bool) -> str:
    """What the file says; boot: the machine whose processes can see the lock, where it is held by one."""
    boot = {"boot": _boot()} if locked else {}
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), **boot})


def _said(path: Path) -> dict[str, object]:
    try:
        said = json.loads(path.read_text())
    except ValueError:  # it is being written
        return {}
    return said if isinstance(said, dict) else {}


def _write_holder(handle: int) -> None:
    locked = True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:  # a file system without locks: the age alone decides
        locked = False
    os.ftruncate(handle, 0)
    with contextlib.suppress(OSError):  # a full disk: an empty lease is judged by its age
        os.pwrite(handle, _holder(locked).encode(), 0)


def _is_locked(path: Path) -> bool:
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(BEAT):
        with contextlib.suppress(OSError):
            os.utime(path)


@lru_cache(maxsize=1)
def _boot() -> str:
    """Names this machine since it was started: a lock that it does not hold is of another one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{socket.gethostname()}-{uuid.getnode():x}"
