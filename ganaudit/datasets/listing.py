"""The image files below a folder, as they were when it was listed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ganaudit import images, paths
from ganaudit.datasets import contents
from ganaudit.datasets.contents import Contents
from ganaudit.errors import RequestError

PLACES = 64
"""A folder may be met in so many places, by links to it; folders that link to each other would be met without end."""
_NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Named:
    """An image of a collection, before anything of it is read. name: with slashes, bytes that are no UTF-8 as os.fsdecode gives
    them. size in bytes, -1 where there is nothing to read."""

    name: str
    size: int

    @property
    def shown(self) -> str:
        """The name as one line of text that any table can hold: bytes that are not UTF-8 and control characters are escaped."""
        return plain(self._text)

    @property
    def label(self) -> str | None:
        """The folder that it lies in, below the collection; None for the collection itself."""
        return self.shown.rpartition("/")[0] or None

    @property
    def _text(self) -> str:
        return os.fsencode(self.name).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class ListedFile(Named):
    """A file as it was when its folder was listed. size -1: a link that leads nowhere, or nothing at all."""

    path: str
    mtime_ns: int = -1
    ctime_ns: int = -1
    inode: int = -1


def plain(name: str) -> str:
    """A name on one line: control characters, line separators and lone surrogates are written as escapes."""
    if name.isprintable():
        return name
    escaped = (c.encode("unicode_escape").decode() if unicodedata.category(c) in _NO_TEXT else c for c in name)
    return "".join(escaped)


def names_version(files: Iterable[Named]) -> dict[str, int]:
    """What the recipe says of names: nothing, unless records of older versions lack a label or have a name of many lines."""
    return {"names": 1} if any("/" in file.name or file.shown != file._text for file in files) else {}


def list_images(folder: Path, skip: Callable[[str], bool] = lambda name: False) -> tuple[list[ListedFile], Contents]:
    """Every image file below `folder` whose relative name is not skipped, sorted bytewise by that name, and what there was.

    Hidden files and folders and those that a machine made for itself (contents.SYSTEM_NAMES) are left out. Raises RequestError
    where there is no folder, where it cannot be listed, and where it holds no images.
    """
    listed_files: list[ListedFile] = []
    suffixes = images.taken()
    left_out: Counter[tuple[str, str]] = Counter()
    skipped: Counter[str] = Counter()
    try:
        for name, path, state in _entries(folder):
            suffix, aside = contents.suffix_of(name), _aside(name)
            is_image = suffix in suffixes
            if state is not None and stat.S_ISDIR(state.st_mode):
                skipped[os.path.basename(name)] += 1
            elif aside is not None:
                if is_image or aside == contents.SYSTEM:
                    left_out[aside, suffix] += 1
            elif state is None or stat.S_ISREG(state.st_mode):
                if not is_image:
                    left_out[contents.SPECIAL if state is None else contents.OTHER, suffix] += 1
                elif not skip(name):
                    listed_files.append(ListedFile(name, -1, path) if state is None else _listed(name, path, state))
            else:
                left_out[contents.SPECIAL, suffix] += 1
    except OSError as error:
        raise _unlistable(folder, error) from error
    except ValueError as error:  # a NUL in it
        raise RequestError(f"{str(folder)!r} is no path: {error}") from error
    listed_files.sort(key=lambda file: os.fsencode(file.name))
    names = [file.shown for file in listed_files]
    listed = Contents(contents.counted(names), dict(left_out), dict(skipped), contents.aside(names))
    if not listed_files:
        raise RequestError(f"{folder} holds no images: {_instead(listed)}; give files of {', '.join(sorted(suffixes))}")
    return listed_files, listed


def check_not_empty(folder: Path) -> None:
    """Raises RequestError for a folder without images, as `list_images` does; the first one that is met ends the search."""
    taken = images.taken()
    with contextlib.suppress(OSError, RequestError):  # list_images says it
        for name, _, state in _entries(folder):
            is_file = state is None or stat.S_ISREG(state.st_mode)
            if is_file and _aside(name) is None and contents.suffix_of(name) in taken:
                return
    list_images(folder)


def lines_of(file: Path) -> list[str]:
    """The names that a list file says, one a line. Raises RequestError where it cannot be read."""
    try:
        lines = os.fsdecode(paths.plain_file(file, "list").read_bytes()).splitlines()
    except OSError as error:
        raise RequestError(f"list {file} cannot be read: {error.strerror or error}") from None
    return [line for line in map(str.strip, lines) if line]


def files_of(names: Iterable[str], folder: Path, source: Path) -> tuple[list[ListedFile], Contents]:
    """The files below `folder` of these names, sorted, each once; what is not there has the size -1. source: the file that says
    them. Raises RequestError where there are none, and for a name that leads out of the folder."""
    wanted = names_below(names, folder, source)
    files = [list_file(name, folder / name) or ListedFile(name, -1, str(folder / name)) for name in wanted]
    return files, Contents(contents.counted(file.shown for file in files))


def names_below(names: Iterable[str], folder: Path, source: Path) -> list[str]:
    """Those names, relative to `folder`, sorted, each once. source, errors: as of `files_of`."""
    below = os.path.join(folder, "")
    wanted = sorted({inside(name.removeprefix(below), source) for name in names}, key=os.fsencode)
    if not wanted:
        raise RequestError(f"{source} names no images")
    return wanted


def inside(name: str, source: Path) -> str:
    """A relative name without `.`; RequestError for one that leads out of where `source` says it lies."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or parts[0][1:2] == ":" or "\0" in name:
        raise RequestError(f"{source} names {paths.shown(plain(name))}, which leads out of it: give relative names without ..")
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _entries(folder: Path) -> Iterator[tuple[str, str, os.stat_result | None]]:
    """(relative name, path, state) of all that lies below `folder`; None for a link that leads nowhere.

    Folders are looked into and not given, but for those that are left out. A link to a folder above it is neither.
    """
    top = os.stat(folder)
    if not stat.S_ISDIR(top.st_mode):
        raise RequestError(f"{folder} is a file, not a folder: give the folder that holds the images")
    waiting = [("", frozenset({(top.st_dev, top.st_ino)}))]
    met: Counter[tuple[int, int]] = Counter()
    while waiting:
        prefix, above = waiting.pop()
        with os.scandir(folder / prefix) as entries:
            names = [prefix + entry.name for entry in entries]
        for name in names:
            path = os.path.join(folder, name)
            try:
                state = os.stat(path)
            except OSError as error:
                if _aside(name) is None and (error.errno not in (errno.ENOENT, errno.ELOOP) or not os.path.islink(path)):
                    raise
                yield name, path, None
                continue
            if not stat.S_ISDIR(state.st_mode) or _aside(name) is not None:
                yield name, path, state
            elif (identity := (state.st_dev, state.st_ino)) not in above:
                met[identity] += 1
                if met[identity] > PLACES:
                    raise RequestError(f"{path} is linked to from more than {PLACES} places: take out the links")
                waiting.append((name + "/", above | {identity}))


