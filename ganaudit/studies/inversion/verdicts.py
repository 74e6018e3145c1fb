"""What an inversion says: about one class in one photo, and about one class of a generator.

Not finding is never proof. A class is `not made` only where its presence in samples is dropped, its photos are omitted even
by a mask-weighted search, and the same search finds the class in the generator's own samples, or a stand-in for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RECOVERED = "recovered"
DISTORTED = "distorted"
OMITTED = "omitted"
SEARCH_INCONCLUSIVE = "search inconclusive"
NOT_TESTABLE = "not testable"

MADE = "made"
NOT_MADE = "not made"
INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Rules:
    """Where the verdicts' borders are. Shares are of a photo's pixels of the class, or of photos."""

    least_pixels: int = 12
    """A class with fewer pixels in a photo is not testable there."""
    recovered: float = 0.5
    """Recall from which a class counts as recovered."""
    found: float = 0.25
    """Pixels of the class anywhere in the reconstruction, per pixel in the photo, from which it is distorted, not omitted."""
    sure: float = 0.5
    """The parser's confidence inside the mask, over that in the photo, below which what is recovered counts as distorted."""
    control: float = 0.8
    """Share of control cases that the search has to recover before a photo's loss counts against the generator."""
    cases: int = 20
    """Photos, and control cases, that a verdict needs."""
    made: float = 0.05
    """The class is made where more photos than this are recovered beyond doubt, not made where fewer might be than `rest`."""
    rest: float = 0.2


