"""The report: one HTML page that needs nothing else."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ganaudit.report import words
from ganaudit.report.data import Picture, ReportData, Samples, rows
from ganaudit.report.drawing import inline, style
from ganaudit.report.palette import ROLES, class_colour
from ganaudit.report.pictures import Encoded, encode, outline, thumbnail
from ganaudit.studies.census.section import sentences, trust
from ganaudit.studies.census.section.area_figure import area_figure
from ganaudit.studies.census.section.classes import Shown, class_findings, largest, lost, telling_first
from ganaudit.studies.census.section.distance_figures import fsd_figure, parts_figure
from ganaudit.studies.census.section.distances import Distance, curve, distances, pairs, shares
from ganaudit.studies.census.section.forest import forest_figure
from ganaudit.studies.census.section.further import Further, further
from ganaudit.studies.census.section.training import training_words, trainings
from ganaudit.studies.census.section.training_figure import training_figure
from ganaudit.studies.inversion.section import choice as inversions
from ganaudit.studies.inversion.section import view as lost_photos

HERE = Path(__file__).parent
PAGE = 4_800_000
"""Bytes that a page may have: mail servers and archives take it."""
LEAST, MOST = 500_000, 3_000_000
"""Bytes that the pictures of a page may take: what figures and tables leave, within these bounds."""
LISTED = 20
"""Images set aside that are listed one by one."""
STRIP = 6
"""Pictures in the strip beside a generator's verdicts."""
ROWS = {1: 336, 3: 150, 6: 72}
"""Up to so many generators, so many classes of each stand in the table; beyond, 48."""
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
    strip: Sequence[tuple[str, str]]  # data URL, alternative text
    forest: Markup
    areas: Markup
    parts: Markup
    shown: Shown
    unplotted: int
    further: Further
    tipping: Sequence[str]
    doubt: str
    falling: Sequence[trust.Corrected]
    corrected: Sequence[trust.Corrected]
    influences: Mapping[str, Sequence["PictureView"]]


@dataclass(frozen=True, eq=False)
class PictureView:
    """A picture with its label map, encoded, and what a reader who does not see it is told."""

    picture: Picture
    encoded: Encoded
    alt: str
    outline: tuple[str, int, int] | None = None
    held: str = ""


@dataclass(frozen=True, eq=False)
class HolderView:
    """The real pictures that hold most of one class, and the generators that lose it."""

    class_id: int
    name: str
    found: Sequence[tuple[str, str, str]]  # generator, verdict, how much is left
    pictures: Sequence[PictureView]


