"""What readers see of a study. The page, the figures, the terminal, notebooks and notes know sections, and name no study.

All of it follows from the findings of a run and the pictures that were kept: no model is at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganaudit.records.store import Store
    from ganaudit.report.data import Findings, Picture, ReportData
    from ganaudit.report.drawing import DrawnFigure
    from ganaudit.report.pictures import Encoded
    from ganaudit.spec import AuditSpec


@dataclass(frozen=True)
class Text:
    """One line of a terminal; hanging: by how many letters it is set in where it has to be broken."""

    text: str
    hanging: int = 2


@dataclass(frozen=True)
class Table:
    """Rows of a terminal, and what stands there where there are none."""

    rows: Sequence[dict[str, Any]]
    empty: str


Block = Sequence[Text | Table]
"""What stands together in a terminal."""


@dataclass(frozen=True)
class Part:
    """A piece of the page: a template of the study's `section/`, and what it is filled with."""

    template: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Parts:
    """Where its pieces stand: under a generator's name at the top, below that study by study, or after those of all studies."""

    top: Mapping[str, Part] = field(default_factory=dict)
    main: Sequence[Part] = ()
    further: Sequence[Part] = ()


def _no_parts(encoded: Mapping[int, Encoded], shown: Sequence[Picture]) -> Parts:
    return Parts()


@dataclass(frozen=True, eq=False)
class View:
    """What a page shows of one study. Its figures are drawn first: its pictures may take what they leave of the page."""

    taken: int = 0
    """Bytes of its figures and tables."""
    pictures: Sequence[Picture] = ()
    """Pictures that are shown with their label maps."""
    bare: Sequence[Picture] = ()
    """Pictures that are shown without."""
    strips: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    """A few of each generator, small, for the top of the page."""
    parts: Callable[[Mapping[int, Encoded], Sequence[Picture]], Parts] = _no_parts
    """Its pieces, from the encoded pictures by id(), and those that the whole page shows with their label maps."""


class Section:
    """The section of a study that shows nothing; a study overrides what it has."""

    columns: tuple[str, ...] = ()
    """What it says of each generator in a small table, see `cells`."""

    def notes(self, store: Store, run: str, spec: AuditSpec | None, findings: Findings) -> Sequence[str]:
        """What a reader of the findings must know first, in sentences. spec: None where the run's is not known."""
        return ()

    def kept(self, store: Store, run: str, findings: Findings) -> Any:
        """The pictures of a run that its page shows, from what was kept: `ReportData.kept` holds them by study."""
        return None

    def view(self, data: ReportData) -> View:
        """What the page shows."""
        return View()

    def generator_figures(self, data: ReportData, generator: str) -> Iterable[tuple[str, DrawnFigure]]:
        """The figures of one generator as files: (stem, figure)."""
        return ()

    def figures(self, data: ReportData) -> Iterable[tuple[str, DrawnFigure]]:
        """Its other figures as files."""
        return ()

    def headline(self, findings: Findings, generator: str) -> str:
        """What it says of a generator, in half a sentence that follows the generator's name; empty where it says nothing."""
        return ""

    def cells(self, findings: Findings, generator: str) -> Sequence[str]:
        """The columns of a generator, for a table that is taken in at a glance."""
        return ()

    def table(self, findings: Findings) -> Sequence[Mapping[str, str]]:
        """A row a generator, with a column `generator` and in full."""
        return ()

    def summary(self, findings: Findings) -> Iterable[Block]:
        """What a terminal shows first."""
        return ()

    def details(self, findings: Findings) -> Iterable[Block]:
        """What a terminal shows below."""
        return ()
