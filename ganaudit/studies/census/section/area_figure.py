"""The paper's figure: the mean area of every class, real and generated, above its change."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganaudit.report import words
from ganaudit.report.drawing import LEGEND, LIGHT, DrawnFigure, bars, below, inches, strokes
from ganaudit.studies.census.section.classes import LOST, ClassFinding, Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOP = 1.1
"""The lower panel ends at +110 %, as in the paper; bars that go on have their value above them."""


def area_figure(shown: Shown, generator: str, sigmas: float, title: bool = False) -> DrawnFigure:
    """Areas and their changes; whiskers are intervals, `sigmas` standard errors either way for the areas themselves."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    rows = shown.rows
    new = sum(row.new for row in rows)
    count, in_real = len(rows), len(rows) - new
    at = [place + (0.8 if place >= in_real else 0) for place in range(count)]
    slanted = count <= 26
    size = 8.5 if slanted else 7.6
    label = max(inches(row.name, size) for row in rows) * (math.sin(math.radians(40)) if slanted else 1)
    left = max(0.75, inches(rows[0].name, size) * math.cos(math.radians(40)) - 0.1 if slanted else 0)
    width, panels, top = max(8.6, 1.0 + 0.155 * count), 3.75, 0.65 if title else 0.3
    height = top + panels + label + 0.2
    figure = Figure(figsize=(width, height))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.15, 1))
    figure.subplots_adjust(left / width, (label + 0.2) / height, 1 - 0.06 / width, 1 - top / height, hspace=0.06)
    _areas(upper, rows, at, sigmas)
    _changes(lower, rows, at, values=count <= 30)
    lower.set_xlim(-0.7, at[-1] + 0.7)
    lower.set_xticks(at, [row.name for row in rows], parse_math=False)
    lower.tick_params(axis="x", labelsize=size, length=0, pad=3)
    upper.tick_params(axis="x", bottom=False, labelbottom=False)
    for text in lower.get_xticklabels():
        text.set(rotation=40 if slanted else 90, ha="right" if slanted else "center")
        text.set_rotation_mode("anchor" if slanted else "default")
    if new:
        for axes in (upper, lower):
            axes.axvline(in_real - 0.1, color=LIGHT["soft"], linewidth=0.7, linestyle=(0, (3, 3)))
        upper.text(1, 1.02, "in no real image", transform=upper.transAxes, fontsize=7.5, color=LIGHT["soft"], ha="right")
    for place, x in enumerate(at):  # one target per class for the pointer, over both panels
        target = Rectangle((x - 0.5, 0), 1, 2.2, transform=lower.get_xaxis_transform(), alpha=0, clip_on=False)
        target.set_gid(f"tip:{place}")
        lower.add_patch(target)
    if title:
        figure.text(0.1 / width, 1 - 0.25 / height, generator, fontsize=11, weight="bold", parse_math=False)
    alt = f"Mean area of {words.counted(count, 'class')} in the real images and in those of {generator}, and its change."
    return DrawnFigure(figure, alt, {str(place): _tip(row) for place, row in enumerate(rows)})


