"""Pictures of one source as a file, for a paper or a slide."""

from ganaudit.report.drawing import DrawnFigure
from ganaudit.report.pictures import coloured
from ganaudit.studies.census.section.kept import Samples


def samples_figure(samples: Samples) -> DrawnFigure:
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
    return DrawnFigure(figure, f"Pictures of {samples.source} with their label maps.")
