"""How far images along a walk stay as real as those that were not moved, by the distance that the census has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit.statistics import corrected, resampling
from ganaudit.statistics.corrected import Corrected
from ganaudit.statistics.jackknife import Estimate
from ganaudit.statistics.moments import GroupMoments
from ganaudit.studies.steering.reading import Steered, Walked

Row = dict[str, Any]
LEAST = 20
"""Images (or clusters of them) from which there is a distance."""


@dataclass(frozen=True)
class Realism:
    """distances: at each strength; differences: from the identity's, None where not known. alphas, origin: of the walk."""

    distances: Sequence[Corrected | None]
    differences: Sequence[Estimate | None]
    alphas: Sequence[float]
    origin: int

    def within(self, margin: float, end: str) -> tuple[float, float]:
        """From which to which strength, without a gap around the identity, the difference (its `value`, `low` or `high`) is at
        most the margin."""
        ends = [self.origin, self.origin]
        for side, step in ((0, -1), (1, 1)):
            place = self.origin + step
            while 0 <= place < len(self.alphas) and self._fits(place, margin, end):
                ends[side] = place
                place += step
        return self.alphas[ends[0]], self.alphas[ends[1]]

    def _fits(self, place: int, margin: float, end: str) -> bool:
        found = self.differences[place]
        value = None if found is None else getattr(found, end)
        return value is not None and value <= margin


def realism(walked: Walked, steered: Steered, real: GroupMoments, classes: Sequence[int], alpha: float) -> Realism:
    """The corrected distance of the images at each strength from the real ones. real, classes: of the census."""
    states = [steered.moments(place, classes) for place in range(len(walked.alphas))]
    seen = ~np.isnan(steered.whole["width"])
    usable = resampling.independent(seen, steered.clusters) >= LEAST
    still = states[walked.origin]
    known = usable[walked.origin]
    halves_of_real = corrected.halves_of(real)
    halves = [corrected.halves_of(state) if fine else None for state, fine in zip(states, usable, strict=True)]
    distances = [corrected.distance(real, state, alpha) if fine else None for state, fine in zip(states, usable, strict=True)]
    differences = [
        corrected.difference(real, state, still, [halves_of_real, split, halves[walked.origin]], alpha)
        if fine and known and place != walked.origin else None
        for place, (state, fine, split) in enumerate(zip(states, usable, halves, strict=True))
    ]  # fmt: skip
    return Realism(distances, differences, walked.alphas, walked.origin)


def reach_row(walked: Walked, steered: Steered, found: Realism, margin: float) -> Row:
    """One row of `steering_reach`, without run and real source."""
    ends = {name: found.within(margin, end) for name, end in (("reach", "value"), ("sure", "high"), ("possible", "low"))}
    row: Row = {
        **walked.named, "margin": margin, "identity": walked.identity, "alpha_low": walked.alphas[0],
        "alpha_high": walked.alphas[-1], **resampling.interval("followed", followed(steered)),
    }  # fmt: skip
    for name, (low, high) in ends.items():
        row |= {f"{name}_low": low, f"{name}_high": high}
    if found.distances[found.origin] is None:
        row["withheld"] = "too few images"
    return row


def followed(steered: Steered) -> tuple[float | None, float | None, float | None]:
    """Share of the squared error to the edited images that a walk takes away, over all strengths; images are resampled."""
    error, still = (_sums(steered.whole[name]) for name in ("error", "error_still"))
    ((lost, low, high),) = resampling.ratios(error[:, None], still[:, None], np.ones(len(error)), clusters=steered.clusters)
    return (
        None if lost is None else 1.0 - lost, None if high is None else 1.0 - high, None if low is None else 1.0 - low
    )  # fmt: skip


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over strengths; 0 of an image that was set aside at any of them."""
    sums: NDArray[np.float64] = np.nan_to_num(values.sum(axis=1))
    return sums
