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
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import uuid4

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets.grouped import Grouped, GroupedSource, Way, located
from ganaudit.datasets.listing import ListedFile, list_images, names_version
from ganaudit.datasets.protocol import Image
from ganaudit.errors import AuditError, ImageError, RequestError
from ganaudit.fields import MAX_SIDE, Place, Seed, Size
from ganaudit.kinds import Kind

Decoded = TypeVar("Decoded")

_CACHE_FORMAT = "ganaudit file digests, version 1"
_SETTLED_NS = 2_000_000_000  # a file younger than this may still change without changing its size or its time stamp
_READERS = 8


class FolderSource(GroupedSource):
    """Image files below a folder, recursive, sorted, then shuffled by the seed."""

    path: Place
    """The folder."""
    seed: Seed = 0
    """Of the order."""
    resize: Size | None = None
    """Side, or [height, width], in pixels; default: what the parser wants."""
    how: Literal["crop", "stretch"] = "crop"
    """crop: short side to size, centre cut out. stretch: both sides to size."""


class FolderDataset:
    """The images below a folder, in the order of their sorted names shuffled by `random.Random(seed)`.

    Names are relative, with slashes, sorted bytewise. Files are taken by suffix (images.SUFFIXES, any case); hidden
    files and folders and those that machines make for themselves are left out, links are followed; `contents` says what
    the folder held. label, cluster: of each image, as in `grouped`. `resize` is a side or (height, width) in
    pixels, `how` as in images.resize. `cache` is a file that remembers the digests of files that have not changed since.

    Raises RequestError where the folder is missing, unreadable or without images.
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
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self.seed = seed
        self.resize = size_in_pixels("resize", resize)
        self.how = checked_fit(how)
        self._cache = cache
        self._files, self.contents = list_images(self.path)
        self._grouped = Grouped(self._files, label, cluster)
        self.notes = self._grouped.notes
        self._order = shuffled(len(self._files), seed)
        self._recipe: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """Name of image `index`, readable or not."""
        return self._files[place(self._order, index)].shown

    @cached_property
    def resolution(self) -> int | None:
        """Short side of the first image of the listing, in pixels, as it lies there; None where that cannot be read."""
        try:
            height, width = read(self._files[0], images.decode).shape[:2]
        except ImageError:
            return None
        return min(int(height), int(width))

    def image(self, index: int) -> Image:
        """Image `index`; ImageError where its file cannot be decoded, or changed after the folder was listed."""
        position = place(self._order, index)
        file = self._files[position]
        pixels = read(file, partial(images.decode, size=self.resize, how=self.how))
        return Image(pixels, file.shown, **self._grouped.of(position))

    def recipe(self) -> Mapping[str, Any]:
        """Content of the collection; reads every file once (see `cache`)."""
        if self._recipe is None:
            self._recipe = {
                "kind": "folder",
                "files": fingerprint(self._files, digests(self.path, self._files, self._cache)),
                "images": len(self),
                "seed": self.seed,
                "resize": None if self.resize is None else list(self.resize),
                "how": None if self.resize is None else self.how,
                "decoding": images.VERSION,
                **names_version(self._files),
                **self._grouped.recipe,
            }
        return dict(self._recipe)


def shuffled(n: int, seed: int) -> list[int]:
    """The order of n sorted names: range(n) shuffled by `random.Random(seed)`, as Bau et al. sample a folder."""
    order = list(range(n))
    random.Random(seed).shuffle(order)
    return order


def place(order: Sequence[int], index: int) -> int:
    """Where image `index` stands in the sorted listing; negative indices are no images."""
    if not 0 <= index < len(order):
        raise IndexError(f"image {index} of a collection of {len(order)}")
    return order[index]


def size_in_pixels(key: str, size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """A side, or height and width => (height, width); RequestError names the key."""
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or not all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in sides):
        raise RequestError(f"{key} is {size!r}: give a side in pixels, or [height, width], both from 1 to {MAX_SIDE:,}")
    return int(sides[0]), int(sides[1])


def checked_fit(how: str) -> images.Fit:
    """`how` where it is a way to resize; RequestError otherwise."""
    for fit in images.FITS:
        if how == fit:
            return fit
    raise RequestError(f"how is {how!r}: it has to be one of {', '.join(images.FITS)}")


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
            raise ImageError(f"{file.shown} is a link to a file that does not exist") from error
        raise ImageError(f"{file.shown} was deleted after the folder was listed") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ImageError(f"{file.shown} is a link to itself") from error
        if isinstance(error, PermissionError):
            raise ImageError(f"{file.shown} cannot be read (permission denied)") from error
        raise
    if (state.st_size, state.st_mtime_ns) != (file.size, file.mtime_ns):
        raise ImageError(f"{file.shown} changed after the folder was listed: run again to audit it as it is now")


def fingerprint(files: Sequence[ListedFile], contents: Sequence[str | None]) -> str:
    """sha256 over (name, size, sha256 of the bytes) of files sorted by name. A file without digest is unreadable."""
    whole = hashlib.sha256()
    for file, content in zip(files, contents, strict=True):
        whole.update(os.fsencode(file.name) + f"\0{file.size}\0{content or 'unreadable'}\n".encode())
    return whole.hexdigest()


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
    size = options.resize or context.size
    if size is None:
        raise RequestError(
            f"source {options.name!r}: the parser does not say which resolution it wants; set resize: [height, width]"
        )
    return FolderDataset(
        context.path(options.path), options.seed, size, options.how, digest_cache(context),
        located(options.label, context), located(options.cluster, context),
    )  # fmt: skip


def digest_cache(context: Context) -> Path | None:
    """The file that remembers digests of files."""
    return None if context.cache is None else context.cache / "digests.json"


KIND = Kind("folder", FolderSource, open_folder, "image files below a folder, such as images made elsewhere")