def _areas(axes: "Axes", rows: Sequence[ClassFinding], at: Sequence[float], sigmas: float) -> None:
    """Real areas as bars, generated ones as a line, on a log scale, with thin whiskers."""
    from matplotlib.ticker import NullFormatter

    areas = [area for row in rows for area in (row.area.real, row.area.generated) if area]
    high = min(150.0, max(areas) * 1.7)
    low = below(max(min(areas) * 0.7, high / 50_000))
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_ylabel("mean area")
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="minor", length=0)

    def whiskers(ends: Sequence[tuple[float | None, float | None]], colour: str) -> None:
        spans = [
            (x, max((area or 0.0) - sigmas * error, low), min((area or 0.0) + sigmas * error, high))
            for x, (area, error) in zip(at, ends, strict=True)
            if error
        ]
        strokes(axes, [span for span in spans if span[2] > span[1]], colour)

    real = [(x, low, row.area.real) for x, row in zip(at, rows, strict=True) if (row.area.real or 0) > low]
    bars(axes, real, LIGHT["real"])
    whiskers([(row.area.real, row.area.real_se) for row in rows], LIGHT["real_edge"])
    in_real = sum(not row.new for row in rows)
    line = [max(row.area.generated or 0.0, low) for row in rows]
    axes.plot(at[:in_real], line[:in_real], "-", color=LIGHT["generated"], linewidth=1.8, solid_joinstyle="round")
    drawn = [(x, y) for x, y, row in zip(at, line, rows, strict=True) if row.area.generated]
    axes.plot([x for x, _ in drawn], [y for _, y in drawn], "o", color=LIGHT["generated"], markersize=3.4)
    never = [x for x, row in zip(at, rows, strict=True) if not row.area.generated]
    if never:
        axes.plot(never, [low * 1.02] * len(never), "v", color=LIGHT["generated"], markersize=6, clip_on=False)
    whiskers([(row.area.generated, row.area.generated_se) for row in rows], LIGHT["generated"])
    axes.plot([], [], "s", color=LIGHT["real"], markersize=7, label="real")
    axes.plot([], [], "o-", color=LIGHT["generated"], linewidth=1.8, markersize=3.4, label="generated")
    if never:
        axes.plot([], [], "v", color=LIGHT["generated"], markersize=6, label="none generated")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), **LEGEND)


def _changes(axes: "Axes", rows: Sequence[ClassFinding], at: Sequence[float], values: bool) -> None:
    """Relative change of the area as bars, pale where no verdict says so."""
    axes.set_ylim(-1.28, TOP + (0.18 if values else 0.5))
    axes.set_yticks([-1, -0.5, 0, 0.5, 1], [words.change(1 + step) for step in (-1, -0.5, 0, 0.5, 1)])
    axes.set_ylabel("change of area")
    axes.grid(axis="y")
    axes.axhline(0, color=LIGHT["soft"], linewidth=0.8)
    axes.spines["bottom"].set_visible(False)
    drawn: dict[str, list[tuple[float, float, float | None]]] = {}
    spans: list[tuple[float, float, float]] = []
    for place, row in zip(at, rows, strict=True):
        if row.new:
            turn = 0 if values else 90
            axes.text(place, 0.06, "new", ha="center", va="bottom", fontsize=7.5, color=LIGHT["more"], rotation=turn)
        if row.area.ratio is None or row.new:
            continue
        moved, colour = row.area.ratio - 1, _colour(row)
        drawn.setdefault(colour, []).append((place, 0, min(moved, TOP)))
        ratio = area.ratio if (area := row.verdict_on("area")) else None
        top = bottom = min(moved, TOP)
        if ratio is not None and ratio.low is not None and ratio.high is not None:
            top, bottom = min(ratio.high - 1, TOP), min(max(ratio.low - 1, -1.0), TOP)
            spans += [(place, bottom, top)] if top > bottom else []
        if moved > TOP or (values and not colour.endswith("_pale")):
            down = moved < 0
            axes.annotate(
                words.change(row.area.ratio).replace(" ", ""),
                (place, min(bottom, moved) if down else max(top, min(moved, TOP))),
                (0, -2 if down else 2), textcoords="offset points", ha="center", va="top" if down else "bottom",
                rotation=0 if values else 90, fontsize=7, color=LIGHT["soft"],
            )  # fmt: skip
    for role, group in drawn.items():
        bars(axes, group, LIGHT[role])
    strokes(axes, spans, LIGHT["soft"])


def _colour(row: ClassFinding) -> str:
    verdict = area.verdict if (area := row.verdict_on("area")) else ""
    if verdict in LOST:
        return "less"
    if verdict == "increased":
        return "more"
    return "less_pale" if (row.area.ratio or 0) < 1 else "more_pale"


def _tip(row: ClassFinding) -> str:
    return (
        f"{row.name}: area {words.percent(row.area.real)} real, {words.percent(row.area.generated)} generated; "
        f"in {words.share(row.presence.real)} of real images and {words.share(row.presence.generated)} of generated ones; "
        f"{row.word}"
    )
