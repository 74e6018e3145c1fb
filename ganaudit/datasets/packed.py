"""Images inside larger files: archives, tables, databases. Each file is gone through once; what was found is kept as an index.

An index has one row for each image, sorted bytewise by name: where its bytes lie, how many there are, their SHA-256, its label.
It is an Arrow file in the store's cache that is mapped, not read, so that a million images are open at once. Its name comes
from the states of the files (path, size, times, inode): changed ones are gone through again, and their old index goes.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ganaudit import formats, images, keys
from ganaudit.datasets import contents, index
from ganaudit.datasets.contents import Contents
from ganaudit.datasets.grouped import Said, digest_of
from ganaudit.datasets.index import COLUMNS, Member, Names, Shown, Texts
from ganaudit.datasets.listing import Named, inside, names_version
from ganaudit.datasets.stored import Shelf, fingerprint
from ganaudit.errors import ImageError, RequestError

T = TypeVar("T")
LOG = logging.getLogger("ganaudit.datasets")

INDEX_VERSION = 1
"""Raised when the same files would get another index."""
_SETTLED_NS = 2_000_000_000  # a file younger than this may still change without changing its size or its time stamp
_ABANDONED = 24 * 3600.0  # seconds after which a draft is of a process that was killed
_SECONDS = 10.0  # between two words about how far an index is


@dataclass
class Gone:
    """What going through files found beside images: files left out by (reason, suffix), and sentences for people."""

    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def is_image(self, name: str) -> bool:
        """Whether a name is that of an image; one that is not is counted. The same names count as in a folder."""
        parts, suffix = name.split("/"), contents.suffix_of(name)
        taken = suffix in images.taken()
        if any(part.startswith(".") for part in parts):
            if taken:
                self.left_out[contents.HIDDEN, suffix] += 1
        elif any(contents.is_system(part) for part in parts):
            self.left_out[contents.SYSTEM, suffix] += 1
        elif taken:
            return True
        else:
            self.left_out[contents.OTHER, suffix] += 1
        return False


@dataclass(frozen=True)
class Format:
    """A kind of file that holds images. scan: (path, its number, found) => its members. read: (path, member) => its bytes;
    ImageError where they are damaged, which goes on where the name ends."""

    name: str
    scan: Callable[[Path, int, Gone], Iterator[Member]]
    read: Callable[[Path, Member], bytes]


class PackedShelf(Shelf):
    """The images inside files of one format. said: whatever else decides what is found in them.

    Raises RequestError where a file is missing, is none of its format, or is written to, and where they hold no images.
    """

    def __init__(self, form: Format, files: Sequence[Path], cache: Path | None = None, said: Any = None) -> None:
        self._format, self._paths = form, list(files)
        self._states = [_state(path) for path in self._paths]
        self._index = self._kept(cache, said)
        about = json.loads(self._index.schema.metadata[b"about"])
        self.files = Names(self._index)
        left_out = {(why, suffix): count for why, suffix, count in about["left_out"]}
        self.contents = Contents(about["taken"], left_out, aside=about["aside"] and tuple(about["aside"]))
        self.notes = tuple(about["notes"])
        self.own = {key: Said(Texts(self._index[key]), digest) for key, digest in about["own"].items()}
        self._content = about["content"]

    def content(self) -> Mapping[str, Any]:
        return dict(self._content)

    def reading(self, position: int, decode: Callable[..., T]) -> Callable[[], T]:
        member = self._member(position)
        return partial(_decoded, self._format.read, self._paths[member.file], self._states[member.file], member, decode)

    def digests(self, positions: Sequence[int]) -> Sequence[str | None]:
        chosen: Sequence[str | None] = self._index["digest"].take(list(positions)).to_pylist()
        return chosen

    def _member(self, position: int) -> Member:
        row = {name: self._index[name][position].as_py() for name in COLUMNS}
        return Member(**{**row, "name": os.fsdecode(row["name"])})

    # the index

    def _kept(self, cache: Path | None, said: Any) -> Any:
        """The index of before, or a new one, kept where the files have come to rest."""
        place = None
        if cache is not None:
            which = keys.digest([self._format.name, said, list(map(str, self._paths))])
            what = keys.digest([INDEX_VERSION, *sorted(formats.suffixes()), self._states])
            place = cache / "collections" / f"{which}-{what}.arrow"
            if (known := index.mapped(place)) is not None:
                return known
        settled = time.time_ns() - _SETTLED_NS
        made = self._made(None if place is None else place.parent)
        try:
            for path, state in zip(self._paths, self._states, strict=True):
                if _state(path) != state:
                    raise RequestError(f"{path} was written to while it was read: run again when nothing writes there")
            if place is not None and made.parent == place.parent and all(state[1] <= settled for state in self._states):
                os.replace(made, place)
                for old in place.parent.glob(f"{place.name.partition('-')[0]}-*.arrow"):
                    if old != place:
                        old.unlink(missing_ok=True)  # of files that have changed; who has it mapped keeps it
                for draft in place.parent.glob("*.draft"):
                    if time.time() - draft.stat().st_mtime > _ABANDONED:
                        draft.unlink(missing_ok=True)
                return index.mapped(place)
            return index.mapped(made)
        finally:
            made.unlink(missing_ok=True)  # it stays mapped

    def _made(self, folder: Path | None) -> Path:
        """Every file gone through: a file of an index sorted by name, its summary in the metadata."""
        found, drafts = Gone(), list[Path]()

        def draft(batches: Iterable[Any]) -> Any:
            drafts.append(index.written(batches, index.schema(), folder))
            return index.mapped(drafts[-1])

        try:
            table = draft(index.pieces(self._members(found)))
            if not len(table):
                raise _without_images(self._paths, found)
            ordered = draft(index.taken(table, index.order_by_name(table)))
            if index.twice(ordered.to_batches()):
                table = draft(_in_pieces(_told_apart(table, found, [path.name for path in self._paths])))
                ordered = draft(index.taken(table, index.order_by_name(table)))
            about = json.dumps(_about(ordered, found))
            return index.written(ordered.to_batches(), index.schema(about), folder)
        finally:
            for path in drafts:
                path.unlink(missing_ok=True)

    def _members(self, found: Gone) -> Iterator[Member]:
        told, count = time.monotonic(), 0
        for number, path in enumerate(self._paths):
            for member in self._format.scan(path, number, found):
                yield member
                count += 1
                if time.monotonic() - told > _SECONDS:
                    told = time.monotonic()
                    LOG.info("%s: %s images found, file %d of %d", path.name, f"{count:,}", number + 1, len(self._paths))


def check_not_empty(form: Format, files: Sequence[Path]) -> None:
    """Raises RequestError for files without images, as `PackedShelf` does; the first one that is met ends the search."""
    found = Gone()
    for number, path in enumerate(files):
        _state(path)
        if any(True for _ in form.scan(path, number, found)):
            return
    raise _without_images(files, found)


def _without_images(files: Sequence[Path], found: Gone) -> RequestError:
    where = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} others"
    others = sum(found.left_out.values())
    beside = f", but {others:,} other {'file' if others == 1 else 'files'}" if others else ""
    return RequestError(f"{where} holds no images{beside}")


def _decoded(
    read: Callable[[Path, Member], bytes], path: Path, known: Sequence[int], member: Member, decode: Callable[..., T]
) -> T:
    """What the bytes of a member decode to. known: the state of its file when it was gone through."""
    shown = Named(member.name, 0).shown
    if member.reason is not None:
        raise ImageError(f"{shown} {member.reason}")
    if member.size > images.MAX_BYTES:
        raise ImageError(f"{shown} has {member.size:,} bytes; an image file has at most {images.MAX_BYTES:,}")
    _check(path, known, shown)
    try:
        data = read(path, member)
    except ImageError as error:
        raise ImageError(f"{shown} {error}") from None
    except RequestError as error:
        raise ImageError(f"{shown} cannot be read: {error}") from None
    except OSError as error:
        if images.may_pass(error):
            raise
        raise ImageError(f"{shown} cannot be read: {error.strerror or error}") from None
    _check(path, known, shown)
    return decode(data, name=shown)


def _check(path: Path, known: Sequence[int], shown: str) -> None:
    try:
        now = _state(path)
    except RequestError as error:
        raise ImageError(f"{shown}: {error}") from None
    if now[:3] != list(known[:3]):
        raise ImageError(f"{shown} lies in {path.name}, which changed after it was listed: run again to audit it as it is now")


def _about(table: Any, found: Gone) -> dict[str, Any]:
    """The summary of a sorted index."""
    files = Names(table)
    own = {}
    for key in ("label", "cluster"):
        if table[key].null_count < len(table) and not (key == "label" and _are_folders(table, files)):
            own[key] = digest_of(Texts(table[key]))
    shown = Shown(files)
    return {
        "taken": contents.counted(shown), "left_out": [[*why, count] for why, count in found.left_out.items()],
        "aside": contents.aside(shown), "notes": found.notes, "own": own,
        "content": {"kind": "folder", "files": fingerprint(files, Texts(table["digest"])), **names_version(files)},
    }  # fmt: skip


def _told_apart(table: Any, found: Gone, files: Sequence[str]) -> Any:
    """Where names stand twice. Of one name twice in a file the last counts, as when it is unpacked; where two files have a
    name, all names begin with the file's, and labels stay what they were."""
    import pyarrow as pa
    from pyarrow import compute

    rows = table.append_column("row", pa.array(np.arange(len(table))))
    last = rows.group_by(["file", "name"]).aggregate([("row", "max")])["row_max"]
    if len(last) < len(table):
        found.notes.append(
            f"{len(table) - len(last):,} of its names stand twice in a file: the last one counts, as when it is unpacked"
        )
        table = table.take(last)
    if compute.count_distinct(table["name"]).as_py() < len(table):
        if table["label"].null_count == len(table):
            folders = [Named(os.fsdecode(name.as_py()), 0).label for name in table["name"]]
            table = table.set_column(table.schema.get_field_index("label"), "label", pa.array(folders, pa.string()))
        pairs = zip(table["file"], table["name"], strict=True)
        named = [os.fsencode(files[file.as_py()]) + b"/" + name.as_py() for file, name in pairs]
        table = table.set_column(table.schema.get_field_index("name"), "name", pa.array(named, pa.binary()))
        found.notes.append("some names stand in several of its files: all names begin with the name of their file")
    return table


