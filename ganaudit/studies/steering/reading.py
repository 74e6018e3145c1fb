"""The records of one walk, or of real images, read once as arrays: images by strengths."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ganaudit.records.schema import OK
from ganaudit.records.store import Store
from ganaudit.statistics import grouping
from ganaudit.statistics.moments import GroupMoments, group_moments
from ganaudit.steering.edits import edit_named
from ganaudit.studies.steering.asking import ASKED, Asked
from ganaudit.studies.steering.record_tables import STEERING, STEERING_IMAGES

Floats = NDArray[np.float64]
WEIGHTS = {"red": 0.299, "green": 0.587, "blue": 0.114}
"""Of a luminance (ITU-R BT.601)."""
MEASURES = ("width", "height", "confidence", "red", "green", "blue", "distance", "error", "error_still")
OF_IMAGES = ("image", "alpha", *MEASURES, "cluster", "digest", "status")
OF_CLASSES = ("image", "alpha", "class_id", "pixels", "confidence", "x_sum", "y_sum", "parts", "red", "green", "blue")


@dataclass(frozen=True)
class Walked:
    """A walk of a run: its generator, what it is, and the key of its records. alphas: ascending. size: (height, width)."""

    generator: str
    edit: str
    space: str
    walk: str
    key: str
    images: int
    alphas: tuple[float, ...]
    size: tuple[int, int]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Walked:
        """As a run recorded it."""
        said = json.loads(row["variant"])
        return cls(
            row["source"], said["edit"], said["space"], said["walk"], row["key"], row["count"] // len(said["alphas"]),
            tuple(said["alphas"]), (said["size"][0], said["size"][1]),
        )  # fmt: skip

    @property
    def identity(self) -> float:
        return edit_named(self.edit).identity

    @property
    def origin(self) -> int:
        """Place of the identity among the strengths."""
        return int(np.abs(np.array(self.alphas) - self.identity).argmin())

    @property
    def asked(self) -> Asked | None:
        return ASKED.get(self.edit)

    @property
    def change(self) -> Floats | None:
        """How much the attribute is to change at each strength; None where none measures it."""
        return None if self.asked is None else self.asked.change(np.array(self.alphas), self.size)

    @property
    def named(self) -> dict[str, str]:
        """The columns that say which walk a finding is about."""
        return {"generator": self.generator, "edit": self.edit, "space": self.space, "walk": self.walk}


@dataclass(frozen=True, eq=False)
class Steered:
    """What N images are at A strengths, those that were set aside at none. images: (N,) their indices; rows: of `steering`;
    whole: measures of the image, (N, A) each. least: share of the pixels from which on a class is there. clusters: (N,) number
    of each image's cluster, as in the census: by its name, or by pixels that are the same; None where each image is alone."""

    images: NDArray[np.int64]
    whole: Mapping[str, Floats]
    rows: Mapping[str, NDArray[Any]]
    least: float
    clusters: NDArray[np.int64] | None = None

    @property
    def label_size(self) -> tuple[int, int]:
        """(height, width) of label maps."""
        return int(np.nanmax(self.whole["height"])), int(np.nanmax(self.whole["width"]))

    @cached_property
    def classes(self) -> list[int]:
        """All but void."""
        return [int(number) for number in np.unique(self.rows["class_id"]) if number > 0]

    def of_class(self, class_id: int) -> dict[str, Floats]:
        """Attributes, confidence and `there` (0 or 1) of a class, (N, A) each: NaN where it is not there."""
        mine = np.flatnonzero(self.rows["class_id"] == class_id)
        at = self.rows["place"][mine], self.rows["strength"][mine]
        height, width = self.label_size
        pixels = self.rows["pixels"][mine].astype(np.float64)
        there = pixels >= max(1.0, self.least * height * width)
        shape = self.whole["width"].shape

        def spread(values: Floats, nothing: float = np.nan) -> Floats:
            full = np.full(shape, nothing)
            full[at] = np.where(there, values, nothing)
            return full

        with np.errstate(divide="ignore", invalid="ignore"):
            colours = {name: self.rows[name][mine].astype(np.float64) for name in WEIGHTS}
            values = {
                "x": (self.rows["x_sum"][mine] / pixels + 0.5) / width, "y": (self.rows["y_sum"][mine] / pixels + 0.5) / height,
                "area": np.log2(pixels / (height * width)), "count": self.rows["parts"][mine].astype(np.float64),
                **colours, "luminance": luminance(colours), "confidence": self.rows["confidence"][mine].astype(np.float64),
            }  # fmt: skip
        found = {name: spread(value) for name, value in values.items()}
        return {**found, "there": np.where(np.isnan(self.whole["width"]), np.nan, spread(np.ones(len(mine)), 0.0))}

    def moments(self, strength: int, classes: Sequence[int]) -> GroupMoments:
        """Moments of groups of the images at one strength, over these classes (void among them)."""
        good = np.flatnonzero(~np.isnan(self.whole["width"][:, strength]))
        place_of = np.full(len(self.images), -1)
        place_of[good] = np.arange(len(good))
        column_of = np.full(2**15, -1)
        column_of[list(classes)] = np.arange(len(classes))
        mine = (self.rows["strength"] == strength) & (self.rows["pixels"] > 0)
        row, column = place_of[self.rows["place"][mine]], column_of[self.rows["class_id"][mine]]
        used = (row >= 0) & (column >= 0)
        pixels = self.rows["pixels"][mine][used].astype(np.int64)
        counts = csr_array((pixels, (row[used], column[used])), shape=(len(good), len(classes)))
        clusters = None if self.clusters is None else grouping.numbered(self.clusters[good])
        groups = grouping.by_rank(np.arange(len(good)), clusters)
        height, width = self.label_size
        return group_moments(counts, groups, height * width, int(groups.max(initial=0)) + 1)


