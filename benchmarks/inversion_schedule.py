"""The search that audits make by default against the reference's 3,000 steps: where each photo ends, and at what cost.

Both start from the same z with no residuals, and lower the same objective: the default one, with the penalty that own samples
set, and L1 with a penalty of 1 (and the pyramid, in place of the reference's VGG-16, whose weights are not here). The default
search computes in what own samples allow. The reference (Adam .01, halved at 800, 1,200 and 1,800, no early stop, float32)
runs in batches with the fused copy, which changes no image's result but by rounding, because images are independent; it is
charged what its loop, one image at a time with the generator as it is, costs a step. Final losses are measured in float32.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.inversion_speed import REFERENCE, reference_loop
from benchmarks.inversion_villages import OBJECTIVE, heldout, mean, priced, village_task, written
from ganaudit import devices
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.inversion.presets import default_search
from ganaudit.inversion.search import Search, SearchResult
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.spec import Invert

PHOTO_SEED, TUNED = 20_190_827, 16
"""Photos of this seed, and how many of the first the schedule was chosen on: those after them are measured."""
GENERATORS = ("village-progan", "village-wgan-gp", "village-no-people")
OBJECTIVES = {"default": OBJECTIVE, "reference": Objective("l1", open_perceptual("pyramid"), penalty=1.0)}
MEAN, WORST, COST = 1.005, 1.03, 20.0
"""What is wanted: of the ratio of final losses at most, and of CPU time at least."""
OWN = 16
"""Own samples that set the penalty, which is the same for both searches."""
KEPT, BATCH = Path("reference-searches"), 16
"""Where references' final losses are kept between runs, batch by batch, and how many photos are in one."""
MOVED = 1e-3
"""Of residuals with which the reference starts when it is held against itself."""
TIMED = 22
"""Steps of the loop from which its cost a step is taken, less that of two."""


@dataclass(frozen=True)
class Compared:
    """The default search against the reference's, in one generator. ratio: of final losses, (N,). tried: the share of photos
    that took all trials. reference, seconds: CPU seconds a photo, of the reference's loop and of the default search."""

    ratio: NDArray[np.float64]
    tried: float
    reference: float
    seconds: float


def default_task(name: str, objective: str, photos: int) -> InversionTask:
    """Held-out photos, to be searched for as a user's audit does: own samples set the penalty."""
    search = replace(default_search(Invert().steps), precision=devices.precision("auto", "cpu"))
    target, _ = heldout(TUNED + photos, seed=PHOTO_SEED)
    task = village_task(name, target[TUNED:], OBJECTIVES[objective], search)
    task = replace(task, indices=range(TUNED, TUNED + photos))
    return priced(task, OWN) if objective == "default" else task


def found(task: InversionTask, how: Search) -> SearchResult:
    return inverter("layerwise")(replace(task, search=how)).found


def references(task: InversionTask, name: str, objective: str, moved: float = 0.0) -> torch.Tensor:
    """Final losses of the reference's search, (N,). `KEPT` has those that were searched for before, at this penalty.

    moved: standard deviation of the residuals that it starts from, instead of none.
    """
    KEPT.mkdir(exist_ok=True)
    path = KEPT / f"{name}-{objective}-{task.objective.penalty:.6g}{f'-moved-{moved:g}' if moved else ''}.pt"
    losses: dict[int, float] = torch.load(path) if path.exists() else {}
    missing = [index for index in task.indices if index not in losses]
    for first in range(0, len(missing), BATCH):
        some = missing[first : first + BATCH]
        places = torch.tensor([task.indices.index(index) for index in some])
        part = replace(task, targets=task.targets.take(places), indices=some, begin=residuals(task, some, moved))
        losses.update(zip(some, found(part, replace(REFERENCE, batch=BATCH)).loss_best.tolist(), strict=True))
        torch.save(losses, path)
    return torch.tensor([losses[index] for index in task.indices])


def residuals(task: InversionTask, images: Sequence[int], deviation: float) -> dict[str, torch.Tensor] | None:
    """Random residuals of each image on every layer that is free; None where they are 0."""
    if not deviation:
        return None
    zero = SearchSpace(
        task.generator, task.generator.latents(0, torch.tensor(images)), residuals=task.choice.residuals
    ).start()  # fmt: skip
    draw = torch.Generator().manual_seed(images[0])
    return {layer: deviation * torch.randn(value.shape, generator=draw) for layer, value in zero.items()}


def step_of_the_loop(task: InversionTask) -> float:
    """CPU seconds of one step of the reference's loop for one image: the least of four rounds."""

    def spent(steps: int) -> float:
        began = time.process_time()
        reference_loop(task, 0, steps)
        return time.process_time() - began

    return (min(spent(TIMED) for _ in range(4)) - min(spent(2) for _ in range(4))) / (TIMED - 2)


def compared(name: str, objective: str, photos: int) -> Compared:
    """One generator and objective. The loop's cost is taken before and after: other work on the machine meets both."""
    task = default_task(name, objective, photos)
    loop, began = step_of_the_loop(task), time.process_time()
    ours = found(task, task.search)
    seconds = (time.process_time() - began) / photos
    loop = min(loop, step_of_the_loop(task))
    ratio = (ours.loss_best / references(task, name, objective)).double().numpy()
    tried = float((ours.steps == task.search.longest).double().mean())
    print(
        f"{name:18} {objective:9} {task.search.precision}, penalty {task.objective.penalty:.3g}: "
        f"mean {written(mean(ratio), 4)}, "
        f"worst {ratio.max():.3f}, best {ratio.min():.3f}, above {WORST:g}: {int((ratio > WORST).sum())} of {photos}; "
        f"{ours.steps.double().mean():.0f} steps, {tried:.0%} with all trials; "
        f"{REFERENCE.steps * loop:.1f} CPU s a photo against {seconds:.2f}: {REFERENCE.steps * loop / seconds:.1f}x",
        flush=True,
    )
    return Compared(ratio, tried, REFERENCE.steps * loop, seconds)


def again(photos: int = BATCH) -> None:
    """The reference against itself, its start moved by a thousandth: what a photo's ratio is by chance alone."""
    every = []
    for name in GENERATORS:
        for objective in OBJECTIVES:
            task = default_task(name, objective, photos)
            ratio = (references(task, name, objective, MOVED) / references(task, name, objective)).double().numpy()
            every.append(ratio)
            print(
                f"{name:18} {objective:9} mean {written(mean(ratio), 4)}, worst {ratio.max():.3f}, best {ratio.min():.3f}, "
                f"above {WORST:g}: {int((ratio > WORST).sum())} of {photos}", flush=True,
            )  # fmt: skip
    ratio = np.concatenate(every)
    print(f"{len(ratio)} searches: mean {written(mean(ratio), 4)}, worst {ratio.max():.3f}")


def schedule(photos: int = 64) -> None:
    """A line for each generator and objective, and one for all."""
    every = [compared(name, objective, photos) for name in GENERATORS for objective in OBJECTIVES]
    ratio = np.concatenate([one.ratio for one in every])
    cost = sum(one.reference for one in every) / sum(one.seconds for one in every)
    tried = sum(one.tried for one in every) / len(every)
    print(
        f"{len(ratio)} searches: mean {written(mean(ratio), 4)} (wanted: at most {MEAN:g}), worst {ratio.max():.3f} (at most "
        f"{WORST:g}), {tried:.0%} with all trials, {cost:.1f}x less CPU (at least {COST:g})"
    )
