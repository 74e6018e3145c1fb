"""What the inversions of an audit will cost, before anything is inverted or trained: searches, steps, seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from ganaudit import images
from ganaudit.encoders import OWN_ENCODER
from ganaudit.inversion.inverters import InversionTask, latent
from ganaudit.inversion.methods import frees_residuals, needs
from ganaudit.inversion.penalty import FACTORS, own_steps
from ganaudit.inversion.presets import default_search
from ganaudit.records.store import Store
from ganaudit.report.words import about
from ganaudit.sources.planned import Plan
from ganaudit.spec import Invert
from ganaudit.studies.inversion.models import base_of, inverters_of, invertible, methods_of, needed, setup_of, without
from ganaudit.studies.inversion.searching import AGAIN, WEIGHTED_STARTS
from ganaudit.studies.inversion.settings import HELDOUT, MASKED, OWN, TRAIN
from ganaudit.studies.inversion.stages import PHOTOS, weighed
from ganaudit.studies.inversion.targets import own_pixels
from ganaudit.studies.inversion.training import minutes_of
from ganaudit.studies.inversion.verdicts import Rules

PROBED, STEPS = 4, 2
"""Images and steps that are timed."""
WITHOUT_SEARCH = ("encoder", "layered", "own_encoder")


@dataclass(frozen=True)
class Searches:
    """What is searched for at most in one generator. images: inverted images over all settings; steps: their steps together;
    weighted: steps of mask-weighted searches for each class that few photos recover, which nobody knows before."""

    images: int
    steps: int
    weighted: int


def searches(asked: Invert, offered: dict[str, int], methods: list[str]) -> Searches:
    """Of the methods that can be used. offered: photos that there are, by sample. Early stopping is not counted on."""
    heldout, train = (min(offered.get(s, 0), n) for s, n in ((HELDOUT, asked.images), (TRAIN, asked.train_images)))
    count = {HELDOUT: heldout, TRAIN: train, OWN: asked.own, MASKED: min(asked.masked, asked.own)}
    total = steps = 0
    for method in methods:
        for sample, number in count.items():
            others = len(FACTORS) - 1 if frees_residuals(method) and sample in (HELDOUT, OWN) else 0
            total += number * (1 + others)
            if method not in WITHOUT_SEARCH:
                starts = asked.restarts if method == "latent" else 1
                steps += number * (asked.steps * starts + others * max(1, asked.steps // AGAIN))
        if frees_residuals(method):
            steps += asked.own * own_steps(default_search(asked.steps))
    cases = Rules().cases
    photos = min(heldout, PHOTOS * cases) if heldout >= cases else 0
    return Searches(total, steps, photos * sum(_weighted_steps(asked, method) for method in methods if weighed(method)))


def _weighted_steps(asked: Invert, method: str) -> int:
    """Of one photo for one class."""
    if frees_residuals(method):
        return asked.steps + (len(FACTORS) - 1) * max(1, asked.steps // AGAIN)
    return asked.steps * ((asked.restarts if method == "latent" else 1) + WEIGHTED_STARTS)


def cost_notes(plan: Plan, store: Store) -> list[str]:
    """A sentence on each generator that would be inverted, on each method that would not, and on each inverter that would be
    trained first."""
    setup = setup_of(plan)
    asked = setup.asked
    generators, notes = invertible(plan)
    offered = {source.role: source.count for source in plan.sources if source.role in (HELDOUT, TRAIN)}
    for which in generators:
        base, missing = base_of(setup, which), set()
        there = inverters_of(setup, which, needed(asked))
        for kind in [kind for kind in needed(asked) if kind not in there]:
            if asked.inverter == "auto" and kind != OWN_ENCODER:
                minutes = minutes_of(asked, kind)
                notes.append(f"an inverter of kind {kind} would first be trained for {which.name!r}: {minutes:g} minutes.")
            else:
                missing.add(kind)
                notes.append(f"{which.name!r} would not be inverted by {', '.join(methods_of(asked, kind))}: {without(kind)}.")
        methods: list[str] = [method for method in asked.searched if needs(method) not in missing]
        for method in [method for method in methods if frees_residuals(method) and not base.choice.residuals]:
            methods.remove(method)
            notes.append(
                f"{which.name!r} would not be inverted by {method}: no layer before {base.choice.feature!r} is small enough "
                "to be freed."
            )
        if methods:
            notes.append(_sentence(which.name, searches(asked, offered, methods), _rate(base, setup.device)))
    return notes


def _rate(base: InversionTask, device: str) -> float:
    """Seconds of one image's step, from a few steps on z of a few own samples."""
    target = images.to_unit(own_pixels(base.generator, range(PROBED))).to(device)
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
    weighted = f"; {about(todo.weighted * rate)} more for each class that few photos recover" if todo.weighted else ""
    return (
        f"inversion of {name!r}: {todo.images:,} searches, {todo.steps:,} image-steps of {1000 * rate:.1f} ms, "
        f"about {about(todo.steps * rate)} on one core{weighted}."
    )
