"""The figures, drawn once: as files for a paper or a slide, and as inline SVG for the page.

Matplotlib is imported when a figure is drawn, not with the module, and only its file backends are used.
"""

import html
import io
import math
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaudit.report import words
from ganaudit.report.data import (
    ClassRow,
    Estimate,
    FsdRow,
    ReportData,
    Samples,
    Shown,
    class_rows,
    fsd_rows,
    shown_classes,
)
from ganaudit.report.palette import ROLES
from ganaudit.report.pictures import coloured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIGHT = {role: light for role, (light, _) in ROLES.items()}
_LEGEND: dict[str, Any] = {
    "ncols": 3, "fontsize": 8, "borderpad": 0, "borderaxespad": 0.5, "handletextpad": 0.5, "handlelength": 1.5
}  # fmt: skip
TOP = 1.1
"""The lower panel ends at +110 %, as in the paper; bars that go on have their value above them."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, copied, and takes the page's own font
    "svg.hashsalt": "ganaudit",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["soft"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": LIGHT["ink"],
    "ytick.color": LIGHT["soft"],
    "ytick.labelsize": 7.5,
    "xtick.major.size": 0,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure, what it shows in one sentence, and what hovering over its marks tells (by the mark's gid)."""

    figure: "Figure"
    alt: str
    tips: dict[str, str] = field(default_factory=dict)


def figures(data: ReportData, folder: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write every figure of the report into `folder` and return the files, in order.

    For each generator `classes-NAME` (the paper's figure) and `ratios-NAME` (area, presence and size side by side),
    then `fsd`, and `samples-NAME` for each source. Letters that a file name cannot hold become hyphens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    files: list[Path] = []

    def write(stem: str, drawn: Drawn) -> None:
        while stem in taken:
            stem += "_"
        taken.add(stem)
        for kind in formats:
            file = folder / f"{stem}.{kind}"
            save(drawn, file, kind)
            files.append(file)

    with style():
        for generator in data.generators:
            shown = shown_classes(class_rows(data.class_stats, generator))
            if shown.rows:
                write(f"classes-{file_name(generator)}", classes_figure(shown, generator, title=True))
                write(f"ratios-{file_name(generator)}", ratios_figure(shown, generator))
        if fsd_rows(data.fsd):
            write("fsd", fsd_figure(data))
        for samples in data.samples:
            if samples.pictures:
                write(f"samples-{file_name(samples.source)}", samples_figure(samples))
    return files


def file_name(name: str) -> str:
    """A name without the letters that paths and shells give a meaning to."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "unnamed"


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure, and no warning for a letter that the font lacks (SVG text shows it all the same)."""
    from matplotlib import rc_context

    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(drawn: Drawn, file: "Path | io.BytesIO", kind: str) -> None:
    """Write a figure as png, svg or pdf."""
    metadata = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else None
    drawn.figure.savefig(file, format=kind, dpi=200, metadata=metadata)


def inline(drawn: Drawn, name: str) -> str:
    """A figure as an <svg> element for the page: its colours, its font, tooltips, and ids that begin with `name`."""
    file = io.BytesIO()
    drawn.figure.patch.set_visible(False)
    for axes in drawn.figure.axes:
        axes.patch.set_visible(False)
    save(drawn, file, "svg")
    svg = file.getvalue().decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<\?.*?\?>", "", svg, flags=re.S)
    svg = re.sub(r"<[^>]+>", lambda tag: _themed(tag[0], name), svg)
    svg = re.sub(r'<g id="\w+-tip:(\w+)">', lambda mark: f"<g><title>{html.escape(drawn.tips[mark[1]])}</title>", svg)
    svg = re.sub(r"<g>\s*</g>", "", re.sub(r"<g>\s*(<g[^>]*/>\s*)?</g>", "", re.sub(r"\s*\n\s*", "\n", svg)))
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]
    opening = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}" style="--w: {width}" '
        f'role="img" aria-label="{html.escape(drawn.alt)}">'
    )
    return opening + svg[svg.index(">") + 1 :]


