"""How long it takes to open many small images that lie in one file, and how much memory: for the first time, and again.

python -m benchmarks.stored_images                               # 100,000 images of 16 pixels in a tar
python -m benchmarks.stored_images --images 1_000_000 --kind zip
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as pillow

from ganaudit import kinds
from ganaudit.context import Context
from ganaudit.limits import resident

SIDE, SOME = 16, 1000
"""Pixels a side, and different images: then they repeat."""
SETTLED = 3.0
"""Seconds after which a file counts as at rest and its index is kept."""


def files(count: int) -> Iterator[tuple[str, bytes]]:
    """Names in a hundred folders, and PNG files."""
    draw = np.random.default_rng(0)
    pictures = []
    for _ in range(min(SOME, count)):
        out = io.BytesIO()
        pillow.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(out, "PNG")
        pictures.append(out.getvalue())
    for number in range(count):
        yield f"{number % 100:02d}/{number:08d}.png", pictures[number % SOME]


def packed(kind: str, count: int, folder: Path) -> Path:
    """So many images in one file."""
    path = folder / f"images.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files(count):
                archive.writestr(name, data)
        return path
    with path.open("wb") as file:
        for name, data in files(count):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.write(entry.tobuf() + data + bytes(-len(data) % tarfile.BLOCKSIZE))
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    return path


def measured(kind: str, path: Path, cache: Path) -> str:
    """Opening and a first block, in this process."""
    it = kinds.find("datasets", kind)
    options = it.options.model_validate({"name": "images", "kind": kind, "path": path, "resize": SIDE})
    import pyarrow.ipc  # noqa: F401 - what any audit has loaded already

    before, start = resident(), time.perf_counter()
    dataset = it.open(options, Context(path.parent, cache=cache))
    dataset.recipe()
    opened, held = time.perf_counter() - start, resident() - before
    for index in range(min(1024, len(dataset))):
        dataset.image(index)
    block = time.perf_counter() - start - opened
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    return (
        f"{len(dataset):,} images: open after {opened:.2f} s, {held / 1e6:.0f} MB held, {peak / 1e6:.0f} MB at most; "
        f"the first 1,024 images in another {block:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--kind", choices=("tar", "zip"), default="tar")
    parser.add_argument("--opened", nargs=2, type=Path, metavar=("FILE", "CACHE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.opened:
        print(measured(asked.kind, *asked.opened))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = packed(asked.kind, asked.images, Path(folder))
        print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f}")
        time.sleep(SETTLED)
        for when in ("for the first time", "again"):
            command = [
                sys.executable,
                "-m",
                "benchmarks.stored_images",
                "--kind",
                asked.kind,
                "--opened",
                str(path),
                f"{folder}/cache",
            ]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            print(f"{when}: {said}", flush=True)


if __name__ == "__main__":
    main()
