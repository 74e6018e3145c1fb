"""Image files and label maps: too large, torn, no images at all; and folders that hold more than the images that are meant."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.bad_input import BadInput
from benchmarks.bad_inputs.audit_file import AUDIT
from ganaudit import images
from ganaudit.auditing.plan import plan
from ganaudit.datasets.folder import FolderDataset
from ganaudit.datasets.masks import MasksDataset
from ganaudit.spec import parse

GOOD = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
_EXPLODES = zlib.compress(b"x" * 10**8, level=1)
Make = Callable[[Path], object]


def _png(width: int, height: int, *chunks: bytes, bits: int = 8, colour: int = 2, rows: bytes = b"\0") -> bytes:
    """A PNG that says a size, whatever its rows are."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def file(title: str, content: bytes | Make, *contains: str, name: str = "photo.png") -> BadInput:
    """A file that is set aside as an image."""

    def call(folder: Path) -> object:
        path = folder / name
        path.write_bytes(content) if isinstance(content, bytes) else content(path)
        return images.decode(path)

    return BadInput(title, call, (name, *contains), code=3)


def _saved(kind: str) -> bytes:
    import io

    stream = io.BytesIO()
    Image.fromarray(GOOD).save(stream, kind)
    return stream.getvalue()


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(3 * 2**30)


def _photos(folder: Path, count: int = 6) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(GOOD // (number + 1)).save(folder / f"{number}.png")
    return folder


def folder(title: str, add: Callable[[Path], object], *contains: str, images_left: int = 6) -> BadInput:
    """A folder of photos with something beside them, which is told and not counted."""

    def call(place: Path) -> tuple[int, str]:
        add(_photos(place / "photos"))
        found = FolderDataset(place / "photos")
        assert len(found) == images_left, f"{len(found)} images are counted, not {images_left}"
        return 0, " ".join(found.contents.sentences())

    return BadInput(f"a folder with {title}", call, contains, code=0)


def _beside(name: str, content: bytes = b"x", times: int = 1) -> Callable[[Path], object]:
    def add(photos: Path) -> None:
        for number in range(times):
            path = photos / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return add


def maps(title: str, write: Callable[[Path], object], *contains: str, code: int = 3) -> BadInput:
    """Photos of which one has a label map that is set aside, or refused."""

    def call(place: Path) -> object:
        _photos(place, 2)
        for number in range(2):
            Image.fromarray(np.full((48, 64), number + 1, np.uint8)).save(place / f"{number}.labels.png")
        write(place / "1.labels.png")
        found = MasksDataset(place)
        return [found.image(index) for index in range(len(found))]

    return BadInput(f"a label map {title}", call, contains, code=code)


def _ids(value: int) -> Callable[[Path], object]:
    """Label maps with one value, of a parser that knows 1 and 2."""

    def call(place: Path) -> tuple[int, str]:
        _photos(place, 2)
        for number in range(2):
            Image.fromarray(np.full((48, 64), value, np.uint16)).save(place / f"{number}.labels.png")
        side = {"kind": "masks", "path": str(place)}
        spec = parse({**AUDIT, "folder": str(place), "parser": {"kind": "masks", "classes": ["a", "b"]},
                      "real": {"name": "r", **side}, "generators": [{"name": "g", **side}]})  # fmt: skip
        from ganaudit.auditing.check import check

        plan(spec)
        return 0, " ".join(check(spec).notes)

    return call


def _folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _saved_as(values: object, kind: type = np.uint8) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(np.asarray(values, dtype=kind)).save(path)


LIMIT = "at most 134,217,728 pixels"
CASES = [
    file("400,000,000 x 1 pixels", _png(400_000_000, 1), LIMIT), file("1 x 400,000,000 pixels", _png(1, 400_000_000), LIMIT),
    file("19,999 x 19,999 pixels", _png(19_999, 19_999), LIMIT),
    file("19,999 x 19,999 bits", _png(19_999, 19_999, bits=1, colour=0), LIMIT),
    file("a bitmap of 30,000 x 30,000", _bmp(30_000, 30_000), LIMIT, name="photo.bmp"),
    file("a GIF of 65,535 x 65,535", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\0;", "photo.gif",
        name="photo.gif"),
    file("a PPM of 99,999 x 99,999", b"P6 99999 99999 255\n", "photo.ppm", name="photo.ppm"),
    file("a side of 0 pixels", _png(0, 10)),
    file("a text chunk that explodes", _png(8, 8, _chunk(b"zTXt", b"a\0\0" + _EXPLODES))),
    file("a profile that explodes", _png(8, 8, _chunk(b"iCCP", b"a\0\0" + _EXPLODES))),
    file("3 GB of nothing", _sparse, "bytes"), file("no bytes", b"", "empty"), file("text", b"no image at all", "not an image"),
    file("a web page", b"<!DOCTYPE html><html>", "not an image", name="photo.jpg"),
    file("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", name="photo.eps"),
    file("a vector drawing", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image", name="photo.svg"),
    *(file(f"a torn {kind}", _saved(kind)[: len(_saved(kind)) // 2], "photo") for kind in ("PNG", "JPEG", "WEBP", "TIFF")),
    *(file(f"the first 20 bytes of {kind}", _saved(kind)[:20], "photo") for kind in ("PNG", "JPEG", "GIF", "BMP")),
    file("a folder", lambda path: path.mkdir(), "photo"), file("a pipe", os.mkfifo, "photo"),
    file("not there", lambda path: None, "photo"),
    file("a link in a circle", lambda path: path.symlink_to(path), "photo"),
    # folders
    folder("NAS thumbnails", _beside("@eaDir/{}.png/SYNOPHOTO_THUMB_M.png", _saved("PNG"), 3), "@eaDir"),
    folder("a Mac's resource forks", _beside("._{}.png", b"\0\5\x16\7", 3), "hidden"),
    folder("hidden thumbnails", _beside(".thumbnails/{}.png", _saved("PNG"), 3), "thumbnails"),
    folder("label maps beside the photos", _beside("{}.labels.png", _saved("PNG"), 3), "labels", images_left=9),
    folder("100 HEIC", _beside("{}.heic", b"x", 100), "100", "heic"), folder("RAW files", _beside("{}.NEF", b"x", 4), "4"),
    folder("videos and texts", _beside("clip{}.mp4", b"x", 2), "mp4"),
    # label maps
    maps("of another size", _saved_as(np.ones((4, 5))), "48"),
    maps("of 19,999 x 19,999", lambda path: path.write_bytes(_png(19_999, 19_999, colour=0))),
    maps("of 400,000,000 x 1", lambda path: path.write_bytes(_png(400_000_000, 1, colour=0))),
    maps("in colour", lambda path: Image.fromarray(GOOD).save(path), "colour"),
    maps("that is torn", lambda path: path.write_bytes(_saved("PNG")[:99])),
    maps("that is empty", lambda path: path.write_bytes(b"")), maps("that is a folder", _folder_instead),
    maps("that is not there", lambda path: path.unlink()),
    maps("of floats", lambda path: Image.fromarray(np.ones((48, 64), np.float32)).save(path, "TIFF")),
    BadInput("label maps of 255 alone", _ids(255), ("set void: 255",), code=0),
    BadInput("label maps of 65,535", _ids(65_535), ("set void: 65535",), code=0),
    BadInput("label maps of 7", _ids(7), ("[7]", "no class ids"), code=0),
    BadInput("label maps of 40,000", _ids(40_000), ("40000",), code=0),
]  # fmt: skip
