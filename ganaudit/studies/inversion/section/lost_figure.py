"""The figure of what a generator cannot reconstruct: for each class the photo that loses most of it, as it came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganaudit.report import words
from ganaudit.report.drawing import DrawnFigure
from ganaudit.report.pictures import coloured
from ganaudit.studies.inversion.section.reconstructed import Reconstructed

MOST = 4
"""Classes side by side, worst first."""
OUTLINE = "#ff00a0"
PANES = ("photo", "nearest image found", "its classes", "found again")


def lost_figure(shown: Sequence[Reconstructed], names: Mapping[int, str], generator: str) -> DrawnFigure | None:
    """Photo, reconstruction and both label maps, the class outlined where the photo has it. names: of classes, by id.

    None where no photo lost a class.
    """
    from matplotlib.figure import Figure

    omitted = sorted(
        (reconstructed for reconstructed in shown if reconstructed.kind == "omitted" and reconstructed.recall < 0.5),
        key=lambda reconstructed: reconstructed.recall,
    )[:MOST]
    if not omitted:
        return None
    width, height = 1.0 + 1.75 * len(PANES), 0.28 + 1.75 * len(omitted)
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(len(omitted), len(PANES), squeeze=False)
    figure.subplots_adjust(1.0 / width, 0.01, 0.995, 1 - 0.28 / height, wspace=0.03, hspace=0.03)
    for line, one in zip(panels, omitted, strict=True):
        pictures = (one.photo.image, one.made.image, coloured(one.photo.labels), coloured(one.made.labels))
        for axes, picture in zip(line, pictures, strict=True):
            axes.imshow(picture, interpolation="nearest")
            inside = one.photo.labels == one.class_id
            if inside.any() and not inside.all():
                axes.contour(inside, levels=[0.5], colors=OUTLINE, linewidths=0.9)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
        line[0].set_ylabel(
            f"{names[one.class_id]}\n{words.share(one.recall)} of {one.pixels} px\n{one.verdict}",
            rotation=0, ha="right", va="center", labelpad=6, fontsize=8, parse_math=False,
        )  # fmt: skip
    for axes, title in zip(panels[0], PANES, strict=True):
        axes.set_title(title, fontsize=8.5, pad=4)
    said = ", ".join(names[reconstructed.class_id] for reconstructed in omitted)
    return DrawnFigure(figure, f"{generator}: photos beside their reconstructions, outlined what was lost: {said}.")
