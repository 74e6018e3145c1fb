"""Dask: what two workers are worth, what a block costs beside its work, and 2,000 blocks without loss: a part of `make bench`.

`python -m benchmarks.dask_cluster [speed|many|inversion|memory] [--pairs N] [--blocks N] [--photos N] [--steps N]` prints one
part alone, with each pair measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

from flows import server, settings
from flows.progress import SoFar
from ganaudit import ClassInfo, Labels
from ganaudit.records import catalog
from ganaudit.records.store import BLOCK, Store

PAIRS = 3
"""Pairs of runs, one worker and two in turns."""
MANY = 2000
Row = tuple[str, str, str, str]


class TrivialParser:
    """Dark or light: as little work as a block can be."""

    classes = (ClassInfo(1, "dark"), ClassInfo(2, "light"))
    resolution = 8

    def parse(self, images: torch.Tensor) -> Labels:
        maps = (images.mean(1) > 0).long() + 1
        return Labels(maps, torch.ones(maps.shape))


class TrivialGenerator:
    resolution, layers = 8, ()

    def latents(self, seed: int, indices: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"z": indices.float()[:, None]}

    def run(self, state: Any, after: str | None = None, upto: str | None = None) -> dict[str, torch.Tensor]:
        return {"image": (state["z"] * 0.37 % 2.0 - 1.0)[:, :, None, None].expand(-1, 3, 8, 8)}


def parser() -> TrivialParser:
    return TrivialParser()


def generator() -> TrivialGenerator:
    return TrivialGenerator()


class Watched:
    """Every shard of one study of a run as it is told, with the time from its first stage on and this process's memory."""

    def __init__(self, study: str = "census") -> None:
        self.study = study
        self.done: list[Any] = []
        self.started = self.ended = 0.0
        self.megabytes: list[float] = []
        self.quarters: list[int] = []

    def __call__(self, so_far: SoFar) -> None:
        if so_far.study != self.study:
            return
        if so_far.newest is None:
            self.started = self.started or time.perf_counter()
            self.quarters = [so_far.shards * part // 4 for part in (1, 2, 3, 4)]
        if so_far.newest is None or (self.done and self.done[-1] is so_far.newest):
            return
        self.ended = time.perf_counter()
        self.done.append(so_far.newest)
        if len(self.done) in self.quarters:
            self.megabytes.append(psutil.Process().memory_info().rss / 2**20)

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    def bookkeeping(self, workers: int) -> float:
        """Seconds of a worker per block that are not the block's own work."""
        return float(self.seconds * workers - sum(block.total_seconds for block in self.done)) / len(self.done)


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[dict[str, Any]]:
    """`run:` of an audit on a cluster of this machine that is there already: its start is not timed."""
    from flows.dask_runner import local_cluster

    with local_cluster(workers, "cpu") as running:
        yield {"runner": "dask", "address": running.scheduler_address, "workers": workers}


def audited(folder: Path, name: str, study: str = "census", **spec: Any) -> Watched:
    """One run of the flow."""
    from flows.audit import run

    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": "bench", "store": str(folder / name), "decide": {"permutations": 0}, **spec}))
    watched = Watched(study)
    run(path, None, watched)
    return watched


def speed(folder: Path, pairs: int = PAIRS) -> list[Row]:
    """The same six blocks of the village on one worker and on two, in turns."""
    spec: dict[str, Any] = {
        "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village", "count": BLOCK},
        "generators": [{"name": "progan", "kind": "progan", "weights": "builtin:village-progan"}],
        "sample": {"count": 5 * BLOCK},
    }  # fmt: skip
    ratios, kept, block, limits = [], [], [], []
    with connected(), cluster(1) as single, cluster(2) as two:
        for pair in range(pairs):
            alone, both = (
                audited(folder, f"{way['workers']}-{pair}", **spec, run={**way, "device": "cpu", "precision": "float32"})
                for way in (single, two)
            )
            ratios.append(alone.seconds / both.seconds)
            kept.append(1000 * alone.bookkeeping(1))
            block.append(statistics.median(done.total_seconds for done in alone.done))
            limits.append(2.0 * sum(done.total_seconds for done in alone.done) / sum(done.total_seconds for done in both.done))
            print(
                f"pair {pair + 1}: {alone.seconds:.1f} s ÷ {both.seconds:.1f} s = {ratios[-1]:.2f}, a block {block[-1]:.1f} s, "
                f"bookkeeping {kept[-1]:.0f} ms a block, two blocks at once ÷ one {limits[-1]:.2f}, "
                f"load {os.getloadavg()[0]:.1f}", flush=True,
            )  # fmt: skip
    return [
        ("two Dask workers ÷ one, blocks of "f"{statistics.median(block):.0f} s", "≥ 1.8", f"{max(ratios):.2f}",
         f"best of {pairs} pairs, median {statistics.median(ratios):.2f}; load {os.getloadavg()[0]:.1f}"),
        ("the same of the blocks' own work", "its limit", f"{statistics.median(limits):.2f}",
         "twice a block's time alone ÷ its time beside another: what the cores share"),
        ("bookkeeping on Dask", "printed", f"{statistics.median(kept):.0f} ms a block", "one worker's time beside its blocks"),
    ]  # fmt: skip