def luminance(colours: Mapping[str, Floats]) -> Floats:
    """Of red, green and blue, in their unit."""
    return sum((weight * colours[name] for name, weight in WEIGHTS.items()), np.zeros(()))


def read_walk(store: Store, key: str, alphas: Sequence[float | None], first: int, count: int, least: float) -> Steered:
    """The images first to first + count - 1 of a key. alphas: ascending; (None,) of real images. least: percent of pixels."""
    done = sorted(store.finished_blocks(key, STEERING_IMAGES.name))
    number = len(alphas)
    blocks = [block for block in done if block[0] < (first + count) * number and block[1] >= first * number]
    images, rows = (
        _within(pa.concat_tables([store.read_block(table, key, block, columns) for block in blocks]), first, count)
        for table, columns in ((STEERING_IMAGES, OF_IMAGES), (STEERING, OF_CLASSES))
    )
    return steered_of(images, rows, alphas, least)


def steered_of(images: pa.Table, rows: pa.Table, alphas: Sequence[float | None], least: float) -> Steered:
    """Rows of `steering_images` and `steering`, of one key, as arrays."""
    indices = np.unique(images["image"].to_numpy())
    shape = len(indices), len(alphas)
    at = np.searchsorted(indices, images["image"].to_numpy()), _strengths(images, alphas)
    good = images["status"].to_numpy(zero_copy_only=False) == OK
    whole: dict[str, Floats] = {}
    for name in MEASURES:
        whole[name] = np.full(shape, np.nan)
        values = images[name].to_numpy(zero_copy_only=False).astype(np.float64)
        whole[name][at] = np.where(good, values, np.nan)
    whole["luminance"] = luminance(whole)
    columns = {name: _values(rows[name]) for name in OF_CLASSES[2:]}
    columns["place"] = np.searchsorted(indices, rows["image"].to_numpy())
    columns["strength"] = _strengths(rows, alphas)
    names = (_said(images[name], at[0], len(indices)) for name in ("cluster", "digest"))
    return Steered(indices, whole, columns, least / 100.0, grouping.clusters_of(*names))


def _said(column: pa.ChunkedArray, place: NDArray[np.int64], count: int) -> list[str | None]:
    """The text of each image, from those of its rows that have one."""
    said = np.full(count, None, object)
    known = column.is_valid().to_numpy()
    said[place[known]] = _values(column)[known]
    texts: list[str | None] = said.tolist()
    return texts


def _within(rows: pa.Table, first: int, count: int) -> pa.Table:
    return rows.filter(pc.and_(pc.greater_equal(rows["image"], first), pc.less(rows["image"], first + count)))


def _strengths(rows: pa.Table, alphas: Sequence[float | None]) -> NDArray[np.int64]:
    """Place of each row's strength."""
    if alphas[0] is None:
        return np.zeros(len(rows), np.int64)
    places: NDArray[np.int64] = np.searchsorted(np.array(alphas, np.float64), rows["alpha"].to_numpy()).astype(np.int64)
    return places


def _values(column: pa.ChunkedArray) -> NDArray[Any]:
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values
