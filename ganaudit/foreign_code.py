"""Users' own code while it runs: its folder importable, its output on stderr, its exits and its dead threads errors."""

from __future__ import annotations

import copy
import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import torch

from ganaudit.errors import AuditError, GanauditError, RequestError

_OPENING = threading.RLock()
"""Held while a factory runs: what it imports and what it changes in this process is its own."""
_BOOKS = threading.Lock()
"""Held for moments, over what follows."""
_ACTIVE: Counter[Path] = Counter()
"""Folders whose code is being run, and how many calls into each."""
_SIBLINGS: dict[str, Path] = {}
"""Modules that were imported from beside an audit file under their plain names, and the folder."""
_DIED: list[str] = []
"""What ended threads of users' code."""


class _Inside(threading.local):
    folders: tuple[Path, ...] = ()


_INSIDE = _Inside()
"""The folders whose code this thread is in, the innermost last."""


@contextmanager
def opening(folder: Path, who: str) -> Iterator[None]:
    """Users' code makes an object: what it raises is a RequestError; modules beside it are read anew, so that the code that
    runs is the code in the digest; what it does to this process's folder, warnings and number type is undone."""
    with _OPENING, warnings.catch_warnings():
        _forget(lambda _: True)
        importlib.invalidate_caches()
        here, number_type = os.getcwd(), torch.get_default_dtype()
        try:
            with asking(folder, who):
                yield
        finally:
            os.chdir(here)
            torch.set_default_dtype(number_type)


@contextmanager
def asking(folder: Path, who: str) -> Iterator[None]:
    """Users' code is asked what it is, before work begins: whatever it raises is a RequestError, but for Ctrl-C."""
    try:
        with _running(folder.resolve(), who, RequestError):
            yield
    except (KeyboardInterrupt, GanauditError):
        raise
    except BaseException as error:
        raise RequestError(f"{who} raised {said(error)}") from error


@contextmanager
def working(folder: Path, who: str) -> Iterator[None]:
    """Users' code works: its exits are AuditErrors; ordinary exceptions are left to the caller, who knows at which image."""
    try:
        with _running(folder, who, AuditError):
            yield
    except Exception:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise  # Ctrl-C reaches no other thread
        raise AuditError(f"{who} raised {said(error)}") from error


@contextmanager
def _running(folder: Path, who: str, kind: type[GanauditError]) -> Iterator[None]:
    outer = _INSIDE.folders
    _enter(folder)
    _INSIDE.folders = (*outer, folder)
    try:
        yield
    finally:
        _INSIDE.folders = outer
        _leave(folder)
    if _DIED and not outer:
        with _BOOKS:
            died, _DIED[:] = list(_DIED), []
        if died:
            raise kind(f"{who}: a thread that it started died of {died[0]}")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A foreign file is loaded and tried: whatever that raises is a RequestError which names the file."""
    try:
        yield
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from None
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = lines[-1] if "Traceback" in str(error) else (lines or [""])[0]
        raise RequestError(f"{path} cannot be loaded and run: {type(error).__name__}: {told[:300]}") from error


def said(error: BaseException) -> str:
    """An exception's type and text, for a sentence."""
    if isinstance(error, SystemExit):
        return f"SystemExit (it called sys.exit({'' if error.code is None else repr(error.code)}))"
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "an exception that cannot be printed"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Guarded:
    """A method of a user's object, called as users' code. one_at_a_time: calls to the object wait for each other."""

    def __init__(self, method: Callable[..., Any], folder: Path, who: str, one_at_a_time: AbstractContextManager[Any]) -> None:
        self.method, self.folder, self.who, self.one_at_a_time = method, folder, who, one_at_a_time

    def __call__(self, *values: Any, **named: Any) -> Any:
        with self.one_at_a_time, working(self.folder, self.who):
            return self.method(*values, **named)

    def __deepcopy__(self, memo: dict[int, Any]) -> Guarded:
        return Guarded(copy.deepcopy(self.method, memo), self.folder, self.who, self.one_at_a_time)


METHODS = ("parse", "latents", "run", "image", "clusters")
"""What an audit calls of a user's parser, generator or dataset, from several threads."""


class Stand:
    """Stands for an object that takes no attributes."""

    def __init__(self, wrapped: Any) -> None:
        self.__wrapped__ = wrapped

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __len__(self) -> int:
        return len(self.__wrapped__)


