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
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as pillow

from ganaudit import kinds
from ganaudit.context import Context

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

    with Highest() as highest:
        before, start, cpu = private(), time.perf_counter(), time.process_time()
        dataset = it.open(options, Context(path.parent, cache=cache))
        dataset.recipe()
        opened, used, held = time.perf_counter() - start, time.process_time() - cpu, private() - before
    block, block_used = time.perf_counter(), time.process_time()
    for index in range(min(1024, len(dataset))):
        dataset.image(index)
    block, block_used = time.perf_counter() - block, time.process_time() - block_used
    return (
        f"{len(dataset):,} images: open after {opened:.2f} s ({used:.2f} s CPU), {held / 1e6:.0f} MB of memory held and "
        f"{max(0, highest.seen - before) / 1e6:.0f} MB at most, beside pages of mapped files; the first 1,024 images in "
        f"another {block:.2f} s ({block_used:.2f} s CPU)"
    )


def private() -> int:
    """Bytes that this process holds for itself: not the pages of files, which the system takes back when it needs them."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:"))) * 1024


class Highest(threading.Thread):
    """The most that was held, looked at every 20 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen, self._ended = 0, threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            self.seen = max(self.seen, private())

    def __enter__(self) -> Highest:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()
        self.seen = max(self.seen, private())


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
