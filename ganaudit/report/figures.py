"""The figures of a report as files, for a paper or a slide."""

from collections.abc import Sequence
from pathlib import Path

from ganaudit.report.data import ReportData, Samples
from ganaudit.report.drawing import Drawn, file_name, save, style
from ganaudit.report.pictures import coloured
from ganaudit.studies.census.section.area_figure import area_figure
from ganaudit.studies.census.section.classes import class_findings, largest, telling_first
from ganaudit.studies.census.section.distance_figures import fsd_figure, parts_figure
from ganaudit.studies.census.section.distances import curve, distances, shares
from ganaudit.studies.census.section.forest import forest_figure
from ganaudit.studies.census.section.training import trainings
from ganaudit.studies.census.section.training_figure import training_figure
from ganaudit.studies.inversion.section.choice import omissions
from ganaudit.studies.inversion.section.lost_figure import lost_figure
from ganaudit.studies.inversion.section.view import inverted_figures


def figures(data: ReportData, folder: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write every figure of the report into `folder` and return the files, in order.

    For each generator `forest-NAME` (presence, size and area with verdicts), `classes-NAME` (the paper's figure) and
    `parts-NAME` (its distance over the number of images and by class), and where it was inverted `recall-NAME`, `layers-NAME`
    and `lost-NAME` (photos that lose a class, beside what came back); then `fsd`, `training-NAME` for each training with three
    checkpoints or more, and `samples-NAME` for each source.
    Letters that a file name cannot hold become hyphens.
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
            classes, name = class_findings(data.findings, generator), file_name(generator)
            if (told := telling_first(classes)).rows:
                write(f"forest-{name}", forest_figure(told, generator, data.decide, data.sigmas, title=True))
            if (shown := largest(classes)).rows:
                write(f"classes-{name}", area_figure(shown, generator, data.sigmas, title=True))
            points, parts = curve(data.findings, generator), shares(data.findings, generator)
            if len(points) > 1 or parts:
                write(f"parts-{name}", parts_figure(points, parts, generator, title=True))
            for stem, drawn in inverted_figures(data.findings, generator).items():
                write(f"{stem}-{name}", drawn)
            mine = [one for one in data.reconstructed if one.generator == generator]
            if lost := lost_figure(mine, {one.class_id: one.name for one in omissions(data.findings, generator)}, generator):
                write(f"lost-{name}", lost)
        if found := distances(data.findings):
            write("fsd", fsd_figure(found))
        for training in trainings(data):
            write(f"training-{file_name(training.name)}", training_figure(training, data.decide, title=True))
        for samples in data.kept.samples:
            if samples.pictures:
                write(f"samples-{file_name(samples.source)}", samples_figure(samples))
    return files


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
