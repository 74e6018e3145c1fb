"""What a study is, in one folder. The driver, publishing, verify, prune and the report know studies, and name none.

Stages follow each other: each is planned when the records of the one before stand, from those records. Its shards are pure
functions of their description, done in any order, anywhere; a shard whose files are there is never done again.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from ganaudit import devices
from ganaudit.limits import within
from ganaudit.studies import STUDIES
from ganaudit.studies.section import Block, Section

if TYPE_CHECKING:
    import pyarrow as pa

    from ganaudit.parsers.opening import OpenParser
    from ganaudit.records.store import Store
    from ganaudit.sources.opening import OpenSource
    from ganaudit.sources.planned import Plan
    from ganaudit.sources.roles import SourceRole
    from ganaudit.spec import AuditSpec


class Shard(Protocol):
    """One unit of work: small, picklable, everything that a worker needs."""

    @property
    def study(self) -> str: ...

    @property
    def spec(self) -> AuditSpec: ...

    @property
    def group(self) -> str:
        """The source or generator under which progress counts it."""
        ...

    @property
    def images(self) -> int: ...

    @property
    def label(self) -> str:
        """What logs and Prefect's pages call it."""
        ...


class Done(Protocol):
    """What a shard came to; quarantined: images among them that were set aside."""

    @property
    def images(self) -> int: ...

    @property
    def quarantined(self) -> int: ...


@dataclass(frozen=True)
class UsedKey:
    """Records that a run uses: the shards of `table` that hold the places first to first + count - 1 of a key."""

    table: str
    source: str
    role: str
    key: str
    first: int
    count: int
    variant: Mapping[str, Any]
    """What tells keys of one source and stage apart: a method, a setting."""


@dataclass(frozen=True)
class Stage:
    """Shards that do not need each other. name: what is being done, as progress says it ("parsing"), unique in its study.

    shards: those that are missing in the store. keys: what the run uses of the stage, whether it is there already or not.
    """

    name: str
    shards: Sequence[Shard]
    keys: Sequence[UsedKey]
    notes: Sequence[str] = ()
    """What a reader of the findings has to know: generators that the study cannot look at, and why."""


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


class Power(Protocol):
    """What planned numbers of images could find: a dataclass of plain values."""

    def block(self) -> Block:
        """The same for a terminal."""
        ...


@dataclass(frozen=True)
class Checked:
    """What a study would take and could find."""

    notes: Sequence[str] = ()
    """Sentences on what it would cost and what cannot work."""
    sources: Sequence[SourceCheck] = ()
    """Those of which it read a batch."""
    missing: int = 0
    """Shards to be done over these sources."""
    megabytes: float = 0.0
    power: Power | None = None


class Study(Protocol):
    """One study. Its tables are in its `tables.py`, its options a part of the audit file."""

    name: str
    stage_names: tuple[str, ...]
    """What its stages are called, in their order."""
    section: Section
    """What readers see of it; a study without one shows nothing."""

    def asked(self, spec: AuditSpec) -> bool:
        """Whether an audit asks for it."""
        ...

    def roles(self, spec: AuditSpec, opened: Sequence[tuple[SourceRole, OpenSource]]) -> Sequence[SourceRole]:
        """Further sources that it needs parsed, beside those that the audit file names."""
        ...

    def validate(self, spec: AuditSpec, parser: OpenParser, opened: Sequence[tuple[SourceRole, OpenSource]]) -> None:
        """Raises RequestError for what cannot be, before anything is parsed."""
        ...

    def check(self, plan: Plan, store: Store, detect: float | None) -> Checked:
        """What it would cost and what cannot work, before anything is parsed. Writes nothing.

        detect: a ratio of generated to real; then also how many images would find it. Raises RequestError for one that
        cannot be found, and for what cannot work.
        """
        ...

    def stages(self, plan: Plan, store: Store) -> Iterator[Stage]:
        """Stage by stage: the next one is asked for when the records of the one before stand."""
        ...

    def work(self, shard: Any) -> Done:
        """Does one shard: writes its files. Raises AuditError where a model fails, OSError where the disk does."""
        ...

    def findings(self, store: Store, run: str) -> Mapping[str, pa.Table]:
        """Its findings, from the records that the run used and from nothing else; written beside them."""
        ...

    def keep(self, plan: Plan, store: Store, findings: Mapping[str, pa.Table]) -> None:
        """Keeps what people look at and no record has: pictures, made while the models are at hand; by default nothing."""
        return


def study(name: str) -> Study:
    """The study of that name."""
    return cast("Study", importlib.import_module(f"ganaudit.studies.{name}.study").STUDY)


def asked_for(spec: AuditSpec) -> list[Study]:
    """The studies of an audit, in the order in which they run."""
    return [each_study for each_study in map(study, STUDIES) if each_study.asked(spec)]


def sections() -> dict[str, Section]:
    """What readers see of each study, by its name, in the order in which they run."""
    return {name: getattr(study(name), "section", Section()) for name in STUDIES}


def work(shard: Shard) -> Done:
    """Does one shard of any study, within the limits of the audit file's `run`."""
    run = shard.spec.run
    processes = devices.workers(run.workers, "cpu") if run.runner == "dask" and run.address is None else 1
    return within(
        lambda: study(shard.study).work(shard), f"{shard.label} ({shard.study})", run.block_minutes, run.memory, processes
    )
