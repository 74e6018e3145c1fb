"""A generator as the audit file names it, opened, its protocol checked, with the recipe that enters the content keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaudit import kinds, trial, weights
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.foreign_code import asking
from ganaudit.generators.protocol import Generator, LayeredGenerator, size_of
from ganaudit.kinds import Opened
from ganaudit.kinds.content import content, normal
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


def open_generator(options: Source, context: Context) -> OpenGenerator:
    """Opens a live generator on the context's device, in float32, once a process. Raises RequestError for what is none."""
    opened = context.opened(
        content("generators", options, context), lambda: _opened(options, context), context.anew and ":" in options.kind
    )
    said = {name: getattr(options, name, None) for name in ("truncation", "noise")}
    recipe = {**opened.recipe, "seed": context.seed}
    return OpenGenerator(opened.model, context.seed, recipe, opened.digests, _step(options, opened.weights), **said)


def _opened(options: Source, context: Context) -> Opened:
    opened = normal(kinds.find("generators", options.kind), options, context)
    generator, threads = opened.model, getattr(options, "threads", None)
    if isinstance(generator, torch.nn.Module):
        generator = generator.to(context.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        generator.eval().requires_grad_(False)
    if ":" in options.kind or not isinstance(generator, LayeredGenerator):  # whose latents are known
        who = options.kind if options.name == options.kind else f"{options.name} ({options.kind})"
        with asking(context.folder, who):
            check_protocol(generator, who, context.seed)
            attempt = partial(trial.try_generator, generator, who, context.seed, context.device, threads)
            trial.once([opened.recipe, context.seed, context.device, threads], attempt)
    return Opened(generator, opened.recipe, opened.digests, opened.weights)


def filled(
    options: WeightsSource,
    context: Context,
    from_weights: Callable[[Mapping[str, Tensor]], LayeredGenerator],
    **sampling: Any,
) -> Opened:
    """The network that a weights file fills, sampled as asked for (`LayeredGenerator.sampled`)."""
    found = weights.load(options.weights, context.folder, options.sha256)
    generator = weights.network(found, from_weights)
    try:
        generator.sampled(**sampling)
    except RequestError as error:
        raise RequestError(f"{options.name}: {error}") from None
    recipe = {"kind": options.kind, "weights": found.sha256, "draws": DRAWS_VERSION}
    return Opened(generator, recipe, {"weights": found.sha256}, found.path)


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
    try:
        with torch.no_grad():
            pair, alone = generator.latents(seed, torch.tensor([0, 1])), generator.latents(seed, torch.tensor([1]))
            image = generator.run(pair)["image"]
    except Exception as error:
        raise RequestError(f"{who}: two images cannot be sampled: {type(error).__name__}: {error}") from error
    if not isinstance(image, Tensor):
        raise RequestError(f"{who}: run(latents)['image'] is a tensor (N, 3, H, W) in [-1, 1], not {type(image).__name__}")
    if any(not torch.equal(pair[name][1:2], value) for name, value in alone.items()):
        raise RequestError(
            f"{who}: image 1 has another latent in a batch than alone; draw each latent from (seed, index), "
            "for example with ganaudit.random.normals"
        )