def _themed(tag: str, name: str) -> str:
    """One tag of an inline figure: roles for colours, fewer digits, ids of its own, no font but a size."""
    tag = re.sub(r'^<g id="(?!tip:)[^"]*">', "<g>", tag)
    tag = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    tag = re.sub(r"-?\d+\.\d{2,}", lambda digits: f"{float(digits[0]):.1f}", tag)
    tag = re.sub(r"\s*\n\s*", " ", tag)
    tag = re.sub(r" ?font-family: [^;\"]*;?", "", tag)
    tag = re.sub(r"font: (?:(bold|\d{3}) )?([\d.]+px) [^;\"]*", _font, tag)
    for role, colour in LIGHT.items():
        tag = tag.replace(colour, f"var(--{role.replace('_', '-')})")
    return tag


def _font(font: re.Match[str]) -> str:
    return f"font-size: {font[2]}" + (f"; font-weight: {font[1]}" if font[1] else "")


def classes_figure(shown: Shown, generator: str, title: bool = False) -> Drawn:
    """The paper's figure: mean area of every class, real and generated, above its relative change."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    rows = shown.rows
    count, held = len(rows), len(rows) - shown.invented
    at = [place + (0.8 if place >= held else 0) for place in range(count)]
    slanted = count <= 26
    size = 8.5 if slanted else 7.6
    label = max(_inches(row.name, size) for row in rows) * (math.sin(math.radians(40)) if slanted else 1)
    left = max(0.75, _inches(rows[0].name, size) * math.cos(math.radians(40)) - 0.1 if slanted else 0)
    width, panels, top = max(8.6, 1.0 + 0.155 * count), 3.75, 0.65 if title else 0.3
    height = top + panels + label + 0.2
    figure = Figure(figsize=(width, height))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.15, 1))
    figure.subplots_adjust(left / width, (label + 0.2) / height, 1 - 0.06 / width, 1 - top / height, hspace=0.06)
    _areas(upper, rows, at)
    _changes(lower, rows, at, values=count <= 30)
    lower.set_xlim(-0.7, at[-1] + 0.7)
    lower.set_xticks(at, [row.name for row in rows], parse_math=False)
    lower.tick_params(axis="x", labelsize=size, length=0, pad=3)
    upper.tick_params(axis="x", bottom=False, labelbottom=False)
    for text in lower.get_xticklabels():
        text.set(rotation=40 if slanted else 90, ha="right" if slanted else "center")
        text.set_rotation_mode("anchor" if slanted else "default")
    if shown.invented:
        for axes in (upper, lower):
            axes.axvline(held - 0.1, color=LIGHT["soft"], linewidth=0.7, linestyle=(0, (3, 3)))
        upper.text(1, 1.02, "in no real image", transform=upper.transAxes, fontsize=7.5, color=LIGHT["soft"], ha="right")
    for place, x in enumerate(at):  # one target per class for the pointer, over both panels
        target = Rectangle((x - 0.5, 0), 1, 2.2, transform=lower.get_xaxis_transform(), alpha=0, clip_on=False)
        target.set_gid(f"tip:{place}")
        lower.add_patch(target)
    if title:
        figure.text(0.1 / width, 1 - 0.25 / height, generator, fontsize=11, weight="bold", parse_math=False)
    alt = f"Mean area of {words.counted(count, 'class')} in the real images and in those of {generator}, and its change."
    return Drawn(figure, alt, {str(place): _tip(row) for place, row in enumerate(rows)})


def ratios_figure(shown: Shown, generator: str) -> Drawn:
    """Generated over real, for area, presence and size beside each other, with two standard errors either way."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    rows = [row for row in shown.rows if not row.invented] or list(shown.rows)
    left = 0.15 + max(_inches(row.name, 8.5) for row in rows)
    width, height = max(8.6, left + 6), 1.1 + 0.19 * len(rows)
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(1, 3, sharey=True)
    figure.subplots_adjust(left / width, 0.3 / height, 1 - 0.15 / width, 1 - 0.65 / height, wspace=0.09)
    named = (("area", "area_ratio"), ("presence", "presence_ratio"), ("size where present", "size_ratio"))
    for axes, (name, column) in zip(panels, named, strict=True):
        axes.set_xscale("log")
        axes.set_xlim(1 / 10, 10)
        axes.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["0.1", "0.2", "0.5", "1", "2", "5", "10"])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", colors=LIGHT["soft"], labelsize=7.5)
        axes.tick_params(axis="y", length=0, colors=LIGHT["ink"], labelsize=8.5)
        axes.grid(axis="x")
        axes.axvline(1, color=LIGHT["soft"], linewidth=0.8)
        axes.set_title(f"{name}, generated ÷ real", fontsize=8.5, loc="left")
        axes.spines["left"].set_visible(False)
        for place, row in enumerate(rows):
            ratio: Estimate = getattr(row, column)
            if ratio.value is None or ratio.low is None or ratio.high is None:
                axes.text(1, place, words.NOTHING, color=LIGHT["soft"], ha="center", va="center")
                continue
            colour = LIGHT[_role(ratio)]
            axes.hlines(place, min(max(ratio.low, 0.1), 10), min(max(ratio.high, 0.1), 10), color=colour, linewidth=1.2)
            mark = "<" if ratio.value < 0.1 else ">" if ratio.value > 10 else "o"
            axes.plot(min(max(ratio.value, 0.1), 10), place, mark, color=colour, markersize=4, clip_on=False)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    panels[0].set_yticks(range(len(rows)), [row.name for row in rows], parse_math=False)
    figure.text(0.1 / width, 1 - 0.25 / height, generator, fontsize=11, weight="bold", parse_math=False)
    return Drawn(figure, f"Area, presence and size of {words.counted(len(rows), 'class')}: {generator} over real.")