def guard(guarded: Any, folder: Path, who: str, threads: int | None = None) -> Any:
    """The same object with its methods guarded. threads: 1 where one call at a time is allowed."""
    one_at_a_time: AbstractContextManager[Any] = threading.RLock() if threads == 1 else nullcontext()
    methods = {name: method for name in METHODS if callable(method := getattr(guarded, name, None))}
    plain = {name: method.method if isinstance(method, Guarded) else method for name, method in methods.items()}
    calls = {name: Guarded(method, folder, f"{who}: {name}", one_at_a_time) for name, method in plain.items()}
    try:
        for name, call in calls.items():
            object.__setattr__(guarded, name, call)
    except (AttributeError, TypeError):  # slots, a property, or a class
        guarded = Stand(guarded)
        vars(guarded).update(calls)
    return guarded


# modules beside the audit file


class _Beside(importlib.abc.MetaPathFinder):
    """Finds modules beside the audit file: first for the thread that is in users' code; `last`, for threads that it started."""

    def __init__(self, last: bool) -> None:
        self._last = last

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None:
            return None
        for folder in list(_ACTIVE) if self._last else _INSIDE.folders[-1:]:
            spec = importlib.machinery.PathFinder.find_spec(fullname, [str(folder)], target)
            if spec is not None and (self._last or spec.origin is not None):  # a bare folder hides no installed package
                _SIBLINGS[fullname] = folder
                return spec
        return None


_FIRST, _LAST = _Beside(last=False), _Beside(last=True)


def siblings() -> set[str]:
    """Names of the modules that were imported from beside an audit file."""
    return set(_SIBLINGS)


def _forget(which: Callable[[Path], bool]) -> None:
    """Modules beside audit files are imported anew when they are next asked for."""
    names = {name for name, folder in list(_SIBLINGS.items()) if which(folder)}
    for name in names:
        _SIBLINGS.pop(name, None)
    for name in list(sys.modules) if names else ():
        if name.partition(".")[0] in names:
            sys.modules.pop(name, None)


def _enter(folder: Path) -> None:
    with _BOOKS:
        if _FIRST not in sys.meta_path:
            sys.meta_path.insert(0, _FIRST)
            sys.meta_path.append(_LAST)
        if any(other != folder for other in list(_SIBLINGS.values())):
            _forget(lambda other: other != folder)
        if not _ACTIVE:
            _to_stderr()
        _ACTIVE[folder] += 1


def _leave(folder: Path) -> None:
    with _BOOKS:
        _ACTIVE[folder] -= 1
        if not _ACTIVE[folder]:
            del _ACTIVE[folder]
        if not _ACTIVE:
            _as_before()


# what it prints, and threads that die


@contextmanager
def enough_memory(device: str, batch: int) -> Iterator[None]:
    """Raises RequestError, instead of PyTorch's error, where a batch of so many images has no room."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise RequestError(
            f"{device} has no room for a batch of {batch} images; set sample.batch to {max(1, batch // 2)}"
        ) from None


@contextmanager
def blamed(who: str, device: str, batch: int) -> Iterator[None]:
    """Says in one sentence who raised what, as an AuditError. Raises RequestError where memory is too small."""
    try:
        with enough_memory(device, batch):
            yield
    except (RequestError, AuditError):
        raise
    except Exception as error:
        raise AuditError(f"{who} raised {type(error).__name__}: {error}") from error


class _Output:
    """stdout while users' code runs: what that prints goes to stderr, so that results on stdout stay results."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def _stream(self) -> Any:
        ours = not _INSIDE.folders and (not _ACTIVE or threading.current_thread() is threading.main_thread())
        return self.real if ours else sys.stderr

    def write(self, text: str) -> int:
        return int(self._stream().write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream(), name)


def _to_stderr() -> None:
    global _HOOK
    if sys.stdout is not None and not isinstance(sys.stdout, _Output):
        sys.stdout = _Output(sys.stdout)
    if threading.excepthook is not _thread_died:
        _HOOK, threading.excepthook = threading.excepthook, _thread_died


def _as_before() -> None:
    if isinstance(sys.stdout, _Output):
        sys.stdout = sys.stdout.real


_HOOK = threading.excepthook


def _thread_died(args: threading.ExceptHookArgs) -> None:
    """The death of a thread of users' code is reported by whoever called that code; of any other, as before."""
    if args.exc_value is not None and _from_users(args.exc_traceback):
        _DIED.append(said(args.exc_value))
    else:
        _HOOK(args)


def _from_users(trace: TracebackType | None) -> bool:
    files = [Path(frame.filename) for frame in traceback.extract_tb(trace)]
    return any(file.is_relative_to(folder) for file in files if "site-packages" not in file.parts for folder in list(_ACTIVE))
