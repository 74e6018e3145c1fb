"""The pictures that are kept with a run, for its report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ganaudit.report.data import Picture, ReportData

IMAGES = 20_000
"""Images of each source, its first, among which those are chosen that show what verdicts mean."""


@dataclass(frozen=True, eq=False)
class Samples:
    """A few pictures of one source, to look at."""

    source: str
    role: str  # real / heldout / generated
    pictures: Sequence[Picture]


@dataclass(frozen=True, eq=False)
class Beside:
    """A real picture that holds a lost class, and of each generator the picture that is nearest to it in what else it holds.

    apart: of each of these, the share of the pixels without the class that would have to change class.
    """

    real: Picture
    nearest: Mapping[str, Picture] = field(default_factory=dict)
    apart: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Grown:
    """Pictures of one generator that hold a class which grew: most of it, or such that the parser is least sure of it.

    images: that count in the verdict, among those looked through. sure: the parser's confidence in the class, by picture.
    """

    generator: str
    class_id: int
    images: int
    largest: Sequence[Picture]
    unsure: Sequence[Picture]
    sure: Mapping[int, float]


@dataclass(frozen=True, eq=False)
class Kept:
    """The pictures that are kept with a run, and what was kept of its parser.

    lost: for each class that is lost, the real pictures that hold most of it beside generated ones, the plainest class first.
    grown: of each class that grew, the plainest first.
    influences: for each generator, for real and for generated, the pictures that push its distance up most.
    near: pairs of near duplicates, each with the name of its source.
    precision: how many labels hang on how the parser computes, in a sentence.
    """

    samples: Sequence[Samples] = ()
    lost: Mapping[int, Sequence[Beside]] = field(default_factory=dict)
    grown: Sequence[Grown] = ()
    influences: Mapping[str, Mapping[str, Sequence[Picture]]] = field(default_factory=dict)
    near: Sequence[tuple[tuple[str, Picture], tuple[str, Picture]]] = ()
    precision: str = ""

    @property
    def bare(self) -> list[Picture]:
        """Every picture that is shown without its label map, each as often as it stands somewhere."""
        groups = [
            *([each.real, *each.nearest.values()] for shown in self.lost.values() for each in shown),
            *([*each.largest, *each.unsure] for each in self.grown),
            *(pictures for roles in self.influences.values() for pictures in roles.values()),
            *([picture for _, picture in pair] for pair in self.near),
        ]
        return [picture for group in groups for picture in group]

    @property
    def shown(self) -> set[str]:
        """Generators of which pictures show verdicts."""
        beside = {name for shown in self.lost.values() for each in shown for name in each.nearest}
        return beside | {each.generator for each in self.grown}

    @property
    def all(self) -> list[Picture]:
        """Every picture, each as often as it stands somewhere."""
        return [*(picture for samples in self.samples for picture in samples.pictures), *self.bare]


def kept_of(data: ReportData) -> Kept:
    """Those of a report."""
    kept: Kept = data.kept.get("census") or Kept()
    return kept
