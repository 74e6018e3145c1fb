"""How far a run is: counted once, told in the terminal and in a Prefect artifact."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from ganaudit.auditing.plan import BlockTask, Plan, needs
from ganaudit.report.words import about
from ganaudit.studies.census.work import BlockDone

ARTIFACT_SECONDS = 5.0
"""Least time between two updates of the artifact: each is a request to the server."""

PARSING, INVERTING, PUBLISHING = "parsing", "inverting", "publishing"


@dataclass
class SourceSoFar:
    """One source whose blocks are missing: images and blocks, done and in all."""

    name: str
    images: int
    blocks: int
    images_done: int = 0
    blocks_done: int = 0


@dataclass
class SoFar:
    """A run so far. It is changed by the flow's own thread alone."""

    planned: Plan
    sources: dict[str, SourceSoFar]
    """By key: sources of one key share their blocks."""
    clock: Callable[[], float] = time.monotonic
    stage: str = PARSING
    inversions: int = 0
    inversions_done: int = 0
    inverting: tuple[str, ...] = ()
    """Generators whose photos are being inverted."""
    failed: int = 0
    started: float = 0.0
    ended: float | None = None
    """When the last block stood."""
    newest: BlockDone | None = None
    """The block whose records stood last."""
    listeners: list[Callable[[SoFar], None]] = field(default_factory=list)

    @classmethod
    def of(cls, planned: Plan, todo: Sequence[BlockTask], clock: Callable[[], float] = time.monotonic) -> SoFar:
        """A run before its first block."""
        sources: dict[str, SourceSoFar] = {}
        for key in dict.fromkeys(task.key for task in todo):
            mine = [task for task in todo if task.key == key]
            name = next(source.name for source in planned.sources if source.key == key)
            sources[key] = SourceSoFar(name, needs(mine), len(mine))
        return cls(planned, sources, clock, started=clock())

    def tell(self) -> None:
        for listener in self.listeners:
            listener(self)

    def block(self, done: BlockDone) -> None:
        """A block's records stand."""
        source = self.sources[done.key]
        source.images_done += done.images
        source.blocks_done += 1
        self.newest = done
        if self.blocks_done == self.blocks:
            self.ended = self.clock()
        self.tell()

    def block_failed(self) -> None:
        self.failed += 1
        self.tell()

    def inverts(self, names: Sequence[str]) -> None:
        """These generators' photos are inverted from now on."""
        if names:
            self.stage, self.inversions, self.inverting = INVERTING, len(names), tuple(names)
            self.tell()

    def inverted(self, name: str) -> None:
        self.inversions_done += 1
        self.inverting = tuple(one for one in self.inverting if one != name)
        self.tell()

    def publishes(self) -> None:
        self.stage = PUBLISHING
        self.tell()

    @property
    def images(self) -> int:
        return sum(source.images for source in self.sources.values())

    @property
    def images_done(self) -> int:
        return sum(source.images_done for source in self.sources.values())

    @property
    def blocks(self) -> int:
        return sum(source.blocks for source in self.sources.values())

    @property
    def blocks_done(self) -> int:
        return sum(source.blocks_done for source in self.sources.values())

    @property
    def seconds(self) -> float:
        """Since the start, until the last block stood."""
        return max((self.clock() if self.ended is None else self.ended) - self.started, 1e-3)

    @property
    def rate(self) -> float | None:
        """Images a second of all workers together; None before the first block stands."""
        return self.images_done / self.seconds if self.images_done else None

    @property
    def seconds_left(self) -> float | None:
        """For the images that are missing, at the rate so far; None where that is unknown."""
        return None if self.rate is None else (self.images - self.images_done) / self.rate

    @property
    def percent(self) -> float:
        """Of the run: blocks count for all of it, or for half where photos are inverted as well."""
        blocks = self.blocks_done / self.blocks if self.blocks else 1.0
        if self.planned.spec.invert is None:
            return 100.0 * blocks
        inverted = self.inversions_done / self.inversions if self.inversions else float(self.stage == PUBLISHING)
        return 50.0 * (blocks + inverted)


def line(so_far: SoFar) -> str:
    """One line: images, rate, time left, and what is at work."""
    if so_far.stage == INVERTING:
        said = f"{so_far.inversions_done} of {so_far.inversions} generators inverted"
        return said + (f"; at work: {', '.join(so_far.inverting)}" if so_far.inverting else ".")
    parts = f"{so_far.images_done:,} of {so_far.images:,} images in {so_far.blocks_done} of {so_far.blocks} blocks"
    if so_far.rate is not None:
        parts += f", {so_far.rate:,.0f} a second"
    if so_far.seconds_left:
        parts += f", about {about(so_far.seconds_left)} left"
    return parts + (f"; {so_far.failed} blocks failed" if so_far.failed else "")


def source_lines(so_far: SoFar) -> list[str]:
    """One line for each source."""
    return [
        f"{one.name}: {one.images_done:,} of {one.images:,} images, {one.blocks_done} of {one.blocks} blocks"
        for one in so_far.sources.values()
    ]


class Artifact:
    """The run's progress artifact: one, updated now and then, with a line for each source."""

    def __init__(self, so_far: SoFar) -> None:
        self._told, self._stage = so_far.clock(), so_far.stage
        made = create_progress_artifact(progress=so_far.percent, key="progress", description=self._text(so_far))
        self._id = made if isinstance(made, UUID) else None

    def __call__(self, so_far: SoFar) -> None:
        now = so_far.clock()
        last = so_far.blocks_done == so_far.blocks or so_far.stage != self._stage
        if self._id is None or (now - self._told < ARTIFACT_SECONDS and not last):
            return
        self._told, self._stage = now, so_far.stage
        update_progress_artifact(self._id, progress=so_far.percent, description=self._text(so_far))

    @staticmethod
    def _text(so_far: SoFar) -> str:
        if so_far.stage == PUBLISHING:
            return f"Run {so_far.planned.run}: every image is parsed; findings and report are being made"
        listed = "\n".join(f"- {one}" for one in source_lines(so_far))
        return (
            f"Run {so_far.planned.run}: {line(so_far)}\n\n{listed}" if listed else f"Run {so_far.planned.run}: {line(so_far)}"
        )
