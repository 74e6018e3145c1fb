"""The pictures of the page with their label maps: samples, what is lost in real photos, and what pushes a distance up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from ganaudit.report import words
from ganaudit.report.data import Findings, Picture, ReportData, rows
from ganaudit.report.pictures import Encoded, outline
from ganaudit.studies.census.section import sentences
from ganaudit.studies.census.section.classes import class_findings, lost_classes
from ganaudit.studies.census.section.kept import Kept, Samples, kept_of


@dataclass(frozen=True, eq=False)
class PictureView:
    """A picture with its label map, encoded, and its text for a reader who does not see it."""

    picture: Picture
    encoded: Encoded
    alt: str
    outline: tuple[str, int, int] | None = None
    number: str = ""


@dataclass(frozen=True, eq=False)
class HolderView:
    """The real pictures that hold most of one class, and the generators that lose it."""

    class_id: int
    name: str
    found: Sequence[tuple[str, str, str]]  # generator, verdict, how much is left
    pictures: Sequence[PictureView]


def class_names(data: ReportData) -> dict[int, str]:
    """The classes by their ids."""
    return {finding.class_id: finding.name for name in data.generators for finding in class_findings(data.findings, name)}


def legend(shown: Sequence[Picture], names: Mapping[int, str]) -> list[tuple[int, str]]:
    """Every class in the label maps of these pictures."""
    seen = {int(each) for picture in shown for each in np.unique(picture.labels)}
    return [(class_id, _name(names, class_id)) for class_id in sorted(seen)]


def sample_views(samples: Samples, encoded: Mapping[int, Encoded], names: Mapping[int, str]) -> list[PictureView]:
    """The pictures of one source."""
    return [
        PictureView(picture, encoded[id(picture)], f"{samples.source}, image {picture.index}: {_seen(picture, names)}")
        for picture in samples.pictures
    ]


def influence_views(
    data: ReportData, generator: str, encoded: Mapping[int, Encoded], names: Mapping[int, str]
) -> dict[str, list[PictureView]]:
    """What pushes a generator's distance up most, real and generated."""
    kept = kept_of(data)
    pushed = {(row["role"], row["image"]): row["influence"] for row in _influential(data.findings, kept, generator)}
    return {
        role: [
            PictureView(
                picture, encoded[id(picture)], f"{role} image {picture.name}: {_seen(picture, names)}",
                number=words.number(pushed.get((role, picture.index))),
            )
            for picture in shown
        ]
        for role, shown in kept.influences.get(generator, {}).items()
        if shown
    }  # fmt: skip


def _influential(findings: Findings, kept: Kept, generator: str) -> list[Any]:
    """The rows of the influences of the pictures that are shown: the table has one for every image."""
    shown = sorted({picture.index for pictures in kept.influences.get(generator, {}).values() for picture in pictures})
    if "influences" not in findings or not shown:
        return []
    table = findings["influences"]
    return list(rows({"influences": table.filter(pc.field("image").isin(shown))}, "influences", generator))


def _seen(picture: Picture, names: Mapping[int, str], most: int = 4) -> str:
    """What a picture holds most of: "sky 46 %, grass 22 %, …"."""
    ids, pixels = np.unique(picture.labels, return_counts=True)
    order = np.argsort(-pixels, kind="stable")[:most]
    total = picture.labels.size
    return ", ".join(f"{_name(names, int(ids[i]))} {words.percent(100 * int(pixels[i]) / total)}" for i in order)


def holder_views(data: ReportData, encoded: Mapping[int, Encoded], names: Mapping[int, str]) -> list[HolderView]:
    """By class, the plainest loss first: the real pictures are the same for every generator."""
    pictures: dict[int, Sequence[Picture]] = {}
    said: dict[int, list[tuple[int, str, str, str]]] = {}
    for generator, classes in kept_of(data).holders.items():
        losses = lost_classes(data.findings, generator)
        for class_id, views in classes.items():
            pictures.setdefault(class_id, views)
            for place, loss in enumerate(losses):
                if loss.class_id == class_id and loss.leading_verdict is not None:
                    measure = loss.leading_measure
                    how = f"{sentences.how_much(loss.leading_verdict, measure)} ({sentences.against(loss, measure)})"
                    said.setdefault(class_id, []).append((place, generator, loss.word, how))
    order = sorted(pictures, key=lambda class_id: (min(said.get(class_id, [(999, "", "", "")])), class_id))
    return [
        HolderView(
            class_id,
            _name(names, class_id),
            [(generator, verdict, how) for _, generator, verdict, how in sorted(said.get(class_id, []))],
            [_holder(picture, encoded[id(picture)], class_id, names) for picture in pictures[class_id]],
        )
        for class_id in order
        if pictures[class_id]
    ]


def _holder(picture: Picture, encoded: Encoded, class_id: int, names: Mapping[int, str]) -> PictureView:
    share = words.percent(100 * float((picture.labels == class_id).mean()))
    alt = f"{picture.name}: {_name(names, class_id)} covers {share} of it"
    border = outline(picture.labels, class_id, max(encoded.width, encoded.height))
    return PictureView(picture, encoded, alt, border, share)


def _name(names: Mapping[int, str], class_id: int) -> str:
    return names.get(class_id, "void" if class_id == 0 else f"class {class_id}")
