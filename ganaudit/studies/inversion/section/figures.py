"""The figures of inversions: error by layer, and how much of each class comes back beside what the control says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganaudit.report import words
from ganaudit.report.data import Interval, Row
from ganaudit.report.drawing import LEGEND, LIGHT, DrawnFigure, inches, rules, strokes
from ganaudit.studies.inversion.section.choice import Omission

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDES = (("heldout", "held-out photos", "generated", -0.12), ("own", "own samples", "real_edge", 0.12))

CONTROLS = {
    "own": ("|", 10, "own samples alike"), "other": ("x", 5, "other classes alike"), "sibling": ("+", 7, "a sibling's samples"),
}  # fmt: skip
"""Kind of control: marker, its size, what it is called."""


def layers_figure(layer_rows: Sequence[Row], generator: str) -> DrawnFigure:
    """inversion_by_layer of one generator, at the penalty set from own samples: error beside agreement of label maps."""
    from matplotlib.figure import Figure

    ways = list(dict.fromkeys((row["place"], row["layer"], row["method"]) for row in layer_rows))
    names = [f"{method}\n{layer if layer in ('z', 'unknown') else f'before {layer}'}" for _, layer, method in ways]
    figure = Figure(figsize=(9.6, 2.5))
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(0.065, 0.19, 0.99, 0.83, wspace=0.16)
    for axes, measure, scale in ((left, "mse", 1.0), (right, "agreement", 100.0)):
        for sample, label, colour, shift in SIDES:
            points = [
                (ways.index((row["place"], row["layer"], row["method"])) + shift, _scaled(row, measure, scale))
                for row in layer_rows
                if row["sample"] == sample and row[measure] is not None
            ]
            _dots(axes, points, colour, label)
        axes.set_xticks(range(len(ways)), names, parse_math=False)
        axes.tick_params(axis="x", labelsize=8)
        axes.set_xlim(-0.6, len(ways) - 0.4)
        axes.grid(axis="y")
        axes.spines["bottom"].set_visible(False)
    left.set_ylim(bottom=0)
    right.set_ylim(0, 102)
    left.set_title("mean squared error, on [\N{MINUS SIGN}1, 1]", fontsize=8.5, loc="left", pad=4)
    right.set_title("pixels that keep their class, %", fontsize=8.5, loc="left", pad=4)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1.1), **{**LEGEND, "ncols": 2})
    return DrawnFigure(figure, f"{generator}: error and agreement of label maps by layer, held-out photos beside own samples.")


def recall_figure(all_omissions: Sequence[Omission], generator: str) -> DrawnFigure:
    """Recall of each class that can be tested with its interval, and the control's beside it."""
    from matplotlib.figure import Figure

    shown = [omission for omission in all_omissions if omission.recall.value is not None]
    left = 0.2 + max((inches(omission.name, 8) for omission in shown), default=0.5)
    width, height = 9.6, 0.75 + 0.24 * max(len(shown), 1)
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    figure.subplots_adjust(left / width, 0.28 / height, 1 - 0.15 / width, 1 - 0.36 / height)
    known = [
        (place, omission.recall.low, omission.recall.high)
        for place, omission in enumerate(shown)
        if omission.recall.low is not None and omission.recall.high is not None
    ]
    rules(axes, [(place, 100 * low, 100 * high) for place, low, high in known], LIGHT["generated"], 2)
    axes.plot(
        [100 * (omission.recall.value or 0.0) for omission in shown],
        range(len(shown)),
        "o",
        color=LIGHT["generated"],
        markersize=5,
    )
    for kind, (marker, size, _) in CONTROLS.items():
        at = [(100 * omission.control_recall, place) for place, omission in enumerate(shown)
              if omission.control_recall is not None and omission.control_kind == kind]  # fmt: skip
        axes.plot([x for x, _ in at], [y for _, y in at], marker, color=LIGHT["ink"], markersize=size, markeredgewidth=1.6)
    for place in range(len(shown)):
        axes.barh(place, 100, height=0.9, alpha=0, linewidth=0)[0].set_gid(f"tip:{place}")
    axes.set_xlim(-1, 101)
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [omission.name for omission in shown], parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=8, colors=LIGHT["ink"])
    axes.tick_params(axis="x", labelsize=7.5, colors=LIGHT["soft"])
    axes.grid(axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)
    label = "photos: % of the class's pixels that come back"
    axes.plot([], [], "o-", color=LIGHT["generated"], markersize=5, linewidth=2, label=label)
    for kind in dict.fromkeys(omission.control_kind for omission in shown if omission.control_kind is not None):
        marker, size, label = CONTROLS[kind]
        axes.plot([], [], marker, color=LIGHT["ink"], markersize=size, markeredgewidth=1.6, label=f"control: {label}")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), **{**LEGEND, "ncols": 4})
    tips = {str(place): _tip(omission) for place, omission in enumerate(shown)}
    return DrawnFigure(figure, f"{generator}: share of each class's pixels that come back in photos, beside the control.", tips)


def _tip(row: Omission) -> str:
    return (
        f"{row.name}: {words.percents(row.recall)} of its pixels come back in {words.counted(row.images, 'photo')}; "
        f"control {words.share(row.control_recall)} in {words.counted(row.control_images, 'case')}"
    )


def _scaled(row: Row, measure: str, scale: float) -> Interval:
    return Interval(
        *(None if row[name] is None else scale * row[name] for name in (measure, f"{measure}_low", f"{measure}_high"))
    )


def _dots(axes: Axes, points: Sequence[tuple[float, Interval]], colour: str, label: str) -> None:
    spans = [(x, point.low, point.high) for x, point in points if point.low is not None and point.high is not None]
    strokes(axes, spans, LIGHT[colour])
    axes.plot(
        [x for x, _ in points], [point.value or 0.0 for _, point in points], "o", color=LIGHT[colour], markersize=5, label=label
    )
