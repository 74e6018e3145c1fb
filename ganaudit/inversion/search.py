"""The batched search: many images at once, each with its own loss, best step, early stop and fate."""

from __future__ import annotations

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.inversion.eigenbasis import RECIPE, eigenbases
from ganaudit.inversion.fused import search_twin
from ganaudit.inversion.objective import Objective, Targets
from ganaudit.inversion.optimisers import OPTIMISERS, Evaluation
from ganaudit.inversion.search_space import SearchSpace

EXACT = 0.1
"""The last share of the steps, which is computed in float32 whatever the others are: where a search ends is no matter of
rounding."""
FALL_END = 0.01
"""The rate at the end of a fall, of that at its beginning."""
TRIALS = 3
"""Into how many trials all steps would go."""
APART = 0.02
"""Of the lower loss, by which trials that found the same minimum differ at most."""


@dataclass(frozen=True)
class Search:
    """How to search. A step is one move of the optimiser; losses are looked at before the first and after each."""

    steps: int = 300
    optimiser: str = "adam"
    rate: float = 0.05
    halve_at: tuple[int, ...] = ()
    """Steps after which the rate is halved."""
    patience: int = 0
    """An image stops when its best loss fell by less than `tolerance` of itself in so many steps; 0: never."""
    tolerance: float = 1e-3
    precision: str = "float32"
    """Of all steps but the last tenth, which is in float32."""
    batch: int = 32
    log_every: int = 10
    falls: tuple[float, ...] = ()
    """Parts of the search. In each the rate falls along half a cosine, from so many times `rate` to a hundredth of that. One
    alone takes all steps. Of several all but the last are trials, a third of the steps each, from the search's start, because
    which minimum a search ends in turns with its rate; the last, of a tenth of the steps, goes on from each image's best."""
    further: tuple[float, ...] = ()
    """More trials, of those images alone whose first ones end further apart than `APART`."""
    eigenbasis: bool = False
    """Move along the directions that own samples say (`eigenbases`), not along single channels."""

    def __post_init__(self) -> None:
        if self.optimiser not in OPTIMISERS:
            raise RequestError(f"there is no optimiser {self.optimiser!r}; there are {', '.join(OPTIMISERS)}")
        if self.precision not in ("float32", "bfloat16"):
            raise RequestError(f"a search runs in float32 or bfloat16, not in {self.precision!r}")
        if self.steps < 0 or self.batch < 1 or self.patience < 0 or self.log_every < 1 or not self.rate > 0:
            raise RequestError("a search has steps and patience from 0 on, batch and log_every from 1 on, a rate above 0")
        if not all(factor > 0 for factor in (*self.falls, *self.further)):
            raise RequestError("each fall of a search begins at a multiple of the rate above 0")

    def part(self, of: int) -> Search:
        """A search of one `of`-th of the steps, in one fall from the rate if in any: for what has been searched for before."""
        halve_at = tuple(step // of for step in self.halve_at)
        return replace(self, steps=max(1, self.steps // of), halve_at=halve_at, falls=(1.0,) if self.falls else (), further=())

    def in_one_fall(self) -> Search:
        """From the first rate over all steps: what is still on its way after a third of them, as latents are, has no trials."""
        return replace(self, falls=self.falls[:1], further=())

    def recipe(self) -> dict[str, Any]:
        """What enters a content key."""
        return {
            "steps": self.steps, "optimiser": self.optimiser, "rate": self.rate, "halve_at": list(self.halve_at),
            "patience": self.patience, "tolerance": self.tolerance, "precision": self.precision, "batch": self.batch,
            **({"falls": list(self.falls)} if self.falls else {}),
            **({"further": list(self.further), "apart": APART} if self.further else {}),
            **({"eigenbasis": RECIPE} if self.eigenbasis else {}),
            **({"exact": EXACT, "cast": "each use"} if self.precision != "float32" else {}),
        }  # fmt: skip

    @property
    def exact_from(self) -> int:
        """The step after which all are computed in float32."""
        return self.longest - math.ceil(EXACT * self.steps) if self.precision == "bfloat16" else 0

    @property
    def factors(self) -> tuple[float, ...]:
        """Of the rate, at the beginning of each part of the longest search, that of an image with all further trials."""
        return (*self.falls[:-1], *self.further, *self.falls[-1:])

    @property
    def ends(self) -> list[int]:
        """The steps after which the parts end of the longest search."""
        trial, trials = max(1, self.steps // TRIALS), len(self.factors) - 1
        if trials < 1:
            return [self.steps]
        return [*(trial * number for number in range(1, trials + 1)), trial * trials + math.ceil(EXACT * self.steps)]

    @property
    def longest(self) -> int:
        """The steps of an image with all further trials."""
        return self.ends[-1]

    def rate_at(self, step: int) -> float:
        """The rate of the step that follows `step` steps of the longest search."""
        rate = self.rate * 0.5 ** sum(step >= milestone for milestone in self.halve_at)
        if not self.falls:
            return rate
        ends = self.ends
        part = bisect_right(ends, step)
        begin = ends[part - 1] if part else 0
        fallen = (1.0 - math.cos(math.pi * (step - begin) / (ends[part] - begin))) / 2.0
        return rate * self.factors[part] * (1.0 - (1.0 - FALL_END) * fallen)


@dataclass(frozen=True)
class Curve:
    """Losses of one image along its search, and `gradient_norm`: steps and, by term, values."""

    steps: tuple[int, ...]
    terms: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class SearchResult:
    """What the search found for N images, at each one's best step.

    free: the variables. image: (N, 3, S, S), in float32. loss_first, loss_best, gradient_norm: (N,), measured in float32, the
    last two anew at the best step. residual: (N,), root mean square over all residuals. terms: parts of loss_best.
    errors: why an image was set aside, None elsewhere; its numbers are those of its best step, NaN where there is none.
    """

    free: Mapping[str, Tensor]
    image: Tensor
    loss_first: Tensor
    loss_best: Tensor
    best_step: Tensor
    steps: Tensor
    gradient_norm: Tensor
    residual: Tensor
    terms: Mapping[str, Tensor]
    errors: tuple[str | None, ...]
    curves: tuple[Curve, ...]
    seconds: float


@dataclass
class _Log:
    """Curves while they grow."""

    steps: list[list[int]]
    terms: list[dict[str, list[float]]] = field(default_factory=list)

    def add(self, rows: Tensor, steps: Tensor, terms: Mapping[str, Tensor]) -> None:
        """terms: by name, of `rows` alone; steps: of all images."""
        values = {name: value.tolist() for name, value in terms.items()}
        for place, row in enumerate(rows.tolist()):
            self.steps[row].append(int(steps[row]))
            for name, column in values.items():
                self.terms[row].setdefault(name, []).append(column[place])


class _Flat:
    """Free variables as one matrix (N, D) of their coordinates in `bases`; those that have none are their own."""

    def __init__(self, free: Mapping[str, Tensor], bases: Mapping[str, Tensor]) -> None:
        self.shapes = {name: value.shape[1:] for name, value in free.items()}
        self.sizes = [math.prod(shape) for shape in self.shapes.values()]
        self.bases = bases

    def pack(self, free: Mapping[str, Tensor]) -> Tensor:
        parts = (self._turned(name, free[name], "cd,nc...->nd...") for name in self.shapes)
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def unpack(self, x: Tensor) -> dict[str, Tensor]:
        parts = zip(self.shapes.items(), torch.split(x, self.sizes, dim=1), strict=True)
        return {name: self._turned(name, part.reshape(-1, *shape), "dc,nc...->nd...") for (name, shape), part in parts}

    def _turned(self, name: str, value: Tensor, product: str) -> Tensor:
        return torch.einsum(product, self.bases[name], value) if name in self.bases else value


def evaluation(
    space: SearchSpace, objective: Objective, targets: Targets, flat: _Flat, x: Tensor, precision: str
) -> Evaluation:
    """Losses and gradients at `x`. Losses are summed over images: each gradient is as if its image were alone."""
    x = x.detach().requires_grad_(True)
    free = flat.unpack(x)
    # autocast's cache is shared by all threads, and emptied by each that leaves: what a search gives must not hang on others
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
        image = space.image(free)
    terms = objective.terms(image, targets, free.get("z"), space.residual_parts(free))
    (gradient,) = torch.autograd.grad(terms["loss"].sum(), x)
    return Evaluation(terms["loss"].detach(), gradient, {name: value.detach() for name, value in terms.items()})


def search(space: SearchSpace, objective: Objective, targets: Targets, how: Search) -> SearchResult:
    """Searches for all targets in one batch, from the start of `space`."""
    began = time.perf_counter()
    free = space.start()
    flat = _Flat(free, eigenbases(space) if how.eigenbasis else {})
    n = len(targets)
    x = flat.pack(free)
    start, best, loss_best = x, x.clone(), x.new_full((n,), torch.inf)
    loss_first, best_step = x.new_full((n,), torch.nan), torch.zeros(n, dtype=torch.int64, device=x.device)
    taken = torch.zeros(n, dtype=torch.int64, device=x.device)
    errors: list[str | None] = [None] * n
    log = _Log([[] for _ in range(n)], [{} for _ in range(n)])
    near, stalled = x.new_full((n,), torch.inf), torch.zeros(n, dtype=torch.int64, device=x.device)
    rows, settled = torch.arange(n, device=x.device), torch.zeros(0, dtype=torch.int64, device=x.device)
    *trials, end = how.ends
    first_trials, trial_losses = len(how.falls) - 1, x.new_full((len(trials), n), torch.inf)
    precision, optimiser = how.precision, OPTIMISERS[how.optimiser](x)

    def some() -> tuple[SearchSpace, Targets]:
        return replace(space, generator=search_twin(space.generator, precision)).take(rows), targets.take(rows)

    def evaluate(point: Tensor) -> Evaluation:
        return evaluation(part, objective, wanted, flat, point, precision)

    part, wanted = some()
    here, step = evaluate(x), 0
    while how.steps:
        if step == how.exact_from and precision != "float32" and not trials:
            precision = "float32"
            part, wanted = some()
            here, loss_best[rows] = evaluate(x), evaluate(best[rows]).loss
        fine = here.loss.isfinite() & here.gradient.isfinite().all(dim=1)
        for row in rows[~fine].tolist():
            errors[row] = f"the loss is no longer finite at step {int(taken[row])}"
        if step == 0:
            loss_first = here.loss if precision == "float32" else evaluation(space, objective, targets, flat, x, "float32").loss
        better = fine & (here.loss < loss_best[rows])
        moved = rows[better]
        best[moved], loss_best[moved], best_step[moved] = x[better], here.loss[better], taken[moved]
        due = fine & ((taken[rows] % how.log_every == 0) | (step == end))
        if bool(due.any()):
            seen = {**here.terms, "gradient_norm": here.gradient.norm(dim=1)}
            log.add(rows[due], taken, {name: value[due] for name, value in seen.items()})
        fell = loss_best[rows] < near[rows] * (1.0 - how.tolerance)
        near[rows[fell]], stalled[rows[fell]] = loss_best[rows[fell]], taken[rows[fell]]
        going = fine & (taken[rows] - stalled[rows] < how.patience) if how.patience else fine
        trial = bisect_left(trials, step)
        if trial < len(trials):
            trial_losses[trial, rows] = torch.where(fine, torch.minimum(trial_losses[trial, rows], here.loss), torch.inf)
        if step == end or not (bool(going.any()) or len(settled)):
            break
        if not bool(going.all()):
            kept = going.nonzero().flatten()
            x, rows, here = x[kept], rows[kept], here.take(kept)
            part, wanted = part.take(kept), wanted.take(kept)
            optimiser.take(kept)
        if step in trials or not len(rows):
            if trial + 1 == first_trials and how.further:
                low, high = trial_losses[:first_trials, rows].aminmax(dim=0)
                agree = high - low <= APART * low
                settled, rows = rows[agree], rows[~agree]
            if step == trials[-1] or not len(rows):
                step, precision = trials[-1], "float32"
                rows, settled = torch.cat([rows, settled]).sort().values, settled[:0]
            part, wanted = some()
            x = (best if step == trials[-1] else start)[rows]
            optimiser, here = OPTIMISERS[how.optimiser](x), evaluate(x)
            if step == trials[-1]:
                loss_best[rows] = here.loss
        x, here = optimiser.step(x, here, how.rate_at(step), evaluate)
        step += 1
        taken[rows] += 1
    final, image = _final(space, objective, targets, flat, best)
    set_aside = ~loss_best.isfinite() if how.steps else ~final.loss.isfinite()
    if not how.steps:
        loss_first = final.loss
        errors = ["the loss is not finite at the start" if bad else None for bad in set_aside.tolist()]
    best_variables = flat.unpack(best)
    parts = space.residual_parts(best_variables)
    residual = flat_norm(parts) if parts else torch.zeros_like(final.loss)
    seconds = time.perf_counter() - began
    return SearchResult(
        best_variables,
        image,
        loss_first,
        _without(final.loss, set_aside),
        best_step,
        taken,
        _without(final.gradient.norm(dim=1), set_aside),
        residual,
        {name: _without(value, set_aside) for name, value in final.terms.items()},
        tuple(errors),
        tuple(
            Curve(tuple(steps), {name: tuple(values) for name, values in terms.items()})
            for steps, terms in zip(log.steps, log.terms, strict=True)
        ),
        seconds,
    )


def flat_norm(parts: Mapping[str, Tensor]) -> Tensor:
    """Root mean square of all residuals of each image together, (N,)."""
    return torch.cat([part.flatten(1) for part in parts.values()], dim=1).square().mean(dim=1).sqrt()


def _without(values: Tensor, set_aside: Tensor) -> Tensor:
    return torch.where(set_aside, torch.nan, values)


def _final(space: SearchSpace, objective: Objective, targets: Targets, flat: _Flat, best: Tensor) -> tuple[Evaluation, Tensor]:
    last = evaluation(space, objective, targets, flat, best, "float32")
    with torch.no_grad():
        image = space.image(flat.unpack(best)).float()
    return last, image


def search_all(space: SearchSpace, objective: Objective, targets: Targets, how: Search) -> tuple[SearchResult, str | None]:
    """`search` in batches of `how.batch`, in order. Out of memory halves the batch, and says so once in the note it returns."""
    parts: list[SearchResult] = []
    first, size, note = 0, how.batch, None
    while first < len(targets):
        rows = torch.arange(first, min(first + size, len(targets)), device=targets.images.device)
        try:
            parts.append(search(space.take(rows), objective, targets.take(rows), how))
        except (torch.OutOfMemoryError, MemoryError):
            if size == 1:
                raise
            size //= 2
            note = f"the search ran out of memory at a batch of {how.batch}; it went on with {size}"
            continue
        first += size
    return joined(parts), note


def joined(parts: list[SearchResult]) -> SearchResult:
    """Several batches as one."""
    if len(parts) == 1:
        return parts[0]
    tensors = ("image", "loss_first", "loss_best", "best_step", "steps", "gradient_norm", "residual")
    together = {name: torch.cat([getattr(part, name) for part in parts]) for name in tensors}
    return replace(
        parts[0], **together,
        free={name: torch.cat([part.free[name] for part in parts]) for name in parts[0].free},
        terms={name: torch.cat([part.terms[name] for part in parts]) for name in parts[0].terms},
        errors=tuple(error for part in parts for error in part.errors),
        curves=tuple(curve for part in parts for curve in part.curves),
        seconds=sum(part.seconds for part in parts),
    )  # fmt: skip
