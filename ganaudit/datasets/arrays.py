"""Images that are arrays of numbers, mapped where they lie: what kinds `npy`, `idx` and `cifar` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ganaudit import images
from ganaudit.datasets.contents import Contents
from ganaudit.datasets.folder import digests
from ganaudit.datasets.grouped import Said
from ganaudit.datasets.listing import ListedFile, Named, list_file
from ganaudit.datasets.stored import Shelf, fingerprint
from ganaudit.errors import ImageError, RequestError

T = TypeVar("T")
MOST_BYTES = 2**32
"""Of arrays that are unpacked into memory, because they are compressed."""


class Numbered(Sequence[Named]):
    """Names of images that have none: their numbers, from 00000000 on."""

    def __init__(self, count: int, size: int) -> None:
        self._count, self._size = count, size

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[place] for place in range(*position.indices(self._count))]
        if not 0 <= position < self._count:
            raise IndexError(position)
        return Named(f"{position:08d}", self._size)


class ArrayShelf(Shelf):
    """Images (N, H, W, C) of uint8, C of 1 (grey) or 3, and their labels. files: what they were read from, which enters the
    key. cache: remembers the digests of files that have not changed since.

    Raises RequestError where the array is none of images, or labels are not as many.
    """

    def __init__(
        self,
        kind: str,
        array: NDArray[np.uint8],
        labels: Sequence[str | None] | None,
        files: Sequence[Path],
        cache: Path | None,
    ) -> None:
        if not len(array):
            raise RequestError(f"{files[0]} holds no images: its array has the shape {array.shape}")
        if max(array.shape[1:3]) > images.MAX_SIDE or array[0].size > 3 * images.MAX_PIXELS:
            raise RequestError(f"{files[0]} holds images of {array.shape[1]:,} x {array.shape[2]:,} pixels, more than are read")
        if labels is not None and len(labels) != len(array):
            raise RequestError(f"{files[-1]} holds {len(labels):,} labels of the {len(array):,} images in {files[0]}")
        self._kind, self._array, self._cache = kind, array, cache
        self._listed = [_listed(path) for path in files]
        self.files = Numbered(len(array), array[0].nbytes)
        self.contents = Contents()
        self.own = {} if labels is None else {"label": Said.of(labels)}

    decodes = False

    def reading(self, position: int, decode: Callable[..., T]) -> Callable[[], T]:
        raise NotImplementedError  # nothing is decoded

    def pixels(self, position: int, size: tuple[int, int] | None, how: images.Fit) -> NDArray[np.uint8]:
        for file in self._listed:
            now = list_file(file.name, Path(file.path))
            if now is None or (now.size, now.mtime_ns) != (file.size, file.mtime_ns):
                raise ImageError(f"{self.files[position].shown} lies in {file.name}, which changed after it was listed")
        image = np.array(np.broadcast_to(self._array[position], (*self._array.shape[1:3], 3)))
        return image if size is None else images.resize(image, size, how)

    def content(self) -> Mapping[str, Any]:
        folder = Path(self._listed[0].path).parent
        files = [Named(str(place), file.size) for place, file in enumerate(self._listed)]  # their own names say nothing
        return {"kind": self._kind, "files": fingerprint(files, digests(folder, self._listed, self._cache))}


def _listed(path: Path) -> ListedFile:
    file = list_file(path.name, path)
    if file is None:
        raise RequestError(f"there is no file {path}")
    return file


def as_images(array: NDArray[Any], path: Path, layout: str | None = None) -> NDArray[np.uint8]:
    """(N, H, W), (N, H, W, C) or (N, C, H, W) of uint8 => (N, H, W, C), a view. layout: nhwc or nchw, where both may be meant.
    Raises RequestError."""
    if array.dtype != np.uint8:
        raise RequestError(f"{path} holds {array.dtype}, not uint8: scale it to 0 … 255 and round")
    if 0 in array.shape[1:]:
        raise RequestError(f"{path} holds an array {array.shape}, whose images have no pixels")
    if array.ndim == 3:
        return array[..., None]
    last, first = array.ndim == 4 and array.shape[3] in (1, 3), array.ndim == 4 and array.shape[1] in (1, 3)
    if not (last or first):
        raise RequestError(f"{path} holds an array {array.shape}; images are (N, H, W, C) or (N, C, H, W) with C of 1 or 3")
    if last and first and layout is None:
        raise RequestError(f"{path} holds an array {array.shape}, which may be either: set layout to nhwc or nchw")
    if (layout == "nhwc" and not last) or (layout == "nchw" and not first):
        raise RequestError(f"{path} holds an array {array.shape}, which is not {layout}")
    return array if layout == "nhwc" or (last and layout is None) else array.transpose(0, 2, 3, 1)


def as_labels(array: NDArray[Any], path: Path) -> list[str]:
    """(N,) or one-hot (N, K) numbers or texts => labels. Raises RequestError."""
    if array.ndim == 2 and array.shape[1] > 1:
        array = array.argmax(axis=1)
    if array.size and array.ndim in (1, 2) and array.dtype.kind in "iubU":
        return [str(label) for label in array.reshape(len(array)).tolist()]
    raise RequestError(f"{path} holds labels {array.dtype} {array.shape}; they are (N,) whole numbers or texts")