def fsd_figure(data: ReportData) -> Drawn:
    """The distance of every generator in its two parts, with the floor that real images have at the same number."""
    from matplotlib.figure import Figure

    rows = sorted((row for row in fsd_rows(data.fsd) if row.fsd is not None), key=lambda row: row.fsd or 0.0)
    most = max([row.fsd or 0.0 for row in rows] + [row.floor or 0.0 for row in rows], default=1.0) or 1.0
    left = 0.15 + max((_inches(row.generator, 9) for row in rows), default=0.5)
    width, height = max(8.6, left + 5), 0.75 + 0.34 * len(rows)
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    figure.subplots_adjust(left / width, 0.3 / height, 1 - 0.1 / width, 1 - 0.4 / height)
    for place, row in enumerate(rows):
        end = 0.0
        parts = (("mean", row.mean_part), ("covariance", row.covariance_part))
        if row.mean_part is None or row.covariance_part is None:
            parts = (("mean", row.fsd), ("covariance", 0.0))
        for role, size in parts:
            axes.barh(place, max(size or 0.0, 0.0), left=end, height=0.56, color=LIGHT[role], linewidth=0)
            end += max(size or 0.0, 0.0)
        if row.floor is not None:
            axes.vlines(row.floor, place - 0.42, place + 0.42, color=LIGHT["ink"], linewidth=1.8)
            end = max(end, row.floor)
        axes.text(end + most * 0.012, place, words.number(row.fsd, 3), va="center", weight="bold", fontsize=8.5)
        axes.barh(place, most * 1.1, height=0.9, alpha=0, linewidth=0)[0].set_gid(f"tip:{place}")
    axes.set_xlim(0, most * 1.1)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_yticks(range(len(rows)), [row.generator for row in rows], parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=9, colors=LIGHT["ink"])
    axes.tick_params(axis="x", labelsize=7.5, colors=LIGHT["soft"])
    axes.grid(axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.plot([], [], "s", color=LIGHT["mean"], markersize=7, label="difference of the means")
    axes.plot([], [], "s", color=LIGHT["covariance"], markersize=7, label="difference of the covariances")
    axes.plot([], [], "|", color=LIGHT["ink"], markersize=9, markeredgewidth=1.8, label="floor: real against real")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), **_LEGEND)
    names = words.listing([row.generator for row in rows])
    tips = {str(place): _distance_tip(row) for place, row in enumerate(rows)}
    return Drawn(figure, f"FSD of {names}, in its two parts, with the floor of each.", tips)


