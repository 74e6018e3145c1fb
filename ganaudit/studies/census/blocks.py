"""The shards of class statistics: blocks of consecutive images of one source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganaudit.options import Source
from ganaudit.records.columns import Table
from ganaudit.records.store import Store
from ganaudit.records.tables import IMAGES, PARSED_TWICE
from ganaudit.sources.planned import Plan, PlannedSource
from ganaudit.sources.roles import SourceRole
from ganaudit.spec import AuditSpec
from ganaudit.studies.protocol import Stage, UsedKey

PARSING = "parsing"


@dataclass(frozen=True)
class SecondRead:
    """A second parser that reads a block, the key of its records, and that of what both say."""

    parser_key: str
    key: str
    overlap: str

    def records(self) -> tuple[tuple[Table, str], ...]:
        """The tables whose files are the marks that its records stand, and their keys."""
        return (IMAGES, self.key), (PARSED_TWICE, self.overlap)


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
    second: SecondRead | None = None
    """What a second parser reads of it."""

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
    where = first, last, plan.device, plan.precision, plan.run
    return BlockTask(plan.spec, source.asked, source.key, plan.parser_key, *where, second_of(plan, source))


def second_of(plan: Plan, source: PlannedSource) -> SecondRead | None:
    """What the second parser reads of a source."""
    if plan.second_parser is None or source.second is None:
        return None
    return SecondRead(plan.second_parser.key, source.second.key, source.second.overlap)


def missing(plan: Plan, store: Store) -> list[BlockTask]:
    """Blocks that are not in the store yet, each key once, sources taking turns so that all get on evenly."""
    queues: dict[str, list[BlockTask]] = {}
    for source in plan.sources:
        second = second_of(plan, source)
        done = set(store.finished_blocks(source.key))
        for table, key in () if second is None else second.records():
            done &= set(store.finished_blocks(key, table.name))
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
    keys = []
    for source in plan.sources:
        which = source.name, source.role
        keys.append(UsedKey(IMAGES.name, *which, source.key, source.first, source.count, {}))
        if (second := second_of(plan, source)) is not None:
            said = {"parser_key": second.parser_key}
            keys += [UsedKey(table.name, *which, key, source.first, source.count, said) for table, key in second.records()]
    return Stage(PARSING, missing(plan, store), keys)
