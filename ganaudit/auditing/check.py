"""What an audit would do, without doing it: sources, weights and shapes are opened, one batch of each source is parsed."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ganaudit import kinds
from ganaudit.auditing.plan import plan
from ganaudit.datasets.village import VillageSource
from ganaudit.records.store import Store
from ganaudit.sources.opening import Batch
from ganaudit.sources.roles import not_measured
from ganaudit.spec import AuditSpec
from ganaudit.studies.census import blocks as census
from ganaudit.studies.census import work
from ganaudit.studies.census.power import Reach, check_ratio, reach
from ganaudit.studies.protocol import asked_for

BYTES_PER_IMAGE, BYTES_PER_CLASS_ROW = 32, 17
"""Of compressed shards, measured on 12,288 images of the village (127,403 class rows)."""


@dataclass(frozen=True)
class SourceCheck:
    """One source. rate: images per second of one worker, read and parsed, from its first batch."""

    name: str
    role: str
    kind: str
    key: str
    images: int
    missing_images: int
    rate: float
    set_aside: int
    class_rows: float
    """Classes present per image."""


@dataclass(frozen=True)
class Check:
    """The plan of an audit, with what it would cost."""

    audit: str
    store: str
    device: str
    precision: str
    runner: str
    workers: int
    where: str
    """How many blocks at once and where, in words."""
    parser: str
    classes: int
    sources: tuple[SourceCheck, ...]
    blocks: int
    missing_blocks: int
    seconds: float
    megabytes: float
    free_gigabytes: float
    notes: tuple[str, ...]
    reach: Reach | None
    """What these numbers of images could find; None where no two real images can be read."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check(spec: AuditSpec, detect: float | None = None) -> Check:
    """Opens everything and parses one batch of each source. Writes no records. Raises RequestError for what cannot work.

    detect: a ratio of generated to real; then the check also says how many images would find it.
    """
    check_ratio(detect, spec.decide)
    store = Store(spec.path(spec.store))
    store.check_place()
    planned = plan(spec)
    missing = census.missing(planned, store)
    found, remarks = [], list[str]()
    for source in planned.sources:
        first, last = source.blocks[0]
        task = census.block_of(planned, source, first, last)
        todo = sum(one.last - one.first + 1 for one in missing if one.key == source.key)
        rate, set_aside, class_rows, remark = _probe(task)
        remarks += [f"{source.name!r}: {remark}"] if remark else []
        found.append(
            SourceCheck(source.name, source.role, source.kind, source.key, source.count, todo, rate, set_aside, class_rows)
        )
    by_key = {source.key: source for source in found}
    seconds = sum(source.missing_images / source.rate for source in by_key.values()) / min(
        planned.workers, max(len(missing), 1)
    )
    size = sum(s.missing_images * (BYTES_PER_IMAGE + BYTES_PER_CLASS_ROW * s.class_rows) for s in by_key.values())
    precision = planned.precision if "precision" in kinds.find("parsers", spec.parser.kind).offers else "its own precision"
    return Check(
        audit=spec.name, store=str(store.path), device=planned.device, precision=precision,
        runner=spec.run.runner, workers=planned.workers, where=planned.where,
        parser=spec.parser.kind, classes=len(planned.classes), sources=tuple(found), blocks=planned.blocks,
        missing_blocks=len(missing), seconds=seconds, megabytes=size / 1e6,
        free_gigabytes=shutil.disk_usage(_existing(store.path)).free / 1e9,
        notes=(*filter(None, [not_measured(spec)]), *_notes(spec, planned.precision, planned.device), *planned.notes,
               *remarks, *(said for study in asked_for(spec) for said in study.check(planned, store))),
        reach=reach(planned, store, detect),
    )  # fmt: skip


def _probe(task: census.BlockTask) -> tuple[float, int, float, str | None]:
    """(images per second, images set aside, class rows per image, a remark) of a source's first batch, read twice."""
    parser, source = work.opened(task)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first = replace(task, last=min(task.last, task.first + task.spec.sample.batch - 1))
        for _ in range(2):
            started = time.perf_counter()
            counted = list(work.counted_batches(first, parser, source))
            seconds = time.perf_counter() - started
    finally:
        torch.set_num_threads(before)
    n = first.last - first.first + 1
    bad = sum(error is not None for batch, _ in counted for error in batch.errors)
    rows = sum(len(found.class_id) for _, found in counted)
    batches = [batch for batch, _ in counted]
    return n / seconds, bad, rows / n, _remark(batches, n) or _unlabelled(task, batches)


def _unlabelled(task: census.BlockTask, batches: list[Batch]) -> str | None:
    """Which slice asks for labels that a source does not set: no image of it will be in that slice."""
    for name, part in task.spec.slices.items():
        condition = {"real": part.real, "generated": part.generated}.get(task.asked.role)
        labelled = any(tag is not None for batch in batches for tag in batch.tags)
        if condition is not None and re.search(r"\blabel\b", condition) and not labelled:
            return f"slices.{name} asks for a label ({condition}), and its images have none"
    return None


def _remark(batches: list[Batch], n: int) -> str | None:
    """What a person should know about a source's first batch."""
    errors = Counter(error for batch in batches for error in batch.errors if error is not None)
    if errors:
        return f"{errors.total()} of its first {n} images would be set aside, most often because {errors.most_common(1)[0][0]}"
    return None


def _notes(spec: AuditSpec, precision: str, device: str) -> list[str]:
    notes = []
    if precision == "bfloat16" and device == "cpu" and not _fast_bfloat16():
        notes.append(
            "this processor has no bfloat16 arithmetic; run: {precision: float32} may be faster (other keys: parsed anew)"
        )
    real = spec.real
    for generator in spec.generators:
        if not (isinstance(real, VillageSource) and isinstance(generator, VillageSource)):
            continue
        if (spec.sample.seed if generator.seed is None else generator.seed) == (real.seed or 0):
            notes.append(
                f"{generator.name!r} and {real.name!r} draw the same scenes (one seed): they are paired, not independent"
            )
    return notes


def _fast_bfloat16() -> bool:
    test = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(test()) if callable(test) else True


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
