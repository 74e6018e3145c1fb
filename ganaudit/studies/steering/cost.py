"""What steering will cost, before anything is trained or moved."""

from __future__ import annotations

import time

import torch

from ganaudit.parsers.seeing import see
from ganaudit.records.store import Store
from ganaudit.report.words import about, counted
from ganaudit.sources.planned import Plan
from ganaudit.studies.steering.models import AskedWalk, Setup, generator_of, parser_of, setup_of, steerable
from ganaudit.studies.steering.training import missing_walks, training_of
from ganaudit.training.making_walks import seconds_a_step


def cost_notes(plan: Plan, store: Store) -> list[str]:
    """A sentence on each generator that would be steered, or would not, and on the walks that would be trained first."""
    setup = setup_of(plan)
    asked, notes = steerable(plan)
    by_generator: dict[str, list[AskedWalk]] = {}
    for each in asked:
        by_generator.setdefault(each.which.name, []).append(each)
    missing = {shard.key: shard.asked for shard in missing_walks(setup, store, asked)}.values()
    for name, walks in by_generator.items():
        train, move = _rates(setup, walks[0])
        todo = sum(each.which.name == name for each in missing)
        if todo:
            seconds = about(todo * setup.asked.steps * train)
            notes.append(
                f"{counted(todo, 'walk')} would first be trained in {name!r}: {setup.asked.steps:,} steps each of "
                f"{1000 * train:.0f} ms, about {seconds} on one core."
            )
        images = setup.asked.images * sum(len(each.alphas) for each in walks)
        notes.append(
            f"steering of {name!r}: {counted(len(walks), 'walk')}, {images:,} images of {1000 * move:.1f} ms, about "
            f"{about(images * move)} on one core."
        )
    return notes


def _rates(setup: Setup, asked: AskedWalk) -> tuple[float, float]:
    """Seconds of a training step, and of an image that is made and parsed."""
    source, batch = generator_of(setup, asked.which), setup.spec.sample.batch
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train = seconds_a_step(training_of(setup, asked))
        parser = parser_of(setup)
        began = time.perf_counter()
        with torch.inference_mode():
            image = source.generator.run(source.generator.latents(source.seed, torch.arange(batch)))["image"]
        pixels, _ = source.shown(image)
        see(parser, pixels, batch, setup.device)
        return train, (time.perf_counter() - began) / batch
    finally:
        torch.set_num_threads(before)
