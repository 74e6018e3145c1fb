"""The figure of a training: its distance over the steps, and a small panel for each class that it lost or added."""

import math
from typing import TYPE_CHECKING, Any

from ganaudit.report import words
from ganaudit.report.drawing import LEGEND, LIGHT, DrawnFigure, strokes
from ganaudit.spec import Decide
from ganaudit.studies.census.section.forest import HIGH, LOW, MARKS
from ganaudit.studies.census.section.training import ClassCurve, TrainingCurves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
TICKS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
SPREAD = 30
"""Steps, and distances, that reach over more than so many times the least are on a log scale."""


def training_figure(training: TrainingCurves, decide: Decide, title: bool = False) -> DrawnFigure:
    """Corrected and plain distance over training steps with the interval, above the presence of classes with verdicts."""
    from matplotlib.figure import Figure

    lines = -(-len(training.classes) // COLUMNS)
    width, top, distance, panel, bottom = 9.6, 0.32 + 0.3 * title, 2.0, 1.45, 0.45
    height = top + distance + bottom + (0.42 + lines * panel if lines else 0)
    figure = Figure(figsize=(width, height))
    tips: dict[str, str] = {}
    axes = figure.add_axes((0.55 / width, 1 - (top + distance) / height, (width - 0.7) / width, distance / height))
    _distance(axes, training, tips)
    if not lines:
        axes.set_xlabel("training step", fontsize=8, color=LIGHT["soft"])
    across = (width - 0.55) / COLUMNS
    start = top + distance + 0.72
    for place, curve in enumerate(training.classes):
        line, column = divmod(place, COLUMNS)
        box = (
            (0.55 + column * across) / width, 1 - (start + line * panel + panel - 0.5) / height,
            (across - 0.22) / width, (panel - 0.5) / height,
        )  # fmt: skip
        _class(figure.add_axes(box), curve, training, decide, column == 0, place, tips)
    if title:
        figure.text(0.1 / width, 1 - 0.25 / height, training.name, fontsize=11, weight="bold", parse_math=False)
    if lines:
        heading = "presence of classes over training steps, % of the real images'"
        figure.text(0.55 / width, 1 - (top + distance + 0.46) / height, heading, fontsize=8.5, parse_math=False)
    alt = (
        f"FSD of {words.counted(len(training.steps), 'checkpoint')} of {training.name} over training steps"
        + (f", and the presence of {words.counted(len(training.classes), 'class')} with verdicts." if lines else ".")
    )  # fmt: skip
    return DrawnFigure(figure, alt, tips)


def _steps(axes: "Axes", training: TrainingCurves, labels: int) -> None:
    """The axis of steps, the same for every panel."""
    from matplotlib.ticker import NullLocator

    steps = [step.step for step in training.steps]
    far = steps[0] > 0 and steps[-1] > SPREAD * steps[0]
    if far:
        axes.set_xscale("log")
        axes.set_xlim(steps[0] / 1.15, steps[-1] * 1.15)
    else:
        room = 0.04 * (steps[-1] - steps[0])
        axes.set_xlim(steps[0] - room, steps[-1] + room)
    axes.xaxis.set_minor_locator(NullLocator())
    apart = _apart(steps, labels, far)
    axes.set_xticks(apart, [_short(step) for step in apart])
    axes.tick_params(axis="x", labelsize=7.5, colors=LIGHT["soft"])


def _apart(steps: list[int], most: int, far: bool) -> list[int]:
    """Steps whose labels do not run into each other, the last one first."""

    def at(step: int) -> float:
        return math.log(step) if far else float(step)

    least = (at(steps[-1]) - at(steps[0])) / most
    kept = [steps[-1]]
    for step in reversed(steps[:-1]):
        if at(kept[-1]) - at(step) >= least:
            kept.append(step)
    return kept[::-1]


def _short(step: int) -> str:
    if step >= 1_000_000 and step % 10_000 == 0:
        return f"{step / 1_000_000:g} M"
    return f"{step / 1000:g} k" if step >= 10_000 and step % 100 == 0 else f"{step:,}"


def _distance(axes: "Axes", training: TrainingCurves, tips: dict[str, str]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    known = [(step.step, step.corrected) for step in training.steps if step.corrected.value is not None]
    spans = [(step, c.low, c.high) for step, c in known if c.low is not None and c.high is not None]
    if spans:
        axes.fill_between(
            [x for x, _, _ in spans], [low for _, low, _ in spans], [high for _, _, high in spans],
            color=LIGHT["generated"], alpha=0.18, linewidth=0,
        )  # fmt: skip
    plain = [(step.step, step.plain) for step in training.steps if step.plain is not None]
    axes.plot(
        [x for x, _ in plain], [y for _, y in plain], "o-", color=LIGHT["real_edge"], linewidth=1.2, markersize=3, label="plain"
    )
    axes.plot(
        [x for x, _ in known], [c.value or 0.0 for _, c in known], "o-", color=LIGHT["generated"], linewidth=1.6, markersize=4,
        label="corrected, with its interval",
    )  # fmt: skip
    best = training.best
    if best is not None and best.corrected.value is not None:
        axes.plot([best.step], [best.corrected.value], "o", color=LIGHT["paper"], markeredgecolor=LIGHT["generated"],
                  markersize=8, markeredgewidth=1.6, label="nearest")  # fmt: skip
    for place, point in enumerate(training.steps):
        _target(axes, point.step, f"step{place}")
        tips[f"step{place}"] = (
            f"step {point.step:,}: FSD {words.distance(point.corrected)} corrected, {words.number(point.plain, 3)} plain"
        )
    _steps(axes, training, 10)
    ends = [end for _, low, high in spans for end in (low, high)] + [y for _, y in plain]
    if min(ends) > 0 and max(ends) > SPREAD * min(ends):
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(bottom=min(0.0, *ends))
        axes.axhline(0, color=LIGHT["soft"], linewidth=0.7)
    axes.grid(axis="y")
    axes.spines["bottom"].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), **LEGEND)


