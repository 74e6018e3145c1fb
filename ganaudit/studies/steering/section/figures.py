"""The figures of steering: attributes along each walk beside what real images hold, and how real the walk stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganaudit.report.data import Findings, Row, rows
from ganaudit.report.drawing import LEGEND, LIGHT, DrawnFigure
from ganaudit.studies.steering.section.choice import PANELS, WalkSaid, called

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNITS = {
    "x": "middle, share of the width", "y": "middle, share of the height", "area": "area, powers of 2 of the image",
    "red": "red, 0 to 255", "green": "green, 0 to 255", "blue": "blue, 0 to 255", "luminance": "luminance, 0 to 255",
}  # fmt: skip
COLOURS = ("dropped", "less", "more", "same")
"""Of the classes that are shown, in their titles and in who keeps them."""


def walk_figure(findings: Findings, walk: WalkSaid) -> DrawnFigure:
    """Panels of the classes that are shown, then the share of images that keep each of them, then the distance."""
    from matplotlib.figure import Figure

    curves = [row for row in rows(findings, "steering_curves", walk.generator) if walk.holds(row)]
    shown = walk.shown
    figure = Figure(figsize=(9.6, 2.1))
    panels = figure.subplots(1, PANELS + 2)
    figure.subplots_adjust(0.045, 0.15, 0.995, 0.78, wspace=0.34)
    for panel, row, colour in zip(panels, shown, COLOURS, strict=False):
        _attribute(panel, [point for point in curves if _of(point, row, row["attribute"])], called(row), colour)
    for panel in panels[len(shown) : PANELS]:
        panel.set_axis_off()
    _detection(panels[-2], curves, shown)
    _distance(panels[-1], curves, walk.reach["margin"])
    for panel in panels:
        panel.axvline(walk.reach["identity"], color=LIGHT["grid"], linewidth=1, zorder=0)
        panel.tick_params(axis="x", labelsize=7, colors=LIGHT["soft"])
        if walk.edit == "zoom":
            panel.set_xscale("log", base=2)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.035, 1.0), **LEGEND)
    unit = UNITS.get(walk.classes[0]["attribute"] or "", "") if walk.classes else ""
    alt = f"{walk.generator}, {walk.title}: {unit} of classes at each strength, who keeps them, the distance from real images."
    return DrawnFigure(figure, alt)


def _of(point: Row, row: Row, measure: str | None) -> bool:
    return (point["class_id"], point["measure"]) == (row["class_id"], measure)


def _attribute(panel: Axes, points: Sequence[Row], name: str, colour: str) -> None:
    x = [point["alpha"] for point in points]
    _line(panel, points, LIGHT["generated"], "walked, with its interval")
    if points and points[0]["asked"] is not None:
        panel.plot(x, [point["asked"] for point in points], "--", color=LIGHT["ink"], linewidth=1, label="asked for")
    if points and points[0]["real_mean"] is not None:
        mean, spread = points[0]["real_mean"], points[0]["real_sd"]
        panel.fill_between(
            x, mean - spread, mean + spread, color=LIGHT["real"], alpha=0.35, linewidth=0,
            label="real images: mean ± standard deviation",
        )  # fmt: skip
        values = [value for point in points for value in (point["value_low"], point["value_high"]) if value is not None]
        low, high = min([*values, mean - spread]), max([*values, mean + spread])
        panel.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    _titled(panel, name, colour)


def _line(panel: Axes, points: Sequence[Row], colour: str, label: str = "") -> None:
    known = [point for point in points if point["value"] is not None]
    panel.plot([p["alpha"] for p in known], [p["value"] for p in known], "-", color=colour, linewidth=1.6, label=label or None)
    ends = [point for point in known if point["value_low"] is not None and point["value_high"] is not None]
    panel.fill_between(
        [p["alpha"] for p in ends], [p["value_low"] for p in ends], [p["value_high"] for p in ends], color=colour, alpha=0.25,
        linewidth=0,
    )  # fmt: skip


def _detection(panel: Axes, curves: Sequence[Row], shown: Sequence[Row]) -> None:
    for row, colour in zip(shown, COLOURS, strict=False):
        points = [point for point in curves if _of(point, row, "detection")]
        known = [point for point in points if point["value"] is not None]
        panel.plot([p["alpha"] for p in known], [p["value"] for p in known], "-", color=LIGHT[colour], linewidth=1.3)
    panel.set_ylim(-0.02, 1.04)
    _titled(panel, "still found")


def _distance(panel: Axes, curves: Sequence[Row], margin: float) -> None:
    points = [point for point in curves if point["measure"] == "fsd"]
    _line(panel, points, LIGHT["mean"])
    still = [row["value"] for row in curves if row["measure"] == "fsd_difference"]
    at = next((point["value"] for point in points if still and point["alpha"] not in _alphas(curves)), None)
    if at is not None:
        panel.axhline(at + margin, color=LIGHT["dropped"], linewidth=0.9, linestyle=":")
    panel.set_ylim(bottom=0)
    _titled(panel, "FSD corrected")


def _alphas(curves: Sequence[Row]) -> set[float]:
    """Strengths that have a difference from the identity: all but that."""
    return {row["alpha"] for row in curves if row["measure"] == "fsd_difference"}


def _titled(panel: Axes, name: str, colour: str = "ink") -> None:
    panel.set_title(name, fontsize=8, loc="left", pad=3, color=LIGHT[colour])
    panel.grid(axis="y")
