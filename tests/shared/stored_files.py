"""The same files in every kind of place, and what a collection of them says."""

from __future__ import annotations

import io
import os
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa
from PIL import Image as pillow
from pyarrow import parquet

from ganaudit import images, kinds
from ganaudit.context import Context
from ganaudit.datasets.stored import StoredDataset
from ganaudit.errors import ImageError

Files = dict[str, bytes]


def encoded(value: int, suffix: str = "PNG", **how: Any) -> bytes:
    pixels = np.random.default_rng(value).integers(0, 256, (6 + value % 3, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    pillow.fromarray(pixels).save(out, suffix, **how)
    return out.getvalue()


def opened(kind: str, path: Path, cache: Path | None = None, **options: Any) -> StoredDataset:
    it = kinds.find("datasets", kind)
    asked = it.options(name="photos", kind=kind, path=path, resize=options.pop("resize", 8), **options)
    return it.open(asked, Context(path.parent, cache=cache))


def rows(dataset: StoredDataset) -> list[tuple[Any, ...]]:
    """What the records of a collection say."""
    said: list[tuple[Any, ...]] = []
    for index in range(len(dataset)):
        try:
            image = dataset.image(index)
        except ImageError:
            said.append((dataset.name(index), "set aside"))
        else:
            said.append((image.name, images.digest(image.pixels), image.label, image.cluster))
    return said


def as_folder(files: Files, place: Path) -> tuple[str, Path]:
    for name, data in files.items():
        (place / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "folder" / name).write_bytes(data)
    return "folder", place / "folder"


def as_zip(files: Files, place: Path, method: int = zipfile.ZIP_DEFLATED) -> tuple[str, Path]:
    with zipfile.ZipFile(place / "x.zip", "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return "zip", place / "x.zip"


def as_stored_zip(files: Files, place: Path) -> tuple[str, Path]:
    return as_zip(files, place, zipfile.ZIP_STORED)


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def as_tar(files: Files, place: Path) -> tuple[str, Path]:
    with tarfile.open(place / "x.tar", "w") as archive:
        for name, data in files.items():
            add(archive, name, data)
    return "tar", place / "x.tar"


def as_shards(files: Files, place: Path) -> tuple[str, Path]:
    """Two archives that a pattern matches."""
    names = list(files)
    for number, part in enumerate((names[::2], names[1::2])):
        with tarfile.open(place / f"shard-{number}.tar", "w", format=tarfile.GNU_FORMAT) as archive:
            for name in part:
                add(archive, name, files[name])
    return "tar", place / "shard-*.tar"


def as_parquet(files: Files, place: Path) -> tuple[str, Path]:
    cells = [{"bytes": data, "path": name} for name, data in files.items()]
    parquet.write_table(pa.table({"image": cells, "other": range(len(cells))}), place / "x.parquet", row_group_size=2)
    return "parquet", place / "x.parquet"


def as_lmdb(files: Files, place: Path) -> tuple[str, Path]:
    with lmdb.open(str(place / "lmdb"), map_size=2**20) as environment, environment.begin(write=True) as transaction:
        for name, data in files.items():
            transaction.put(name.encode(), data)
    return "lmdb", place / "lmdb"


def as_csv(files: Files, place: Path) -> tuple[str, Path]:
    as_folder(files, place)
    (place / "x.csv").write_text("path\n" + "".join(f"folder/{name}\n" for name in files))
    (place / "folder" / "x.csv").write_text("path\n" + "".join(f'"{name}"\n' for name in files))
    return "csv", place / "folder" / "x.csv"


def settle(root: Path) -> None:
    for path in root.rglob("*"):
        os.utime(path, ns=(time.time_ns() - 10**11,) * 2)


WAYS = (as_folder, as_zip, as_stored_zip, as_tar, as_shards, as_parquet, as_lmdb, as_csv)
FILES: Files = {
    "b/2.png": encoded(2),
    "1.png": encoded(1),
    "b/c/3.jpg": encoded(3, "JPEG"),
    "ä 4.webp": encoded(4, "WEBP"),
    "b/5.jpg": b"no image",
    "b/10.png": encoded(10),
}
