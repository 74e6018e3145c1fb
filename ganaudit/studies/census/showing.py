"""Which images show what a verdict means, chosen from records alone, among the first of each source.

Of a lost class: real images that hold it, and the generated images nearest to them in what else they hold. Of a class that
grew: the generated images that hold it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS
from ganaudit.records.used import Block, UsedSource, sources_of
from ganaudit.regions import LEAST_PIXELS
from ganaudit.report.data import Findings
from ganaudit.spec import Decide
from ganaudit.studies.census.known import classes_of
from ganaudit.studies.census.section.classes import GREW, LOST, ClassFinding, class_findings, with_verdict
from ganaudit.studies.census.section.kept import IMAGES

CLASSES = 8
"""Lost classes of a run that are shown, and as many that grew."""
BESIDE = 6
"""Generators that stand beside the real images of one class: those that lose it most plainly."""
MOST, FEWER = 6, 3
"""Images in a row; with more than BESIDE generators, fewer."""
MOST_OF = "SELECT image FROM most_of(?, ?, ?, ?)"


@dataclass(frozen=True, eq=False)
class Areas:
    """What images hold: (M,) a row for each class in an image, sorted by image. confidence: NaN where there is none."""

    image: NDArray[np.int64]
    class_id: NDArray[np.int64]
    pixels: NDArray[np.int64]
    largest: NDArray[np.int64]
    confidence: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_]) -> Areas:
        """Some of the rows."""
        return Areas(*(column[chosen] for column in vars(self).values()))

    def order(self, *by: NDArray[Any]) -> list[int]:
        """The images of the rows, by the first key, then by the others, then by their index."""
        return [int(image) for image in self.image[np.lexsort((self.image, *by[::-1]))]]


@dataclass(frozen=True)
class GrownImages:
    """Images of one generator that hold a class which grew. images: that count in the verdict, among those looked through;
    sure: the parser's confidence in the class, by image."""

    generator: str
    class_id: int
    images: int
    largest: Sequence[int]
    unsure: Sequence[int]
    sure: Mapping[int, float]


@dataclass(frozen=True)
class Chosen:
    """lost: by class, by real image, of each generator the image nearest to it, and how far it is apart."""

    lost: Mapping[int, Mapping[int, Mapping[str, tuple[int, float]]]]
    grown: Sequence[GrownImages]

    @property
    def of_real(self) -> set[int]:
        """The real images."""
        return {index for beside in self.lost.values() for index in beside}

    def of_generator(self, name: str) -> set[int]:
        """The images of one generator."""
        beside = {found[name][0] for each in self.lost.values() for found in each.values() if name in found}
        return beside | {index for each in self.grown if each.generator == name for index in (*each.largest, *each.unsure)}


def chosen(store: Store, run: str, real_name: str, findings: Findings, generators: Sequence[str]) -> Chosen:
    """The images that show what the verdicts of a run mean."""
    sources = {source.name: source for source in sources_of(store, run)}
    losing, growing, real = lost(findings, generators), grown(findings, generators), sources[real_name]
    needed = {name for names in losing.values() for name in names} | {name for name, _ in growing}
    areas = {name: first_of(store, sources[name]) for name in sorted(needed)}
    known, most = classes_of(store, real.parser_key), MOST if len(generators) <= BESIDE else FEWER
    beside = {}
    first = first_of(store, real) if losing else None
    for class_id, names in losing.items():
        assert first is not None
        held, wanted = first, holders(first, class_id, most)
        if len(wanted) < most and real.count > IMAGES:  # too rare: among all of them, then
            with catalog.of_run(store, run) as connection:
                rows = connection.execute(MOST_OF, [run, real_name, known.names[class_id], most]).fetchall()
            wanted = [index for (index,) in rows]
            held = read(store, real, [block for block in real.blocks if any(block[0] <= i <= block[1] for i in wanted)])
        found = {name: nearest(held, wanted, areas[name], class_id, known.first_head) for name in names}
        beside[class_id] = {index: {name: near[index] for name, near in found.items() if index in near} for index in wanted}
    decide = Decide.model_validate(json.loads(store.run_row(run)["spec"]).get("decide", {}))
    rows_of = [
        _grown(name, counting(areas[name], finding, decide.presence == "own", known.first_head), finding.class_id, most)
        for name, finding in growing
    ]
    return Chosen(beside, rows_of)


def _grown(generator: str, counted: Areas, class_id: int, most: int) -> GrownImages:
    told = ~np.isnan(counted.confidence) & (counted.confidence < 1).any()  # label maps that were given are sure of everything
    known = counted.where(told)
    largest, unsure = counted.order(-counted.pixels)[:most], known.order(known.confidence)[:most]
    of = dict(zip(known.image.tolist(), known.confidence.tolist(), strict=True))
    sure = {index: of[index] for index in (*largest, *unsure) if index in of}
    return GrownImages(generator, class_id, len(counted.image), largest, unsure, sure)


