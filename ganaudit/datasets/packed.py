"""Images inside larger files: archives, tables, databases. Each file is gone through once; what was found is kept as an index.

An index has one row for each image, sorted bytewise by name: where its bytes lie, how many there are, their SHA-256, its label.
It is an Arrow file in the store's cache that is mapped, not read, so that a million images are open at once. Its name comes
from the states of the files (path, size, times, inode): changed ones are gone through again, and their old index goes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ganaudit import images, keys
from ganaudit.datasets import contents
from ganaudit.datasets.contents import Contents
from ganaudit.datasets.grouped import Said, digest_of
from ganaudit.datasets.listing import Named, inside, names_version
from ganaudit.datasets.stored import Shelf, fingerprint
from ganaudit.errors import ImageError, RequestError

LOG = logging.getLogger("ganaudit.datasets")

INDEX_VERSION = 1
"""Raised when the same files would get another index."""
_SETTLED_NS = 2_000_000_000  # a file younger than this may still change without changing its size or its time stamp
_ROWS = 8192  # that are gathered as Python objects before they become columns
_SECONDS = 10.0  # between two words about how far an index is


@dataclass(frozen=True, slots=True)
class Member:
    """An image inside a file. size: of its own bytes, -1 where there are none. file, offset, length, method: where they lie, in
    the words of its format. label, cluster: what the file says. reason: why it cannot be used, found while the file was gone
    through."""

    name: str
    size: int
    digest: str | None
    file: int = 0
    offset: int = 0
    length: int = 0
    method: int = 0
    label: str | None = None
    cluster: str | None = None
    reason: str | None = None


@dataclass
class Gone:
    """What going through files found beside images: files left out by (reason, suffix), and sentences for people."""

    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def is_image(self, name: str) -> bool:
        """Whether a name is that of an image; one that is not is counted. The same names count as in a folder."""
        parts, suffix = name.split("/"), contents.suffix_of(name)
        taken = suffix in images.SUFFIXES
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
        self.own = {key: Said(_Texts(self._index[key]), digest) for key, digest in about["own"].items()}
        self._content = about["content"]

    def content(self) -> Mapping[str, Any]:
        return dict(self._content)

    def pixels(self, position: int, size: tuple[int, int] | None, how: images.Fit) -> NDArray[np.uint8]:
        member = self._member(position)
        shown = self.files[position].shown
        if member.reason is not None:
            raise ImageError(f"{shown} {member.reason}")
        if member.size > images.MAX_BYTES:
            raise ImageError(f"{shown} has {member.size:,} bytes; an image file has at most {images.MAX_BYTES:,}")
        path, known = self._paths[member.file], self._states[member.file]
        self._check(path, known, shown)
        try:
            data = self._format.read(path, member)
        except ImageError as error:
            raise ImageError(f"{shown} {error}") from None
        except RequestError as error:
            raise ImageError(f"{shown} cannot be read: {error}") from None
        except OSError as error:
            if images.may_pass(error):
                raise
            raise ImageError(f"{shown} cannot be read: {error.strerror or error}") from None
        self._check(path, known, shown)
        return images.decode(data, name=shown, size=size, how=how)

    def _member(self, position: int) -> Member:
        row = {name: self._index[name][position].as_py() for name in _COLUMNS}
        return Member(**{**row, "name": os.fsdecode(row["name"])})

    @staticmethod
    def _check(path: Path, known: Sequence[Any], shown: str) -> None:
        try:
            now = _state(path)
        except RequestError as error:
            raise ImageError(f"{shown}: {error}") from None
        if now[:3] != known[:3]:
            raise ImageError(
                f"{shown} lies in {path.name}, which changed after it was listed: run again to audit it as it is now"
            )

    # the index

    def _kept(self, cache: Path | None, said: Any) -> Any:
        """The index of before, or a new one, kept where the files have come to rest."""
        place = None
        if cache is not None:
            which = keys.digest([self._format.name, said, list(map(str, self._paths))])
            place = cache / "collections" / f"{which}-{keys.digest([INDEX_VERSION, self._states])}.arrow"
            if (index := _mapped(place)) is not None:
                return index
        settled = time.time_ns() - _SETTLED_NS
        index = self._made()
        for path, state in zip(self._paths, self._states, strict=True):
            if _state(path) != state:
                raise RequestError(f"{path} was written to while it was read: run again when nothing writes there")
        if place is not None and all(state[1] <= settled for state in self._states):
            _write(index, place)
            index = _mapped(place) or index  # whose memory is the system's
        return index

    def _made(self) -> Any:
        """Every file gone through: a table sorted by name, its summary in the metadata."""
        import pyarrow as pa

        found = Gone()
        table = pa.Table.from_batches(_batches(self._members(found)), _schema())
        if not len(table):
            where = self._paths[0] if len(self._paths) == 1 else f"{self._paths[0]} and {len(self._paths) - 1:,} others"
            others = sum(found.left_out.values())
            raise RequestError(f"{where} holds no images{f', but {others:,} other files' if others else ''}")
        table = _by_name(table, found, [path.name for path in self._paths])
        files = Names(table)
        own = {}
        for key in ("label", "cluster"):
            if table[key].null_count < len(table) and not (key == "label" and _are_folders(table, files)):
                own[key] = digest_of(_Texts(table[key]))
        shown = [file.shown for file in files]
        digest = fingerprint(files, (value.as_py() for value in table["digest"]))
        about = {
            "taken": contents.counted(shown), "left_out": [[*why, count] for why, count in found.left_out.items()],
            "aside": contents.aside(shown), "notes": found.notes, "own": own,
            "content": {"kind": "folder", "files": digest, **names_version(files)},
        }  # fmt: skip
        return table.replace_schema_metadata({"about": json.dumps(about)}).combine_chunks()

    def _members(self, found: Gone) -> Iterator[Member]:
        told, count = time.monotonic(), 0
        for number, path in enumerate(self._paths):
            for member in self._format.scan(path, number, found):
                yield member
                count += 1
                if time.monotonic() - told > _SECONDS:
                    told = time.monotonic()
                    LOG.info("%s: %s images found, file %d of %d", path.name, f"{count:,}", number + 1, len(self._paths))


class Names(Sequence[Named]):
    """The images of an index, one at a time."""

    def __init__(self, index: Any) -> None:
        self._names, self._sizes = index["name"], index["size"]

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, position: int) -> Named: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Named]: ...
    def __getitem__(self, position: int | slice) -> Named | Sequence[Named]:
        if isinstance(position, slice):
            return [self[place] for place in range(*position.indices(len(self)))]
        return Named(os.fsdecode(self._names[position].as_py()), self._sizes[position].as_py())


class _Texts(Sequence[str | None]):
    """A column of labels or clusters."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, position: Any) -> Any:
        return self._column[position].as_py()