def inversion(folder: Path, pairs: int = PAIRS, photos: int = 16, steps: int = 300) -> list[Row]:
    """The same photos inverted in one generator on one worker and on two, in turns: every stage but those of the census.

    A shard of searches takes some ten seconds, as real ones do at the least, and every stage has an even number of shards.
    """
    spec: dict[str, Any] = {
        "parser": {"kind": "unet", "weights": "builtin:village"}, "sample": {"count": 64},
        "real": {"name": "village", "kind": "village", "count": 64},
        "heldout": {"name": "held out", "kind": "village", "seed": 9, "count": 2 * photos},
        "generators": [{"name": "progan", "kind": "progan", "weights": "builtin:village-progan"}],
        "invert": {"images": photos, "own": photos, "masked": 0, "methods": ["latent"], "steps": steps,
                   "batch": photos // 2, "precision": "float32"},
    }  # fmt: skip
    ratios, limits, beside = [], [], []
    with connected(), cluster(1) as one, cluster(2) as two:
        for pair in range(pairs):
            alone, both = (
                audited(
                    folder, f"i{way['workers']}-{pair}", "inversion", **spec,
                    run={**way, "device": "cpu", "precision": "float32"},
                )
                for way in (one, two)
            )  # fmt: skip
            assert len(alone.done) == len(both.done)
            searching = [searched(folder / f"i{workers}-{pair}") for workers in (1, 2)]
            ratios.append(alone.seconds / both.seconds)
            limits.append(2.0 * searching[0] / searching[1])
            beside.append(1.0 - searching[1] / (2.0 * both.seconds))
            print(
                f"pair {pair + 1}: {alone.seconds:.1f} s ÷ {both.seconds:.1f} s = {ratios[-1]:.2f}, {len(both.done)} shards, "
                f"searches two at once ÷ one {limits[-1]:.2f}, two workers not searching {100 * beside[-1]:.0f} %, "
                f"load {os.getloadavg()[0]:.1f}", flush=True,
            )  # fmt: skip
    return [
        (f"two Dask workers ÷ one, inversion alone, searches of {steps} steps × {photos // 2} photos", "≥ 1.8",
         f"{max(ratios):.2f}", f"best of {pairs} pairs, median {statistics.median(ratios):.2f}; load {os.getloadavg()[0]:.1f}"),
        ("the same of the searches alone", "its limit", f"{statistics.median(limits):.2f}",
         "twice their time alone ÷ their time beside others: what the cores share"),
        ("two workers' time that is no search", "printed", f"{100 * statistics.median(beside):.0f} %",
         "scheduling, targets, parsing what was found, writing, and waiting for a stage's last shard"),
    ]  # fmt: skip


def searched(store: Path) -> float:
    """Seconds of all searches of a store, as their records have them."""
    (row,) = catalog.query(Store(store), "SELECT sum(seconds) AS seconds FROM inversions").to_pylist()
    return float(row["seconds"])


def memory(folder: Path, photos: int = 200) -> list[Row]:
    """Peak memory of inverting so many photos in three generators on two threads, beside a quarter of them."""
    peaks = []
    for count in (photos // 4, photos):
        spec = {
            "name": "bench", "store": str(folder / f"m{count}"), "decide": {"permutations": 0}, "sample": {"count": 64},
            "parser": {"kind": "unet", "weights": "builtin:village"},
            "real": {"name": "village", "kind": "village", "count": 64},
            "heldout": {"name": "held out", "kind": "village", "seed": 9, "count": 2 * photos},
            "generators": [{"name": name, "kind": "progan", "weights": f"builtin:{name}"}
                           for name in ("village-progan", "village-no-people", "village-no-trees")],
            "invert": {"images": count, "own": 8, "masked": 0, "methods": ["latent"], "steps": 5, "batch": 16},
            "run": {"workers": 2, "device": "cpu", "precision": "float32"},
        }  # fmt: skip
        code = (
            "import json, sys, ganaudit; from benchmarks.memory import peak; "
            "ganaudit.audit(ganaudit.parse(json.loads(sys.argv[1]))); print(peak())"
        )
        done = subprocess.run([sys.executable, "-c", code, json.dumps(spec)], capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout.splitlines()[-1]))
    return [(f"inversion of {photos} photos × 3 generators: peak memory ÷ that of {photos // 4}", "flat",
             f"{peaks[1] / peaks[0]:.2f}", f"{peaks[0]:.0f} and {peaks[1]:.0f} MiB")]  # fmt: skip


def many(folder: Path, blocks: int = MANY) -> list[Row]:
    """Trivial blocks by the thousand, on threads and on Dask."""
    rows: list[Row] = []
    with connected(), cluster(2) as two:
        for name, run in (("threads", {"workers": 2}), ("dask", two)):
            watched = audited(
                folder, name, parser={"kind": "benchmarks.dask_cluster:parser"},
                real={"name": "real", "kind": "village", "count": BLOCK},
                generators=[{"name": "a", "kind": "benchmarks.dask_cluster:generator"}],
                sample={"count": (blocks - 1) * BLOCK, "batch": 1024}, run={**run, "device": "cpu"},
            )  # fmt: skip
            places = {(done.key, done.first) for done in watched.done}
            images, distinct = catalog.query(
                Store(folder / name), "SELECT count(*) AS n, count(DISTINCT (key, image)) AS d FROM images"
            ).to_pylist()[0].values()  # fmt: skip
            assert len(watched.done) == len(places) == blocks and images == distinct == blocks * BLOCK, "lost or repeated"
            memory = " ".join(f"{megabyte:.0f}" for megabyte in watched.megabytes)
            rows.append((
                f"{blocks:,} trivial blocks on {name}", "flat memory", f"{watched.megabytes[-1] / watched.megabytes[0]:.2f}",
                f"{memory} MiB at each quarter; {1000 * watched.seconds / blocks:.0f} ms a block, none lost, none repeated",
            ))  # fmt: skip
            print(rows[-1], f"load {os.getloadavg()[0]:.1f}", flush=True)
    return rows


@contextlib.contextmanager
def connected() -> Iterator[None]:
    settings.prepare()
    with server.connected(print, lambda: None):
        yield


def dask(folder: Path) -> list[Row]:
    return [*speed(folder), *inversion(folder), *many(folder)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("part", choices=["speed", "many", "inversion", "memory"])
    options.add_argument("--pairs", type=int, default=PAIRS)
    options.add_argument("--blocks", type=int, default=MANY)
    options.add_argument("--photos", type=int, default=16, help="that are inverted")
    options.add_argument("--steps", type=int, default=300, help="of a search")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = {
            "speed": lambda: speed(Path(folder), asked.pairs), "many": lambda: many(Path(folder), asked.blocks),
            "inversion": lambda: inversion(Path(folder), asked.pairs, asked.photos, asked.steps),
            "memory": lambda: memory(Path(folder)),
        }[asked.part]()  # fmt: skip
    for row in rows:
        sys.stdout.write(f"| {' | '.join(row)} |\n")


if __name__ == "__main__":
    main()
