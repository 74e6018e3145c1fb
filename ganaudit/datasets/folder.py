"""Photos in a folder: kind `folder`.

The collection is what its files say: their names below the folder, their sizes and their bytes. Where the folder is,
and when its files were written, does not matter.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import uuid4

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets import dataset_json
from ganaudit.datasets.contents import OTHER
from ganaudit.datasets.grouped import Listed, Said, Way, located, names_in
from ganaudit.datasets.listing import ListedFile, check_not_empty, files_of, list_images, names_below, names_version
from ganaudit.datasets.stored import Shelf, StoredDataset, StoredSource, fingerprint, size_asked
from ganaudit.errors import AuditError, ImageError, RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind

Decoded = TypeVar("Decoded")

_CACHE_FORMAT = "ganaudit file digests, version 1"
_SETTLED_NS = 2_000_000_000  # a file younger than this may still change without changing its size or its time stamp
_READERS = 8


class FolderSource(StoredSource):
    """Image files below a folder, recursive, sorted, then shuffled by the seed."""

    path: Place
    """The folder; StyleGAN's `dataset.json` in it says labels."""


class FolderShelf(Shelf):
    """The image files below a folder.

    Names are relative, with slashes, sorted bytewise. Files are taken by suffix (images.SUFFIXES, any case); hidden
    files and folders and those that machines make for themselves are left out, links are followed; `contents` says what
    the folder held. names: take these images alone, as `source` says them; those that are not there are set aside, one by one.
    cache: a file that remembers the digests of files that have not changed since.

    Raises RequestError where the folder is missing, unreadable or without images.
    """

    def __init__(
        self, path: Path, cache: Path | None = None, names: Iterable[str] | None = None, source: Path | None = None
    ) -> None:
        self.path, self._cache = path, cache
        self.files: Sequence[ListedFile]
        self.files, self.contents = list_images(path) if names is None else files_of(names, path, source or path)
        labels = _labels(path)
        values = [labels.get(file.name) for file in self.files] if labels else []
        if labels and not any(value is not None for value in values):
            self.notes = [dataset_json.of_no_image(labels, self.files[0].shown)]
        elif labels and values != [file.label for file in self.files]:
            self.own = {"label": Said.of(values)}
            left_out = {why: count - (why == (OTHER, ".json")) for why, count in self.contents.left_out.items()}
            self.contents = replace(self.contents, left_out={why: count for why, count in left_out.items() if count})

    def reading(self, position: int, decode: Callable[..., Decoded]) -> Callable[[], Decoded]:
        return partial(read, self.files[position], decode)

    def digests(self, positions: Sequence[int]) -> Sequence[str | None]:
        return digests(self.path, [self.files[position] for position in positions], self._cache)

    def content(self) -> Mapping[str, Any]:
        return {
            "kind": "folder", "files": fingerprint(self.files, digests(self.path, self.files, self._cache)),
            **names_version(self.files),
        }  # fmt: skip


def _labels(folder: Path) -> Mapping[str, str]:
    """What StyleGAN's dataset.json says; nothing without one."""
    path = folder / dataset_json.NAME
    try:
        data = path.read_bytes() if path.is_file() and path.stat().st_size <= dataset_json.MOST_BYTES else b""
    except OSError:
        return {}
    return (dataset_json.labels_in(data) if data else None) or {}


