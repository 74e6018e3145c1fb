"""Images in an IDX file, the format of MNIST: kind `idx`. A gzip-compressed one is unpacked into memory."""

from __future__ import annotations

import gzip
import math
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit.context import Context
from ganaudit.datasets.arrays import MOST_BYTES, ArrayShelf, as_images, as_labels
from ganaudit.datasets.folder import digest_cache
from ganaudit.datasets.opening import open_stored
from ganaudit.datasets.stored import StoredDataset, StoredSource
from ganaudit.errors import RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind
from ganaudit.paths import plain_file

_BYTE = 8  # the only type of numbers that images and their labels have


class IdxSource(StoredSource):
    """Images in an IDX file, as MNIST has them; also compressed by gzip."""

    path: Place
    """The file of the images, such as train-images-idx3-ubyte.gz."""
    labels: Place | None = None
    """The file of their labels; default: train-labels-idx1-ubyte.gz beside it, where there is one."""


def shelf(options: IdxSource, context: Context) -> ArrayShelf:
    """Its images. Raises RequestError."""
    path = plain_file(context.path(options.path), "IDX file")
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    files, labels = [path], None
    if options.labels is not None or (beside != path and beside.is_file()):
        files.append(beside if options.labels is None else plain_file(context.path(options.labels), "labels"))
        labels = as_labels(read(files[1]), files[1])
    return ArrayShelf("idx", as_images(read(path), path, "nhwc"), labels, files, digest_cache(context))


def read(path: Path) -> NDArray[np.uint8]:
    """An array of bytes: two zeros, the type, the number of axes, each axis as 32 bits, most significant first, the numbers."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            head: Any = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] != _BYTE or not 1 <= head[3] <= 4:
                raise RequestError(f"{path} is no IDX file of bytes: it begins with {head!r}")
            shape = tuple(int(side) for side in np.frombuffer(file.read(4 * head[3]), ">u4"))
            start, size = 4 + 4 * head[3], math.prod(shape)
            if not packed and len(shape) == head[3] and path.stat().st_size == start + size and size:
                return np.memmap(path, np.uint8, "r", start, shape)
            data = file.read(min(size, MOST_BYTES) + 1) if packed else b""
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise RequestError(f"{path} cannot be read: {error}") from None
    if len(shape) != head[3] or len(data) != size:
        raise RequestError(f"{path} does not hold the {' x '.join(map(str, shape))} bytes that it says")
    return np.frombuffer(data, np.uint8).reshape(shape)


def look(options: IdxSource, context: Context) -> None:
    """Raises RequestError for a file without images. What is compressed is not unpacked for it."""
    if plain_file(context.path(options.path), "IDX file").suffix != ".gz":
        shelf(options, context)


def open_idx(options: IdxSource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    return open_stored(partial(shelf, options, context), options, context)


KIND = Kind("idx", IdxSource, open_idx, "images in an IDX file, as MNIST has them", look=look)