def render(data: ReportData) -> str:
    """The page: self-contained, below 5 MB, in light and dark, for screen and paper."""
    names = _class_names(data)
    found = distances(data.findings)
    with style():
        drawn = [_drawn(data, name, place) for place, name in enumerate(data.generators)]
        curves = [
            (one, training_words(one), Markup(inline(training_figure(one, data.decide), f"t{place}")))
            for place, one in enumerate(trainings(data))
        ]
        side_by_side = Markup(inline(fsd_figure(found), "fsd")) if found else Markup("")
        inverted = lost_photos.drawings(data.findings, data.generators)
    taken = (
        sum(len(figure) for _, _, figure in curves)
        + sum(len(figure) for each in drawn for figure in each.figures)
        + 1_400 * sum(len(each.shown.rows) for each in drawn)
        + sum(len(figure) for each in inverted.values() for figure in each)
        + 6_000 * len(inverted)
    )
    budget = min(MOST, max(LEAST, PAGE - 300_000 - len(data.audit_yaml) - taken - 12_000 * len(drawn)))
    shown = [picture for samples in data.kept.samples for picture in samples.pictures]
    shown += [picture for one in data.reconstructed for picture in (one.photo, one.made)]
    encoded = encode(shown, budget, data.kept.all)
    counts = Counter(row.source for row in data.quarantined)
    return (
        _environment()
        .get_template("template.html.j2")
        .render(
            data=data,
            generators=[_generator(data, each, found, encoded, names) for each in drawn],
            tested="dropped_classes" in data.findings,
            means={verdict: _filled(text, data) for verdict, text in sentences.MEANS.items()},
            fsd=found,
            fsd_figure=side_by_side,
            trainings=curves,
            pairs=pairs(data.findings),
            parser_classes=trust.parser_classes(data.findings),
            samples=[(samples, _views(samples, encoded, names)) for samples in data.kept.samples if samples.pictures],
            legend=_legend(data, names),
            holders=_holders(data, encoded, names),
            inverted=lost_photos.views(data.findings, data.reconstructed, inverted, encoded),
            inversion_means=inversions.MEANS,
            generalised=rows(data.findings, "generalisation"),
            quarantined=data.quarantined[:LISTED],
            quarantine_counts=[f"{source}: {words.counted(count, 'image')}" for source, count in counts.items()],
            threshold=next((row["presence_threshold"] for row in rows(data.findings, "class_stats")), None),
            exit_meaning=words.EXIT.get(data.exit_status, "unknown"),
            styles=Markup(_styles()),
            script=Markup((HERE / "sort.js").read_text(encoding="utf-8")),
        )
    )


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
    shown, areas = telling_first(classes, most), largest(classes)
    points, parts = curve(data.findings, name), shares(data.findings, name)
    tested = any(one.word for one in classes)
    drawn = (
        forest_figure(telling_first(classes, min(most, PLOTTED)), name, data.decide, data.sigmas)
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
    data: ReportData, drawn: _Drawn, found: Sequence[Distance], encoded: Mapping[int, Encoded], names: Mapping[int, str]
) -> GeneratorView:
    name = drawn.name
    pictures = [picture for samples in data.kept.samples if samples.source == name for picture in samples.pictures]
    pushed = {(row["role"], row["image"]): row["influence"] for row in _influential(data, name)}
    influences = {
        role: [
            PictureView(
                picture, encoded[id(picture)], f"{role} image {picture.name}: {_seen(picture, names)}",
                held=words.number(pushed.get((role, picture.index))),
            )
            for picture in shown
        ]
        for role, shown in data.kept.influences.get(name, {}).items()
        if shown
    }  # fmt: skip
    forest, areas, parts = drawn.figures
    return GeneratorView(
        name=name, anchor=f"generator-{drawn.place + 1}", headline=sentences.headline(data.findings, name),
        lines=sentences.verdict_lines(data.findings, name, named=5 if len(data.generators) <= 4 else 3, listed=8),
        fsd=next((one for one in found if one.generator == name), None),
        strip=[(thumbnail(picture), f"{name}, image {picture.index}") for picture in pictures[:STRIP]],
        forest=forest, areas=areas, parts=parts, shown=drawn.shown,
        unplotted=max(0, len(drawn.shown.rows) - PLOTTED) + drawn.shown.left_out, further=further(data.findings, name),
        tipping=trust.tipping_words(data.findings, name), doubt=trust.doubt_words(data.findings, name),
        falling=trust.falling(data.findings, name),
        corrected=trust.corrected(data.findings, name), influences=influences,
    )  # fmt: skip


