"""A step of the reference's loop (Bau et al., optimize_residuals.py) against one of the batched search, in CPU time of a core.

The loop: one image, torch's Adam at .01, 3,000 steps, halved at 800, 1,200 and 1,800, float32, the generator as it is, no early
stop. Costs of a step are the least of several rounds in which all ways take turns, so that other work on the machine meets all
of them. What whole searches cost, and where they end: `inversion_schedule`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import torch
from torch import Tensor

from benchmarks.inversion_villages import heldout, village_task
from ganaudit.generators.protocol import Generator
from ganaudit.inversion import search as searching
from ganaudit.inversion.inverters import InversionResult, InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.inversion.presets import default_search
from ganaudit.inversion.search import Search, SearchResult
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.spec import Invert

REFERENCE = Search(3000, "adam", 0.01, (800, 1200, 1800), batch=1)
OURS = replace(default_search(Invert().steps), precision="bfloat16")
ROUNDS, SHORT, LONG = 4, 2, 22
PHOTO_SEED = 909_091


def reference_loop(task: InversionTask, place: int, steps: int) -> Tensor:
    """The least loss of one image along the reference's loop, written with torch's own optimiser and schedule."""
    single = replace(task, targets=task.targets.take(torch.tensor([place])), indices=[place])
    with torch.no_grad():
        z = single.encoder("layered")(single.targets.images)["z"]
    span = SearchSpace(task.generator, {"z": z}, residuals=task.choice.residuals, nonnegative_layers=task.nonnegative_layers)
    free = {name: value.requires_grad_() for name, value in span.start().items()}
    adam = torch.optim.Adam(free.values(), lr=REFERENCE.rate)
    schedule = torch.optim.lr_scheduler.MultiStepLR(adam, list(REFERENCE.halve_at), 0.5)
    best = torch.full((1,), torch.inf)
    for _ in range(steps):
        loss = task.objective.terms(span.image(free), single.targets, None, free)["loss"]
        best = torch.minimum(best, loss.detach())
        adam.zero_grad()
        torch.autograd.backward(loss.sum())
        adam.step()
        schedule.step()
    return best


def found(task: InversionTask, how: Search) -> SearchResult:
    inverted: InversionResult = inverter("layerwise")(replace(task, search=how))
    return inverted.found


def itself(generator: Generator, _precision: str) -> Generator:
    """In place of the search's fused copy."""
    return generator


def steps(task: InversionTask) -> dict[str, float]:
    """CPU seconds of one step of one image, way by way: what the steps from SHORT to LONG add, so that neither the start nor
    the last look at the best step counts."""

    def apart(length: int) -> int:
        for place in range(4):
            reference_loop(task, place, length)
        return 4

    def plainly(length: int) -> int:
        with mock.patch.object(searching, "search_twin", itself):
            return batched(length)

    def batched(length: int, precision: str = "float32") -> int:
        found(task, Search(length, "adam", 0.01, batch=32, precision=precision))
        return len(task.targets)

    ways: dict[str, Callable[[int], int]] = {
        "the reference's loop": apart,
        "a batch of 32": plainly,
        "the fused copy too": batched,
        "bfloat16 too": lambda length: batched(length, "bfloat16"),
    }
    spent: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            for length in (SHORT, LONG):
                began = time.process_time()
                images = run(length)
                spent.setdefault((name, length), []).append((time.process_time() - began) / images)
    return {name: (min(spent[name, LONG]) - min(spent[name, SHORT])) / (LONG - SHORT) for name in ways}


def speed() -> None:
    """Costs of a step; then what the start from the inverter's z gives."""
    target, _ = heldout(32, seed=PHOTO_SEED)
    objective = Objective("l1", open_perceptual("pyramid"), penalty=1.0)
    task = village_task("village-progan", target, objective, REFERENCE)
    found(task, replace(OURS, steps=2))
    each = list(steps(task).items())
    for (name, value), (_, before) in zip(each, [each[0], *each], strict=False):
        print(f"CPU ms an image and step, {name}: {1e3 * value:.2f} ({before / value:.2f}x)", flush=True)
    print(f"at equal steps: {each[0][1] / each[-1][1]:.2f}x", flush=True)
    start(task, found(task, OURS))


def start(task: InversionTask, ours: SearchResult) -> None:
    """What the inverter's z gives: our search from the z of another image instead."""
    encoder = task.encoder("layered")

    class Elsewhere(torch.nn.Module):
        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"z": encoder(images)["z"].roll(1, dims=0)}

    off = found(replace(task, encoders={"layered": Elsewhere()}), OURS)  # type: ignore[dict-item]
    print(f"the start: loss {float(ours.loss_first.mean()):.4f}, at the end {float(ours.loss_best.mean()):.5f}; from another "
          f"photo's z {float(off.loss_first.mean()):.4f}, at the end {float(off.loss_best.mean()):.5f}")  # fmt: skip
