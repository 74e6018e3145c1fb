"""From an audit file to the blocks that have to be done: which keys, which images, which blocks are there already."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ganaudit import devices
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.keys import source_key
from ganaudit.parsers.opening import OpenParser, open_parser
from ganaudit.parsers.protocol import ClassInfo
from ganaudit.records.store import Store
from ganaudit.sources.opening import GeneratorSource, OpenSource, open_source
from ganaudit.sources.roles import CONTROL, CONTROLS, GENERATED, HELDOUT, Asked, controls, named
from ganaudit.spec import AuditSpec, Source
from ganaudit.studies.census.classes import check_accept, check_groups, check_slices

BLOCK = 1024
"""Images of one block: consecutive indices, always done whole."""


@dataclass(frozen=True)
class BlockTask:
    """One block of one source: small, picklable, everything that a worker needs."""

    spec: AuditSpec
    asked: Asked
    key: str
    parser_key: str
    first: int
    last: int
    device: str
    precision: str
    run: str = ""
    """The run that asked for it, for logs: it is in no key."""

    @property
    def source(self) -> Source:
        return self.asked.source(self.spec)


@dataclass(frozen=True)
class PlannedSource:
    """One source of a run, with the content key of its records."""

    asked: Asked
    name: str
    kind: str
    key: str
    recipe: Mapping[str, Any]
    digests: Mapping[str, str]
    resolution: int | None
    """Short side of the images as they are made, in pixels."""
    training_step: int | None
    count: int
    blocks: tuple[tuple[int, int], ...]
    """(first, last) of every block that the run uses."""
    first: int = 0
    """Index of the first image that the run uses."""
    truncation: float | None = None
    noise: str | None = None

    @property
    def role(self) -> str:
        return self.asked.role


@dataclass(frozen=True)
class Plan:
    """A run before it starts."""

    spec: AuditSpec
    run: str
    started: datetime
    device: str
    precision: str
    workers: int
    parser_key: str
    classes: tuple[ClassInfo, ...]
    sources: tuple[PlannedSource, ...]

    def task(self, source: PlannedSource, first: int, last: int) -> BlockTask:
        """The images first to last of a source."""
        return BlockTask(
            self.spec, source.asked, source.key, self.parser_key, first, last, self.device, self.precision, self.run
        )

    def missing(self, store: Store) -> list[BlockTask]:
        """Blocks that are not in the store yet, each key once, sources taking turns so that all get on evenly."""
        queues: dict[str, list[BlockTask]] = {}
        for source in self.sources:
            done = store.finished_blocks(source.key)
            tasks = queues.setdefault(source.key, [])
            known = {(task.first, task.last) for task in tasks}
            tasks += [
                self.task(source, first, last)
                for first, last in source.blocks
                if (first, last) not in done and (first, last) not in known
            ]
        turns = max((len(tasks) for tasks in queues.values()), default=0)
        return [tasks[turn] for turn in range(turns) for tasks in queues.values() if turn < len(tasks)]

    @property
    def where(self) -> str:
        """Where and how many at once, in words."""
        run = self.spec.run
        if run.runner == "threads":
            return f"{self.workers} at once"
        if run.address is None:
            return f"{self.workers} Dask worker{'s' if self.workers > 1 else ''} of this machine"
        return f"the Dask workers at {run.address}"

    @property
    def blocks(self) -> int:
        """Blocks of the run, each key's once."""
        return len({(source.key, block) for source in self.sources for block in source.blocks})


