"""Everything that is measured along one walk, class by class, each image once: attributes and their changes, with resamples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ganaudit.statistics import resampling
from ganaudit.statistics.responses import ENOUGH, Changes
from ganaudit.studies.steering.asking import ATTRIBUTES, COLOURS, Asked
from ganaudit.studies.steering.reading import Steered, Walked

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Measured:
    """A class along a walk, or the whole image (class_id None). names: of its attributes; values: (N, K, A), NaN where an image
    lacks it. there: (N, A). real: (M, K), of real images; NaN alike. clusters, real_clusters: see `Steered.clusters`."""

    walked: Walked
    class_id: int | None
    names: tuple[str, ...]
    values: Floats
    there: Floats
    confidence: Floats
    real: Floats
    clusters: Labels | None = None
    real_clusters: Labels | None = None

    @property
    def held(self) -> int:
        """Images that hold the class at the identity."""
        return int(self.holding.sum())

    @property
    def holding(self) -> NDArray[np.bool_]:
        """(N,) whether an image holds the class at the identity."""
        return np.asarray(self.there[:, self.walked.origin] == 1.0)

    @property
    def enough(self) -> bool:
        """Whether enough images that are independent of each other hold the class at the identity."""
        return int(resampling.independent(self.holding[:, None], self.clusters)[0]) >= ENOUGH

    @property
    def held_clusters(self) -> Labels | None:
        """Clusters of those that hold it."""
        return None if self.clusters is None else self.clusters[self.holding]

    @cached_property
    def changes(self) -> Changes:
        return Changes.of(self.values, self.walked.origin, self.clusters)

    @cached_property
    def sigma(self) -> Floats:
        """(K,) standard deviation over real images; NaN where fewer than ENOUGH of them (or clusters) hold the class, or all
        are alike."""
        spread = np.full(len(self.names), np.nan)
        independent = resampling.independent(np.isfinite(self.real), self.real_clusters)
        for place, column in enumerate(self.real.T):
            known = column[np.isfinite(column)]
            if independent[place] >= ENOUGH and np.ptp(known) > 0.0:
                spread[place] = known.std(ddof=1)
        return spread

    @property
    def attribute(self) -> int | None:
        """Place of what the edit asks to change; None where it is not measured."""
        asked = self.walked.asked
        return None if asked is None or asked.attribute not in self.names else self.names.index(asked.attribute)

    def role(self, name: str) -> str:
        """wanted, implied (the edit changes it by itself) or other."""
        asked: Asked | None = self.walked.asked
        if asked is None:
            return "other"
        return "wanted" if name == asked.attribute else "implied" if name in asked.implied else "other"


@dataclass(frozen=True, eq=False)
class WalkMeasures:
    """A walk of a run with what was seen along it, beside real images. names: of the parser's classes."""

    walked: Walked
    steered: Steered
    real: Steered
    names: Mapping[int, str]

    @cached_property
    def whole(self) -> Measured:
        """The image itself: its colours."""
        values = np.stack([self.steered.whole[name] for name in COLOURS], axis=1)
        real = np.stack([self.real.whole[name][:, 0] for name in COLOURS], axis=1)
        there = np.isfinite(self.steered.whole["width"]).astype(np.float64)
        return self._measured(None, COLOURS, values, there, self.steered.whole["confidence"], real)

    def _measured(
        self, class_id: int | None, names: tuple[str, ...], values: Floats, there: Floats, confidence: Floats, real: Floats
    ) -> Measured:  # fmt: skip
        alike = self.steered.clusters, self.real.clusters
        return Measured(self.walked, class_id, names, values, there, confidence, real, *alike)

    @cached_property
    def classes(self) -> list[Measured]:
        """Those that are in any image."""
        return list(self._classes())

    def _classes(self) -> Iterator[Measured]:
        lacking = np.full((len(self.real.images), len(ATTRIBUTES)), np.nan)
        for class_id in self.steered.classes:
            found = self.steered.of_class(class_id)
            real = lacking
            if class_id in self.real.classes:
                seen = self.real.of_class(class_id)
                real = np.stack([seen[name][:, 0] for name in ATTRIBUTES], axis=1)
            values = np.stack([found[name] for name in ATTRIBUTES], axis=1)
            yield self._measured(class_id, ATTRIBUTES, values, found["there"], found["confidence"], real)

    @property
    def enough(self) -> list[Measured]:
        """The whole image, and the classes that enough images hold at the identity."""
        return [self.whole, *(each for each in self.classes if each.enough)]

    def of(self, measured: Measured) -> dict[str, object]:
        """The columns that name a class, and its walk."""
        name = None if measured.class_id is None else self.names.get(measured.class_id, str(measured.class_id))
        return {**self.walked.named, "class_id": measured.class_id, "class": name}
