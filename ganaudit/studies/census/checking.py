"""What parsing would take, from one batch of each source, and what it could find."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import replace

import torch

from ganaudit.records.store import Store
from ganaudit.sources.opening import Batch
from ganaudit.sources.planned import Plan
from ganaudit.studies.census import precision, work
from ganaudit.studies.census.blocks import BlockTask, block_of, missing
from ganaudit.studies.census.power import check_ratio, planned_power
from ganaudit.studies.census.section.sentences import permutation_words
from ganaudit.studies.protocol import Checked, SourceCheck

BYTES_PER_IMAGE, BYTES_PER_CLASS_ROW = 32, 17
"""Of compressed shards, measured on 12,288 images of the village (127,403 class rows)."""
QUICK = 5.0
"""Seconds a batch within which warming up counts."""


def checked(plan: Plan, store: Store, detect: float | None) -> Checked:
    """One batch of each source is read and parsed, and of the real images as many as it takes."""
    check_ratio(detect, plan.spec.decide)
    blocks = missing(plan, store)
    generators, decide = sum(source.role == "generated" for source in plan.sources), plan.spec.decide
    sources, remarks = [], [*filter(None, [permutation_words(generators, decide.permutations, decide.alpha)])]
    for source in plan.sources:
        todo = sum(block.last - block.first + 1 for block in blocks if block.key == source.key)
        rate, set_aside, class_rows, remark = _probe(block_of(plan, source, *source.blocks[0]))
        remarks += [f"{source.name!r}: {remark}"] if remark else []
        sources.append(
            SourceCheck(source.name, source.role, source.kind, source.key, source.count, todo, rate, set_aside, class_rows)
        )
    if (effect := precision.known(plan, store)) is not None and (effect.by_precision or effect.by_batch):
        remarks.append(effect.sentence())
    by_key = {source.key: source for source in sources}
    size = sum(s.missing_images * (BYTES_PER_IMAGE + BYTES_PER_CLASS_ROW * s.class_rows) for s in by_key.values())
    return Checked(remarks, sources, len(blocks), size / 1e6, planned_power(plan, store, detect))


def _probe(task: BlockTask) -> tuple[float, int, float, str | None]:
    """(images per second, images set aside, class rows per image, a remark) of a source's first batch, read twice where it is
    quick: the first time is slower there."""
    parser, source = work.opened(task)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first = replace(task, last=min(task.last, task.first + task.spec.sample.batch - 1))
        for _ in range(2):
            started = time.perf_counter()
            counted = list(work.counted_batches(first, parser, source))
            seconds = time.perf_counter() - started
            if seconds > QUICK:
                break
    finally:
        torch.set_num_threads(before)
    n = first.last - first.first + 1
    bad = sum(error is not None for batch, _ in counted for error in batch.errors)
    rows = sum(len(found.class_id) for _, found in counted)
    batches = [batch for batch, _ in counted]
    return n / seconds, bad, rows / n, _remark(batches, n) or _unlabelled(task, batches)


def _unlabelled(task: BlockTask, batches: list[Batch]) -> str | None:
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