class FolderDataset(StoredDataset):
    """The images below a folder (FolderShelf), in the order of their sorted names shuffled by `random.Random(seed)`.

    listed: what says the names of the images that alone are taken. The rest as in StoredDataset.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        seed: int = 0,
        resize: int | Sequence[int] | None = None,
        how: images.Fit = "crop",
        cache: Path | None = None,
        label: Way = "folder",
        cluster: Way | None = None,
        listed: Listed | None = None,
        order: Literal["shuffled", "sorted"] = "shuffled",
        part: tuple[int, int] | None = None,
    ) -> None:
        self.path = Path(os.path.abspath(path))

        def shelf() -> FolderShelf:
            return FolderShelf(self.path, cache, *((None, None) if listed is None else names_in(listed)))

        super().__init__(shelf, seed, resize, how, label, cluster, order, part)


def read(file: ListedFile, decode: Callable[..., Decoded]) -> Decoded:
    """decode(path, name=…) of a file that is still the one that was listed; ImageError where it is not."""
    _check_unchanged(file)
    try:
        decoded = decode(file.path, name=file.shown)
    except ImageError:
        _check_unchanged(file)  # a file that was replaced while it was read deserves that reason, not "truncated"
        raise
    _check_unchanged(file)
    return decoded


def _check_unchanged(file: ListedFile) -> None:
    try:
        state = os.stat(file.path)
    except (FileNotFoundError, NotADirectoryError) as error:
        if file.size < 0:
            what = "is a link to a file that does not exist" if os.path.islink(file.path) else "is not there"
            raise ImageError(f"{file.shown} {what}") from error
        raise ImageError(f"{file.shown} was deleted after the folder was listed") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ImageError(f"{file.shown} is a link to itself") from error
        if isinstance(error, PermissionError):
            raise ImageError(f"{file.shown} cannot be read (permission denied)") from error
        raise
    if (state.st_size, state.st_mtime_ns) != (file.size, file.mtime_ns):
        raise ImageError(f"{file.shown} changed after the folder was listed: run again to audit it as it is now")


def digests(folder: Path, files: Sequence[ListedFile], cache: Path | None = None) -> list[str | None]:
    """sha256 of each file's bytes, None where this user may not read it; unchanged files come from the cache.

    Raises RequestError where a file changed after the folder was listed.
    """
    known = {} if cache is None else _load_cache(cache)
    result: dict[str, str | None] = {}
    fresh: dict[str, list[Any]] = {}
    missing = []
    for file in files:
        entry = known.get(file.path)
        if isinstance(entry, list) and entry[:-1] == _state(file) and isinstance(entry[-1], str):
            result[file.path] = entry[-1]
        else:
            missing.append(file)
    if missing:
        try:
            with ThreadPoolExecutor(min(_READERS, len(missing))) as pool:
                for start in range(0, len(missing), 1024):  # in pieces: a million waiting tasks are a lot of memory
                    piece = missing[start : start + 1024]
                    settled = time.time_ns() - _SETTLED_NS
                    for file, content in zip(piece, pool.map(_digest, piece), strict=True):
                        result[file.path] = content
                        if content is not None and file.mtime_ns <= settled:
                            fresh[file.path] = [*_state(file), content]
        finally:
            if cache is not None and fresh:
                _save_cache(cache, folder, {file.path for file in files}, fresh)
    return [result[file.path] for file in files]


def _state(file: ListedFile) -> list[int]:
    return [file.size, file.mtime_ns, file.ctime_ns, file.inode]


def _digest(file: ListedFile) -> str | None:
    if file.size < 0 or file.size > images.MAX_BYTES:  # that file is set aside unread
        return None
    try:
        with open(file.path, "rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
            state = os.fstat(stream.fileno())
    except PermissionError:
        return None
    except FileNotFoundError:
        state = None
    except OSError as error:
        raise AuditError(f"{file.path} cannot be read: {error.strerror or error}") from error
    if state is None or (state.st_size, state.st_mtime_ns) != (file.size, file.mtime_ns):
        raise RequestError(f"{file.path} changed while its folder was read: run again when nothing writes there")
    return content


def _load_cache(cache: Path) -> dict[str, Any]:
    """path => [size, mtime_ns, ctime_ns, inode, sha256]; empty where the file is missing, torn or something else."""
    try:
        document = json.loads(cache.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(document, dict) or document.get("format") != _CACHE_FORMAT:
        return {}
    files = document.get("files")
    return files if isinstance(files, dict) else {}


def _save_cache(cache: Path, folder: Path, listed: set[str], fresh: Mapping[str, list[Any]]) -> None:
    """Adds digests to what the cache holds by now. The loser of two writers at once only has to read files again."""
    inside = os.path.join(folder, "")
    files = {
        path: entry
        for path, entry in _load_cache(cache).items()
        if not path.startswith(inside) or path in listed or os.path.lexists(path)
    }
    document = {"format": _CACHE_FORMAT, "files": files | dict(fresh)}
    draft = cache.with_name(f"{cache.name}.{uuid4().hex}")
    # A cache that cannot be written costs time, not correctness: a store that is full or read-only says so elsewhere.
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(json.dumps(document, separators=(",", ":")), encoding="ascii")
            os.replace(draft, cache)
        finally:
            draft.unlink(missing_ok=True)


def open_folder(options: FolderSource, context: Context) -> FolderDataset:
    """Its images. Raises RequestError where neither it nor the parser says at which size."""
    return FolderDataset(
        context.path(options.path), options.seed, size_asked(options, context), options.how, digest_cache(context),
        located(options.label, context), located(options.cluster, context),
        located(options.list, context), options.order, options.part,
    )  # fmt: skip


def look(options: FolderSource, context: Context) -> None:
    """Raises RequestError for a folder without images, and for a list without names."""
    path, listed = context.path(options.path), located(options.list, context)
    if listed is None:
        check_not_empty(path)
    else:
        names, source = names_in(listed)
        names_below(names, path, source)


def digest_cache(context: Context) -> Path | None:
    """The file that remembers digests of files."""
    return None if context.cache is None else context.cache / "digests.json"


KIND = Kind("folder", FolderSource, open_folder, "image files below a folder, such as images made elsewhere", look=look)
