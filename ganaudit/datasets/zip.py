"""Images in a zip archive: kind `zip`. Read where they lie; nothing is unpacked to disk."""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets.packed import Format, Gone, Member, PackedShelf, files_at, member_name
from ganaudit.datasets.stored import StoredDataset, StoredSource, open_stored
from ganaudit.errors import ImageError, RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind

LABELS = "dataset.json"
"""Where StyleGAN's archives say labels: {"labels": [["00000/img00000000.png", 6], …]}."""
_MOST_LABELS = 2**30  # bytes of that file


class ZipSource(StoredSource):
    """Images in zip archives; StyleGAN's `dataset.json` in one says labels."""

    path: Place
    """The archive, a pattern such as parts/*.zip, or a folder of archives."""


def scan(path: Path, number: int, found: Gone) -> Iterator[Member]:
    """The images of an archive. Raises RequestError for one that is damaged or whose names lead out of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {
                member_name(_decoded(entry).replace("\\", "/"), path): entry
                for entry in archive.infolist()
                if not entry.is_dir()
            }
            labels = _labels(path, entries, archive)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise RequestError(f"{path} is no usable zip archive: {error}") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from None
    for name, entry in sorted(entries.items(), key=lambda item: item[1].header_offset):
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise RequestError(f"{path} holds {name!r}, a link, which may lead anywhere: pack the file itself")
        if name != LABELS and found.is_image(name):
            place = (number, entry.header_offset, entry.compress_size, entry.compress_type)
            yield _digested(path, Member(name, entry.file_size, None, *place, labels.get(name)), entry)


def _digested(path: Path, member: Member, entry: zipfile.ZipInfo) -> Member:
    """A member with its digest, or why it has none."""
    if entry.flag_bits & 1:
        return replace(member, reason="is encrypted: pack it without a password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return replace(member, reason=f"is compressed by method {entry.compress_type}: pack it stored or deflated")
    if entry.file_size > images.MAX_BYTES:
        return member  # it is set aside unread
    try:
        data = read(path, member)
    except ImageError as error:
        return replace(member, reason=str(error))
    if zlib.crc32(data) != entry.CRC:
        return replace(member, reason="is damaged: its checksum in the archive is another")
    return replace(member, digest=hashlib.sha256(data).hexdigest())


def read(path: Path, member: Member) -> bytes:
    """The bytes of a member: its own header says where they begin (APPNOTE 4.3.7). Never more than it says that there are."""
    if member.length > 2 * member.size + 1024:  # deflate adds five bytes to a block of what it cannot compress
        raise ImageError(f"is damaged: it should have {member.size:,} bytes and takes {member.length:,}")
    with path.open("rb") as file:
        file.seek(member.offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise ImageError("is damaged: its place in the archive holds something else")
        file.seek(sum(struct.unpack("<HH", header[26:30])), 1)
        packed = file.read(member.length)
    if member.method == zipfile.ZIP_STORED:
        data = packed
    else:
        try:
            data = zlib.decompressobj(-15).decompress(packed, member.size + 1)
        except zlib.error:
            raise ImageError("is damaged: its compressed bytes do not unpack") from None
    if len(data) != member.size:
        raise ImageError(f"is damaged: it should have {member.size:,} bytes")
    return data


def _decoded(entry: zipfile.ZipInfo) -> str:
    """The name of an entry: UTF-8 where its bytes are, whatever its flag says, as `zip` on Linux writes it."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode()
    except UnicodeError:
        return entry.filename


def _labels(path: Path, entries: Mapping[str, zipfile.ZipInfo], archive: zipfile.ZipFile) -> dict[str, str]:
    """Labels by name, as `dataset.json` says them; without one, none."""
    if LABELS not in entries:
        return {}
    if entries[LABELS].file_size > _MOST_LABELS:
        raise RequestError(f"{path}: its {LABELS} has {entries[LABELS].file_size:,} bytes, more than {_MOST_LABELS:,}")
    try:
        said: Any = json.loads(archive.read(entries[LABELS]))["labels"]
        return {str(name).replace("\\", "/"): _label(label) for name, label in said or ()}
    except (ValueError, KeyError, TypeError, RecursionError, RuntimeError):
        raise RequestError(f'{path}: its {LABELS} is not {{"labels": [[name, class], …]}}') from None


def _label(label: Any) -> str:
    return label if isinstance(label, str) else json.dumps(label)


FORMAT = Format("zip", scan, read)


def open_zip(options: ZipSource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    files = files_at(context.path(options.path), (".zip",))
    return open_stored(partial(PackedShelf, FORMAT, files, context.cache), options, context)


KIND = Kind("zip", ZipSource, open_zip, "images in zip archives, StyleGAN's among them; nothing is unpacked to disk")