def _aside(name: str) -> str | None:
    """Why a file or folder of this name is left out, whatever it holds."""
    base = os.path.basename(name)
    return contents.HIDDEN if base.startswith(".") else contents.SYSTEM if contents.is_system(base) else None


def _instead(listed: Contents) -> str:
    """What there is in a folder without images."""
    if not listed.left_out:
        where = f" beside the folders {', '.join(sorted(listed.skipped))}, which are not looked into" if listed.skipped else ""
        return f"it has no files at all{where}"
    others: Counter[str] = Counter()
    for (_, suffix), number in listed.left_out.items():
        others[suffix] += number
    suffix, number = others.most_common(1)[0]
    return f"most of its other files ({number} of {others.total()}) have {suffix}"


def list_file(name: str, path: Path) -> ListedFile | None:
    """One file that may not be there: None where it is missing or no file."""
    try:
        state = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unlistable(path, error) from error
    return _listed(name, str(path), state) if stat.S_ISREG(state.st_mode) else None


def _listed(name: str, path: str, state: os.stat_result) -> ListedFile:
    return ListedFile(name, state.st_size, path, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


def _unlistable(folder: Path, error: OSError) -> RequestError:
    where = os.fsdecode(error.filename) if error.filename is not None else str(folder)
    if isinstance(error, PermissionError):
        return RequestError(f"{where} cannot be read (permission denied): allow this user to read it")
    if isinstance(error, FileNotFoundError) and where == str(folder):
        return RequestError(f"there is no folder {folder}: correct the path or create it")
    if isinstance(error, FileNotFoundError):
        return RequestError(f"{where} disappeared while {folder} was listed: run again when nothing writes there")
    return RequestError(f"{where} cannot be listed: {error.strerror or error}")
