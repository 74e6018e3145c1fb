"""Whether decoding keeps up with the network: JPEG photos beside the same images in memory, under a parser of 1 ms a batch.

python -m benchmarks.decoding                             # 1,024 photos of 256 pixels; without, with 1 and with 2 readers
python -m benchmarks.decoding --images 4096 --readers 8

Besides the clock it says what each image costs the process that feeds the network, and the readers, in CPU time: where every
process has a core of its own, the slower of the two is what limits.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as pillow
from torch import Tensor

from ganaudit import spec as specs
from ganaudit.auditing.plan import plan
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.records.store import Store
from ganaudit.sources import readers
from ganaudit.studies.census.blocks import block_of
from ganaudit.studies.census.work import make_block

PAUSE = 1e-3
"""Seconds that the parser takes for a batch."""
MAP = 16
"""Side of its label maps: counting them is hardly any work, as on a GPU."""


class Quick:
    """A parser that takes PAUSE, as a GPU does, and sees one class."""

    classes = (ClassInfo(1, "anything"),)

    def __init__(self, resolution: int) -> None:
        self.resolution = resolution

    def parse(self, images: Tensor) -> Labels:
        time.sleep(PAUSE)
        shape = (len(images), MAP, MAP)
        return Labels(torch.ones(shape, dtype=torch.int64), torch.ones(shape))


@dataclass(frozen=True)
class Cost:
    """Seconds for each image: by the clock, of this process's CPU, and of the readers'."""

    clock: float
    own: float
    readers: float


def photos(folder: Path, count: int, side: int) -> None:
    """JPEG files, and the same images as an array. A photo's spectrum falls: noise would be slower to decode than any photo."""
    draw, pictures = np.random.default_rng(0), []
    for number in range(count):
        coarse = draw.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        fine = draw.normal(0.0, 6.0, (side, side, 3))
        smooth = np.asarray(pillow.fromarray(coarse).resize((side, side), pillow.Resampling.BICUBIC), np.float64)
        path = folder / f"photos/{number:06d}.jpg"
        path.parent.mkdir(exist_ok=True)
        pillow.fromarray((smooth + fine).clip(0, 255).astype(np.uint8)).save(path, quality=90)
        pictures.append(np.asarray(pillow.open(path).convert("RGB")))
    np.save(folder / "photos.npy", np.stack(pictures))


def measured(folder: Path, source: dict[str, Any], side: int, count: int) -> Cost:
    """All blocks of a source, one after the other, with so many readers."""
    spec = specs.parse({
        "name": "n", "folder": str(folder), "store": f"{source['kind']}-{count}",
        "parser": {"kind": "benchmarks.decoding:Quick", "options": {"resolution": side}},
        "real": {"name": "real", **source}, "generators": [{"name": "v", "kind": "village"}],
        "run": {"workers": 1, "device": "cpu", "readers": count},
    })  # fmt: skip
    planned = plan(spec)
    Store(spec.path(spec.store)).open_for_writing(planned.block)
    blocks = [block_of(planned, planned.sources[0], *block) for block in planned.sources[0].blocks]
    images = sum(block.images for block in blocks)
    with readers.lent():
        for future in [readers.of_process(count).submit(partial(time.sleep, 0.3)) for _ in range(count)]:
            future.result()  # each has started
        make_block(blocks[0])  # and imported what it needs
        before, clock, own = _readers_seconds(count), time.perf_counter(), time.process_time()
        for block in blocks:
            make_block(block)
        clock, own, used = time.perf_counter() - clock, time.process_time() - own, _readers_seconds(count) - before
    return Cost(clock / images, own / images, used / images)


def _readers_seconds(count: int) -> float:
    """CPU of the readers up to now, as Linux counts it."""
    ticks = 0
    for pid in readers.of_process(count).pids if count else ():
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--readers", type=int, nargs="+", default=[0, 1, 2])
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos(folder, asked.images, asked.side)
        print(f"{asked.images:,} photos of {asked.side} pixels; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        array = {"kind": "npy", "path": "photos.npy"}
        measured(folder, array, asked.side, 0)  # imports and caches
        memory = min((measured(folder, array, asked.side, 0) for _ in range(2)), key=lambda cost: cost.own)
        print(f"in memory: {1 / memory.clock:,.0f} images a second; {1e3 * memory.own:.2f} ms CPU each")
        for count in asked.readers:
            cost = measured(folder, {"kind": "folder", "path": "photos"}, asked.side, count)
            limit = max(cost.own, cost.readers / max(1, count))
            print(
                f"{count} readers: {1 / cost.clock:,.0f} images a second, {memory.clock / cost.clock:.0%} of memory's by the "
                f"clock; {1e3 * cost.own:.2f} ms CPU each here, {1e3 * cost.readers:.2f} in readers: on a core each "
                f"{memory.own / limit:.0%} of memory's speed",
                flush=True,
            )


if __name__ == "__main__":
    main()
