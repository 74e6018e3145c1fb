"""Which bound on residuals tells better what a generator cannot make: the penalty that own samples set, or a cap at their size.

Under the cap residuals cost nothing up to the 95th percentile of the sizes (sum over layers of mean d²) that own samples take
where they cost nothing, and cannot be larger: what is searched for is scaled back to it. Both are asked of classes that a
village was trained with or without, by mask-weighted searches, as a verdict `not made` is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.inversion_villages import OBJECTIVE, SEARCH, heldout, own_samples, village_task, written
from ganaudit import weights
from ganaudit.generators.protocol import with_z
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.objective import Targets
from ganaudit.inversion.penalty import Penalty, choose_penalty
from ganaudit.inversion.search import SearchResult, search_all
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.parsers.segmentation import unet_parser
from ganaudit.studies.inversion.verdicts import INCONCLUSIVE, MADE, NOT_MADE, Estimate, Rules, proportion
from ganaudit.village.classes import IDS

CASES = (
    ("village-no-people", "fence", NOT_MADE), ("village-progan", "fence", MADE), ("village-no-people", "person", NOT_MADE),
    ("village-progan", "person", MADE),
)  # fmt: skip
"""Village, class and whether it was trained with it: village-no-people without people and fences."""
OWN = 16
"""Own samples that set the penalty and the cap."""


@dataclass(frozen=True)
class Capped(SearchSpace):
    """A search space whose residuals have a largest size, the sum over layers of mean d²."""

    cap: float = math.inf

    def image(self, free: Mapping[str, Tensor]) -> Tensor:
        return super().image({**free, **self.residual_parts(free)})

    def residual_parts(self, free: Mapping[str, Tensor]) -> dict[str, Tensor]:
        parts = {name: free[name] for name in self.residuals}
        size = torch.stack([part.square().flatten(1).mean(dim=1) for part in parts.values()]).sum(dim=0)
        scale = (size / self.cap).clamp(min=1.0).rsqrt()
        return {name: part * scale.view(-1, *[1] * (part.ndim - 1)) for name, part in parts.items()}


def layerwise(task: InversionTask, penalty: float, cap: float) -> SearchResult:
    """The layer-wise search from the layered encoder's z, residuals penalised, capped, or both."""
    with torch.no_grad():
        z = task.encoder("layered")(task.targets.images)["z"]
        state = with_z(task.generator.latents(task.seed, torch.tensor(list(task.indices))), z)
    space = Capped(task.generator, state, residuals=task.choice.residuals, nonnegative_layers=task.nonnegative_layers, cap=cap)
    return search_all(space, replace(task.objective, penalty=penalty), task.targets, task.search)[0]


def word(back: Estimate) -> str:
    """What a share of photos that come back says of a class, by the borders of `Rules`."""
    return MADE if back.low > Rules().made else NOT_MADE if back.high < Rules().rest else INCONCLUSIVE


def calibrated(name: str) -> Penalty:
    task = village_task(name, torch.zeros(0, 3, 64, 64), OBJECTIVE, SEARCH)
    return choose_penalty(replace(task, targets=OBJECTIVE.targets(own_samples(task, OWN)), indices=range(OWN)))


def cap(count: int = 20) -> None:
    """A line for each case and bound: how many photos come back, what that says, and how large residuals are."""
    parser = unet_parser(weights.load("builtin:village"), "cpu", "bfloat16")
    own = {name: calibrated(name) for name in dict.fromkeys(name for name, _, _ in CASES)}
    for name, edges in own.items():
        print(f"{name:20} penalty {edges.weight:.3g}, cap {edges.size:.3g}", flush=True)
    said: dict[str, list[tuple[str, str]]] = {}
    for name, known, truth in CASES:
        target, labels = heldout(count, known)
        inside = torch.from_numpy(labels == IDS[known])
        task = village_task(name, target, OBJECTIVE, SEARCH)
        targets: Targets = OBJECTIVE.targets(target, inside)
        for bound, penalty, edge in (("penalty", own[name].weight, math.inf), ("cap", 0.0, own[name].size)):
            found = layerwise(replace(task, targets=targets), penalty, edge)
            again = (parser.parse(found.image).maps == IDS[known]) & inside
            recall = again.flatten(1).sum(dim=1) / inside.flatten(1).sum(dim=1)
            back = proportion(int((recall >= Rules().recovered).sum()), len(target))
            said.setdefault(bound, []).append((word(back), truth))
            size = float((found.terms["residual"] / own[name].size).median())
            print(
                f"{name:20} {known:7} {truth:9} {bound:8} {written(back)} of {len(target)} come back: {word(back):13} "
                f"recall {float(recall.mean()):.3f}, residuals {size:.2f} of own samples' edge",
                flush=True,
            )
    for bound, words in said.items():
        false = sum(NOT_MADE == one != truth for one, truth in words)
        found_out = sum(NOT_MADE == one == truth for one, truth in words)
        lacking = sum(truth == NOT_MADE for _, truth in words)
        print(f"{bound}: {found_out} of {lacking} found not made, {false} of {len(words) - lacking} falsely called so")
