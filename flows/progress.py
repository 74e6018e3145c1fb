"""How far a run is: counted once, shown in the terminal and in a Prefect artifact."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from ganaudit.auditing.driver import Progress, stage_names
from ganaudit.report.words import about
from ganaudit.sources.planned import Plan
from ganaudit.studies.protocol import Done, Shard, asked_for

ARTIFACT_SECONDS = 5.0
"""Least time between two updates of the artifact: each is a request to the server."""

PUBLISHING = "publishing"


@dataclass
class GroupSoFar:
    """One source or generator with missing shards in a stage: its images and shards, done and in all."""

    name: str
    images: int = 0
    shards: int = 0
    images_done: int = 0
    shards_done: int = 0


@dataclass
class SoFar:
    """A run so far: the stage that it is in. It is changed by the flow's own thread alone."""

    planned: Plan
    clock: Callable[[], float] = time.monotonic
    stage: str = ""
    study: str = ""
    groups: dict[str, GroupSoFar] = field(default_factory=dict)
    failed: int = 0
    started: float = 0.0
    ended: float | None = None
    """When the stage's last shard stood."""
    newest: Done | None = None
    """The shard whose records stood last."""
    listeners: list[Callable[[SoFar], None]] = field(default_factory=list)

    def hear(self, progress: Progress, shard: Shard | None, done: Done | None) -> None:
        """What the driver reports: of a stage that begins, or of a shard whose records stand."""
        assert progress.stage is not None
        if shard is None or done is None:
            self.groups = {}
            for missing in progress.stage.shards:
                group = self.groups.setdefault(missing.group, GroupSoFar(missing.group))
                group.images += missing.images
                group.shards += 1
            self.study, self.stage, self.failed, self.newest = progress.study, progress.stage.name, 0, None
            self.started, self.ended = self.clock(), None
        else:
            group = self.groups[shard.group]
            group.images_done += done.images
            group.shards_done += 1
            self.newest = done
            self.ended = self.clock() if self.shards_done == self.shards else None
        self.tell()

    def tell(self) -> None:
        for listener in self.listeners:
            listener(self)

    def failed_shard(self) -> None:
        self.failed += 1
        self.tell()

    def publishes(self) -> None:
        self.stage = PUBLISHING
        self.tell()

    @property
    def images(self) -> int:
        return sum(group.images for group in self.groups.values())

    @property
    def images_done(self) -> int:
        return sum(group.images_done for group in self.groups.values())

    @property
    def shards(self) -> int:
        return sum(group.shards for group in self.groups.values())

    @property
    def shards_done(self) -> int:
        return sum(group.shards_done for group in self.groups.values())

    @property
    def seconds(self) -> float:
        """Since the stage began, until its last shard stood."""
        return max((self.clock() if self.ended is None else self.ended) - self.started, 1e-3)

    @property
    def rate(self) -> float | None:
        """Images a second of all workers together; None before the first shard stands."""
        return self.images_done / self.seconds if self.images_done else None

    @property
    def seconds_left(self) -> float | None:
        """For the images that are missing in this stage, at the rate so far; None where that is unknown."""
        return None if self.rate is None else (self.images - self.images_done) / self.rate

    @property
    def percent(self) -> float:
        """Of the run: every stage that it may go through counts alike."""
        if self.stage == PUBLISHING:
            return 100.0
        stages = stage_names(asked_for(self.planned.spec))
        place = stages.index((self.study, self.stage)) if self.stage else 0
        done = self.shards_done / self.shards if self.shards else float(bool(self.stage))
        return 100.0 * (place + done) / len(stages)


def line(so_far: SoFar) -> str:
    """One line: the stage, images, rate, time left."""
    parts = (
        f"{so_far.stage}: {so_far.images_done:,} of {so_far.images:,} images in {so_far.shards_done} of {so_far.shards} shards"
    )
    if so_far.rate is not None:
        parts += f", {so_far.rate:,.1f} a second" if so_far.rate < 10 else f", {so_far.rate:,.0f} a second"
    if so_far.seconds_left:
        parts += f", about {about(so_far.seconds_left)} left"
    return parts + (f"; {so_far.failed} shards failed" if so_far.failed else "")


def group_lines(so_far: SoFar) -> list[str]:
    """One line for each source or generator."""
    return [
        f"{group.name}: {group.images_done:,} of {group.images:,} images, {group.shards_done} of {group.shards} shards"
        for group in so_far.groups.values()
    ]


class Artifact:
    """The run's progress artifact: one, updated now and then, with a line for each source. None before there is work."""

    def __init__(self, so_far: SoFar) -> None:
        self._told, self._stage = so_far.clock(), so_far.stage
        self._id: UUID | None = None

    def __call__(self, so_far: SoFar) -> None:
        now = so_far.clock()
        last = so_far.shards_done == so_far.shards or so_far.stage != self._stage
        if self._id is None:
            if not so_far.shards:
                return
            made = create_progress_artifact(progress=so_far.percent, key="progress", description=self._text(so_far))
            self._id = made if isinstance(made, UUID) else None
        elif now - self._told < ARTIFACT_SECONDS and not last:
            return
        else:
            update_progress_artifact(self._id, progress=so_far.percent, description=self._text(so_far))
        self._told, self._stage = now, so_far.stage

    @staticmethod
    def _text(so_far: SoFar) -> str:
        if so_far.stage == PUBLISHING:
            return f"Run {so_far.planned.run}: all records stand; findings and report are being made"
        listed = "\n".join(f"- {group}" for group in group_lines(so_far))
        return f"Run {so_far.planned.run}: {line(so_far)}\n\n{listed}"