def read(store: Store, source: UsedSource, blocks: Sequence[Block]) -> Areas:
    """Blocks of a source, without images that the run does not use."""
    columns = ["image", "class_id", "pixels", "largest", "confidence"]
    parts = [store.read_block(CLASS_PIXELS, source.key, block, columns) for block in blocks]
    read_columns = (np.concatenate([np.zeros(0), *(part[column].to_numpy() for part in parts)]) for column in columns)
    image, class_id, pixels, largest, confidence = read_columns
    largest = np.where(np.isnan(largest), pixels, largest)  # an older ganaudit counted no regions
    whole = [column.astype(np.int64) for column in (image, class_id, pixels, largest)]
    rows = Areas(whole[0], whole[1], whole[2], whole[3], confidence)
    return rows.where((rows.image >= source.first) & (rows.image < source.first + source.count))


def first_of(store: Store, source: UsedSource) -> Areas:
    """The first images of a source."""
    areas = read(store, source, [block for block in source.blocks if block[0] < source.first + IMAGES])
    return areas.where(areas.image < source.first + IMAGES)


def lost(findings: Findings, generators: Sequence[str]) -> dict[int, list[str]]:
    """The lost classes that are shown, the plainest of each generator first, with the generators that lose them."""
    places: dict[int, list[tuple[int, str]]] = {}
    for generator in generators:
        for place, finding in enumerate(with_verdict(class_findings(findings, generator), *LOST)):
            places.setdefault(finding.class_id, []).append((place, generator))
    first = sorted(places, key=lambda class_id: (min(places[class_id]), class_id))
    return {class_id: [name for _, name in sorted(places[class_id])[:BESIDE]] for class_id in first[:CLASSES]}


def grown(findings: Findings, generators: Sequence[str]) -> list[tuple[str, ClassFinding]]:
    """The classes that grew and are shown, the plainest of each generator first."""
    found = [
        (place, generator, finding)
        for generator in generators
        for place, finding in enumerate(with_verdict(class_findings(findings, generator), *GREW))
    ]
    return [(generator, finding) for _, generator, finding in sorted(found, key=lambda each: each[0])[:CLASSES]]


def holders(areas: Areas, class_id: int, most: int) -> list[int]:
    """The images that hold most of a class."""
    held = areas.where(areas.class_id == class_id)
    return held.order(-held.pixels)[:most]


def nearest(
    real: Areas, wanted: Sequence[int], generated: Areas, class_id: int, head: Sequence[int]
) -> Mapping[int, tuple[int, float]]:
    """Of each wanted real image the generated one that is nearest in what else it holds, and how far the two are apart.

    What else: the shares of the head's other classes in the pixels that are left without the class, Σ = 1. Apart: half the sum
    of their absolute differences, the share of those pixels that would have to change class; 0 to 1. Of equals the first.
    """
    images, row, of, share = _rest(generated, class_id, head)
    if not len(images):
        return {}
    found = {}
    for image in wanted:
        _, _, classes, shares = _rest(real.where(real.image == image), class_id, head)
        if not len(classes):
            continue  # it holds nothing else
        here = np.zeros(max(int(of.max()), int(classes.max())) + 1)
        here[classes] = shares
        # Σ |share - here| over all classes is Σ here = 1, and |share - here| - here for each class that the image holds
        apart = (1.0 + np.bincount(row, np.abs(share - here[of]) - here[of], len(images))) / 2
        place = int(np.argmin(np.round(apart, 12)))
        found[image] = int(images[place]), max(0.0, float(apart[place]))
    return found


def _rest(areas: Areas, class_id: int, head: Sequence[int]) -> tuple[NDArray[Any], ...]:
    """The images that hold anything else; of each row without the class the place of its image, its class and its share."""
    left = areas.where(np.isin(areas.class_id, head) & (areas.class_id != class_id))
    images, row = np.unique(left.image, return_inverse=True)
    return images, row, left.class_id, left.pixels / np.bincount(row, left.pixels)[row]


def counting(areas: Areas, finding: ClassFinding, own_size: bool, head: Sequence[int]) -> Areas:
    """The rows of a class in the images that its verdict counts: that hold any of it where it rests on area, else those where
    it is present. own_size: whether its largest region decides that, or all its pixels."""
    held = areas.where(areas.class_id == finding.class_id)
    if finding.leading_measure == "area" or finding.present_from is None:
        return held
    of_head = areas.where(np.isin(areas.class_id, head))
    size = int(np.bincount(np.unique(of_head.image, return_inverse=True)[1], of_head.pixels).max(initial=0))
    least = max(LEAST_PIXELS, finding.present_from / 100 * size - 1e-6)
    return held.where((held.largest if own_size else held.pixels) >= least)
