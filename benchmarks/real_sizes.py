"""What an audit adds to the bare networks at real sizes, on a processor: `python -m benchmarks.real_sizes [path] [families]`.

path: images sampled, parsed, counted and written by the census, against the two networks alone, one after the other, each at
its best batch. families: images of every family drawn, checked, rounded to 8 bits and named, against the bare generator.
Weights are random. Both ways take turns, one thread each; ratios are of the process's CPU time, which other work on the machine
disturbs least, and the least of several rounds counts. Generators compute in float32, as the official ones do on a processor;
the parser in bfloat16 where the machine computes in it. Peak memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks import memory
from benchmarks.audit import Row, machine, table
from benchmarks.real_networks import network, pipeline
from ganaudit import devices, trial
from ganaudit.auditing.plan import plan
from ganaudit.parsers.labelling import labelling
from ganaudit.parsers.segmentation import SegmentationParser
from ganaudit.records.store import Store
from ganaudit.spec import parse
from ganaudit.studies.census.blocks import block_of
from ganaudit.studies.census.work import make_block, opened

CLASSES = 150


@dataclass(frozen=True)
class Case:
    """A generator at a size, and images of a turn."""

    family: str
    side: int
    images: int

    @property
    def name(self) -> str:
        return f"{self.family} {self.side:,} px"

    def generator(self) -> Any:
        """The bare network, in eval mode."""
        if self.family == "diffusers":
            diffusers: Any = __import__("diffusers")
            with tempfile.TemporaryDirectory() as folder:
                return diffusers.DDIMPipeline.from_pretrained(pipeline(Path(folder) / "pipeline"))
        return network(self.family, self.side).eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def options(self, folder: Path) -> dict[str, Any]:
        """What an audit file says of it, its weights in a folder."""
        path = folder / f"{self.family}-{self.side}"
        if self.family == "diffusers":
            return {"kind": "diffusers", "weights": str(pipeline(path)), "steps": STEPS}
        if not path.with_suffix(".safetensors").exists():
            save_file(network(self.family, self.side).state_dict(), path.with_suffix(".safetensors"))
        kind = "biggan" if self.family == "biggan-deep" else self.family
        return {"kind": kind, "weights": str(path.with_suffix(".safetensors"))}


PATH = [(Case("progan", 256, 4), 256), (Case("stylegan2", 1024, 1), 512)]
"""Generators, and the side that the parser sees."""
FAMILIES = [
    Case("dcgan", 64, 64), Case("dcgan", 128, 16), Case("progan", 256, 4), Case("progan", 1024, 1), Case("stylegan2", 256, 4),
    Case("stylegan2", 1024, 1), Case("stylegan3", 256, 1), Case("r3gan", 64, 1), Case("biggan", 128, 2),
    Case("biggan-deep", 128, 2), Case("diffusers", 32, 2),
]  # fmt: skip
STEPS = 2
"""Of the diffusion pipeline: a step costs what each of many more does."""


class Logits(nn.Module):
    """torchvision's FCN on a ResNet-50, of whose outputs the first is the parser's."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models.segmentation import fcn_resnet50

        torch.manual_seed(0)
        self.network = fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)["out"]
        return logits


def parser(side: int, real: bool = True) -> SegmentationParser:
    """A parser of 150 classes with random weights, in the precision that an audit takes here. real: not only one that asks for
    images of a size."""
    named = labelling([f"class {number}" for number in range(1, CLASSES + 1)])
    network = Logits() if real else nn.Conv2d(3, CLASSES, 1)
    return SegmentationParser(network.eval().requires_grad_(False), named, side, "cpu", devices.precision("auto", "cpu"))


def turns(works: Sequence[Callable[[], object]], rounds: int) -> list[tuple[float, float]]:
    """The least CPU time of each, and the least wall time, in turns, after one warm-up."""
    taken: list[list[tuple[float, float]]] = [[] for _ in works]
    for number in range(rounds + 1):
        for times, work in zip(taken, works, strict=True):
            wall, processor = time.perf_counter(), time.process_time()
            work()
            if number:
                times.append((time.process_time() - processor, time.perf_counter() - wall))
    return [(min(cpu for cpu, _ in times), min(wall for _, wall in times)) for times in taken]


