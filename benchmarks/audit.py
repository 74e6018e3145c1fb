"""Speed and memory, as ratios within one run, because machines are noisy: `make bench`; `--write` renews docs/benchmarks.md.

Every figure is measured here and now. Two things that are compared take turns, and the best of several rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import dask_cluster as bench_dask
from benchmarks import findings as bench_findings
from ganaudit import images, weights
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import audit, finish, prepared
from ganaudit.parsers.segmentation import unet_parser
from ganaudit.records.store import BLOCK
from ganaudit.spec import AuditSpec, parse
from ganaudit.studies.census.blocks import BlockTask, block_of, missing
from ganaudit.studies.census.work import counted_batches, make_block, opened
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

ROUNDS = 5
SAMPLE = 512
"""Images that the parse stage is timed on."""
Row = tuple[str, str, str, str]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def best_of(works: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[float]:
    """The best time of each, in turns, after one warm-up."""
    for work in works:
        work()
    return [min(times) for times in zip(*([seconds(work) for work in works] for _ in range(rounds)), strict=True)]


def village(store: Path, count: int, **sources: Any) -> AuditSpec:
    generators = [{"name": "progan", "kind": "progan", "weights": "builtin:village-progan"}]
    return parse({
        "name": "bench", "store": str(store), "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village"}, "generators": generators, "sample": {"count": count}, **sources,
    })  # fmt: skip


class _Preloaded:
    """A source whose images are in memory already: what is left of a block is the parse stage."""

    def __init__(self, source: Any, indices: Sequence[int], size: int) -> None:
        self._batches = {i: source.read(range(i, i + size)) for i in indices[::size]}

    def read(self, indices: Sequence[int]) -> Any:
        return self._batches[indices[0]]


def parse_stage(store: Path) -> list[Row]:
    """The flow's parse stage against a bare loop of network and argmax, and against the reference's way of parsing."""
    torch.set_num_threads(1)
    spec = village(store, SAMPLE)
    planned = plan(spec)
    task = block_of(planned, planned.sources[0], 0, SAMPLE - 1)
    parser, source = opened(task)
    preloaded: Any = _Preloaded(source, range(SAMPLE), spec.sample.batch)
    pixels = render(Prevalence(), 0, range(SAMPLE))[0]
    unit = images.to_unit(pixels)
    network: Any = unet_parser(weights.load("builtin:village"), "cpu", "bfloat16").network
    plain: Any = unet_parser(weights.load("builtin:village"), "cpu", "float32").network.to(
        memory_format=torch.contiguous_format
    )

    def bare(batch: int, net: Any, dtype: torch.dtype, layout: torch.memory_format) -> Callable[[], None]:
        ready = [unit[i : i + batch].to(dtype, memory_format=layout) for i in range(0, SAMPLE, batch)]

        def loop() -> None:
            with torch.inference_mode():
                for x in ready:
                    net(x).argmax(1)

        return loop

    def reference() -> None:
        dense = []
        with torch.inference_mode():
            for i in range(0, SAMPLE, 10):
                for labels in plain(unit[i : i + 10]).argmax(1):
                    dense.append(torch.bincount((labels + 1).flatten(), minlength=16).float() / labels.numel())
        torch.stack(dense).double().numpy()

    def ours() -> None:
        for _ in counted_batches(task, parser, preloaded):
            pass

    last = torch.channels_last
    loops = {
        f"batch {batch}, {name}": bare(batch, net, dtype, layout)
        for batch in (16, 32, 64, 128)
        for name, net, dtype, layout in (("bfloat16, channels last", network, torch.bfloat16, last),)
    } | {"batch 64, float32": bare(64, plain, torch.float32, torch.contiguous_format)}
    times = best_of([ours, reference, *loops.values()])
    fastest = min(range(len(loops)), key=lambda place: times[2 + place])
    label = list(loops)[fastest]
    return [
        ("parse stage ÷ bare loop of network and argmax", "≥ 0.90", f"{times[2 + fastest] / times[0]:.2f}",
         f"{SAMPLE / times[0]:,.0f} against {SAMPLE / times[2 + fastest]:,.0f} images/s; the bare loop's best: {label}"),
        ("parse stage ÷ the reference's way", "≥ 2", f"{times[1] / times[0]:.2f}",
         f"batch 10, float32, one bincount an image, dense rows: {SAMPLE / times[1]:,.0f} images/s"),
    ]  # fmt: skip


def threads(folder: Path) -> list[Row]:
    """Two blocks on two Python threads of one torch thread, and on one thread of two."""
    spec = village(folder / "threads", 2 * BLOCK)
    tasks = missing(*prepared(spec))[:2]

    def two_threads() -> None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(_parsed_block, tasks))

    def one_thread() -> None:
        torch.set_num_threads(2)
        for task in tasks:
            _parsed_block(task, threads=2)
        torch.set_num_threads(1)

    times = best_of([two_threads, one_thread], rounds=3)
    return [
        ("two Python threads of one torch thread ÷ one of two", "measured", f"{times[1] / times[0]:.2f}",
         f"two blocks parsed: {times[0]:.1f} s against {times[1]:.1f} s"),
    ]  # fmt: skip


def _parsed_block(task: BlockTask, threads: int = 1) -> None:
    torch.set_num_threads(threads)
    for _ in counted_batches(task, *opened(task)):
        pass


TRIVIAL = """
import torch
from types import MappingProxyType
from ganaudit import ClassInfo, Labels
class Parser:
    classes = (ClassInfo(1, "dark"), ClassInfo(2, "light")); resolution = 8
    def parse(self, images):
        maps = (images.mean(1) > 0).long() + 1
        return Labels(maps, torch.ones(maps.shape))
