"""Paths as people write them, checked before anything is done with them; what is wrong is one sentence."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from ganaudit.errors import RequestError

PATH_BYTES, NAME_BYTES = 4095, 255
"""What Linux and macOS take."""
SHOWN = 60
"""Characters of a path that a sentence about the path itself shows."""


def checked(path: Path | str) -> Path:
    """`path` with its ~ kept, if the system can look for it at all. Raises ValueError in one sentence."""
    text = os.fspath(path)
    if "\0" in text:
        raise ValueError(f"{shown(text)} holds a NUL character, which no path can")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{shown(text)} holds bytes that are no UTF-8, which records cannot name; rename it") from None
    if not text.strip():
        raise ValueError(f"{shown(text)} names nothing; give a path")
    try:
        expanded = Path(text).expanduser()
    except RuntimeError:
        user = Path(text).parts[0]
        raise ValueError(f"{shown(text)}: no home folder of {user!r} is known here; write the path out") from None
    parts = os.fsencode(expanded).split(b"/")
    if sum(map(len, parts)) + len(parts) > PATH_BYTES or max(map(len, parts)) > NAME_BYTES:
        raise ValueError(f"{shown(text)} is too long: a path has {PATH_BYTES:,} bytes at most, each name in it {NAME_BYTES}")
    return Path(text)


def request(path: Path | str, what: str) -> Path:
    """`checked`, expanded, for the command line and the library. Raises RequestError that names `what` it is."""
    try:
        expanded = checked(path).expanduser()
    except ValueError as error:
        raise RequestError(f"{what} {error}") from None
    resolved(expanded, what)
    return expanded


def resolved(path: Path, what: str) -> Path:
    """`path` absolute, symbolic links followed. Raises RequestError where they go in a circle."""
    try:
        return path.resolve()
    except (RuntimeError, OSError):
        raise RequestError(f"{what} {path}: its symbolic links lead in a circle") from None


def plain_file(path: Path | str, what: str) -> Path:
    """A file that is there: no folder, no device and no pipe, which would be waited for without end.

    Raises RequestError in one sentence that begins with `what` it is.
    """
    path = request(path, what)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise RequestError(f"{what} {path} does not exist") from None
    except OSError as error:
        raise RequestError(f"{what} {path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "no file")
        raise RequestError(f"{what} {path} cannot be read: it is {kind}; give a file")
    return path


def shown(text: str) -> str:
    """A path as a sentence shows it: short, and nothing in it that a terminal would act on."""
    plain = repr(text)[1:-1]
    return repr(text) if len(plain) <= SHOWN else f"'{plain[:SHOWN]}…' ({len(text):,} characters)"


_KINDS: tuple[tuple[Any, str], ...] = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)  # fmt: skip


def made(folder: Path) -> None:
    """Makes a folder that a command writes into. Raises RequestError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"the folder {folder} cannot be made ({error.strerror}); choose another one with --out") from None