def confusion(target: NDArray[np.int64], reconstruction: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """(target class, reconstruction class, pixels) of each pair of classes that occurs in two label maps (h, w)."""
    if target.shape != reconstruction.shape:
        raise ValueError(f"two label maps of one image have one shape, not {target.shape} and {reconstruction.shape}")
    pairs, pixels = np.unique(np.stack([target.ravel(), reconstruction.ravel()]), axis=1, return_counts=True)
    return [(int(a), int(b), int(n)) for (a, b), n in zip(pairs.T, pixels, strict=True)]


@dataclass(frozen=True)
class ClassInPhoto:
    """One class in one inverted photo: its pixels there, how many of them the reconstruction shows as the class, and how
    many pixels of the class the reconstruction has anywhere."""

    target: int
    kept: int
    found: int

    @property
    def recall(self) -> float:
        return self.kept / self.target if self.target else math.nan


def seen(rows: Sequence[tuple[int, int, int]]) -> dict[int, ClassInPhoto]:
    """By class of the photo, from the rows of its confusion."""
    classes = {target for target, _, _ in rows}
    return {
        class_id: ClassInPhoto(
            sum(n for target, _, n in rows if target == class_id),
            sum(n for target, other, n in rows if target == class_id == other),
            sum(n for _, other, n in rows if other == class_id),
        )
        for class_id in sorted(classes)
    }


def photo_verdict(
    area: ClassInPhoto, control_passes: bool | None, failed: bool = False, rules: Rules = Rules(), collapsed: bool = False,
    evidential: bool = True,
) -> str:  # fmt: skip
    """The verdict on a class in a photo.

    control_passes: whether the same search recovers the class where it is known to be within reach; None: nobody knows.
    failed: the search of this photo was set aside. collapsed: the class is found, but the parser is not half as sure of it.
    evidential: whether what the search may free is evidence; where it is not, what comes back may be painted by the search
    itself and says nothing, while what is lost even so is lost. A recovered class is recovered whatever the control says.
    """
    if area.target < rules.least_pixels:
        return NOT_TESTABLE
    if failed:
        return SEARCH_INCONCLUSIVE
    if area.recall >= rules.recovered:
        if not evidential:
            return NOT_TESTABLE
        return DISTORTED if collapsed else RECOVERED
    if control_passes is None:
        return NOT_TESTABLE
    if not control_passes:
        return SEARCH_INCONCLUSIVE
    return DISTORTED if area.found >= rules.found * area.target else OMITTED


@dataclass(frozen=True)
class Estimate:
    """An estimated share or mean with its 95 % interval, and how many images it rests on."""

    value: float
    low: float
    high: float
    images: int


def proportion(hits: int, cases: int) -> Estimate:
    """A share of independent cases with Wilson's interval; NaN where there are no cases."""
    if cases == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    interval = binomtest(hits, cases).proportion_ci(method="wilson")
    return Estimate(hits / cases, float(interval.low), float(interval.high), cases)


@dataclass(frozen=True)
class ControlCase:
    """A class where it is known to be within reach: in an own sample. contrast: how far its colours are from what is around
    it, on any one scale."""

    pixels: int
    contrast: float
    recall: float


@dataclass(frozen=True)
class Control:
    """What the search can find. kind: `own samples`; or as a stand-in `other classes`, alike in area and contrast; or
    `sibling NAME`, another generator of the audit that draws the class."""

    kind: str
    recovered: Estimate
    recall: float

    def passes(self, rules: Rules = Rules()) -> bool | None:
        """None where it rests on too few cases."""
        return None if self.recovered.images < rules.cases else self.recovered.value >= rules.control


def alike(cases: Sequence[ControlCase], pixels: float, contrast: float, factor: float = 2.0) -> list[ControlCase]:
    """The cases whose area and contrast are both within a factor of those asked for."""
    return [
        case
        for case in cases
        if pixels / factor <= case.pixels <= pixels * factor and contrast / factor <= case.contrast <= contrast * factor
    ]


def control(
    own: Sequence[ControlCase], others: Sequence[ControlCase], pixels: float, contrast: float, rules: Rules = Rules(),
    siblings: Mapping[str, Sequence[ControlCase]] | None = None,
) -> Control:  # fmt: skip
    """The best control there is for a class of this typical area and contrast, all cases being alike in both.

    The first of these that has enough cases: own samples that hold the class; own samples' other classes; own samples of
    sibling generators (name: cases of the class, same budget), each named for what it is. None has: the one with most.
    A control that fails is not exchanged for another one.
    """
    offered = {"own samples": own, "other classes": others} | {f"sibling {name}": c for name, c in (siblings or {}).items()}
    matched = {name: alike(cases, pixels, contrast) for name, cases in offered.items()}
    kind = next((name for name, cases in matched.items() if len(cases) >= rules.cases), None)
    kind = kind or max(matched, key=lambda name: len(matched[name]))
    chosen = matched[kind]
    recovered = sum(case.recall >= rules.recovered for case in chosen)
    recall = float(np.mean([case.recall for case in chosen])) if chosen else math.nan
    return Control(kind, proportion(recovered, len(chosen)), recall)


def contrast_of(image: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
    """Distance of a mask's mean colour from that of a ring of two pixels around it; image (h, w, 3), mask (h, w).

    NaN for an empty mask, and one that has no ring.
    """
    ring = mask.copy()
    for _ in range(2):
        padded = np.pad(ring, 1)
        ring = ring | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    ring &= ~mask
    if not mask.any() or not ring.any():
        return math.nan
    return float(np.linalg.norm(image[mask].mean(axis=0) - image[ring].mean(axis=0)))


def class_verdict(
    recalls: Sequence[float], dropped: bool, weighted: Sequence[float], evidential: bool, passes: bool | None,
    rules: Rules = Rules(),
) -> str:  # fmt: skip
    """The verdict on a class of a generator.

    recalls: of the class in each photo that can be tested, by the plain search; weighted: by the search whose loss counts ten
    times inside the true mask. dropped: whether the class is dropped in samples, by presence or by area. evidential: whether
    what the search may free is evidence. passes: what the control says.
    """
    if len(recalls) < rules.cases or not evidential:
        return NOT_TESTABLE
    plain = proportion(sum(recall >= rules.recovered for recall in recalls), len(recalls))
    if plain.low > rules.made:
        return MADE
    if passes is None:
        return NOT_TESTABLE
    last = proportion(sum(recall >= rules.recovered for recall in weighted), len(weighted))
    if dropped and passes and last.images >= rules.cases and last.high < rules.rest:
        return NOT_MADE
    return INCONCLUSIVE
