"""Images in an LMDB, such as those of LSUN: kind `lmdb`. Every value is an image file (LSUN: WebP), its key is the name."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ganaudit.context import Context
from ganaudit.datasets import contents
from ganaudit.datasets.index import Member
from ganaudit.datasets.opening import open_stored
from ganaudit.datasets.packed import Format, Gone, PackedShelf, check_not_empty
from ganaudit.datasets.stored import StoredDataset, StoredSource
from ganaudit.errors import ImageError, RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind

COUNTS = frozenset({b"length", b"__len__", b"__keys__", b"num-samples", b"num_samples"})
"""Keys under which people store how many images there are."""


class LmdbSource(StoredSource):
    """Images in an LMDB, such as LSUN's; needs the extra `lmdb`."""

    path: Place
    """The folder that holds data.mdb, or a file that is the database."""


def scan(path: Path, number: int, found: Gone) -> Iterator[Member]:
    """Every value of a database. Raises RequestError for one that is damaged or written to meanwhile."""
    with _sentences(path):
        environment = _opened(path)
        last = environment.info()["last_txnid"]
        with environment.begin() as transaction:
            for key, value in transaction.cursor():
                if environment.info()["last_txnid"] != last:  # without a lock a writer may use our pages again
                    raise RequestError(f"{path} was written to while it was read: run again when nothing writes there")
                if key in COUNTS:
                    found.left_out[contents.OTHER, contents.suffix_of("")] += 1
                else:
                    yield Member(os.fsdecode(key), len(value), hashlib.sha256(value).hexdigest(), number)


def read(path: Path, member: Member) -> bytes:
    """The value of a key."""
    with _sentences(path), _opened(path).begin() as transaction:
        value: bytes | None = transaction.get(os.fsencode(member.name))
    if value is None:
        raise ImageError("is no longer in the database: run again to audit it as it is now")
    return value


_LOCK = threading.Lock()
_ENVIRONMENTS: dict[str, tuple[int, Any]] = {}
"""Environments by path, each with the inode of its file: LMDB forbids that a process opens one twice."""


def _opened(path: Path) -> Any:
    """The environment of a database file. Nothing is written beside it, no lock either: its disk may be read-only."""
    lmdb = _library()
    place, inode = os.path.realpath(path), path.stat().st_ino
    with _LOCK:
        known = _ENVIRONMENTS.get(place)
        if known is None or known[0] != inode:
            if known is not None:
                known[1].close()
            environment = lmdb.open(place, subdir=False, readonly=True, lock=False, readahead=False)
            known = _ENVIRONMENTS[place] = (inode, environment)
        return known[1]


def _library() -> Any:
    try:
        return import_module("lmdb")
    except ImportError as error:
        raise RequestError(f"kind lmdb needs the package lmdb ({error}): pip install 'ganaudit[lmdb]'") from None


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """What LMDB and the system say, in a sentence."""
    try:
        yield
    except _library().Error as error:
        raise RequestError(f"{path} is no usable LMDB: {error}") from None


FORMAT = Format("lmdb", scan, read)


def open_lmdb(options: LmdbSource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    return open_stored(partial(PackedShelf, FORMAT, [database(context.path(options.path))], context.cache), options, context)


def look(options: LmdbSource, context: Context) -> None:
    """Raises RequestError for a database without images."""
    check_not_empty(FORMAT, [database(context.path(options.path))])


def database(path: Path) -> Path:
    """The file of a database, at its own path or at that of its folder."""
    return path / "data.mdb" if path.is_dir() else path


KIND = Kind("lmdb", LmdbSource, open_lmdb, "images in an LMDB, such as LSUN's (extra lmdb)", look=look)
