"""The forest plot: presence, size, area and count of every class, generated over real, with intervals and verdicts."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ganaudit.report import words
from ganaudit.report.data import Interval
from ganaudit.report.drawing import LIGHT, DrawnFigure, inches, rules
from ganaudit.spec import Decide
from ganaudit.studies.census.section.classes import ClassFinding, Measure, Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOW, HIGH = 0.03, 5.0
"""Ends of the axis; what lies beyond is an arrow at the edge."""
TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)

MARKS: dict[str, tuple[str, str, bool]] = {
    "dropped": ("dropped", "D", True),
    "reduced": ("less", "o", True),
    "invented": ("more", "D", True),
    "increased": ("more", "o", True),
    "equivalent": ("same", "s", True),
    "inconclusive": ("soft", "o", False),
    "not testable": ("soft", "x", False),
    "": ("soft", "o", True),
}
"""How a verdict looks: colour, shape, filled or not; size has no verdict of its own."""

Read = Callable[[ClassFinding], tuple[str, Interval]]


def forest_figure(shown: Shown, generator: str, decide: Decide, sigmas: float, title: bool = False) -> DrawnFigure:
    """One line per class, worst verdict first. Where nothing was generated the mark is an arrow at the left edge."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    rows = shown.rows
    left = 0.2 + max(inches(row.name, 8.5) for row in rows)
    said = [
        row.word if row.word in ("invented", "not testable") or not row.measures([row.word]) else _where(row) for row in rows
    ]
    right, bottom = 0.35 + max(inches(text, 8.8) for text in said), 0.32  # bold is wider
    top = 0.36 + 0.3 * title + 0.16 * (len(rows) > 25)
    reads = _reads(rows, sigmas)
    width, height = max(9.6, left + right + 2.0 * len(reads)), top + bottom + 0.215 * len(rows)
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(1, len(reads), sharey=True)
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height, wspace=0.07)
    for axes, (name, read) in zip(panels, reads.items(), strict=True):
        _panel(axes, name, decide, len(rows))
        _marks(axes, [(place, *read(row)) for place, row in enumerate(rows)])
    panels[0].set_yticks(range(len(rows)), [row.name for row in rows], parse_math=False)
    for place, (row, text) in enumerate(zip(rows, said, strict=True)):
        colour = LIGHT[MARKS[row.word][0]]
        x, y = 1.04, panels[-1].get_yaxis_transform()
        strong = "bold" if row.word in ("dropped", "reduced", "invented", "increased") else "normal"
        panels[-1].text(x, place, text, transform=y, va="center", fontsize=8, color=colour, weight=strong, clip_on=False)
        target = Rectangle((-1, place - 0.5), 5, 1, transform=panels[0].get_yaxis_transform(), alpha=0, clip_on=False)
        target.set_gid(f"tip:{place}")
        panels[0].add_patch(target)
    if title:
        figure.text(0.1 / width, 1 - 0.25 / height, generator, fontsize=11, weight="bold", parse_math=False)
    shows = words.listing(list(reads)).capitalize()
    alt = f"{shows} of {words.counted(len(rows), 'class')} of {generator} over the real images, with verdicts."
    return DrawnFigure(figure, alt, {str(place): _tip(row, sigmas) for place, row in enumerate(rows)})


def _panel(axes: "Axes", name: str, decide: Decide, count: int) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xlim(LOW, HIGH)
    axes.set_ylim(count - 0.45, -0.55)
    axes.set_xticks(TICKS, [f"{100 * tick:g}" for tick in TICKS])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", colors=LIGHT["soft"], labelsize=7.5, pad=2, labeltop=count > 25)
    axes.tick_params(axis="y", length=0, colors=LIGHT["ink"], labelsize=8.5)
    axes.set_title(f"{name}, % of real", fontsize=8.5, loc="left", pad=16 if count > 25 else 4)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.grid(axis="x")
    axes.axvspan(decide.reduced, decide.increased, color=LIGHT["band"], linewidth=0, zorder=0.1)
    axes.axvline(1, color=LIGHT["soft"], linewidth=0.9)
    axes.axvline(decide.dropped, color=LIGHT["dropped"], linewidth=0.9, linestyle=(0, (2, 2)))


def _marks(axes: "Axes", intervals: list[tuple[int, str, Interval]]) -> None:
    """Intervals and points, those of one look as one shape."""
    spans: dict[str, list[tuple[float, float, float]]] = {}
    points: dict[tuple[str, str, bool], list[tuple[float, int]]] = {}
    for place, verdict, ratio in intervals:
        role, shape, filled = MARKS[verdict]
        if ratio.value is None:
            if verdict == "not testable":
                points.setdefault((role, shape, filled), []).append((1.0, place))
            elif verdict == "invented":
                points.setdefault((role, ">", True), []).append((HIGH, place))
            continue
        low, high = ratio.low or LOW, ratio.high
        if high is not None and high > LOW and low < HIGH:
            spans.setdefault(role, []).append((place, max(low, LOW), min(high, HIGH)))
        if ratio.value < LOW:
            points.setdefault((role, "<", filled), []).append((LOW, place))
        elif ratio.value > HIGH:
            points.setdefault((role, ">", filled), []).append((HIGH, place))
        else:
            points.setdefault((role, shape, filled), []).append((ratio.value, place))
    for role, group in spans.items():
        rules(axes, group, LIGHT[role], 1.3)
    for (role, shape, filled), at in points.items():
        look: dict[str, Any] = {"color": LIGHT[role], "markersize": 5.2 if shape in "<>" else 4.4, "clip_on": False}
        if not filled and shape != "x":
            look |= {"markerfacecolor": LIGHT["paper"], "markeredgewidth": 1.1}
        axes.plot([x for x, _ in at], [y for _, y in at], shape, **look)


def _reads(rows: Sequence[ClassFinding], sigmas: float) -> dict[str, Read]:
    """What each panel shows; there are no counts where an older ganaudit made the findings."""
    reads: dict[str, Read] = {
        "presence": partial(_decided, "presence"), "size where present": lambda row: ("", row.size.interval(sigmas)),
        "area": partial(_decided, "area"), "count": partial(_decided, "count"),
    }  # fmt: skip
    if all(row.verdict_on("count") is None for row in rows):
        del reads["count"]
    return reads


def _decided(measure: Measure, row: ClassFinding) -> tuple[str, Interval]:
    verdict = row.verdict_on(measure)
    return ("", Interval(row.sides(measure).ratio)) if verdict is None else (verdict.verdict, verdict.ratio)


def _where(row: ClassFinding) -> str:
    """The verdict, and on which measure where it is one alone."""
    on = row.measures([row.word])
    return row.word if len(on) == len(row.verdicts) else f"{row.word} ({', '.join(on)})"


def _tip(row: ClassFinding, sigmas: float) -> str:
    parts = []
    for name, read in _reads([row], sigmas).items():
        verdict, ratio = read(row)
        parts.append(f"{name} {words.percents(ratio)}{' ' if verdict else ''}{verdict}")
    return f"{row.name}: {'; '.join(parts)}"
