"""What the report is made of: one frozen value that holds everything the page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ganaudit.records import schema
from ganaudit.spec import Decide

Findings = Mapping[str, pa.Table]
"""The finding tables of a run by name, with the columns of the schema; a table that is not there has no rows."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Interval:
    """A number and its interval; None where it does not exist (a ratio over zero)."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, row: Row, name: str) -> Interval:
        """The columns `name`, `name`_low and `name`_high of a finding."""
        return cls(row[name], row[f"{name}_low"], row[f"{name}_high"])


@dataclass(frozen=True, eq=False)
class Picture:
    """One image and what the parser saw in it. The label map may have another size than the image."""

    index: int
    name: str
    image: npt.NDArray[np.uint8]  # H x W x 3
    labels: npt.NDArray[Any]  # H x W, class ids

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"picture {self.name!r}: image is {self.image.dtype} {self.image.shape}, not uint8 HxWx3")
        if self.labels.ndim != 2 or not np.issubdtype(self.labels.dtype, np.integer):
            raise ValueError(f"picture {self.name!r}: labels are {self.labels.dtype} {self.labels.shape}, not int HxW")


@dataclass(frozen=True)
class Quarantined:
    """An image that was set aside, and why."""

    source: str
    name: str
    error: str


@dataclass(frozen=True)
class Used:
    """A source of the run, and the digests that say exactly which images it means."""

    role: str
    name: str
    kind: str
    key: str
    parser_key: str
    images: int
    digests: Mapping[str, str]
    training: str | None = None
    """The training that a generator is a checkpoint of."""
    training_step: int | None = None


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that a report shows."""

    audit: str
    run: str
    started: datetime
    finished: datetime | None
    device: str
    versions: Mapping[str, str]
    audit_yaml: str
    command: str
    exit_status: int
    findings: Findings
    decide: Decide = field(default_factory=Decide)
    kept: Mapping[str, Any] = field(default_factory=dict)
    """The pictures that each study keeps, by its name."""
    sources: Sequence[Used] = ()
    quarantined: Sequence[Quarantined] = ()
    notes: Sequence[str] = ()
    """What a reader must know first, in whole sentences: a generator without findings, and why."""

    @property
    def generators(self) -> tuple[str, ...]:
        """Names of the generators, in the order of the tables."""
        return generators(self.findings)

    @property
    def sigmas(self) -> float:
        """Standard errors that an interval at 1 - alpha spans either way."""
        return NormalDist().inv_cdf(1 - self.decide.alpha / 2)


def generators(findings: Findings) -> tuple[str, ...]:
    """Names of the generators that have findings, in the order of the tables."""
    tables = [findings[table.name] for table in schema.ALWAYS if table.name in findings]
    return tuple(dict.fromkeys(name for table in tables for name in table["generator"].to_pylist()))


def rows(findings: Findings, name: str, generator: str | None = None) -> list[Row]:
    """The rows of a finding, of one generator where that is given."""
    if name not in findings:
        return []
    table = findings[name]
    if generator is not None:
        table = table.filter(pc.equal(table["generator"], generator))
    all_rows: list[Row] = table.to_pylist()
    return all_rows
