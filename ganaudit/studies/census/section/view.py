"""What the page shows of the classes: at its top, of each generator, and of all of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ganaudit.report import words
from ganaudit.report.data import Picture, ReportData, rows
from ganaudit.report.drawing import inline
from ganaudit.report.page import anchor
from ganaudit.report.pictures import Encoded
from ganaudit.studies.census.section import photos, sentences, trust
from ganaudit.studies.census.section.agreement import agreement_part
from ganaudit.studies.census.section.area_figure import area_figure
from ganaudit.studies.census.section.classes import Shown, class_findings, largest, worst_first
from ganaudit.studies.census.section.distance_figures import fsd_figure, parts_figure
from ganaudit.studies.census.section.distances import Distance, curve, distances, named_pairs, shares
from ganaudit.studies.census.section.expected import expected_part
from ganaudit.studies.census.section.forest import forest_figure
from ganaudit.studies.census.section.further import Further, further
from ganaudit.studies.census.section.kept import IMAGES, kept_of
from ganaudit.studies.census.section.near import near_part
from ganaudit.studies.census.section.training import training_words, trainings
from ganaudit.studies.census.section.training_figure import training_figure
from ganaudit.studies.section import Part, Parts, View

ROWS = {1: 336, 3: 150, 6: 72}
"""Up to so many generators, so many classes of each stand in the table; beyond, 48."""
OPEN = 3
"""Classes that are shown in pictures at once; the others are behind a click."""
PLOTTED = 60
"""Classes in a forest plot: more cannot be taken in."""


@dataclass(frozen=True, eq=False)
class GeneratorView:
    """What the page shows of one generator."""

    name: str
    anchor: str
    headline: str
    lines: Sequence[sentences.Line]
    fsd: Distance | None
    forest: Markup
    areas: Markup
    parts: Markup
    shown: Shown
    unplotted: int
    further: Further
    tipping: Sequence[str]
    doubt: str
    falling: Sequence[trust.CorrectedClass]
    corrected: Sequence[trust.CorrectedClass]
    influences: Mapping[str, Sequence[photos.PictureView]]


def view(data: ReportData) -> View:
    """Figures are drawn at once, the rest follows when the pictures are encoded."""
    found, kept = distances(data.findings), kept_of(data)
    named, alike = named_pairs(data.findings)
    drawn = [_drawn(data, name, place) for place, name in enumerate(data.generators)]
    curves = [
        (training, training_words(training), Markup(inline(training_figure(training, data.decide), f"t{place}")))
        for place, training in enumerate(trainings(data))
    ]
    side_by_side = Markup(inline(fsd_figure(found), "fsd")) if found else Markup("")

    def parts(encoded: Mapping[int, Encoded], shown: Sequence[Picture]) -> Parts:
        names = photos.class_names(data)
        common = _common(data)
        views = [_generator(data, each, found, encoded, names) for each in drawn]
        most = max((max(one.real_images, one.generated_images) for one in found), default=0)
        among = f" (among the first {IMAGES:,} of its source)" if most > IMAGES else ""
        samples = [(each, photos.sample_views(each, encoded, names)) for each in kept.samples if each.pictures]
        return Parts(
            {each.name: Part("summary.html.j2", {"view": each, "pictured": kept.shown, **common}) for each in views},
            [
                *([Part("verdicts.html.j2", common)] if common["tested"] else []),
                *(Part("generator.html.j2", {"view": each, **common}) for each in views),
            ],
            [
                Part("shown.html.j2", {
                    "lost": photos.lost_views(data, encoded, names), "grown": photos.grown_views(data, encoded, names),
                    "open": OPEN, "among": among,
                }),
                *([Part("distances.html.j2", {
                    "fsd": found, "fsd_figure": side_by_side, "pairs": named, "alike": alike,
                    "rank_words": sentences.rank_words, "adjusted_words": sentences.adjusted_words(found),
                })] if found else []),
                *(Part("training.html.j2", {"place": place, "training": training, "said": said, "figure": figure})
                  for place, (training, said, figure) in enumerate(curves, 1)),
                *expected_part(data),
                *near_part(data, encoded),
                *agreement_part(data),
                Part("parser.html.j2", {
                    "parser_classes": trust.parser_classes(data.findings), "precision": kept.precision,
                }),
                Part("photos.html.j2", {
                    "samples": samples, "legend": photos.legend(shown, names),
                }),
            ],
        )  # fmt: skip

    taken = (
        sum(len(figure) for _, _, figure in curves)
        + sum(len(figure) for each in drawn for figure in each.figures)
        + 1_400 * sum(len(each.shown.rows) for each in drawn)
        + 12_000 * len(drawn)
    )
    pictures = [picture for samples in kept.samples for picture in samples.pictures]
    strips = {
        name: [picture for samples in kept.samples if samples.source == name for picture in samples.pictures]
        for name in data.generators
    }
    return View(taken, pictures, kept.bare, strips, parts)


def _common(data: ReportData) -> dict[str, Any]:
    """What several of its templates need."""
    lines = {name: words.share(getattr(data.decide, name)) for name in ("dropped", "reduced", "increased")}
    return {
        "tested": "dropped_classes" in data.findings,
        "means": {verdict: text.format(**lines) for verdict, text in sentences.MEANS.items()},
        "threshold": data.decide.presence_percent,
        "counted_regions": any(row["measure"] == "count" for row in rows(data.findings, "dropped_classes")),
        "distance_words": sentences.distance_words,
        "bias_words": sentences.bias_words,
    }


@dataclass(frozen=True, eq=False)
class _Drawn:
    name: str
    place: int
    shown: Shown
    figures: tuple[Markup, Markup, Markup]


def _drawn(data: ReportData, name: str, place: int) -> _Drawn:
    """The figures of one generator: they are drawn first, since the pictures may take what they leave of the page."""
    classes = class_findings(data.findings, name)
    most = next((most for count, most in ROWS.items() if len(data.generators) <= count), 48)
    shown, areas = worst_first(classes, most), largest(classes)
    points, parts = curve(data.findings, name), shares(data.findings, name)
    tested = any(one.word for one in classes)
    drawn = (
        forest_figure(worst_first(classes, min(most, PLOTTED)), name, data.decide, data.sigmas)
        if tested and shown.rows
        else None,
        area_figure(areas, name, data.sigmas) if areas.rows else None,
        parts_figure(points, parts, name) if len(points) > 1 or parts else None,
    )
    forest, area, part = (
        Markup("" if one is None else inline(one, f"{kind}{place}")) for kind, one in zip("fcp", drawn, strict=True)
    )
    return _Drawn(name, place, shown, (forest, area, part))


def _generator(
    data: ReportData, drawn: _Drawn, shown: Sequence[Distance], encoded: Mapping[int, Encoded], names: Mapping[int, str]
) -> GeneratorView:
    name = drawn.name
    forest, areas, parts = drawn.figures
    return GeneratorView(
        name=name, anchor=anchor(drawn.place), headline=sentences.headline(data.findings, name),
        lines=sentences.verdict_lines(data.findings, name, named=5 if len(data.generators) <= 4 else 3, listed=8),
        fsd=next((one for one in shown if one.generator == name), None),
        forest=forest, areas=areas, parts=parts, shown=drawn.shown,
        unplotted=max(0, len(drawn.shown.rows) - PLOTTED) + drawn.shown.left_out, further=further(data.findings, name),
        tipping=trust.tipping_words(data.findings, name), doubt=trust.doubt_words(data.findings, name),
        falling=trust.falling(data.findings, name), corrected=trust.corrected(data.findings, name),
        influences=photos.influence_views(data, name, encoded, names),
    )  # fmt: skip
