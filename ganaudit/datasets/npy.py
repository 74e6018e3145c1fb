"""Images in an array of numpy: kind `npy`, for .npy and .npz files. Mapped where they lie, but for compressed .npz."""

from __future__ import annotations

import math
import zipfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ganaudit.context import Context
from ganaudit.datasets.arrays import MOST_BYTES, ArrayShelf, as_images, as_labels
from ganaudit.datasets.folder import digest_cache
from ganaudit.datasets.opening import open_stored
from ganaudit.datasets.stored import StoredDataset, StoredSource
from ganaudit.errors import RequestError
from ganaudit.fields import PathText, Place
from ganaudit.kinds import Kind
from ganaudit.paths import plain_file

ArrayName = Annotated[str, Field(min_length=1)]


class NpySource(StoredSource):
    """Images in one array of uint8, (N, H, W, C) or (N, C, H, W), in a .npy or .npz file."""

    path: Place
    """The file."""
    array: ArrayName | None = None
    """The images' name in a .npz; default: the only array with three or four axes."""
    labels: PathText | None = None
    """The labels' name in a .npz, or a .npy file of them; default: none."""
    layout: Literal["nhwc", "nchw"] | None = None
    """Which axis is colour, where the shape does not say it."""


def shelf(options: NpySource, context: Context) -> ArrayShelf:
    """Its images. Raises RequestError."""
    path = plain_file(context.path(options.path), "array file")
    arrays = _arrays(path)
    if options.array is not None and options.array not in arrays:
        raise RequestError(f"{path} has no array {options.array!r}; it has {', '.join(arrays)}")
    name = options.array or _only(path, arrays)
    files, labels = [path], None
    if options.labels is not None:
        if options.labels in arrays:
            labels = as_labels(arrays[options.labels], path)
        else:
            files.append(plain_file(context.path(options.labels), "labels"))
            labels = as_labels(_read(files[-1]), files[-1])
    return ArrayShelf("npy", as_images(arrays[name], path, options.layout), labels, files, digest_cache(context))


def _only(path: Path, arrays: dict[str, Any]) -> str:
    """The name of the array that holds images."""
    fit = [name for name, array in arrays.items() if array.ndim in (3, 4)]
    if len(fit) != 1:
        raise RequestError(f"{path} has {len(fit)} arrays that may be images among {', '.join(arrays)}: name one in `array`")
    return fit[0]


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name; that of a .npy has none."""
    if not zipfile.is_zipfile(path):
        return {"": _read(path)}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            packed = sum(entry.file_size for entry in entries if entry.compress_type != zipfile.ZIP_STORED)
            if packed > MOST_BYTES:
                raise RequestError(f"{path} unpacks to {packed:,} bytes of memory: save it with numpy.savez, not compressed")
            return {entry.filename.removesuffix(".npy"): _member(path, archive, entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise RequestError(f"{path} is no usable .npz: {error}") from None


def _member(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(entry) as file:
        shape, columns, dtype = _header(path, file)
        if entry.compress_type != zipfile.ZIP_STORED:
            wanted = math.prod(shape) * dtype.itemsize
            content = file.read(wanted) if wanted <= entry.file_size else b""
            if len(content) < wanted:
                raise RequestError(f"{path} is cut off: its array of {shape} is not all there")
            return np.ndarray(shape, dtype, content, order="F" if columns else "C")
        within = file.tell()
    with path.open("rb") as raw:  # the entry's own header says where its bytes begin (APPNOTE 4.3.7)
        raw.seek(entry.header_offset + 26)
        lengths = np.frombuffer(raw.read(4), "<u2")
        start = raw.tell() + int(lengths.sum()) + within
    return _mapped(path, shape, columns, dtype, start)


def _read(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        shape, columns, dtype = _header(path, file)
        return _mapped(path, shape, columns, dtype, file.tell())


def _header(path: Path, file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, whether columns come first, type) at the start of an array. Raises RequestError."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, columns, dtype = read(file)
    except (ValueError, EOFError) as error:
        raise RequestError(f"{path} is no numpy array: {error}") from None
    if dtype.hasobject:
        raise RequestError(f"{path} holds Python objects, which would be run: save plain numbers")
    if any(side < 0 for side in shape):
        raise RequestError(f"{path} is damaged: its array is of {shape}")
    return shape, columns, dtype


def _mapped(path: Path, shape: tuple[int, ...], columns: bool, dtype: np.dtype[Any], start: int) -> NDArray[Any]:
    try:
        return np.memmap(path, dtype, "r", start, shape, "F" if columns else "C")
    except ValueError as error:
        raise RequestError(f"{path} is cut off: its array of {shape} is not all there ({error})") from None


def look(options: NpySource, context: Context) -> None:
    """Raises RequestError for a file without images. What is compressed is not unpacked for it."""
    path = plain_file(context.path(options.path), "array file")
    if not zipfile.is_zipfile(path):
        shelf(options, context)


def open_npy(options: NpySource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    return open_stored(partial(shelf, options, context), options, context)


KIND = Kind("npy", NpySource, open_npy, "images in one array of a .npy or .npz file", look=look)
