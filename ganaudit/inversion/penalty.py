"""How much a residual costs: set from the generator's own samples alone, never from what a photo loses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganaudit.errors import AuditError
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter

QUANTILE, RATE = 0.95, 0.05
FACTORS = (0.1, 1.0, 10.0)
"""Every verdict is given at these multiples of the penalty."""


@dataclass(frozen=True)
class Penalty:
    """weight: of the sum over layers of mean d². size: the 95th percentile of that sum on own samples. gain: the median loss
    that free residuals saved there. images: own samples that were looked at."""

    weight: float
    size: float
    gain: float
    images: int


def choose_penalty(own: InversionTask, method: str = "layerwise") -> Penalty:
    """The penalty under which a residual as large as the 95th percentile on own samples costs what it typically saves there.

    Own samples are within reach of z, so their residuals only mend what the encoder got wrong; a photo that needs larger ones
    leaves the generator's range, and is penalised. Raises AuditError where no own sample could be inverted.
    """
    return penalty_of(*free_residuals(own, method))


def free_residuals(own: InversionTask, method: str = "layerwise") -> tuple[Tensor, Tensor]:
    """(size, gain) of each own sample, (N,): the residuals' sum over layers of mean d² where they cost nothing, and the loss
    that they saved. Not finite where a search was set aside.

    The default search is made in half of its steps, in one fall from `RATE` along single channels: higher rates, and the
    eigenbasis, carry residuals far along directions that change nothing in the image, and the size would be the search's, not
    what the generator's samples need.
    """
    how = own.search
    if how.eigenbasis:
        how = replace(how, steps=how.steps // 2, rate=RATE, falls=(1.0,), eigenbasis=False)
    result = inverter(method)(replace(own, objective=replace(own.objective, penalty=0.0), search=how)).found
    return result.terms["residual"], result.loss_first - result.loss_best


def penalty_of(size: Tensor, gain: Tensor) -> Penalty:
    """What `choose_penalty` says of own samples whose sizes and gains are known. Raises AuditError like it."""
    good = size.isfinite() & gain.isfinite()
    if not bool(good.any()) or float(torch.quantile(size[good], QUANTILE)) <= 0.0:
        raise AuditError("the residuals' penalty cannot be set: no own sample of the generator could be inverted")
    edge, saved = float(torch.quantile(size[good], QUANTILE)), float(gain[good].median())
    return Penalty(saved / edge, edge, saved, int(good.sum()))
