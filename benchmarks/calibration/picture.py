"""The picture of a calibration: coverage and error rates with their doubt against what is wanted, and the bias."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.calibration.pool import VILLAGE
from benchmarks.calibration.summary import NOT_MET
from ganaudit.report.drawing import LIGHT, DrawnFigure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, Any]
COVERAGE_FROM = 0.9
STEP = 0.19
"""Inches of a line."""


def draw(rows: Sequence[Row], path: Path) -> bool:
    """Write the picture of rows of `calibration` as PNG, panels with nothing in them left out; False where all would be."""
    from matplotlib.figure import Figure

    coverage = [row for row in rows if row["property"] == "coverage" and row["statistic"] == "corrected"]
    errors = [row for row in rows if row["property"] in ("any false word at all", "size")]
    bias = [row for row in rows if row["property"] == "bias" and row["scenario"] == "distance" and row["world"] == VILLAGE]
    panels = [(panel, paint, title) for panel, paint, title in (
        (coverage, _coverage, "Intervals of the distance that hold the truth"),
        (errors, _errors, "Audits with any false word, or with p of 5 % or less"),
        (bias, _bias, "Bias of the distance in the village, (percent of pixels)²"),
    ) if panel]  # fmt: skip
    if not panels:
        return False
    lines = [len(_bias_names(part)) if paint is _bias else len(part) for part, paint, _ in panels]
    with style():
        figure = Figure(figsize=(8.6, STEP * sum(lines) + 0.95 * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, height_ratios=[count + 2.0 for count in lines], squeeze=False)[:, 0]
        for ax, (part, paint, title) in zip(axes, panels, strict=True):
            ax.set_title(title, loc="left", fontsize=9.5, fontweight="bold")
            paint(ax, part)
            ax.grid(axis="x")
            ax.spines["left"].set_visible(False)
        save(DrawnFigure(figure, "Calibration"), path, "png")
    return True


def _coverage(axes: Axes, rows: Sequence[Row]) -> None:
    _dots(axes, rows, 1.0)
    axes.set_xlim(min(COVERAGE_FROM, min(row["measured"] for row in rows) - 0.02), 1.003)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")


def _errors(axes: Axes, rows: Sequence[Row]) -> None:
    _dots(axes, rows, 0.0)
    axes.set_xlim(-0.002, max(0.1, *(row["measured"] + 0.02 for row in rows)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")


def _dots(axes: Axes, rows: Sequence[Row], end: float) -> None:
    """A dot with its 95 % interval in each line, on the band that is wanted; end: where a band without an end goes on to."""
    for place, row in enumerate(rows):
        low = end if row["wanted_low"] is None else row["wanted_low"]
        high = end if row["wanted_high"] is None else row["wanted_high"]
        if row["wanted_low"] is not None or row["wanted_high"] is not None:
            axes.barh(place, high - low, left=low, height=0.78, color=LIGHT["more_pale"], linewidth=0)
        colour = LIGHT["less"] if row["verdict"] == NOT_MET else LIGHT["more"]
        axes.errorbar(
            row["measured"], place, xerr=1.96 * (row["measured_se"] or 0.0), fmt="o", color=colour, markersize=4, linewidth=1.2
        )
    _lines(axes, [_name(row) for row in rows])


def _bias(axes: Axes, rows: Sequence[Row]) -> None:
    names = _bias_names(rows)
    for statistic, colour, mark in (("plain", LIGHT["generated"], "D"), ("corrected", LIGHT["more"], "o")):
        some = [row for row in rows if row["statistic"] == statistic]
        axes.errorbar(
            [row["measured"] for row in some], [names.index(_where(row)) for row in some],
            xerr=[1.96 * (row["measured_se"] or 0.0) for row in some], fmt=mark, color=colour, markersize=4, linewidth=1.2,
            label=statistic,
        )  # fmt: skip
    axes.axvline(0, color=LIGHT["soft"], linewidth=0.8)
    axes.legend(loc="lower right", fontsize=8)
    _lines(axes, names)


def _bias_names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(_where(row) for row in rows))


def _lines(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, color=LIGHT["ink"])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _name(row: Row) -> str:
    statistic = "p ≤ 5 %" if row["statistic"] == "p_value" else ""
    return ": ".join(part for part in (f"{row['scenario']}, {_where(row)}", statistic) if part)


def _where(row: Row) -> str:
    images = f"{row['real_images']:,}"
    if row["real_images"] != row["generated_images"]:
        images += f" v {row['generated_images']:,}"
    return f"{row['world']}: {row['case']}, {images}"