class Generator:
    resolution = 8; layers = ()
    def latents(self, seed, indices): return MappingProxyType({"z": indices.float()[:, None]})
    def run(self, state, after=None, upto=None):
        return {"image": (state["z"] * 0.37 % 2.0 - 1.0)[:, :, None, None].expand(-1, 3, 8, 8)}
def parser(): return Parser()
def generator(): return Generator()
"""


def overhead(folder: Path) -> list[Row]:
    """What the flow adds to 50 blocks: trivial blocks through Prefect against the same without, beside 50 real blocks."""
    from flows import server, settings

    settings.prepare()
    from flows.audit import run

    (folder / "trivial.py").write_text(TRIVIAL)
    count = 25 * BLOCK
    made: dict[str, float] = {}
    started: dict[str, float] = {}
    for way in ("library", "flow"):
        marks: list[float] = []

        def mark(*event: object, marks: list[float] = marks) -> None:
            marks.append(time.perf_counter())

        spec = parse({
            "name": "overhead", "store": str(folder / way), "folder": str(folder), "parser": {"kind": "trivial:parser"},
            "real": {"name": "real", "kind": "village", "count": BLOCK}, "sample": {"count": count, "seed": 3},
            "generators": [
                {"name": "a", "kind": "trivial:generator"},
                {"name": "b", "kind": "trivial:generator", "options": {}, "resize": 8, "how": "stretch"},
            ],
        })  # fmt: skip
        path = folder / f"{way}.yaml"
        path.write_text(json.dumps(spec.model_dump(mode="json", exclude_none=True)))
        begun = time.perf_counter()
        if way == "library":
            marks.append(begun)
            audit(spec, mark)
        else:
            with server.connected(print, lambda: None):
                run(path, None, mark)
            started[way] = marks[0] - begun
        made[way] = marks[-1] - marks[0]
    spec = village(folder / "real", BLOCK)
    planned, store = prepared(spec)
    tasks = missing(planned, store)
    block = seconds(lambda: [make_block(task) for task in tasks]) / len(tasks)
    whole = 50 * block / planned.workers
    added = made["flow"] - made["library"]
    return [
        ("flow overhead ÷ 50 blocks on threads", "≤ 0.02", f"{max(added, 0.0) / whole:.3f}",
         f"{1000 * added / 51:.0f} ms a block over {made['library']:.1f} s without Prefect; 50 real blocks take {whole:.0f} s"),
        ("start-up of the flow", "printed", f"{started['flow']:.1f} s", "temporary Prefect server, plan, first block"),
    ]  # fmt: skip


def second_run(folder: Path) -> list[Row]:
    """The work of a second run of an unchanged audit, on the records of the demo's size."""
    spec = village(folder / "again", 2000)
    audit(spec)

    def again() -> None:
        fresh, store = prepared(spec)
        assert not missing(fresh, store), "a second run parses nothing"
        finish(fresh, store, {})

    return [("second run of an unchanged audit, after start-up", "≤ 5 s", f"{seconds(again):.1f} s", "plan, findings, report")]


