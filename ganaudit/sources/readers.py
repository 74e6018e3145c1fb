"""Processes that decode stored images ahead of the network.

Each is a Python of its own that imports no torch and is asked through its pipes: it ends when they close, so that none outlives
the process that started it, and Ctrl-C does not reach it. They are started when they are first asked, and end with the audit;
in a worker of a cluster, which knows no audits, when no block has asked for LINGER seconds. It may be a child of a worker that
may have none of multiprocessing's (Dask's are so).
"""

from __future__ import annotations

import fcntl
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import IO, Any, TypeVar

from ganaudit.errors import AuditError

T = TypeVar("T")

_LENGTHS = struct.Struct("<Q")
_PIPE = 1 << 20  # bytes that lie in a pipe: what a system allows without asking
KEPT = 1 << 26
"""Bytes that glibc keeps of what a process has freed. By default it hands memory of images back at once, and to be given fresh
pages for each is a third of what decoding a small photo costs. Dask has its processes keep a thousandth of that."""
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(KEPT), "MALLOC_MMAP_THRESHOLD_": str(KEPT // 2)}


class Readers:
    """So many processes. What they are asked to do is picked up in the order in which it was asked."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._asking = ThreadPoolExecutor(count, "ganaudit-reader")
        self._here = threading.local()
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] | None = []

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """work() in a process: a function of a module of this package with arguments that can be pickled."""
        return self._asking.submit(self._ask, work)

    @property
    def pids(self) -> list[int]:
        """Of the processes that run."""
        with self._lock:
            return [child.pid for child in self._children or () if child.poll() is None]

    def close(self) -> None:
        """Ends every process, whatever it is at."""
        with self._lock:
            children, self._children = self._children or [], None
        for child in children:
            child.kill()
        self._asking.shutdown(wait=True, cancel_futures=True)
        for child in children:
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):
                    assert pipe is not None
                    pipe.close()

    def _ask(self, work: Callable[[], T]) -> T:
        child = self._child()
        try:
            assert child.stdin is not None and child.stdout is not None
            _send(child.stdin, work)
            head, arrays = _parts(child.stdout)
        except (OSError, EOFError):
            del self._here.child
            code = child.wait()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise AuditError(
                f"a process that decodes images ended ({how}): it may have had too little memory; run again, with fewer "
                "run.readers"
            ) from None
        answer, error = pickle.loads(head, buffers=arrays)
        if error is not None:
            raise error
        result: T = answer
        return result

    def _child(self) -> subprocess.Popen[bytes]:
        """That of this thread."""
        if not hasattr(self._here, "child"):
            with self._lock:
                if self._children is None:
                    raise AuditError("the audit has ended")
                child = subprocess.Popen(
                    [sys.executable, "-P", "-m", "ganaudit.sources.readers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    env={**os.environ, **_MALLOC, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    start_new_session=True,
                )  # fmt: skip
                self._children.append(child)
            for pipe in (child.stdin, child.stdout):
                assert pipe is not None
                with suppress(OSError, AttributeError):
                    fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
            self._here.child = child
        started: subprocess.Popen[bytes] = self._here.child
        return started


def _send(pipe: IO[bytes], message: Any) -> None:
    """Arrays follow as they are, so that none is copied into the message."""
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(head), *(array.raw() for array in arrays)]
    pipe.write(_LENGTHS.pack(len(parts)) + b"".join(_LENGTHS.pack(part.nbytes) for part in parts))
    for part in parts:
        pipe.write(part)
    pipe.flush()


def _sendable(error: Exception) -> Exception:
    """The error itself, or its words where it is of a kind that pickle cannot make again (some libraries' are)."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return AuditError(f"a process that decodes images raised {type(error).__name__}: {error}")
    return error


def _parts(pipe: IO[bytes]) -> tuple[bytearray, list[bytearray]]:
    """A message and its arrays. Raises EOFError where the other side is gone."""
    (count,) = _LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))
    lengths = [_LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))[0] for _ in range(count)]
    head, *arrays = (_exactly(pipe, length) for length in lengths)
    return head, arrays


def _exactly(pipe: IO[bytes], length: int) -> bytearray:
    data = bytearray(length)
    if pipe.readinto(data) != length:  # type: ignore[attr-defined]
        raise EOFError
    return data


LINGER = 20.0
"""Seconds in which the next block of an audit should have begun."""
_LOCK = threading.Lock()
_OF_PROCESS: dict[int, Readers] = {}
_audits = 0
_ends_at = 0.0
_ending = False
"""Whether a thread ends them at that time, if nothing is at work then."""


def of_process(count: int) -> Readers:
    """The readers of this process, which all that it works on share."""
    with _LOCK:
        if count not in _OF_PROCESS:
            _OF_PROCESS[count] = Readers(count)
        return _OF_PROCESS[count]


@contextmanager
def lent(linger: float = 0.0) -> Iterator[None]:
    """While something of it is at work, the readers of this process stay. Then they end: at once, or, where the next of its
    kind may follow, after `linger` seconds in which nothing did."""
    global _audits, _ends_at, _ending
    with _LOCK:
        _audits += 1
    try:
        yield
    finally:
        with _LOCK:
            _audits -= 1
            _ends_at = time.monotonic() + linger
            if linger and not _ending:
                _ending = True
                threading.Thread(target=_end_later, name="ganaudit-readers-end", daemon=True).start()
        if not linger:
            _end_unused()


def _end_later() -> None:
    global _ending
    done = False
    while not done:
        time.sleep(max(0.0, _ends_at - time.monotonic()))
        with _LOCK:
            done = time.monotonic() >= _ends_at
            _ending = _ending and not done
    _end_unused()


def _end_unused() -> None:
    with _LOCK:
        ended = [] if _audits else [_OF_PROCESS.pop(count) for count in list(_OF_PROCESS)]
    for readers in ended:
        readers.close()


def main() -> None:
    """The life of a reader: asked and answering, until nobody asks any more."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    while True:
        try:
            head, arrays = _parts(asked)
        except EOFError:
            return
        try:
            answer: tuple[Any, BaseException | None] = pickle.loads(head, buffers=arrays)(), None
        except Exception as error:
            answer = None, _sendable(error)
        with suppress(BrokenPipeError):
            _send(answers, answer)


if __name__ == "__main__":
    main()