_COLUMNS = tuple(Member.__dataclass_fields__)


def _schema() -> Any:
    import pyarrow as pa

    types = {"name": pa.binary(), "size": pa.int64(), "offset": pa.int64(), "length": pa.int64(), "file": pa.int32()}
    return pa.schema([(name, types.get(name, pa.int16() if name == "method" else pa.string())) for name in _COLUMNS])


def _batches(members: Iterable[Member]) -> Iterator[Any]:
    """Members as columns, some at a time: as Python objects a million take a gigabyte."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for member in members:
        for name, column in columns.items():
            column.append(getattr(member, name))
        columns["name"][-1] = os.fsencode(member.name)
        if len(columns["name"]) == _ROWS:
            yield pa.RecordBatch.from_pydict(columns, _schema())
            columns = {name: [] for name in _COLUMNS}
    yield pa.RecordBatch.from_pydict(columns, _schema())


def _by_name(table: Any, found: Gone, files: Sequence[str]) -> Any:
    """Sorted by name. Of one name twice in a file the last counts, as when it is unpacked; where two files have a name, all
    names begin with the file's, and labels stay what they were."""
    import pyarrow as pa
    from pyarrow import compute

    def ordered() -> Any:
        return table.take(compute.sort_indices(table["name"])).combine_chunks()

    first = ordered()
    if not compute.any(compute.equal(first["name"][1:], first["name"][:-1])).as_py():
        return first
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
    return ordered()


def _are_folders(table: Any, files: Names) -> bool:
    """Whether the labels are nothing but the folders of the names."""
    return all(label.as_py() == file.label for label, file in zip(table["label"], files, strict=True))


def _mapped(place: Path) -> Any:
    """A kept index; None where it is not there, or torn: it is made again."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(str(place))).read_all()
    except (OSError, pa.ArrowException):
        return None


def _write(index: Any, place: Path) -> None:
    """An index that cannot be written costs time, not correctness: a store that is full or read-only says so elsewhere."""
    import pyarrow as pa

    draft = place.with_name(f"{place.name}.{uuid4().hex}")
    with contextlib.suppress(OSError, pa.ArrowException):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_file(sink, index.schema) as writer:
                writer.write_table(index)
            os.replace(draft, place)
            for old in place.parent.glob(f"{place.name.partition('-')[0]}-*.arrow"):
                if old != place:
                    old.unlink()  # of files that have changed; who has it mapped keeps it
        finally:
            draft.unlink(missing_ok=True)


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