def bare(case: Case, side: int, batch: int) -> Callable[[], object]:
    """The generator on latents that are there already, batch by batch; then the parser, where there is one, that sees `side`
    pixels, image by image, and what is likeliest at each pixel."""
    generator, firsts = case.generator(), range(0, case.images, batch)
    states = [] if case.family == "diffusers" else [generator.latents(0, torch.arange(at, at + batch)) for at in firsts]
    shown = parser(side) if side else None
    pixels = torch.randn(1, 3, max(1, side), max(1, side)).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def work() -> None:
        for state in states:
            generator.run(state)
        for _ in firsts if case.family == "diffusers" else ():
            generator(batch_size=batch, num_inference_steps=STEPS, output_type="np")
        for _ in range(case.images if shown is not None else 0):
            shown.network(pixels.to(shown.dtype)).argmax(1)  # type: ignore[union-attr]

    return work


def ours(folder: Path, case: Case, side: int) -> Callable[[], object]:
    """A block of the census: sampled, checked, rounded, resized, parsed, counted, written. Without a parser: as it is read."""
    made = f"parser({side or case.side}, {side > 0})"
    (folder / "shown.py").write_text(f"from benchmarks.real_sizes import parser\n\ndef shown():\n    return {made}\n")
    spec = parse({
        "name": "sizes", "folder": str(folder), "store": str(folder / case.name), "parser": {"kind": "shown:shown"},
        "real": {"name": "real", "kind": "village", "count": 64}, "sample": {"count": 64, "batch": case.images},
        "generators": [{"name": "made", **case.options(folder)}],
    })  # fmt: skip
    with mock.patch.object(trial, "once"):  # the parser is no stranger
        planned = plan(spec)
    Store(spec.path(spec.store)).open_for_writing(planned.block)
    task = block_of(planned, planned.sources[1], 0, case.images - 1)
    _, source = opened(task)
    return (lambda: make_block(task)) if side else (lambda: source.read(range(case.images)))


def best_batch(case: Case) -> int:
    """Of 1, 4, 16 and 64 images: the batch at which the bare generator takes least CPU time."""
    batches = [batch for batch in (1, 4, 16, 64) if batch <= case.images]
    times = turns([bare(case, 0, batch) for batch in batches], 1) if len(batches) > 1 else [(0.0, 0.0)]
    return batches[min(range(len(batches)), key=lambda place: times[place])]


def peak(way: str, *asked: Any) -> float:
    """Peak memory of this process, in MiB, after some images."""
    torch.set_num_threads(1)
    works: dict[str, Callable[..., Callable[[], object]]] = {"ours": ours, "bare": bare}
    works[way](*asked)()
    return memory.peak()


def measured(folder: Path, case: Case, side: int, rounds: int) -> Row:
    """One row: the ratio of CPU times, images a second of a core, peak memory."""
    batch = best_batch(case)
    (audit, wall), (network, bare_wall) = turns([ours(folder, case, side), bare(case, side, batch)], rounds)
    asked: tuple[Any, ...]
    peaks = []
    for way, asked in (("ours", (folder, case, side)), ("bare", (case, side, batch))):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            peaks.append(apart.submit(peak, way, *asked).result())
    return (
        f"{case.name}, parsed at {side} px" if side else case.name, "≥ 0.90" if side else "printed", f"{network / audit:.2f}",
        f"{case.images / audit:.3g} against {case.images / network:.3g} images a second of a core, batch {batch} "
        f"(wall time: {bare_wall / wall:.2f}); {peaks[0] / peaks[1]:.2f} of its peak memory, {peaks[0]:,.0f} MiB",
    )  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", default=["path", "families"], help="path, families, or one of these, as dcgan")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    torch.set_num_threads(1)
    print(machine(), flush=True)
    cases = [each for each in PATH if "path" in given.parts]
    cases += [(case, 0) for case in FAMILIES if {"families", case.family} & {*given.parts}]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case, side in cases:
            rows.append(measured(Path(folder), case, side, given.rounds))
            print("  ".join(rows[-1]), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
