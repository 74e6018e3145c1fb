"""What the inversions of an audit will cost, before anything is inverted or trained: searches, steps, seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from ganaudit import images
from ganaudit.encoders.files import find_inverter
from ganaudit.generators.opening import OpenGenerator
from ganaudit.generators.shapes import generator_digest
from ganaudit.inversion.inverters import NEEDS, latent
from ganaudit.inversion.penalty import FACTORS
from ganaudit.records.store import Store
from ganaudit.report.words import about
from ganaudit.sources.planned import Plan
from ganaudit.spec import Invert
from ganaudit.studies.inversion.opening import base_task, inversion_tasks, methods_of, needed, open_for, without
from ganaudit.studies.inversion.settings import HELD, OWN, TRAIN
from ganaudit.studies.inversion.targets import ROLES, own_pixels
from ganaudit.studies.inversion.verdicts import Rules
from ganaudit.studies.inversion.work import AGAIN, PAID, PAID_STARTS, SEARCHED
from ganaudit.training.making import SMALL

PROBED, STEPS = 4, 2
"""Images and steps that are timed."""
WITHOUT_SEARCH = ("encoder", "layered")


@dataclass(frozen=True)
class Searches:
    """What is searched for at most in one generator. images: inverted images over all settings; steps: their steps together;
    paid: steps for each class that few photos recover, which nobody knows before."""

    images: int
    steps: int
    paid: int


def searches(asked: Invert, offered: dict[str, int], methods: list[str]) -> Searches:
    """Of the methods that can be used. offered: photos that there are, by sample. Early stopping is not counted on."""
    held, train = (min(offered.get(s, 0), n) for s, n in ((HELD, asked.images), (TRAIN, asked.train_images)))
    count = {HELD: held, TRAIN: train, OWN: asked.own, "masked": min(asked.masked, asked.own)}
    total = steps = 0
    for method in methods:
        for sample, number in count.items():
            others = len(FACTORS) - 1 if method == "layerwise" and sample in (HELD, OWN) else 0
            total += number * (1 + others)
            if method not in WITHOUT_SEARCH:
                starts = asked.restarts if method == "latent" else 1
                steps += number * (asked.steps * starts + others * max(1, asked.steps // AGAIN))
        if method == "layerwise":
            steps += asked.own * asked.steps  # the penalty
    cases = Rules().cases
    paid = min(held, PAID * cases) if held >= cases else 0
    return Searches(total, steps, paid * sum(_paid_steps(asked, method) for method in methods if method in SEARCHED))


def _paid_steps(asked: Invert, method: str) -> int:
    """Of one photo for one class."""
    if method == "layerwise":
        return asked.steps + (len(FACTORS) - 1) * max(1, asked.steps // AGAIN)
    return asked.steps * ((asked.restarts if method == "latent" else 1) + PAID_STARTS)


def cost_notes(planned: Plan, store: Store) -> list[str]:
    """A sentence on each generator that would be inverted, and on each inverter that would be trained for it."""
    asked = planned.spec.invert
    if asked is None:
        return []
    tasks, notes = inversion_tasks(planned)
    sources = {source.role: source.count for source in planned.sources}
    offered = {sample: sources[role] for sample, role in ROLES.items() if role in sources}
    for task in tasks:
        opened = open_for(planned.spec, task.place, task.device)
        if isinstance(opened, str):
            notes.append(f"{task.name!r} is not inverted: {opened}.")
            continue
        mark, missing = generator_digest(opened.generator), set()
        for kind in needed(asked):
            if find_inverter(mark, kind, [store.path / "inverters"]) is not None:
                continue
            if asked.inverter == "auto":
                minutes = asked.inverter_minutes or SMALL[kind]
                notes.append(f"an inverter of kind {kind} would first be trained for {task.name!r}: {minutes:g} minutes.")
            else:
                missing.add(kind)
                notes.append(f"{task.name!r} would not be inverted by {', '.join(methods_of(asked, kind))}: {without(kind)}.")
        methods: list[str] = [method for method in asked.methods if NEEDS[method] not in missing]
        if methods:
            notes.append(_sentence(task.name, searches(asked, offered, methods), _rate(opened, asked, planned)))
    return notes


def _rate(opened: OpenGenerator, asked: Invert, planned: Plan) -> float:
    """Seconds of one image's step, from a few steps on z of a few own samples."""
    base = base_task(opened, asked, planned.spec, planned.device, {})
    target = images.to_unit(own_pixels(base.generator, range(PROBED))).to(planned.device)
    task = replace(base, targets=base.objective.targets(target), indices=range(PROBED), restarts=1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for steps in (0, STEPS):
            began = time.perf_counter()
            latent(replace(task, search=replace(base.search, steps=steps)))
            seconds.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(before)
    return max(seconds[1] - seconds[0], 0.0) / (STEPS * PROBED)


def _sentence(name: str, todo: Searches, rate: float) -> str:
    paid = f"; {about(todo.paid * rate)} more for each class that few photos recover" if todo.paid else ""
    return (
        f"inversion of {name!r}: {todo.images:,} searches, {todo.steps:,} image-steps of {1000 * rate:.1f} ms, "
        f"about {about(todo.steps * rate)} on one core{paid}."
    )
