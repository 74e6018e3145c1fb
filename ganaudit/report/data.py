"""What the report is made of: one frozen value that holds everything the page shows, and typed views of its tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Measure = Literal["presence", "area"]
_MEASURES: tuple[Measure, ...] = ("presence", "area")

BEYOND = 2.0
"""Standard errors that whiskers span, and that a class must lie below the real images to be called reduced here."""
MATTERS = 0.9
"""A ratio above this is never called reduced, however small its standard error: nobody would see it."""
KNOWN = 0.25
"""A class is seen in enough real images when the standard error is at most this share of the real estimate itself."""


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


@dataclass(frozen=True, eq=False)
class Samples:
    """A few pictures of one source, to look at."""

    source: str
    role: str  # real / heldout / generated
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Quarantined:
    """An image that was set aside, and why."""

    source: str
    name: str
    error: str


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that a report shows. The tables have the columns of the findings of the same names."""

    audit: str
    run: str
    started: datetime
    finished: datetime | None
    device: str
    versions: Mapping[str, str]
    audit_yaml: str
    command: str
    exit_status: int
    class_stats: pd.DataFrame
    fsd: pd.DataFrame
    comparison: pd.DataFrame
    samples: Sequence[Samples] = ()
    holders: Mapping[str, Mapping[int, Sequence[Picture]]] = field(default_factory=dict)
    """For each generator, for each of its `most_reduced` classes: the real pictures that hold most of the class."""
    quarantined: Sequence[Quarantined] = ()
    notes: Sequence[str] = ()
    """What a reader must know first, in whole sentences: a generator without findings, and why."""

    @property
    def generators(self) -> tuple[str, ...]:
        """Names of the generators, in the order of the tables."""
        tables = (self.fsd, self.class_stats)
        return tuple(dict.fromkeys(str(name) for table in tables if len(table) for name in table["generator"]))


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error; None where it does not exist (a ratio over zero)."""

    value: float | None
    se: float | None

    @property
    def low(self) -> float | None:
        return None if self.value is None else self.value - BEYOND * (self.se or 0.0)

    @property
    def high(self) -> float | None:
        return None if self.value is None else self.value + BEYOND * (self.se or 0.0)

    @property
    def known(self) -> bool:
        """Whether it is positive and known to within a quarter: what seeing something in some sixteen images gives."""
        return bool(self.value and self.se is not None and self.se <= KNOWN * self.value)


@dataclass(frozen=True)
class ClassRow:
    """One class of one generator. Areas and sizes in percent of pixels, presences as shares of images."""

    class_id: int
    name: str
    real_area: Estimate
    generated_area: Estimate
    area_ratio: Estimate
    real_presence: Estimate
    generated_presence: Estimate
    presence_ratio: Estimate
    real_size: Estimate
    generated_size: Estimate
    size_ratio: Estimate
    real_confidence: float | None
    generated_confidence: float | None
    presence_threshold: float | None

    @property
    def absent(self) -> bool:
        """Neither the real images nor the generator's hold it."""
        return not self.real_area.value and not self.generated_area.value

    @property
    def invented(self) -> bool:
        """The generator's images hold it, no real image does."""
        return not self.real_area.value and bool(self.generated_area.value)

    @property
    def telling(self) -> Measure:
        """Presence where it makes at least half of a loss of area, else area.

        Area ratio = presence ratio x size ratio, so half is the square root: half on a log scale.
        """
        presence, area = self.presence_ratio.value, self.area_ratio.value
        if presence is None or (area is not None and presence > math.sqrt(area)):
            return "area"
        return "presence" if self.real_presence.known or not self.real_area.known else "area"

    def ceiling(self, measure: Measure) -> float | None:
        """The ratio plus two standard errors; None where the real images hold too little of the class to say.

        Where nothing at all was generated the ratio's own error is zero, which says too much; there it is three over
        the number of real images that hold the class (the rule of three), with that number read off the real error.
        """
        real, made, ratio = self.measured(measure)
        if not real.known or ratio.value is None or real.value is None or real.se is None:
            return None
        if not made.value:
            return 3 * (real.se / real.value) ** 2
        return None if ratio.se is None else ratio.value + BEYOND * ratio.se

    def floor(self, measure: Measure) -> float | None:
        """The ratio minus two standard errors; None where the real images hold too little of the class to say."""
        real, _, ratio = self.measured(measure)
        if not real.known or ratio.value is None or ratio.se is None:
            return None
        return ratio.value - BEYOND * ratio.se

    def measured(self, measure: Measure) -> tuple[Estimate, Estimate, Estimate]:
        """Real, generated, ratio."""
        if measure == "presence":
            return self.real_presence, self.generated_presence, self.presence_ratio
        return self.real_area, self.generated_area, self.area_ratio


@dataclass(frozen=True)
class FsdRow:
    """One generator's distance, and the distance that real images have among themselves at the same number."""

    generator: str
    real_images: int | None
    generated_images: int | None
    fsd: float | None
    mean_part: float | None
    covariance_part: float | None
    floor: float | None


@dataclass(frozen=True)
class Reduced:
    """A class that a generator draws less than the real images do, and the measure that tells it best."""

    row: ClassRow
    measure: Measure
    ceiling: float

    @property
    def class_id(self) -> int:
        return self.row.class_id

    @property
    def name(self) -> str:
        return self.row.name


