"""The figures of a report as files, for a paper or a slide."""

from collections.abc import Sequence
from pathlib import Path

from ganaudit.report.data import ReportData
from ganaudit.report.drawing import DrawnFigure, save, style
from ganaudit.studies.protocol import sections


def figures(data: ReportData, folder: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write every figure of the report into `folder` and return the files, in order.

    For each generator what each study draws of it, then what each study draws beside that. Letters that a file name cannot
    hold become hyphens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    files: list[Path] = []

    def write(stem: str, drawn: DrawnFigure) -> None:
        while stem in taken:
            stem += "_"
        taken.add(stem)
        for kind in formats:
            file = folder / f"{stem}.{kind}"
            save(drawn, file, kind)
            files.append(file)

    shown = sections().values()
    with style():
        for generator in data.generators:
            for section in shown:
                for stem, drawn in section.generator_figures(data, generator):
                    write(stem, drawn)
        for section in shown:
            for stem, drawn in section.figures(data):
                write(stem, drawn)
    return files
