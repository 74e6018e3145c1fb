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
from ganaudit.report.data import (
    BEYOND,
    Estimate,
    FsdRow,
    Picture,
    Reduced,
    ReportData,
    Samples,
    Shown,
    class_rows,
    differences,
    fsd_rows,
    reduced,
    shown_classes,
)
from ganaudit.report.figures import classes_figure, fsd_figure, inline, style
from ganaudit.report.palette import ROLES, class_colour
from ganaudit.report.pictures import Encoded, encode, outline, thumbnail

HERE = Path(__file__).parent
PAGE = 4_800_000
"""Bytes that a page may have: mail servers and archives take it."""
LEAST, MOST = 600_000, 3_000_000
"""Bytes that the pictures of a page may take: what figures and tables leave, within these bounds."""
LISTED = 20
"""Images set aside that are listed one by one."""
STRIP = 6
"""Pictures in the strip beside a generator's sentence."""


@dataclass(frozen=True, eq=False)
class GeneratorView:
    """What the page shows of one generator."""

    name: str
    anchor: str
    sentence: Sequence[words.Part]
    fsd: FsdRow | None
    strip: Sequence[tuple[str, str]]  # data URL, alternative text
    figure: Markup
    shown: Shown
    less: Sequence[Reduced]
    chance: str
    unknown: int


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
    """The real pictures that hold most of one class, and the generators that draw it least."""

    class_id: int
    name: str
    found: Sequence[tuple[str, str]]  # generator, how much less
    pictures: Sequence[PictureView]