@dataclass(frozen=True)
class Shown:
    """The classes that fit into a figure, ordered by real area, invented ones last, and what was left out."""

    rows: tuple[ClassRow, ...]
    largest: int
    changed: int
    invented: int
    left_out: int


def class_rows(class_stats: pd.DataFrame, generator: str) -> list[ClassRow]:
    """The rows of one generator, NULLs and NaNs as None."""
    if not len(class_stats):
        return []
    table = class_stats[class_stats["generator"] == generator]
    return [_class_row({str(name): value for name, value in row.items()}) for row in table.to_dict("records")]


def fsd_rows(fsd: pd.DataFrame) -> list[FsdRow]:
    """The rows of the table, NULLs and NaNs as None."""
    return [
        FsdRow(
            generator=str(row["generator"]),
            real_images=_whole(row.get("real_images")),
            generated_images=_whole(row.get("generated_images")),
            fsd=_number(row.get("fsd")),
            mean_part=_number(row.get("mean_part")),
            covariance_part=_number(row.get("covariance_part")),
            floor=_number(row.get("floor")),
        )
        for row in (fsd.to_dict("records") if len(fsd) else [])
    ]


def differences(comparison: pd.DataFrame) -> dict[tuple[str, str], float]:
    """FSD of the first generator minus FSD of the second, both ways round."""
    found: dict[tuple[str, str], float] = {}
    for row in comparison.to_dict("records") if len(comparison) else []:
        value = _number(row["difference"])
        if value is not None:
            a, b = str(row["generator_a"]), str(row["generator_b"])
            found[a, b], found[b, a] = value, -value
    return found


def reduced(rows: Sequence[ClassRow]) -> list[Reduced]:
    """Every class whose presence or area lies two standard errors and a tenth below the real images, surest first.

    Surest, not lowest: classes are ordered by the ratio plus two standard errors, so that a handful of images of a
    rare class never stand before a common class that is plainly missing. Classes that the real images hold too little
    of are left out (`Estimate.known`). These are plain differences and no tests.
    """
    found = []
    for row in rows:
        ceilings = {measure: ceiling for measure in _MEASURES if (ceiling := _lower(row, measure)) is not None}
        if not ceilings:
            continue
        measure = row.telling if row.telling in ceilings else next(iter(ceilings))
        found.append(Reduced(row, measure, min(ceilings.values())))
    return sorted(found, key=lambda each: (each.ceiling, each.class_id))


def most_reduced(class_stats: pd.DataFrame, generator: str, k: int = 4) -> list[Reduced]:
    """The first `k` classes of `reduced` for one generator: those whose real pictures the report shows."""
    return reduced(class_rows(class_stats, generator))[:k]


def shown_classes(rows: Sequence[ClassRow], largest: int = 60, changed: int = 10, invented: int = 10) -> Shown:
    """The classes to draw: those with most real area, then those of the rest that changed most, then invented ones."""
    held = sorted((row for row in rows if row.real_area.value), key=lambda row: (-(row.real_area.value or 0), row.name))
    top, rest = held[:largest], held[largest:]
    moved = sorted((row for row in rest if _moved(row) > 0), key=lambda row: -_moved(row))[:changed]
    new = sorted((row for row in rows if row.invented), key=lambda row: (-(row.generated_area.value or 0), row.name))
    return Shown(
        rows=(*top, *sorted(moved, key=lambda row: -(row.real_area.value or 0)), *new[:invented]),
        largest=len(top),
        changed=len(moved),
        invented=len(new[:invented]),
        left_out=len(held) - len(top) - len(moved) + len(new[invented:]),
    )


def _lower(row: ClassRow, measure: Measure) -> float | None:
    """The ceiling of the ratio where that is clearly below 1."""
    ceiling, ratio = row.ceiling(measure), row.measured(measure)[2].value
    return ceiling if ceiling is not None and ceiling < 1 and ratio is not None and ratio < MATTERS else None


def _moved(row: ClassRow) -> float:
    """How far, on a log scale, a class lies from 1 at the least: beyond two standard errors, by presence or area."""
    least = 0.0
    for measure in _MEASURES:
        ceiling, floor = row.ceiling(measure), row.floor(measure)
        if ceiling is not None and ceiling < 1:
            least = max(least, -math.log(max(ceiling, 1e-6)))
        if floor is not None and floor > 1:
            least = max(least, math.log(floor))
    return least


def _class_row(row: Mapping[str, Any]) -> ClassRow:
    def estimate(name: str) -> Estimate:
        return Estimate(_number(row.get(name)), _number(row.get(f"{name}_se")))

    return ClassRow(
        class_id=int(row["class_id"]),
        name=str(row["class"]),
        real_area=estimate("real_area"),
        generated_area=estimate("generated_area"),
        area_ratio=estimate("area_ratio"),
        real_presence=estimate("real_presence"),
        generated_presence=estimate("generated_presence"),
        presence_ratio=estimate("presence_ratio"),
        real_size=estimate("real_size"),
        generated_size=estimate("generated_size"),
        size_ratio=estimate("size_ratio"),
        real_confidence=_number(row.get("real_confidence")),
        generated_confidence=_number(row.get("generated_confidence")),
        presence_threshold=_number(row.get("presence_threshold")),
    )


def _number(value: Any) -> float | None:
    if value is None or value is pd.NA:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(number)