def samples_figure(samples: Samples) -> Drawn:
    """Pictures of one source, each above its label map."""
    from matplotlib.figure import Figure

    columns = min(6, len(samples.pictures))
    lines = -(-len(samples.pictures) // columns)
    width, height = 1.4 * columns, 0.4 + 2.8 * lines
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(2 * lines, columns, squeeze=False)
    figure.subplots_adjust(0.01, 0.01, 0.99, 1 - 0.4 / height, wspace=0.04, hspace=0.04)
    for axes in panels.flat:
        axes.set_axis_off()
    for place, picture in enumerate(samples.pictures):
        line, column = divmod(place, columns)
        panels[2 * line, column].imshow(picture.image, interpolation="nearest")
        panels[2 * line + 1, column].imshow(coloured(picture.labels), interpolation="nearest")
    title = f"{samples.source} ({samples.role})"
    figure.text(0.1 / width, 1 - 0.25 / height, title, fontsize=10, parse_math=False)
    return Drawn(figure, f"Pictures of {samples.source} with their label maps.")


def _areas(axes: "Axes", rows: Sequence[ClassRow], at: Sequence[float]) -> None:
    """Real areas as bars, generated ones as a line, on a log scale; two standard errors as thin whiskers."""
    from matplotlib.ticker import NullFormatter

    areas = [area.value for row in rows for area in (row.real_area, row.generated_area) if area.value]
    high = min(150.0, max(areas) * 1.7)
    low = _below(max(min(areas) * 0.7, high / 50_000))
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_ylabel("mean area")
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="minor", length=0)
    real = [(x, low, row.real_area.value) for x, row in zip(at, rows, strict=True) if (row.real_area.value or 0) > low]
    _bars(axes, real, LIGHT["real"])
    _whiskers(axes, at, [row.real_area for row in rows], LIGHT["real_edge"], low, high)
    held = sum(not row.invented for row in rows)
    line = [max(row.generated_area.value or 0.0, low) for row in rows]
    axes.plot(at[:held], line[:held], "-", color=LIGHT["generated"], linewidth=1.8, solid_joinstyle="round")
    drawn = [(x, y) for x, y, row in zip(at, line, rows, strict=True) if row.generated_area.value]
    axes.plot([x for x, _ in drawn], [y for _, y in drawn], "o", color=LIGHT["generated"], markersize=3.4)
    never = [x for x, row in zip(at, rows, strict=True) if not row.generated_area.value]
    if never:
        axes.plot(never, [low * 1.02] * len(never), "v", color=LIGHT["generated"], markersize=6, clip_on=False)
    _whiskers(axes, at, [row.generated_area for row in rows], LIGHT["generated"], low, high)
    axes.plot([], [], "s", color=LIGHT["real"], markersize=7, label="real")
    axes.plot([], [], "o-", color=LIGHT["generated"], linewidth=1.8, markersize=3.4, label="generated")
    if never:
        axes.plot([], [], "v", color=LIGHT["generated"], markersize=6, label="none generated")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), **_LEGEND)


