"""The pictures that are kept with a run, for its report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ganaudit.report.data import Picture, ReportData


@dataclass(frozen=True, eq=False)
class Samples:
    """A few pictures of one source, to look at."""

    source: str
    role: str  # real / heldout / generated
    pictures: Sequence[Picture]


@dataclass(frozen=True, eq=False)
class Kept:
    """The pictures that are kept with a run.

    holders: for each generator, for each class that it loses, the real pictures that hold most of the class.
    influences: for each generator, for real and for generated, the pictures that push its distance up most.
    near: pairs of near duplicates, each with the name of its source.
    """

    samples: Sequence[Samples] = ()
    holders: Mapping[str, Mapping[int, Sequence[Picture]]] = field(default_factory=dict)
    influences: Mapping[str, Mapping[str, Sequence[Picture]]] = field(default_factory=dict)
    near: Sequence[tuple[tuple[str, Picture], tuple[str, Picture]]] = ()

    @property
    def all(self) -> list[Picture]:
        """Every picture, each as often as it stands somewhere."""
        groups = [
            *(samples.pictures for samples in self.samples),
            *(pictures for classes in self.holders.values() for pictures in classes.values()),
            *(pictures for roles in self.influences.values() for pictures in roles.values()),
            *([picture for _, picture in pair] for pair in self.near),
        ]
        return [picture for group in groups for picture in group]


def kept_of(data: ReportData) -> Kept:
    """Those of a report."""
    kept: Kept = data.kept.get("census") or Kept()
    return kept
