"""An audit before it starts: its sources, opened once, with the content keys of their records and the images that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ganaudit.keys import canonical
from ganaudit.parsers.protocol import ClassInfo
from ganaudit.sources.roles import SourceRole
from ganaudit.spec import AuditSpec


@dataclass(frozen=True)
class SecondParser:
    """Another parser that reads the same images."""

    key: str
    classes: tuple[ClassInfo, ...]


@dataclass(frozen=True)
class SecondRecords:
    """Records of a source read by the second parser. overlap: the key of what both parsers say, pixel by pixel."""

    key: str
    overlap: str
    recipe: Mapping[str, Any]


@dataclass(frozen=True)
class PlannedSource:
    """One source of a run, with the content key of its records."""

    asked: SourceRole
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
    truncation: float | None = None
    noise: str | None = None
    first: int = 0
    """Index of the first image that the run uses."""
    notes: tuple[str, ...] = ()
    """What a reader of the findings should know of the images and where they lie, in sentences."""
    second: SecondRecords | None = None
    """Of the second parser, where it reads this source."""

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
    block: int
    """Images of one block, in this store."""
    parser_key: str
    classes: tuple[ClassInfo, ...]
    sources: tuple[PlannedSource, ...]
    second_parser: SecondParser | None = None
    """Another parser that reads the same images."""
    parser_notes: tuple[str, ...] = ()
    """What a reader should know of the parser, in sentences."""

    @property
    def notes(self) -> list[str]:
        """What a reader should know of the parser, folders and generators, each folder once."""
        said: dict[tuple[str, str], str] = {}
        for source in self.sources:
            for note in source.notes:
                said.setdefault((note, canonical(source.recipe["source"])), source.name)
        of_parser = [f"Parser: {note}." for note in self.parser_notes]
        return list(dict.fromkeys([*of_parser, *(f"{name!r}: {note}." for (note, _), name in said.items())]))

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