def _changes(axes: "Axes", rows: Sequence[ClassRow], at: Sequence[float], values: bool) -> None:
    """Relative change of the area as bars, pale within two standard errors of none."""
    axes.set_ylim(-1.28, TOP + (0.18 if values else 0.5))
    axes.set_yticks([-1, -0.5, 0, 0.5, 1], [words.change(1 + step) for step in (-1, -0.5, 0, 0.5, 1)])
    axes.set_ylabel("change of area")
    axes.grid(axis="y")
    axes.axhline(0, color=LIGHT["soft"], linewidth=0.8)
    axes.spines["bottom"].set_visible(False)
    bars: dict[str, list[tuple[float, float, float]]] = {}
    spans: list[tuple[float, float, float]] = []
    for place, row in zip(at, rows, strict=True):
        ratio = row.area_ratio
        if ratio.value is None or ratio.low is None or ratio.high is None:
            if row.invented:
                axes.text(
                    place,
                    0.06,
                    "new",
                    ha="center",
                    va="bottom",
                    fontsize=7.5,
                    color=LIGHT["more"],
                    rotation=0 if values else 90,
                )
            continue
        moved = ratio.value - 1
        role = _role(ratio)
        pale = "less_pale" if moved < 0 else "more_pale"
        bars.setdefault(pale if role == "soft" else role, []).append((place, 0, min(moved, TOP)))
        top, bottom = min(ratio.high - 1, TOP), max(ratio.low - 1, -1.0)
        if ratio.se and top > bottom:
            spans.append((place, bottom, top))
        if moved > TOP or (values and role != "soft"):
            below = moved < 0
            axes.annotate(
                words.change(ratio.value).replace(" ", ""),
                (place, min(bottom, moved) if below else max(top, min(moved, TOP))),
                (0, -2 if below else 2),
                textcoords="offset points",
                ha="center",
                va="top" if below else "bottom",
                rotation=0 if values else 90,
                fontsize=7,
                color=LIGHT["soft"],
            )
    for role, drawn in bars.items():
        _bars(axes, drawn, LIGHT[role])
    _strokes(axes, spans, LIGHT["soft"])


def _bars(axes: "Axes", bars: Sequence[tuple[float, float, float | None]], colour: str) -> None:
    """Bars (centre, from, to) of one colour, as one shape: files stay small."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Shape

    corners, codes = [], []
    for centre, start, end in bars:
        left, right, stop = centre - 0.36, centre + 0.36, start if end is None else end
        corners += [(left, start), (left, stop), (right, stop), (right, start), (left, start)]
        codes += [Shape.MOVETO, Shape.LINETO, Shape.LINETO, Shape.LINETO, Shape.CLOSEPOLY]
    if corners:
        axes.add_patch(PathPatch(Shape(corners, codes), facecolor=colour, linewidth=0))


def _whiskers(axes: "Axes", at: Sequence[float], areas: Sequence[Estimate], colour: str, low: float, high: float) -> None:
    spans = [(x, max(area.low or low, low), area.high or low) for x, area in zip(at, areas, strict=True) if area.se]
    _strokes(axes, [(x, bottom, min(top, high)) for x, bottom, top in spans if top > bottom], colour)


def _strokes(axes: "Axes", spans: Sequence[tuple[float, float, float]], colour: str) -> None:
    """Upright lines (place, from, to), as one shape."""
    gap = float("nan")
    xs = [value for x, _, _ in spans for value in (x, x, gap)]
    ys = [value for _, bottom, top in spans for value in (bottom, top, gap)]
    axes.plot(xs, ys, "-", color=colour, linewidth=0.8, solid_capstyle="butt")


def _inches(text: str, points: float) -> float:
    """About how long a text is, generously; East Asian letters are twice as wide."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.58 for letter in text) * points / 72


def _below(size: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is no more than `size`."""
    power: float = 10.0 ** math.floor(math.log10(size))
    return max(step * power for step in (1, 2, 5) if step * power <= size)


def _role(ratio: Estimate) -> str:
    """Which colour a ratio has: less, more, or soft within two standard errors of 1."""
    if ratio.high is not None and ratio.high < 1:
        return "less"
    return "more" if ratio.low is not None and ratio.low > 1 else "soft"


def _distance_tip(row: FsdRow) -> str:
    return (
        f"{row.generator}: FSD {words.number(row.fsd, 3)} = means {words.number(row.mean_part, 3)} + covariances "
        f"{words.number(row.covariance_part, 3)}; floor {words.number(row.floor, 3)}"
    )


def _tip(row: ClassRow) -> str:
    return (
        f"{row.name}: area {words.percent(row.real_area.value)} real, {words.percent(row.generated_area.value)}"
        f" generated ({words.with_error(row.area_ratio)}); in {words.share(row.real_presence.value)} of real images and"
        f" {words.share(row.generated_presence.value)} of generated ones"
    )
