"""What a search may compute in: bfloat16 is used only where it hardly changes where the search ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ganaudit.inversion.inverters import InversionTask, Inverter
from ganaudit.inversion.search import SearchResult

TOLERATED = 0.01
"""Relative change of the mean final loss from which a lower precision is refused."""
IMAGES, STEPS = 8, 20
"""Own samples, and at most so many steps, that this is measured on."""


@dataclass(frozen=True)
class Precision:
    """What searches compute in. change: of the mean final loss by the lower precision, relative; None where none was tried."""

    name: str
    change: float | None
    images: int


def choose_precision(own: InversionTask, inverter: Inverter, wanted: str) -> Precision:
    """`wanted` where it changes the mean final loss of own samples by less than TOLERATED, else float32.

    Final losses are measured in float32 whatever the search computed in. A method that does not search has nothing to gain.
    """
    if wanted == "float32":
        return Precision("float32", None, 0)
    count = min(IMAGES, len(own.targets))
    rows = torch.arange(count, device=own.targets.images.device)
    few = replace(own, targets=own.targets.take(rows), indices=list(own.indices)[:count], restarts=1)
    steps = min(STEPS, own.search.steps)

    def ended(precision: str) -> SearchResult:
        how = replace(own.search, precision=precision, steps=steps, patience=0, cycles=own.search.cycles[:1])
        return inverter(replace(few, search=how)).found

    exact, rough = ended("float32"), ended(wanted)
    if not bool(exact.steps.any()):
        return Precision("float32", None, 0)
    good = exact.loss_best.isfinite() & rough.loss_best.isfinite()
    if not bool(good.all()):
        return Precision("float32", None, count)
    before, after = float(exact.loss_best.mean()), float(rough.loss_best.mean())
    change = abs(after - before) / before if before > 0.0 else float(after > 0.0)
    return Precision(wanted if change < TOLERATED else "float32", change, count)
