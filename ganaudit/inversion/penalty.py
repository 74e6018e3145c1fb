"""How much a residual costs: set from the generator's own samples alone, never from what a photo loses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganaudit.errors import AuditError
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.search import Search

KEPT = 0.9
"""What an own sample still saves at the penalty, of the loss that residuals save it where they cost nothing."""
FACTORS = (0.1, 1.0, 10.0)
"""Every verdict is given at these multiples of the penalty."""
FREE, ROUND = 2, 4
"""Parts of the steps: a search whose residuals cost nothing takes a half, each round of the bisection a quarter."""
BISECTION = (4.0, 2.0, 2.0**0.5, 2.0**0.25)
"""By so much an own sample's penalty is raised or lowered after each round."""


@dataclass(frozen=True)
class Penalty:
    """weight: of the sum over layers of mean d², the median of those that own samples tolerate. size: the 95th percentile of
    that sum where residuals cost nothing. images: own samples that were looked at."""

    weight: float
    size: float
    images: int


@dataclass(frozen=True)
class OwnPenalties:
    """What residuals do for N own samples, (N,) each field, not finite where a search was set aside.

    size: the sum over layers of mean d² where they cost nothing; gain: the loss that they save there; penalty: under which
    they still save `KEPT` of it.
    """

    size: Tensor
    gain: Tensor
    penalty: Tensor


def choose_penalty(own: InversionTask, method: str = "layerwise") -> Penalty:
    """The penalty that own samples tolerate: in the median they still save nine tenths of what free residuals save.

    Own samples are within reach of z, so their residuals only mend what the encoder got wrong, and need be no larger; a photo
    that needs larger ones leaves the generator's range, and is penalised. What is saved hardly turns with how well a search
    goes, unlike the size of residuals, of which much changes nothing in the image. Raises AuditError where no own sample
    could be inverted.
    """
    penalties = own_penalties(own, method)
    return Penalty(
        typical(penalties.penalty), float(torch.nanquantile(penalties.size, 0.95)), int(penalties.penalty.isfinite().sum())
    )


def own_penalties(own: InversionTask, method: str = "layerwise") -> OwnPenalties:
    """Each own sample by itself: from what it saves over how large its residuals are, the penalty goes up where more than
    `KEPT` is saved, and down where less is. Each round goes on from the residuals of the one before."""
    search = inverter(method)
    free = search(replace(own, objective=replace(own.objective, penalty=0.0), search=own.search.part(FREE))).found
    size, gain = free.terms["residual"], free.loss_first - free.loss_best
    task = replace(own, objective=replace(own.objective, penalty=1.0), search=own.search.part(ROUND))
    penalty, residuals = gain / size, free.free
    for factor in BISECTION:
        found = search(replace(task, targets=replace(own.targets, penalties=penalty), begin=residuals)).found
        saved = free.loss_first - (found.loss_best - penalty * found.terms["residual"])
        penalty, residuals = torch.where(saved > KEPT * gain, penalty * factor, penalty / factor), found.free
    return OwnPenalties(size, gain, torch.where((gain > 0) & saved.isfinite(), penalty, torch.nan))


def own_steps(how: Search) -> int:
    """How many steps `own_penalties` takes for one own sample, by a search of this length."""
    return how.part(FREE).steps + len(BISECTION) * how.part(ROUND).steps


def typical(penalty: Tensor) -> float:
    """The median of the own samples' penalties, (N,). Raises AuditError where there is none."""
    finite = penalty[penalty.isfinite()]
    if not len(finite):
        raise AuditError("the residuals' penalty cannot be set: no own sample of the generator could be inverted")
    return float(finite.median())
