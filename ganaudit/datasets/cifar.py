"""The images of CIFAR-10 and CIFAR-100 as they are distributed, in pickles: kind `cifar`. Nothing in a pickle is run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ganaudit.context import Context
from ganaudit.datasets.arrays import ArrayShelf, as_images
from ganaudit.datasets.folder import digest_cache
from ganaudit.datasets.opening import open_stored
from ganaudit.datasets.stored import StoredDataset, StoredSource
from ganaudit.errors import RequestError
from ganaudit.fields import Place
from ganaudit.kinds import Kind
from ganaudit.paths import plain_file

LABELS = {"labels": "label_names", "fine_labels": "fine_label_names"}
"""How the labels of CIFAR-10 and of CIFAR-100 are called in a batch, and their names in the file of names."""


BATCH = "CIFAR's batch"


class CifarSource(StoredSource):
    """CIFAR-10 or CIFAR-100 as it is distributed for Python."""

    path: Place
    """The folder cifar-10-batches-py or cifar-100-python."""
    split: Literal["train", "test"] = "train"
    """Which of its images."""


def shelf(options: CifarSource, context: Context) -> ArrayShelf:
    """Its images. Raises RequestError."""
    folder = context.path(options.path)
    files = _batches(folder, options.split)
    names_file = next((folder / name for name in ("batches.meta", "meta") if (folder / name).is_file()), None)
    meta = {} if names_file is None else _read(names_file)
    arrays, labels = [], list[str | None]()
    for path in files:
        batch = _read(path)
        key = next((key for key in LABELS if key in batch), None)
        data = np.asarray(batch.get("data"))
        if key is None or data.ndim != 2 or data.shape[1] != 3 * 32 * 32 or len(batch[key]) != len(data):
            raise RequestError(f"{path} is no batch of CIFAR: it needs `data` of 3,072 bytes an image, and `labels`")
        arrays.append(as_images(data.reshape(-1, 3, 32, 32), path, "nchw"))
        labels += [_name(meta.get(LABELS[key]), number) for number in batch[key]]
    files = files if names_file is None else [*files, names_file]
    return ArrayShelf("cifar", np.concatenate(arrays), labels, files, digest_cache(context))


def look(options: CifarSource, context: Context) -> None:
    """Raises RequestError where its files are not there."""
    for path in _batches(context.path(options.path), options.split):
        plain_file(path, BATCH)


def _batches(folder: Path, split: str) -> list[Path]:
    """The files of a split, of CIFAR-10 or else of CIFAR-100."""
    ten = sorted(folder.glob("data_batch_*")) if split == "train" else [folder / "test_batch"]
    return ten if ten and ten[0].is_file() else [folder / split]


def _read(path: Path) -> dict[str, Any]:
    from ganaudit.checkpoints import read_bytes, unpickled

    try:
        content = unpickled(path, read_bytes(plain_file(path, BATCH))).content
    except RequestError as error:
        _, refused, reason = str(error).partition("are refused: ")
        raise RequestError(f"{path} is no batch of CIFAR: {reason}" if refused else str(error)) from None
    if not isinstance(content, dict):
        raise RequestError(f"{path} is no batch of CIFAR: it holds no dict")
    return content


def _name(names: Any, number: Any) -> str:
    known = isinstance(names, list) and isinstance(number, int) and 0 <= number < len(names)
    return str(names[number]) if known else str(number)


def open_cifar(options: CifarSource, context: Context) -> StoredDataset:
    """Its images. Raises RequestError."""
    return open_stored(partial(shelf, options, context), options, context)


KIND = Kind("cifar", CifarSource, open_cifar, "CIFAR-10 or CIFAR-100 as it is distributed for Python", look=look)
