"""The pictures of the page with their label maps: samples, what verdicts look like, and what pushes a distance up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from ganaudit.report import words
from ganaudit.report.data import Findings, Picture, ReportData, rows
from ganaudit.report.pictures import Encoded, outline
from ganaudit.studies.census.section import sentences
from ganaudit.studies.census.section.classes import ClassFinding, class_findings, lost_classes
from ganaudit.studies.census.section.kept import Beside, Grown, Kept, Samples, kept_of


@dataclass(frozen=True, eq=False)
class PictureView:
    """A picture with its label map, encoded, and its text for a reader who does not see it."""

    picture: Picture
    encoded: Encoded
    alt: str
    outline: tuple[str, int, int] | None = None
    number: str = ""


@dataclass(frozen=True, eq=False)
class BesideView:
    """A real picture that holds a lost class, and of each generator that loses it the nearest picture."""

    real: PictureView
    nearest: Sequence[tuple[str, PictureView]]


@dataclass(frozen=True, eq=False)
class LostView:
    """The real pictures that hold most of one class, and the generators that lose it."""

    class_id: int
    name: str
    found: Sequence[tuple[str, str, str]]  # generator, verdict, how much is left
    pictures: Sequence[BesideView]


@dataclass(frozen=True, eq=False)
class GrownView:
    """The pictures of one generator that hold a class which grew. images: how many count, among those looked through."""

    class_id: int
    name: str
    generator: str
    verdict: str
    how: str
    images: int
    rows: Sequence[tuple[str, Sequence[PictureView]]]


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


def lost_views(data: ReportData, encoded: Mapping[int, Encoded], names: Mapping[int, str]) -> list[LostView]:
    """The lost classes that have pictures, with every generator that loses them, the plainest loss first."""
    said: dict[int, list[tuple[int, str, str, str]]] = {}
    for generator in data.generators:
        for place, loss in enumerate(lost_classes(data.findings, generator)):
            said.setdefault(loss.class_id, []).append((place, generator, loss.word, _how(loss)))
    return [
        LostView(
            class_id,
            _name(names, class_id),
            [(generator, verdict, how) for _, generator, verdict, how in sorted(said.get(class_id, []))],
            [_beside(each, encoded, class_id, names) for each in shown],
        )
        for class_id, shown in kept_of(data).lost.items()
        if shown
    ]


def grown_views(data: ReportData, encoded: Mapping[int, Encoded], names: Mapping[int, str]) -> list[GrownView]:
    """The classes that grew and have pictures, the plainest first."""
    views = []
    for each in kept_of(data).grown:
        found = next((f for f in class_findings(data.findings, each.generator) if f.class_id == each.class_id), None)
        if found is None or not each.largest:
            continue
        rows = [
            (title, [_grown(picture, encoded[id(picture)], each, names) for picture in pictures])
            for title, pictures in (("Largest first", each.largest), ("Least sure first", each.unsure))
            if pictures
        ]
        name = _name(names, each.class_id)
        views.append(GrownView(each.class_id, name, each.generator, found.word, _how(found), each.images, rows))
    return views


def _how(finding: ClassFinding) -> str:
    """How much is left of a class, or how much more there is."""
    measure = finding.leading_measure
    verdict = finding.leading_verdict
    said = "" if verdict is None else sentences.how_much(verdict, measure)
    return f"{said} ({sentences.against(finding, measure)})"


def _beside(each: Beside, encoded: Mapping[int, Encoded], class_id: int, names: Mapping[int, str]) -> BesideView:
    name, share = _name(names, class_id), words.percent(_percent(each.real, class_id))
    alt = f"real image {each.real.name}: {name} covers {share} of it; {_seen(each.real, names)}"
    nearest = []
    for generator, picture in each.nearest.items():
        held = _percent(picture, class_id)
        holds = f"{words.percent(held)} {name}" if held else f"no {name}"
        apart = f"{words.share(each.apart[generator])} apart"
        to = f"nearest to real image {each.real.name}, {apart}"
        text = f"{generator}, image {picture.name}: {to}; {holds}; {_seen(picture, names)}"
        nearest.append((generator, _outlined(picture, encoded[id(picture)], class_id, text, f"{apart}, {holds}")))
    return BesideView(_outlined(each.real, encoded[id(each.real)], class_id, alt, share), nearest)


def _grown(picture: Picture, encoded: Encoded, each: Grown, names: Mapping[int, str]) -> PictureView:
    name, share = _name(names, each.class_id), words.percent(_percent(picture, each.class_id))
    sure = each.sure.get(picture.index)
    said = share if sure is None else f"{share}, {words.share(sure)} sure"
    doubt = "" if sure is None else f", of which the parser is {words.share(sure)} sure"
    alt = f"{each.generator}, image {picture.name}: {name} covers {share} of it{doubt}; {_seen(picture, names)}"
    return _outlined(picture, encoded, each.class_id, alt, said)


def _outlined(picture: Picture, encoded: Encoded, class_id: int, alt: str, number: str) -> PictureView:
    border = outline(picture.labels, class_id, max(encoded.width, encoded.height))
    return PictureView(picture, encoded, alt, border, number)


def _percent(picture: Picture, class_id: int) -> float:
    """How much of a picture a class covers, percent of its label map."""
    return 100 * float((picture.labels == class_id).mean())


def _name(names: Mapping[int, str], class_id: int) -> str:
    return names.get(class_id, "void" if class_id == 0 else f"class {class_id}")
