"""What readers see of steering: how far each generator can be moved, and why it stops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from markupsafe import Markup

from ganaudit.records.store import Store
from ganaudit.report import words
from ganaudit.report.data import Findings, Interval, Picture, ReportData, generators
from ganaudit.report.drawing import DrawnFigure, file_name, inline
from ganaudit.report.pictures import Encoded
from ganaudit.studies.section import Block, Part, Parts, Section, Text, View
from ganaudit.studies.steering.section.choice import called, cause_words, reach_words, said
from ganaudit.studies.steering.section.figures import walk_figure
from ganaudit.studies.steering.section.strips import Strip, strips


class SteeringSection(Section):
    """See `Section`."""

    def kept(self, store: Store, run: str, findings: Findings) -> Sequence[Strip]:
        return strips(store, run) if said(findings) else []

    def view(self, data: ReportData) -> View:
        walks = said(data.findings)
        kept: Sequence[Strip] = data.kept.get("steering") or ()
        pictures = {tuple(strip.walk.named.values()): strip for strip in kept}
        shown = [
            (walk, Markup(inline(walk_figure(data.findings, walk), f"walk{place}")),
             pictures.get((walk.generator, walk.edit, walk.space, walk.walk)))
            for place, walk in enumerate(walks)
        ]  # fmt: skip

        def parts(encoded: Mapping[int, Encoded], pictures: Sequence[Picture]) -> Parts:
            values = {
                "walks": shown,
                "called": called,
                "reach_words": reach_words,
                "cause_words": cause_words,
                "Interval": Interval,
            }
            return Parts(main=[Part("steering.html.j2", values)] if walks else [])

        taken = sum(len(figure) + (len(strip.url) if strip else 0) + 4_000 for _, figure, strip in shown)
        return View(taken, parts=parts)

    def generator_figures(self, data: ReportData, generator: str) -> Iterator[tuple[str, DrawnFigure]]:
        """`walk-NAME-EDIT-SPACE-KIND` of each walk."""
        for walk in said(data.findings, generator):
            name = "-".join(map(file_name, (generator, walk.edit, walk.space, walk.walk)))
            yield f"walk-{name}", walk_figure(data.findings, walk)

    def details(self, findings: Findings) -> Iterable[Block]:
        """What each walk does, walk by walk; nothing where none was asked for."""
        for generator in generators(findings):
            for walk in said(findings, generator):
                followed = words.percents(Interval.of(walk.reach, "followed"))
                lines = [
                    Text(f"{generator}, {walk.title}: as real as unmoved from α = {reach_words(walk)}; {followed} of the way."),
                    *(Text(f"  {verdict:<15}  {classes}", 19) for verdict, classes in walk.by_verdict()),
                ]
                because = cause_words(walk)
                yield [*lines, *([] if because is None else [Text(f"  {because}")])]
