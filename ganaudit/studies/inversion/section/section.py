"""The section of inversions: what a generator cannot reconstruct."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ganaudit.records.store import Store
from ganaudit.report.data import Findings, Picture, ReportData, generators, rows
from ganaudit.report.drawing import DrawnFigure, file_name
from ganaudit.report.pictures import Encoded
from ganaudit.studies.inversion import pictures
from ganaudit.studies.inversion.section.choice import (
    MEANS,
    Variant,
    encoder_words,
    lines,
    memorisation_words,
    omissions,
    way,
)  # fmt: skip
from ganaudit.studies.inversion.section.lost_figure import lost_figure
from ganaudit.studies.inversion.section.reconstructed import Reconstructed, reconstructed_of
from ganaudit.studies.inversion.section.view import apart, difference, drawings, inverted_figures, views
from ganaudit.studies.section import Block, Part, Parts, Section, Text, View


class InversionSection(Section):
    """See `Section`."""

    def kept(self, store: Store, run: str, findings: Findings) -> Sequence[Reconstructed]:
        return pictures.reconstructed(store, findings)

    def view(self, data: ReportData) -> View:
        drawn, shown = drawings(data.findings, data.generators), reconstructed_of(data)

        def parts(encoded: Mapping[int, Encoded], pictures: Sequence[Picture]) -> Parts:
            values = {
                "inverted": views(data.findings, shown, drawn, encoded), "inversion_means": MEANS, "apart": apart,
                "difference": difference, "generalised": rows(data.findings, "generalisation"),
            }  # fmt: skip
            return Parts(main=[Part("inversions.html.j2", values)] if drawn else [])

        taken = sum(len(figure) for figures in drawn.values() for figure in figures) + 6_000 * len(drawn)
        return View(taken, [picture for each in shown for picture in (each.photo, each.made)], parts=parts)

    def generator_figures(self, data: ReportData, generator: str) -> Iterator[tuple[str, DrawnFigure]]:
        """`recall-NAME`, `layers-NAME` and `lost-NAME` (photos that lose a class, beside what came back)."""
        name = file_name(generator)
        for stem, drawn in inverted_figures(data.findings, generator).items():
            yield f"{stem}-{name}", drawn
        mine = [each for each in reconstructed_of(data) if each.generator == generator]
        names = {each.class_id: each.name for each in omissions(data.findings, generator)}
        if lost := lost_figure(mine, names, generator):
            yield f"lost-{name}", lost

    def details(self, findings: Findings) -> Iterable[Block]:
        """What held-out photos say of each generator, verdict by verdict; nothing where none were inverted."""
        for generator in generators(findings):
            if (chosen := way(findings, generator)) is None:
                continue
            memorised = memorisation_words(findings, generator)
            yield [
                Text(f"{generator} in held-out photos, by {chosen.method}{_free(chosen)}:"),
                *(Text(f"  {verdict:<12}  {classes}", 16) for verdict, classes in lines(findings, generator)),
                *(Text(f"  {said}") for said in encoder_words(findings, generator)),
                *([] if memorised is None else [Text(f"  {memorised}")]),
            ]


def _free(chosen: Variant) -> str:
    if chosen.somebody_elses:
        return f", {chosen.in_words}"
    return f" with {'the latent' if chosen.layer in ('z', 'w') else f'the layers before {chosen.layer}'} free"
