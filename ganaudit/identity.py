"""What enters the key of a user's own part besides its source and its tensors: what files it is made of, what it holds."""

from __future__ import annotations

import datetime
import enum
import functools
import hashlib
import os
import re
import stat
import struct
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from torch import nn

from ganaudit.errors import RequestError
from ganaudit.foreign_code import Guarded
from ganaudit.modules import PLAIN, attributes
from ganaudit.state import add_tensor

OBJECT_VERSION = 1
"""Raised when the same object would get another digest of what it holds."""
MOST_FILES = 100_000
"""Files and folders below one that is digested, at most."""
MOST_VALUES = 2_000_000
"""Values that an object may hold, at most."""
KNOWN = {"classes", "resolution", "layers", "training"}
"""Attributes of the protocols: what of them decides records is in the key by itself."""


# files


def content_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's files: their relative names, sizes and bytes. Raises RequestError."""
    if not path.is_dir():
        return _of_file(path)
    total = hashlib.sha256()
    files = sorted(_below(path), key=lambda file: os.fsencode(file.relative_to(path).as_posix()))
    if not files:
        raise RequestError(f"{path} is a folder without a file in it: there is nothing to know it by")
    for file in files:
        digest = _of_file(file)
        total.update(os.fsencode(file.relative_to(path).as_posix()) + f"\0{file.stat().st_size}\0{digest}\0".encode())
    return total.hexdigest()


def stamp(path: Path) -> list[tuple[str, int, int, int]]:
    """(name, inode, size, time) of a file or of every file of a folder: another one where they were written to."""
    stamps = []
    for file in _below(path) if path.is_dir() else [path]:
        try:
            seen = file.stat()
        except OSError as error:
            raise RequestError(f"{file} cannot be read: {error.strerror}") from None
        stamps.append((str(file), seen.st_ino, seen.st_size, seen.st_mtime_ns))
    return sorted(stamps)


def _of_file(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise RequestError(f"{path} is neither a file nor a folder; what enters a key has bytes that stay")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}") from None


def _below(folder: Path) -> Iterator[Path]:
    """Every file below a folder, links followed, but for what Python writes there itself."""
    waiting, seen, count = [folder], set[str](), 0
    while waiting:
        current = waiting.pop()
        real = os.path.realpath(current)
        if real in seen and current.is_symlink():
            continue  # a link to where we are
        seen.add(real)
        try:
            entries = list(os.scandir(current))
        except OSError as error:
            raise RequestError(f"{current} cannot be read: {error.strerror}") from None
        count += len(entries)
        if count > MOST_FILES:
            raise RequestError(
                f"{folder} holds more than {MOST_FILES:,} files and folders, and all of them would be read for its key; "
                "name the folder of the weights alone"
            )
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    waiting.append(Path(entry.path))
            else:
                yield Path(entry.path)


# options


def check_options(kind: str, options: Mapping[str, Any], folder: Path, given: Sequence[Path]) -> None:
    """Raises RequestError for an option that names a file or folder, unless its content is in the key (`given`)."""
    for place, text in _texts(options):
        path = _existing(text, folder)
        if path is not None and not any(path == known or path.is_relative_to(known) for known in given):
            raise RequestError(
                f"{kind}: options.{place} names {path}, whose content is in no key: a changed one would go unnoticed; "
                "list it under `files:` beside `options:` (the factory gets its path as `files`), or give it as `weights:`"
            )


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, text) of every text in an option."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _texts(part, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _texts(part, f"{place}[{number}]")


def _existing(text: str, folder: Path) -> Path | None:
    """The file or folder that a text names, absolute or beside the audit file; None where there is none."""
    plain = os.path.expandvars(text.strip().removeprefix("file://"))
    if not plain.strip("./\\~ "):
        return None  # a separator, a dot: hardly a path
    try:
        path = folder / Path(plain).expanduser()
        return path.resolve() if path.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None  # too long, a NUL, nobody's home


# what an object holds


def object_digest(root: Any, paths: Sequence[Path]) -> str | None:
    """SHA-256 over what `root` holds beside the tensors of its state digest: numbers, texts and arrays among its attributes,
    those of objects, lists and mappings within it, and the tensors of networks in there. None where it holds nothing of the
    kind.

    paths: where its files lie on this machine; such a text counts as a path, whichever it is. What is only a part of this
    process (a lock, a file, a device, a function) does not count. Raises RequestError for more than MOST_HELD values.
    """
    total = hashlib.sha256(f"held {OBJECT_VERSION}\0".encode())
    count = 0
    for place, value in _leaves(root):
        count += 1
        if count > MOST_VALUES:
            raise RequestError(
                f"it holds more than {MOST_VALUES:,} numbers and texts in lists and objects, too many to know it by; "
                "hold them in a numpy array or a tensor"
            )
        if isinstance(value, torch.Tensor):
            add_tensor(total, place, value)
        else:
            total.update(place.encode("utf-8", "surrogatepass") + b"\0" + _bytes(value, paths))
    return total.hexdigest() if count else None


