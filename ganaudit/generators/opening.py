"""A generator as the audit file names it, opened, its protocol checked, with the recipe that enters the content keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaudit import devices, kinds, trial, weights
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.foreign_code import asking, guard
from ganaudit.generators import precision
from ganaudit.generators.layouts import Layout, made_with, sentence, together
from ganaudit.generators.outputs import faults, looks_unit, wrong_images, wrong_latents
from ganaudit.generators.protocol import Generator, LayeredGenerator, State, size_of
from ganaudit.kinds import Opened
from ganaudit.kinds.content import content, misnamed, normal
from ganaudit.options import Source, WeightsSource
from ganaudit.random import VERSION as DRAWS_VERSION
from ganaudit.spec.checkpoints import card_step, metadata_step


@dataclass(frozen=True)
class OpenGenerator:
    """A generator ready to be sampled from `seed`."""

    generator: Generator
    seed: int
    recipe: Mapping[str, Any]
    digests: Mapping[str, str]
    training_step: int | None
    truncation: float | None = None
    noise: str | None = None
    """How its noise is drawn, where it has some."""
    notes: tuple[str, ...] = ()
    """What a person should know of its images, in sentences."""


def open_generator(options: Source, context: Context) -> OpenGenerator:
    """Opens a live generator on the context's device, in float32, once a process. Raises RequestError for what is none."""
    opened, notes = context.opened(
        content("generators", options, context), lambda: _opened(options, context), context.anew and ":" in options.kind
    )
    said = {name: getattr(options, name, None) for name in ("truncation", "noise")}
    recipe = {**opened.recipe, "seed": context.seed}
    notes = (*notes, *misnamed(options, opened.weights, opened.digests))
    return OpenGenerator(
        opened.model, context.seed, recipe, opened.digests, _step(options, opened.weights), **said, notes=notes
    )


def _opened(options: Source, context: Context) -> tuple[Opened, tuple[str, ...]]:
    """A generator, and what a person should know of its images."""
    opened = normal(kinds.find("generators", options.kind), options, context)
    generator, threads = opened.model, getattr(options, "threads", None)
    if isinstance(generator, torch.nn.Module):
        generator = devices.placed(generator, context.device)
        generator.eval().requires_grad_(False)
    who = options.kind if options.name == options.kind else f"{options.name} ({options.kind})"
    if threads == 1 and ":" not in options.kind:  # a factory's is guarded already
        generator = guard(generator, context.folder, who, threads)
    with asking(context.folder, who):
        if ":" in options.kind or not isinstance(generator, LayeredGenerator):  # whose latents are known
            check_protocol(generator, who, context.seed)
            attempt = partial(trial.try_generator, generator, who, context.seed, context.device, threads)
            trial.once([opened.recipe, context.seed, context.device, threads], attempt)
        notes = remarks(generator, context.seed)
    if isinstance(generator, LayeredGenerator):
        notes = (*generator.notes, *notes)
    return Opened(generator, opened.recipe, opened.digests, opened.weights), (*opened.notes, *notes)


def read(options: WeightsSource, context: Context, layouts: Sequence[Layout], **sampling: Any) -> Opened:
    """The network of a file in whichever of `layouts` it has, sampled as asked for. The first is this package's own."""
    file = weights.opened(options.weights, context.folder, options.sha256)
    generator, card = together(file, layouts, f"a {options.kind} generator", options)
    generator.card = card
    try:
        generator.sampled(**sampling)
    except RequestError as error:
        raise RequestError(f"{options.name}: {error}") from None
    recipe: dict[str, Any] = {"kind": options.kind, "weights": file.sha256, "draws": DRAWS_VERSION}
    said = made_with(file, card["network"])
    try:
        made = generator.made_with(said)
    except RequestError as error:
        raise RequestError(f"weights {file.path}: {error}") from None
    recipe |= made
    generator.halves = precision.halves(generator, getattr(options, "precision", "auto"), context.device, said)
    recipe |= {"precision": precision.said(generator.halves)} if generator.halves else {}
    computed = tuple(f"as its file says, {name} is {value:g}" for name, value in made.items())
    digests, notes = {"weights": file.sha256}, (*computed, *precision.notes(generator.halves))
    if card["layout"] == layouts[0].name:
        return Opened(generator, recipe, digests, file.path, notes)
    recipe |= {"layout": card["layout"], "network": card["network"]}
    return Opened(generator, recipe, digests, file.path, (f"{file.path.name} is {sentence(card)}", *notes))


def _step(options: Source, path: Path | None) -> int | None:
    """The training step: what the audit file says, else the card, else the metadata of the weights file."""
    said: int | None = getattr(options, "step", None)
    if said is not None or path is None:
        return said
    step = card_step(path)
    return metadata_step(path) if step is None else step


def check_protocol(generator: Any, who: str, seed: int) -> None:
    """Raises RequestError where `generator` lacks a part, or draws a latent that depends on the batch it stands in."""
    for name in ("latents", "run"):
        if not callable(getattr(generator, name, None)):
            raise RequestError(
                f"{who}: a generator has the methods latents(seed, indices) and run(state); this one has no {name}"
            )
    try:
        size_of(generator)
    except RequestError as error:
        raise RequestError(f"{who}: {error}") from None
    if not isinstance(getattr(generator, "layers", None), tuple):
        raise RequestError(f"{who}: a generator has the attribute layers, a tuple of layer names; () where it has none")
    indices = torch.tensor([0, 1])
    state = _sampled(generator, who, seed, indices)
    pair, image = generator.latents(seed, indices), state["image"]
    alone = generator.latents(seed, indices[1:])
    if any(not torch.equal(pair[name][1:2], value) for name, value in alone.items()):
        raise RequestError(
            f"{who}: image 1 has another latent in a batch than alone; draw each latent from (seed, index), "
            "for example with ganaudit.random.normals"
        )
    if all(faults(image)):  # not those two alone?
        more = faults(_sampled(generator, who, seed, torch.arange(MORE))["image"])
        if all(more):
            raise RequestError(f"{who}: none of its first {MORE} images is a picture: {more[0]}")


MORE = 8
"""Images that are looked at where the first two are odd."""


def _sampled(generator: Any, who: str, seed: int, indices: Tensor) -> State:
    """The state of images `indices`. Raises RequestError where it holds no images."""
    try:
        with torch.no_grad():
            latents = generator.latents(seed, indices)
            wrong = wrong_latents(latents)
            state = generator.run(latents) if wrong is None else {}
    except Exception as error:
        number = "two" if len(indices) == 2 else f"{len(indices)}"
        raise RequestError(f"{who}: {number} images cannot be sampled: {type(error).__name__}: {error}") from error
    wrong = wrong or wrong_images(state, len(indices), size_of(generator))
    if wrong is not None:
        raise RequestError(f"{who}: {wrong}")
    return state


def remarks(generator: Generator, seed: int) -> tuple[str, ...]:
    """What a person should know of the first images of a generator, in sentences."""
    for index in range(MORE):  # one by one: large ones have no room together
        with torch.no_grad():
            state = generator.run(generator.latents(seed, torch.tensor([index])))
        if wrong_images(state, 1, size_of(generator)) is not None or not looks_unit(state["image"]):
            return ()
    advice = "; `range: [0, 1]` says that black is 0" if hasattr(generator, "inputs") else ""
    return (f"its first {MORE} images have no value below 0; images are in [-1, 1], these look like [0, 1]{advice}",)
