"""Images in a zip archive: kind `zip`. Read where they lie; nothing is unpacked to disk."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets import dataset_json
from ganaudit.datasets.index import Member
from ganaudit.datasets.opening import open_stored
from ganaudit.datasets.packed import Format, Gone, PackedShelf, check_not_empty, files_at, member_name
from ganaudit.datasets.stored import StoredDataset, StoredSource
from ganaudit.datasets.zip_directory import Entry, NoDirectory, entries
from ganaudit.errors import ImageError, RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind

PIECE = 1 << 20


class ZipSource(StoredSource):
    """Images in zip archives; StyleGAN's `dataset.json` in one says labels."""

    path: Place
    """The archive, a pattern such as parts/*.zip, or a folder of archives."""


def scan(path: Path, number: int, found: Gone) -> Iterator[Member]:
    """The images of an archive. Raises RequestError for one that is damaged or whose names lead out of it."""
    try:
        labels, first, labelled = _labels(path), "", False
        for entry in entries(path):
            name = member_name(entry.name.replace("\\", "/"), path)
            if stat.S_ISLNK(entry.attributes >> 16):
                raise RequestError(f"{path} holds {name!r}, a link, which may lead anywhere: pack the file itself")
            if name != dataset_json.NAME and found.is_image(name):
                first, labelled = first or name, labelled or name in labels
                yield _digested(path, _member(entry, name, number, labels.get(name)), entry)
        if labels and first and not labelled:
            found.notes.append(f"{path.name}: {dataset_json.of_no_image(labels, first)}")
    except NoDirectory as error:
        raise RequestError(f"{path} is no usable zip archive: {error}") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from None


def _member(entry: Entry, name: str, number: int, label: str | None = None) -> Member:
    return Member(name, entry.size, None, number, entry.offset, entry.packed, entry.method, label)


def _digested(path: Path, member: Member, entry: Entry) -> Member:
    """A member with its digest, or why it has none."""
    if entry.flags & 1:
        return replace(member, reason="is encrypted: pack it without a password")
    if entry.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return replace(member, reason=f"is compressed by method {entry.method}: pack it stored or deflated")
    if entry.size > images.MAX_BYTES:
        return member  # it is set aside unread
    whole, crc = hashlib.sha256(), 0
    try:
        for piece in _pieces(path, member):
            whole.update(piece)
            crc = zlib.crc32(piece, crc)
    except ImageError as error:
        return replace(member, reason=str(error))
    if crc != entry.crc:
        return replace(member, reason="is damaged: its checksum in the archive is another")
    return replace(member, digest=whole.hexdigest())


def read(path: Path, member: Member) -> bytes:
    """The bytes of a member."""
    held = io.BytesIO()
    for piece in _pieces(path, member):
        held.write(piece)
    return held.getvalue()


def _pieces(path: Path, member: Member) -> Iterator[bytes]:
    """The bytes of a member, at most PIECE at a time, so that what is packed small and unpacks large takes no more memory than
    it is. Its own header says where they begin (APPNOTE 4.3.7). Never more than it says that there are."""
    if member.length > 2 * member.size + 1024:  # deflate adds five bytes to a block of what it cannot compress
        raise ImageError(f"is damaged: it should have {member.size:,} bytes and takes {member.length:,}")
    unpacker = None if member.method == zipfile.ZIP_STORED else zlib.decompressobj(-15)
    size, left = 0, member.length
    with path.open("rb") as file:
        file.seek(member.offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise ImageError("is damaged: its place in the archive holds something else")
        file.seek(sum(struct.unpack("<HH", header[26:30])), 1)
        while packed := file.read(min(left, PIECE)):
            left -= len(packed)
            for piece in (packed,) if unpacker is None else _unpacked(unpacker, packed):
                size += len(piece)
                if size > member.size:
                    break
                yield piece
    if size != member.size:
        raise ImageError(f"is damaged: it should have {member.size:,} bytes")


def _unpacked(unpacker: Any, packed: bytes) -> Iterator[bytes]:
    """What comes of the next packed bytes, at most PIECE at a time."""
    while True:
        try:
            piece = unpacker.decompress(packed, PIECE)
        except zlib.error:
            raise ImageError("is damaged: its compressed bytes do not unpack") from None
        yield piece
        packed = unpacker.unconsumed_tail
        if not packed and len(piece) < PIECE:
            return


def _labels(path: Path) -> dict[str, str]:
    """Labels by name, as `dataset.json` says them; without one, none."""
    labels: dict[str, str] | None = {}
    for entry in entries(path):
        if entry.name != dataset_json.NAME:
            continue
        if entry.size > dataset_json.MOST_BYTES:
            raise RequestError(
                f"{path}: its {dataset_json.NAME} has {entry.size:,} bytes, more than {dataset_json.MOST_BYTES:,}"
            )
        member = _digested(path, _member(entry, entry.name, 0), entry)
        labels = dataset_json.labels_in(read(path, member)) if member.reason is None else None
    if labels is None:
        raise RequestError(f'{path}: its {dataset_json.NAME} is not {{"labels": [[name, class], …]}}')
    return labels


FORMAT = Format("zip", scan, read)


def open_zip(options: ZipSource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    return open_stored(partial(PackedShelf, FORMAT, _files(options, context), context.cache), options, context)


def look(options: ZipSource, context: Context) -> None:
    """Raises RequestError for archives without images."""
    check_not_empty(FORMAT, _files(options, context))


def _files(options: ZipSource, context: Context) -> list[Path]:
    return files_at(context.path(options.path), (".zip",))


KIND = Kind("zip", ZipSource, open_zip, "images in zip archives, StyleGAN's among them; nothing is unpacked to disk", look=look)
