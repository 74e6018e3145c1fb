"""Images in tar archives: kind `tar`, WebDataset's shards among them. Read where they lie; nothing is unpacked to disk.

Files of one folder whose names are the same up to the first dot are one sample: `0001.cls` says the label of `0001.jpg`.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import IO

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets import contents
from ganaudit.datasets.index import Member
from ganaudit.datasets.opening import open_stored
from ganaudit.datasets.packed import Format, Gone, PackedShelf, check_not_empty, files_at, member_name
from ganaudit.datasets.stored import StoredDataset, StoredSource
from ganaudit.errors import ImageError, RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind

LABEL = ".cls"
_LONGEST = 1000  # characters of a label
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}


class TarSource(StoredSource):
    """Images in tar archives; in WebDataset's shards `.cls` files say labels."""

    path: Place
    """The archive, a pattern such as shards/*.tar, or a folder of archives; not compressed."""


def scan(path: Path, number: int, found: Gone) -> Iterator[Member]:
    """The images of an archive. Raises RequestError for one that is none, or damaged so that what follows cannot be found."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
            if start in _COMPRESSED:
                raise RequestError(
                    f"{path} is compressed ({_COMPRESSED[start]}), so that no image is found alone: unpack it to .tar"
                )
            file.seek(0)
            for _, sample in groupby(_entries(path, file, found), key=lambda entry: _sample(entry.name)):
                yield from _members(path, file, number, list(sample), found)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from None


def read(path: Path, member: Member) -> bytes:
    """The bytes of a member."""
    with path.open("rb") as file:
        return _bytes(file, member.offset, member.size)


def _entries(path: Path, file: IO[bytes], found: Gone) -> Iterator[tarfile.TarInfo]:
    """The files of an archive, none of which is kept."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (entry := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                entry.name = member_name(entry.name, path) if not entry.isdir() else entry.name
                if entry.isreg() and not entry.issparse():
                    yield entry
                elif not entry.isdir():
                    found.left_out[contents.SPECIAL, contents.suffix_of(entry.name)] += 1
            file.seek(archive.offset)
            if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise RequestError(f"{path} is damaged at byte {archive.offset:,}: what follows cannot be found; make it again")
    except tarfile.ReadError as error:
        if file.seek(0, 2) < tarfile.BLOCKSIZE or "end of data" not in str(error):
            raise RequestError(f"{path} is no tar archive: {error}") from None
        found.notes.append(f"{path.name} is cut off: what it held after that is not among the images")
    except tarfile.TarError as error:
        raise RequestError(f"{path} is no usable tar archive: {error}") from None


def _members(path: Path, file: IO[bytes], number: int, sample: list[tarfile.TarInfo], found: Gone) -> Iterator[Member]:
    """The images of one sample."""
    label = None
    pictures = []
    for entry in sample:
        if entry.name.lower().endswith(LABEL):
            text = _bytes(file, entry.offset_data, min(entry.size, _LONGEST)).decode("utf-8", "backslashreplace").strip()
            label = text or None
        elif found.is_image(entry.name):
            pictures.append(entry)
    for entry in pictures:
        member = Member(entry.name, entry.size, None, number, entry.offset_data, label=label)
        if entry.size <= images.MAX_BYTES:
            try:
                member = replace(member, digest=hashlib.sha256(_bytes(file, entry.offset_data, entry.size)).hexdigest())
            except ImageError as error:
                member = replace(member, reason=str(error))
        yield member


def _bytes(file: IO[bytes], offset: int, size: int) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise ImageError("is cut off: its archive ends within it")
    return data


def _sample(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


FORMAT = Format("tar", scan, read)


def open_tar(options: TarSource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    return open_stored(partial(PackedShelf, FORMAT, _files(options, context), context.cache), options, context)


def look(options: TarSource, context: Context) -> None:
    """Raises RequestError for archives without images."""
    check_not_empty(FORMAT, _files(options, context))


def _files(options: TarSource, context: Context) -> list[Path]:
    return files_at(context.path(options.path), (".tar",))


KIND = Kind(
    "tar", TarSource, open_tar, "images in tar archives, WebDataset's shards among them; nothing is unpacked to disk", look=look
)
