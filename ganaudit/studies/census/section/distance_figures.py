"""The figures of the distance: all generators side by side; one over its number of images, and class by class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganaudit.report import words
from ganaudit.report.drawing import LEGEND, LIGHT, DrawnFigure, inches, rules
from ganaudit.studies.census.section.distances import ClassShare, Distance, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LISTED = 10
"""Classes whose shares get a bar of their own."""


def fsd_figure(shown: Sequence[Distance]) -> DrawnFigure:
    """The corrected distance of every generator with its interval, over the plain one in its two parts, and the floors."""
    from matplotlib.figure import Figure

    ends = [(row.plain, row.floor, row.resolution_floor, row.corrected.high) for row in shown]
    most = max((end or 0.0 for each in ends for end in each), default=1.0) or 1.0
    least = min((row.corrected.low or 0.0 for row in shown), default=0.0)
    left = 0.15 + max((inches(row.generator, 9) for row in shown), default=0.5)
    width, height = max(9.6, left + 5), 0.78 + 0.4 * len(shown)
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    figure.subplots_adjust(left / width, 0.3 / height, 1 - 0.1 / width, 1 - 0.42 / height)
    for place, row in enumerate(shown):
        mean, covariance = max(row.mean_part, 0.0), max(row.covariance_part, 0.0)
        axes.barh(place, mean, height=0.6, color=LIGHT["mean"], linewidth=0)
        axes.barh(place, covariance, left=mean, height=0.6, color=LIGHT["covariance"], linewidth=0)
        for floor, dashes in ((row.floor, "-"), (row.resolution_floor, (0, (1.5, 1)))):
            if floor is not None:
                axes.vlines(floor, place - 0.42, place + 0.42, color=LIGHT["ink"], linewidth=1.6, linestyle=dashes)
        end = max(mean + covariance, row.floor or 0.0, row.resolution_floor or 0.0, row.corrected.high or 0.0)
        axes.text(end + most * 0.012, place, words.number(row.best, 3), va="center", weight="bold", fontsize=8.5)
        axes.barh(place, most * 1.1, height=0.9, alpha=0, linewidth=0)[0].set_gid(f"tip:{place}")
    known = [(place, row.corrected) for place, row in enumerate(shown) if row.corrected.value is not None]
    rules(axes, [(p, c.low, c.high) for p, c in known if c.low is not None and c.high is not None], LIGHT["generated"], 2)
    axes.plot([c.value or 0.0 for _, c in known], [p for p, _ in known], "o", color=LIGHT["generated"], markersize=5.5)
    axes.set_xlim(min(0.0, least * 1.05), most * 1.1)
    axes.set_ylim(len(shown) - 0.45, -0.55)
    axes.set_yticks(range(len(shown)), [row.generator for row in shown], parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=9, colors=LIGHT["ink"])
    axes.tick_params(axis="x", labelsize=7.5, colors=LIGHT["soft"])
    axes.grid(axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.plot([], [], "o-", color=LIGHT["generated"], markersize=5.5, linewidth=2, label="corrected, with its interval")
    axes.plot([], [], "s", color=LIGHT["mean"], markersize=7, label="plain: means")
    axes.plot([], [], "s", color=LIGHT["covariance"], markersize=7, label="covariances")
    axes.plot([], [], "|", color=LIGHT["ink"], markersize=9, markeredgewidth=1.6, label="floor at these N")
    if any(row.resolution_floor is not None for row in shown):
        axes.plot([], [], ":", color=LIGHT["ink"], linewidth=1.6, label="floor of the resolution")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), **{**LEGEND, "ncols": 5})
    names = words.listing([row.generator for row in shown])
    tips = {str(place): _distance_tip(row) for place, row in enumerate(shown)}
    return DrawnFigure(figure, f"FSD of {names}: corrected with its interval, plain in its two parts, and the floors.", tips)


def parts_figure(points: Sequence[Point], shares: Sequence[ClassShare], generator: str, title: bool = False) -> DrawnFigure:
    """The distance over the number of images (where there are several), beside what each class adds to it."""
    from matplotlib.figure import Figure

    both = len(points) > 1
    top, bottom = 0.75 if title else 0.42, 0.42
    name = 0.2 + max(inches(each, 8) for each in ("99 other classes", *(each.name for each in shares[:LISTED])))
    width, height = 9.6, top + bottom + max(0.2 * (min(len(shares), LISTED) + 1), 1.9)
    figure = Figure(figsize=(width, height))
    middle = 4.6 if both else 0.0
    low, high = bottom / height, 1 - top / height
    if both:
        _curve(figure.add_axes((0.55 / width, low, (middle - 0.75) / width, high - low)), points)
    if shares:
        start = middle + name + 0.1
        _shares(figure.add_axes((start / width, low, (width - start - 0.5) / width, high - low)), shares)
    if title:
        figure.text(0.1 / width, 1 - 0.25 / height, generator, fontsize=11, weight="bold", parse_math=False)
    over = "its FSD over the number of images, and " if both else ""
    return DrawnFigure(figure, f"{generator}: {over}the share of each class in the FSD.")


def _curve(axes: "Axes", points: Sequence[Point]) -> None:
    """The paper's Fig. 4 with its bias taken off."""
    from matplotlib.ticker import NullLocator

    images = [point.images for point in points]
    for part, colour, label in (("plain", "real_edge", "plain"), ("corrected", "generated", "corrected")):
        known = [(point.images, interval) for point in points if (interval := getattr(point, part)).value is not None]
        spans = [
            (n, interval.low, interval.high) for n, interval in known if interval.low is not None and interval.high is not None
        ]
        if spans:
            axes.fill_between(
                [n for n, _, _ in spans], [low for _, low, _ in spans], [high for _, _, high in spans],
                color=LIGHT[colour], alpha=0.18, linewidth=0,
            )  # fmt: skip
        xs, ys = [n for n, _ in known], [interval.value for _, interval in known]
        axes.plot(xs, ys, "o-", color=LIGHT[colour], linewidth=1.6, markersize=3.4, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    every = max(1, -(-len(images) // 6))
    ticks = sorted(images[::-1][::every])
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.tick_params(axis="x", labelsize=7.5, colors=LIGHT["soft"])
    axes.set_xlabel("generated images", fontsize=8, color=LIGHT["soft"])
    axes.axhline(0, color=LIGHT["soft"], linewidth=0.7)
    axes.grid(axis="y")
    axes.spines["bottom"].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), **LEGEND)


def _shares(axes: "Axes", shares: Sequence[ClassShare]) -> None:
    """Bars of the classes that add most, the others in one."""
    total = sum(each.share for each in shares) or 1.0
    named = [(each.name, each.share) for each in shares[:LISTED]]
    if rest := shares[LISTED:]:
        named.append((words.counted(len(rest), "other class"), sum(each.share for each in rest)))
    parts = [100 * share / total for _, share in named]
    axes.barh(range(len(named)), parts, height=0.66, color=LIGHT["mean"], linewidth=0)
    for place, part in enumerate(parts):
        axes.text(part + max(parts) * 0.015, place, words.percent(part), va="center", fontsize=7.5, color=LIGHT["soft"])
    axes.set_xlim(0, max(parts) * 1.12 or 1)
    axes.set_ylim(len(named) - 0.5, -0.5)
    axes.set_yticks(range(len(named)), [name for name, _ in named], parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=8, colors=LIGHT["ink"])
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title("share of each class in the plain FSD", fontsize=8.5, loc="left", pad=4)


def _distance_tip(row: Distance) -> str:
    return (
        f"{row.generator}: FSD {words.distance(row.corrected)} corrected; plain {words.number(row.plain, 3)} = means "
        f"{words.number(row.mean_part, 3)} + covariances {words.number(row.covariance_part, 3)}; floor "
        f"{words.number(row.floor, 3)}"
    )