def _influential(data: ReportData, name: str) -> list[Any]:
    """The rows of the influences of the pictures that are shown: the table has one for every image."""
    import pyarrow.compute as pc

    kept = data.kept.influences.get(name, {})
    shown = sorted({picture.index for pictures in kept.values() for picture in pictures})
    if "influences" not in data.findings or not shown:
        return []
    table = data.findings["influences"]
    return list(rows({"influences": table.filter(pc.field("image").isin(shown))}, "influences", name))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([HERE, *(HERE.parent / "studies" / study / "section" for study in ("census", "inversion"))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=words.number, percent=_kept(words.percent), share=_kept(words.share), distance=_kept(words.distance),
        p=words.p, moment=words.moment, kept=_kept(str), css=_css, slug=_slug,
        capital=lambda text: text[:1].upper() + text[1:],
        hundredth=lambda value: words.share(value).removesuffix(" %"),
        bare=lambda interval: words.percents(interval).replace(" %", ""), spread=words.spread,
    )  # fmt: skip
    environment.globals.update(
        counted=words.counted, duration=words.duration, colour=class_colour, listing=words.listing,
        distance_words=sentences.distance_words, bias_words=sentences.bias_words, rank_words=sentences.rank_words,
        pair_words=sentences.pair_words, chance=words.chance, apart=lost_photos.apart,
        difference=lost_photos.difference,
    )  # fmt: skip
    return environment


def _kept(text: Any) -> Any:
    """A formatter whose spaces before % and within an interval do not break."""

    def kept(value: Any) -> str:
        return re.sub(r" (?=%)|(?<=\d|%) (?=\[)|(?<=\[)([^\] ]*,) ", _unbroken, text(value))

    return kept


def _unbroken(space: re.Match[str]) -> str:
    return f"{space[1] or ''}\N{NO-BREAK SPACE}"


def _slug(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _css(class_id: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*class_colour(class_id))


def _filled(text: str, data: ReportData) -> str:
    lines = {name: words.share(getattr(data.decide, name)) for name in ("dropped", "reduced", "increased")}
    return text.format(**lines)


def _views(samples: Samples, encoded: Mapping[int, Encoded], names: Mapping[int, str]) -> list[PictureView]:
    return [
        PictureView(picture, encoded[id(picture)], f"{samples.source}, image {picture.index}: {_seen(picture, names)}")
        for picture in samples.pictures
    ]


def _seen(picture: Picture, names: Mapping[int, str], most: int = 4) -> str:
    """What a picture holds most of: "sky 46 %, grass 22 %, …"."""
    ids, pixels = np.unique(picture.labels, return_counts=True)
    order = np.argsort(-pixels, kind="stable")[:most]
    total = picture.labels.size
    return ", ".join(f"{_name(names, int(ids[i]))} {words.percent(100 * int(pixels[i]) / total)}" for i in order)


def _holders(data: ReportData, encoded: Mapping[int, Encoded], names: Mapping[int, str]) -> list[HolderView]:
    """By class, the plainest loss first: the real pictures are the same for every generator."""
    pictures: dict[int, Sequence[Picture]] = {}
    said: dict[int, list[tuple[int, str, str, str]]] = {}
    for generator, classes in data.kept.holders.items():
        losses = lost(data.findings, generator)
        for class_id, held in classes.items():
            pictures.setdefault(class_id, held)
            for place, one in enumerate(losses):
                if one.class_id == class_id and one.told is not None:
                    how = f"{sentences.how_much(one.told, one.telling)} ({sentences.against(one, one.telling)})"
                    said.setdefault(class_id, []).append((place, generator, one.word, how))
    order = sorted(pictures, key=lambda class_id: (min(said.get(class_id, [(999, "", "", "")])), class_id))
    return [
        HolderView(
            class_id,
            _name(names, class_id),
            [(generator, verdict, how) for _, generator, verdict, how in sorted(said.get(class_id, []))],
            [_holder(picture, encoded[id(picture)], class_id, names) for picture in pictures[class_id]],
        )
        for class_id in order
        if pictures[class_id]
    ]


def _holder(picture: Picture, encoded: Encoded, class_id: int, names: Mapping[int, str]) -> PictureView:
    held = words.percent(100 * float((picture.labels == class_id).mean()))
    alt = f"{picture.name}: {_name(names, class_id)} covers {held} of it"
    border = outline(picture.labels, class_id, max(encoded.width, encoded.height))
    return PictureView(picture, encoded, alt, border, held)


def _legend(data: ReportData, names: Mapping[int, str]) -> list[tuple[int, str]]:
    """Every class that the label maps on the page show."""
    seen: set[int] = set()
    shown = [picture for samples in data.kept.samples for picture in samples.pictures]
    for picture in (*shown, *(each for one in data.reconstructed for each in (one.photo, one.made))):
        seen |= {int(each) for each in np.unique(picture.labels)}
    return [(class_id, _name(names, class_id)) for class_id in sorted(seen)]


def _class_names(data: ReportData) -> dict[int, str]:
    return {one.class_id: one.name for name in data.generators for one in class_findings(data.findings, name)}


def _name(names: Mapping[int, str], class_id: int) -> str:
    return names.get(class_id, "void" if class_id == 0 else f"class {class_id}")


def _styles() -> str:
    def variables(which: int) -> str:
        return "".join(f"--{role.replace('_', '-')}:{pair[which]};" for role, pair in ROLES.items())

    sheet = (HERE / "style.css").read_text(encoding="utf-8")
    return f":root{{{variables(0)}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{variables(1)}}}}}\n{sheet}"