def _in_pieces(table: Any) -> Iterator[Any]:
    for first in range(0, len(table), index.ROWS):
        yield table.slice(first, index.ROWS).combine_chunks().to_batches()[0]


def _are_folders(table: Any, files: Names) -> bool:
    """Whether the labels are nothing but the folders of the names."""
    return all(label == file.label for label, file in zip(Texts(table["label"]), files, strict=True))


# files


def _state(path: Path) -> list[int]:
    """[size, mtime_ns, inode, ctime_ns] of a file. Raises RequestError."""
    try:
        seen = os.stat(path)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    return [seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_ctime_ns]


def files_at(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """The file at `path`, the files that a pattern such as shards/*.tar matches, or those of a folder with one of the suffixes,
    sorted. Raises RequestError where there is none."""
    if path.is_dir():
        found = [file for file in path.iterdir() if file.suffix.lower() in suffixes and not file.name.startswith(".")]
    else:
        found = [path] if path.is_file() else [file for file in path.parent.glob(path.name) if file.is_file()]
    if not found:
        raise RequestError(f"there is no file {path}: give a file, a pattern, or a folder of files {', '.join(suffixes)}")
    return sorted(found, key=os.fsencode)


def member_name(name: str, archive: Path) -> str:
    """The name of an archive's member. Raises RequestError for one that leads out of the archive."""
    return inside(name, archive)