def plan(spec: AuditSpec) -> Plan:
    """Opens every source and the parser once. Raises RequestError for the first thing that cannot be done."""
    device = devices.pick(spec.run.device)
    precision = devices.precision(spec.run.precision, device)
    context = Context.of(spec, device, precision, anew=True)
    parser = open_parser(spec.parser, context)
    names = {info.id: info.name for info in parser.parser.classes}
    check_groups(spec.groups, names)
    check_accept(spec.accept, spec.groups, names)
    check_slices(spec.slices, Store(spec.path(spec.store)))
    sources = [_planned(spec, asked, parser, context) for asked in named(spec)]
    natives = [source.resolution for source in sources if source.role == GENERATED]
    sources += [_planned(spec, asked, parser, context) for asked in controls(natives, sources[0].recipe["size"])]
    started = datetime.now(UTC)
    return Plan(
        spec=spec, run=run_name(spec.name, started), started=started, device=device, precision=precision,
        workers=devices.workers(spec.run.workers, device), parser_key=parser.key, classes=parser.parser.classes,
        sources=tuple(sources),
    )  # fmt: skip


def _planned(spec: AuditSpec, asked: Asked, parser: OpenParser, context: Context) -> PlannedSource:
    named = asked.source(spec)
    source = open_source(asked, named, parser, context)
    if spec.invert is not None and spec.invert.layer != "auto" and isinstance(source, GeneratorSource):
        source.check_layer(spec.invert.layer)
    count = _count(spec, named, source, generated=asked.role == GENERATED)
    if asked.role == CONTROL:
        count = min(count, CONTROLS)
    first = 0
    if named.heldout is not None:
        count = _without_held_out(named, count, source.length)
        if asked.role == HELDOUT:
            first, count = count, named.heldout
    used = tuple(block for block in blocks(first + count, source.length) if block[1] >= first)
    recipe = {**source.recipe, "parser": _parser_part(parser, source)}
    return PlannedSource(
        asked=asked, name=asked.name(spec), kind=named.kind, key=source_key(recipe), recipe=recipe,
        digests=source.digests, resolution=source.resolution, training_step=source.training_step,
        count=count, blocks=used, first=first, truncation=source.truncation, noise=source.noise,
    )  # fmt: skip


def _without_held_out(asked: Source, count: int, length: int | None) -> int:
    """Images of the real side that are audited, before those held out. Raises RequestError where there are too few."""
    if length is None:
        return count
    held = asked.heldout or 0
    left = length - held if asked.count is None else count
    if left < 2 or left + held > length:
        raise RequestError(
            f"source {asked.name!r} has {length:,} images: too few for {left:,} and {held:,} held out beside them"
        )
    return left


def _parser_part(parser: OpenParser, source: OpenSource) -> Mapping[str, Any]:
    """What the parser contributes to a key: where label maps are taken as they are, only the classes."""
    if source.maps:
        return {"kind": "masks", "classes": parser.recipe["classes"]}
    return parser.recipe


def _count(spec: AuditSpec, asked: Source, source: OpenSource, generated: bool) -> int:
    wanted = asked.count
    if wanted is None and (source.length is None or (generated and "count" in spec.sample.model_fields_set)):
        wanted = spec.sample.count
    if source.length is None:
        return wanted or spec.sample.count
    if source.length < 2:
        raise RequestError(f"source {asked.name!r} has {source.length} images; an audit compares two or more on each side")
    if wanted is None:
        return source.length
    if wanted > source.length:
        raise RequestError(
            f"source {asked.name!r} has {source.length:,} images and {wanted:,} are asked for; "
            f"set its count to {source.length} or less, or give it more images"
        )
    return wanted


def blocks(count: int, length: int | None) -> tuple[tuple[int, int], ...]:
    """(first, last) of the whole blocks that hold images 0 … count-1; a collection's last block ends where it ends."""
    last = count - 1
    return tuple(
        (first, first + BLOCK - 1 if length is None else min(first + BLOCK, length) - 1) for first in range(0, last + 1, BLOCK)
    )


def run_name(audit: str, started: datetime) -> str:
    """A run's identifier: plain letters of the audit's name, UTC time, four random digits."""
    plain = unicodedata.normalize("NFKD", audit).encode("ascii", "ignore").decode().lower()
    slug = "-".join("".join(c if c.isalnum() else " " for c in plain).split())[:40] or "audit"
    return f"{slug}-{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def needs(tasks: Sequence[BlockTask]) -> int:
    """Images that `tasks` will parse."""
    return sum(task.last - task.first + 1 for task in tasks)