MEMORY = """
import sys
import torch
torch.set_num_threads(1)
sys.path.insert(0, {here!r})
from pathlib import Path
from benchmarks import audit as bench, memory
from ganaudit.auditing.run import audit
audit(bench.village(Path({store!r}), {count}))
print(memory.peak())
"""


def memory(folder: Path) -> list[Row]:
    """Peak memory of a whole audit in a process of its own, for 1,000 and 20,000 images a source."""
    peaks = []
    for count in (1_000, 20_000):
        script = MEMORY.format(here=str(Path(__file__).parent.parent), store=str(folder / f"memory-{count}"), count=count)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout.split()[-1]))
    return [("peak memory, 20,000 ÷ 1,000 images a source", "≤ 1.1", f"{peaks[1] / peaks[0]:.2f}",
             f"{peaks[1]:,.0f} against {peaks[0]:,.0f} MiB")]  # fmt: skip


def demo(folder: Path) -> list[Row]:
    """The demo as a stranger starts it, with a Prefect home of its own."""
    environment = {**os.environ, "PREFECT_HOME": str(folder / "prefect")}
    command = [sys.executable, "-m", "flows", "demo", "--store", str(folder / "demo")]
    taken = [seconds(lambda: subprocess.run(command, env=environment, check=True, capture_output=True)) for _ in range(2)]
    return [("ganaudit demo, 3 × 2,000 + 2,000 images", "≤ 120 s", f"{taken[0]:.0f} s",
             f"start-up included; a second time {taken[1]:.0f} s")]  # fmt: skip


PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "parse": parse_stage, "threads": threads, "overhead": overhead, "again": second_run, "memory": memory, "demo": demo,
    "findings": bench_findings.findings, "scale": bench_findings.scale,
    "dask": bench_dask.dask, "millions": bench_findings.millions,
}  # fmt: skip
BY_NAME = ("millions",)
"""Left out where no parts are named: a store of ten million images takes minutes to fill."""


def table(rows: Sequence[Row]) -> str:
    lines = ["| what | wanted | measured | how |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def machine() -> str:
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        model = models[0] if models else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0]
    return (
        f"{cores} cores of {model}, load {load:.1f} at the start, Python {platform.python_version()}, "
        f"torch {torch.__version__}, numpy {np.__version__}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "parts", nargs="*", default=[name for name in PARTS if name not in BY_NAME], help=f"of {', '.join(PARTS)}"
    )
    options.add_argument("--write", action="store_true", help="renew docs/benchmarks.md")
    asked = options.parse_args()
    here, rows = machine(), []
    print(here, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.parts:
            for row in PARTS[name](Path(folder)):
                rows.append(row)
                print("  ".join(row), flush=True)
    if asked.write:
        page = Path(__file__).parent.parent / "docs" / "benchmarks.md"
        page.write_text(renewed(page.read_text(), rows, here))


def renewed(page: str, rows: Sequence[Row], here: str) -> str:
    """The page with these rows in the places of those of the same names, and new ones after them; all else stays."""
    first, heading, further = page.partition("\n## ")  # what other commands print
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in first.splitlines() if line.startswith("| ")]
    before: list[Row] = [(what, wanted, measured, how) for what, wanted, measured, how in cells[1:]]
    now = {row[0]: row for row in [*before, *rows]}
    return (
        "# Benchmarks\n\nPrinted by `make bench`, and by the commands that rows name; ratios are within one run. "
        f"Machine of the last run: {here}.\n\n{table(list(now.values()))}\n{heading}{further}"
    )


if __name__ == "__main__":
    main()