def _bytes(value: Any, paths: Sequence[Path]) -> bytes:
    """A plain value's type and content, each with one spelling."""
    if isinstance(value, enum.Enum):
        return f"enum {type(value).__qualname__}.{value.name}\0".encode()
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        return f"array {array.dtype.str} {np.shape(value)}\0".encode() + array.tobytes()
    if isinstance(value, float):
        return b"float " + struct.pack("<d", value)
    if isinstance(value, PurePath) or (isinstance(value, str) and _is_path(value, paths)):
        return b"path\0"
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return f"str {len(text)}\0".encode() + text
    if isinstance(value, bytes | bytearray):
        return f"bytes {len(value)}\0".encode() + bytes(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int {value:x}\0".encode()
    return f"{type(value).__name__} {value!r}\0".encode()


def _is_path(text: str, paths: Sequence[Path]) -> bool:
    """Whether a text is a place on this machine: it may lie elsewhere on the next, and is in no key."""
    return os.path.isabs(text) or text.startswith("~") or any(str(path) in text for path in paths if len(path.parts) > 2)


LEAVES = (
    bool, int, float, complex, str, bytes, bytearray, enum.Enum, np.ndarray, np.generic, PurePath, type(None), range,
    re.Pattern, Decimal, Fraction, datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip


def _leaves(root: Any) -> Iterator[tuple[str, Any]]:
    """(place, value) of plain values, and of the tensors that a state digest does not cover: each object once, in an order of
    its own."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any, bool]] = [("", root, True)]
    while waiting:
        place, value, covered = waiting.pop()
        if isinstance(value, torch.Tensor):
            if not covered:
                yield place, value
        elif isinstance(value, LEAVES) and not (isinstance(value, np.ndarray) and value.dtype.hasobject):
            yield place, value
        elif isinstance(value, tuple) or id(value) not in seen:
            seen.add(id(value))
            # the state digest is of the object's own state dict, or of what stands directly among its attributes
            direct = vars(root) if value is root and hasattr(root, "__dict__") and not hasattr(root, "state_dict") else {}
            waiting += reversed([(place + s, part, s[1:] in direct) for s, part in _steps(value, value is root, covered)])


def _steps(value: Any, first: bool, covered: bool) -> list[tuple[str, Any]]:
    """What a value holds, in an order that does not depend on how it was filled."""
    if isinstance(value, Mapping):
        return sorted(((f"[{_key(key)}]", part) for key, part in value.items()), key=lambda step: step[0])
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple | deque):
        return [(f"[{place}]", part) for place, part in enumerate(value)]
    if isinstance(value, Set):
        return [(f"{{{place}}}", part) for place, part in enumerate(sorted(value, key=_key))]
    if isinstance(value, functools.partial):
        return [(".args", value.args), (".keywords", value.keywords)]
    if isinstance(value, nn.Module):
        return _of_module(value, first, covered)
    if isinstance(value, Guarded) or (type(value).__module__ in sys.stdlib_module_names and not isinstance(value, PLAIN)):
        return []
    return sorted(((f".{name}", part) for name, part in attributes(value) if not (first and name in KNOWN)), key=itemgetter(0))


def _key(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_key, value))})"
    return f"{type(value).__name__} {value!r}" if isinstance(value, LEAVES) else type(value).__name__


def _of_module(module: nn.Module, first: bool, covered: bool) -> list[tuple[str, Any]]:
    """A network's tensors where they are not covered, and the plain attributes of its parts that are not torch's own."""
    tensors = {} if covered else module.state_dict()
    steps = [(f":{name}", tensor) for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor)]
    for name, part in module.named_modules():
        if type(part).__module__.partition(".")[0] != "torch":
            known = _MACHINERY | (KNOWN if first and not name else set())
            steps += [(f".{name}.{key}", vars(part)[key]) for key in sorted(vars(part).keys() - known)]
    return steps


_MACHINERY = vars(nn.Module()).keys() | {"training"}
"""What torch itself keeps in every module; its tensors and parts are walked by name."""