def _class(
    axes: "Axes", curve: ClassCurve, training: TrainingCurves, decide: Decide, labelled: bool, panel: int, tips: dict[str, str]
) -> None:  # fmt: skip
    from matplotlib.ticker import NullLocator

    axes.set_yscale("log")
    axes.set_ylim(LOW, HIGH)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(TICKS, [f"{100 * tick:g}" if labelled else "" for tick in TICKS])
    axes.tick_params(axis="y", length=0, labelsize=7, colors=LIGHT["soft"])
    _steps(axes, training, 4)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.axhspan(decide.reduced, decide.increased, color=LIGHT["band"], linewidth=0, zorder=0.1)
    axes.axhline(1, color=LIGHT["soft"], linewidth=0.7)
    axes.axhline(decide.dropped, color=LIGHT["dropped"], linewidth=0.8, linestyle=(0, (2, 2)))
    last = curve.steps[-1].verdict
    axes.set_title(curve.name, fontsize=8, loc="left", pad=3, color=LIGHT["ink"], parse_math=False)
    axes.set_title(last, fontsize=7.5, loc="right", pad=3, color=LIGHT[MARKS[last][0]])
    seen = [(step.step, _inside(step.ratio.value)) for step in curve.steps if step.ratio.value is not None]
    axes.plot([x for x, _ in seen], [y for _, y in seen], "-", color=LIGHT["soft"], linewidth=0.9)
    for point in curve.steps:
        role, shape, filled = MARKS[point.verdict]
        value = HIGH if point.ratio.value is None else _inside(point.ratio.value)
        if point.ratio.low is not None and point.ratio.high is not None and point.ratio.high > LOW and point.ratio.low < HIGH:
            strokes(axes, [(point.step, _inside(point.ratio.low), _inside(point.ratio.high))], LIGHT[role])
        if point.ratio.value is not None and point.ratio.value < LOW:
            shape = "v"
        elif point.ratio.value is None or point.ratio.value > HIGH:
            shape = "^"
        look: dict[str, Any] = {"color": LIGHT[role], "markersize": 4.2, "clip_on": False}
        if not filled and shape != "x":
            look |= {"markerfacecolor": LIGHT["paper"], "markeredgewidth": 1.0}
        axes.plot([point.step], [value], shape, **look)
        name = f"class{panel}at{point.step}"
        _target(axes, point.step, name)
        tips[name] = f"{curve.name}, step {point.step:,}: {words.percents(point.ratio)} {point.verdict}"


def _target(axes: "Axes", step: int, name: str) -> None:
    """An upright invisible line that shows its tooltip under a pointer."""
    (line,) = axes.plot([step, step], [0.02, 0.98], transform=axes.get_xaxis_transform(), alpha=0, linewidth=9)
    line.set_gid(f"tip:{name}")


def _inside(value: float) -> float:
    return min(max(value, LOW), HIGH)
