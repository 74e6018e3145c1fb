"""The shards of class statistics: blocks of consecutive images of one source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganaudit.options import Source
from ganaudit.records.store import Store
from ganaudit.records.tables import IMAGES
from ganaudit.sources.planned import Plan, PlannedSource
from ganaudit.sources.roles import SourceRole
from ganaudit.spec import AuditSpec
from ganaudit.studies.protocol import Stage, UsedKey

PARSING = "parsing"


@dataclass(frozen=True)
class BlockTask:
    """One block of one source: small, picklable, everything that a worker needs."""

    spec: AuditSpec
    asked: SourceRole
    key: str
    parser_key: str
    first: int
    last: int
    device: str
    precision: str
    run: str = ""
    """The run that asked for it, for logs: it is in no key."""

    study: ClassVar[str] = "census"

    @property
    def source(self) -> Source:
        return self.asked.source(self.spec)

    @property
    def group(self) -> str:
        return self.asked.name(self.spec)

    @property
    def images(self) -> int:
        return self.last - self.first + 1

    @property
    def label(self) -> str:
        return f"{self.source.name} {self.first}-{self.last}"


def block_of(plan: Plan, source: PlannedSource, first: int, last: int) -> BlockTask:
    """The images first to last of a source."""
    return BlockTask(plan.spec, source.asked, source.key, plan.parser_key, first, last, plan.device, plan.precision, plan.run)


def missing(plan: Plan, store: Store) -> list[BlockTask]:
    """Blocks that are not in the store yet, each key once, sources taking turns so that all get on evenly."""
    queues: dict[str, list[BlockTask]] = {}
    for source in plan.sources:
        done = store.finished_blocks(source.key)
        tasks = queues.setdefault(source.key, [])
        known = {(task.first, task.last) for task in tasks}
        tasks += [
            block_of(plan, source, first, last)
            for first, last in source.blocks
            if (first, last) not in done and (first, last) not in known
        ]
    turns = max((len(tasks) for tasks in queues.values()), default=0)
    return [tasks[turn] for turn in range(turns) for tasks in queues.values() if turn < len(tasks)]


def parsing(plan: Plan, store: Store) -> Stage:
    """The one stage: every source sampled or read, parsed and counted."""
    keys = [
        UsedKey(IMAGES.name, source.name, source.role, source.key, source.first, source.count, {}) for source in plan.sources
    ]
    return Stage(PARSING, missing(plan, store), keys)