def render(data: ReportData) -> str:
    """The page: self-contained, below 5 MB, in light and dark, for screen and paper."""
    names = _class_names(data)
    held = [picture for classes in data.holders.values() for pictures in classes.values() for picture in pictures]
    fsd = fsd_rows(data.fsd)
    with style():
        generators = [_generator(data, name, place, fsd) for place, name in enumerate(data.generators)]
        distances = Markup(inline(fsd_figure(data), "fsd")) if any(row.fsd is not None for row in fsd) else ""
    taken = sum(len(view.figure) + 12_000 * len(view.strip) // STRIP + 1_000 * len(view.shown.rows) for view in generators)
    budget = min(MOST, max(LEAST, PAGE - 300_000 - len(data.audit_yaml) - taken))
    encoded = encode([*(picture for samples in data.samples for picture in samples.pictures), *held], budget)
    counts = Counter(row.source for row in data.quarantined)
    return (
        _environment()
        .get_template("template.html.j2")
        .render(
            data=data,
            generators=generators,
            fsd=sorted(fsd, key=lambda row: (row.fsd is None, row.fsd)),
            fsd_figure=distances,
            differences=differences(data.comparison),
            samples=[(samples, _views(samples, encoded, names)) for samples in data.samples if samples.pictures],
            legend=_legend(data, names),
            holders=_holders(data, encoded, names),
            quarantined=data.quarantined[:LISTED],
            quarantine_counts=[f"{source}: {words.counted(count, 'image')}" for source, count in counts.items()],
            threshold=next((row.presence_threshold for view in generators for row in view.shown.rows), None),
            exit_meaning=words.EXIT.get(data.exit_status, "unknown"),
            styles=Markup(_styles()),
            script=Markup((HERE / "sort.js").read_text(encoding="utf-8")),
            beyond=BEYOND,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        number=words.number,
        percent=_kept(words.percent),
        share=_kept(words.share),
        with_error=_kept(words.with_error),
        moment=words.moment,
        kept=_kept(str),
        hundredth=lambda value: words.share(value).removesuffix(" %"),
        css=_css,
        mark=ratio_mark,
    )
    environment.globals.update(
        counted=words.counted, duration=words.duration, classes_shown=words.classes_shown, colour=class_colour
    )
    return environment


def _kept(text: Any) -> Any:
    """A formatter whose spaces before % and around ± do not break."""

    def kept(value: Any) -> str:
        return re.sub(r" (?=[%±])|(?<=±) ", "\N{NO-BREAK SPACE}", text(value))

    return kept


def _css(class_id: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*class_colour(class_id))


def ratio_mark(ratio: Estimate) -> Markup:
    """A ratio and its two standard errors either way, drawn small on a log scale from 1/8 to 4."""
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return Markup("")
    role = "l" if ratio.high < 1 else "m" if ratio.low > 1 else "s"

    def place(value: float) -> float:
        return float(np.clip(71 + 22 * np.log2(max(value, 1e-9)), 4, 116))

    at, low, high = place(ratio.value), place(ratio.low), place(ratio.high)
    mark = f'<circle cx="{at:.1f}" cy="9" r="2.8"/>'
    if ratio.value < 0.125:
        mark = '<path class="f" d="M10 4v10l-9-5z"/>'
    elif ratio.value > 4:
        mark = '<path class="f" d="M110 4v10l9-5z"/>'
    one = place(1.0)
    bar = f'<path class="b" d="M{one:g} 9H{at:.1f}"/>' if abs(at - one) > 0.5 else ""
    span = f'<path d="M{low:.1f} 9H{high:.1f}"/>' if high - low > 0.5 else ""
    return Markup(f'<svg class="r {role}" viewBox="0 0 120 18" aria-hidden="true">{bar}{span}{mark}</svg>')


def _generator(data: ReportData, name: str, place: int, fsd: Sequence[FsdRow]) -> GeneratorView:
    rows = class_rows(data.class_stats, name)
    shown = shown_classes(rows)
    pictures = [picture for samples in data.samples if samples.source == name for picture in samples.pictures]
    return GeneratorView(
        name=name,
        anchor=f"generator-{place + 1}",
        sentence=words.sentence_parts(data.class_stats, data.fsd, name),
        fsd=next((row for row in fsd if row.generator == name), None),
        strip=[(thumbnail(picture), f"{name}, image {picture.index}") for picture in pictures[:STRIP]],
        figure=Markup(inline(classes_figure(shown, name), f"c{place + 1}")) if shown.rows else Markup(""),
        shown=shown,
        less=reduced(rows),
        chance=words.chance(rows),
        unknown=sum(not (row.real_presence.known or row.real_area.known) for row in rows if row.real_area.value),
    )


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
    """By class, the surest reduction first: the real pictures are the same for every generator."""
    pictures: dict[int, Sequence[Picture]] = {}
    less: dict[int, list[tuple[float, str, str]]] = {}
    for generator, classes in data.holders.items():
        found = {each.class_id: each for each in reduced(class_rows(data.class_stats, generator))}
        for class_id, held in classes.items():
            pictures.setdefault(class_id, held)
            each = found.get(class_id)
            how = words.held_less(each) if each and each.row.generated_area.value else "never" if each else "less"
            less.setdefault(class_id, []).append((each.ceiling if each else 1.0, generator, how))
    order = sorted(pictures, key=lambda class_id: (min(less[class_id]), class_id))
    return [
        HolderView(
            class_id,
            _name(names, class_id),
            [(generator, how) for _, generator, how in sorted(less[class_id])],
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
    for samples in data.samples:
        for picture in samples.pictures:
            seen |= {int(each) for each in np.unique(picture.labels)}
    return [(class_id, _name(names, class_id)) for class_id in sorted(seen)]


def _class_names(data: ReportData) -> dict[int, str]:
    return {row.class_id: row.name for name in data.generators for row in class_rows(data.class_stats, name)}


def _name(names: Mapping[int, str], class_id: int) -> str:
    return names.get(class_id, "void" if class_id == 0 else f"class {class_id}")


def _styles() -> str:
    def variables(which: int) -> str:
        return "".join(f"--{role.replace('_', '-')}:{pair[which]};" for role, pair in ROLES.items())

    sheet = (HERE / "style.css").read_text(encoding="utf-8")
    return f":root{{{variables(0)}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{variables(1)}}}}}\n{sheet}"
