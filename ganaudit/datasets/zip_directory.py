"""The directory of a zip archive, one entry after the other (PKWARE's APPNOTE, 4.3.12 to 4.3.16).

`zipfile` holds an object of every entry at once, which for a million images is more than half a gigabyte.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ENTRY, END, END_64, LOCATOR_64 = (struct.Struct(form) for form in ("<4s6H3L5H2L", "<4s4H2LH", "<4sQ2H2L4Q", "<4sLQL"))
BEYOND = 0xFFFFFFFF
"""Where 32 bits hold no number: it stands in the extra field ZIP64."""
ZIP64 = 1
COMMENT = 0xFFFF
"""Bytes of the longest comment behind an archive."""


class NoDirectory(ValueError):
    """An archive without a directory that can be read, in a few words."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive: bits of its flags, how it is packed, its CRC-32, its bytes packed and not, where its own header
    begins, and its attributes, in which a Unix says what it is."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    attributes: int


def entries(path: Path) -> Iterator[Entry]:
    """The files of an archive, in the order of its directory; not its folders. Raises NoDirectory; OSError."""
    with path.open("rb") as file:
        first, size, before = _ends(file)
        file.seek(first)
        while size > 0:
            head = file.read(ENTRY.size)
            if len(head) < ENTRY.size or head[:4] != b"PK\1\2":
                raise NoDirectory("its directory is damaged")
            (_, _, needed, flags, method, _, _, crc, packed, whole, *lengths, _, _, attributes, offset) = ENTRY.unpack(head)
            if needed & 0xFF > 63:
                raise NoDirectory(f"it needs version {needed & 0xFF} of the format")
            name, extra, comment = (file.read(length) for length in lengths)
            size -= len(head) + len(name) + len(extra) + len(comment)
            whole, packed, offset = _beyond(extra, whole, packed, offset)
            if offset + before >= first or size < 0:
                raise NoDirectory("its directory is damaged")
            text = _text(name)
            if not text.endswith("/"):
                yield Entry(text, flags, method, crc, packed, whole, offset + before, attributes)


def _ends(file: BinaryIO) -> tuple[int, int, int]:
    """Where the directory begins, its bytes, and how many bytes stand before the archive, such as a program that unpacks it."""
    length = file.seek(0, os.SEEK_END)
    begin = max(0, length - COMMENT - END.size)
    file.seek(begin)
    tail = file.read()
    place = tail.rfind(b"PK\5\6", 0, len(tail) - END.size + 4)
    if place < 0:
        raise NoDirectory("it has no directory at its end")
    _, disk, disk_of_directory, _, _, size, offset, _ = END.unpack_from(tail, place)
    end = begin + place
    if end >= LOCATOR_64.size + END_64.size:
        file.seek(end - LOCATOR_64.size - END_64.size)
        last, locator = END_64.unpack(file.read(END_64.size)), LOCATOR_64.unpack(file.read(LOCATOR_64.size))
        if locator[0] == b"PK\6\7" and last[0] == b"PK\6\6":
            end -= LOCATOR_64.size + END_64.size
            disk, disk_of_directory, size, offset = last[4], last[5], last[8], last[9]
    if disk or disk_of_directory:
        raise NoDirectory("it is one of several parts")
    before = end - size - offset
    if before < 0:
        raise NoDirectory("its directory is damaged")
    return end - size, size, before


def _beyond(extra: bytes, *numbers: int) -> list[int]:
    """Sizes and offset, those that 32 bits do not hold from the extra field."""
    found, place = list(numbers), 0
    while BEYOND in found and place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == ZIP64:
            wide = struct.iter_unpack("<Q", extra[place + 4 : place + 4 + min(length, len(extra) - place - 4) // 8 * 8])
            try:
                found = [next(wide)[0] if number == BEYOND else number for number in found]
            except StopIteration:
                raise NoDirectory("its directory is damaged") from None
            break
        place += 4 + length
    return found


def _text(name: bytes) -> str:
    """A name: UTF-8 where its bytes are, whatever its flag says, as `zip` on Linux writes it."""
    name = name.partition(b"\0")[0]
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("cp437")
