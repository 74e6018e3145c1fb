"""One way in which one list of images is inverted: what names its records, in a store and in what a run used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganaudit.sources.roles import HELDOUT as HELDOUT
from ganaudit.sources.roles import OWN as OWN
from ganaudit.sources.roles import TRAIN as TRAIN

UNKNOWN = "unknown"
"""The layer that was free in reconstructions that somebody else's inverter made, and where it started."""
MASKED = "masked"
"""Own samples with a patch greyed out: a kind of image that is no role of a source."""


@dataclass(frozen=True)
class SearchSetting:
    """One way in which one list of images is inverted.

    key: of its records. factor: the residuals' penalty as a multiple of the chosen one; None without residuals.
    weighted_class: whose pixels the loss counts ten times; None in a plain search. images: how many there are.
    """

    key: str
    sample: str
    method: str
    factor: float | None
    weighted_class: int | None
    images: int

    @property
    def shown(self) -> bool:
        """Whether pictures of its reconstructions are kept: of plain searches at the penalty itself."""
        return self.weighted_class is None and self.factor in (None, 1.0)

    def variant(self) -> dict[str, Any]:
        """What tells it apart in `run_keys`."""
        return {
            "sample": self.sample, "method": self.method, "penalty_factor": self.factor, "weighted_class": self.weighted_class
        }  # fmt: skip

    @staticmethod
    def of(key: str, count: int, variant: Mapping[str, Any]) -> SearchSetting:
        """As a run recorded it."""
        return SearchSetting(
            key, variant["sample"], variant["method"], variant["penalty_factor"], variant["weighted_class"], count
        )
