"""A generator as the audit file names it, opened, its protocol checked, with the recipe that enters the content keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaudit import factory, trial, weights
from ganaudit.errors import RequestError
from ganaudit.foreign_code import asking
from ganaudit.generators.protocol import Generator
from ganaudit.random import VERSION as DRAWS_VERSION
from ganaudit.registry import opener
from ganaudit.spec import AuditSpec, FactorySource, WeightsSource
from ganaudit.spec.checkpoints import card_step, metadata_step


@dataclass(frozen=True)
class OpenGenerator:
    """A generator ready to be sampled from `seed`."""

    generator: Generator
    seed: int
    recipe: Mapping[str, Any]
    digests: Mapping[str, str]
    training_step: int | None


def open_generator(asked: WeightsSource | FactorySource, spec: AuditSpec, device: str) -> OpenGenerator:
    """Opens a live generator on `device`, in float32. Raises RequestError for what cannot be a generator."""
    digests: dict[str, str] = {}
    recipe: dict[str, Any]
    if isinstance(asked, WeightsSource):
        found = weights.load(asked.weights, spec.folder, asked.sha256)
        generator: Any = weights.network(found, opener("generators", asked.kind))
        recipe = {"kind": asked.kind, "weights": found.sha256, "draws": DRAWS_VERSION}
        digests["weights"] = found.sha256
        path: Path | None = found.path
    else:
        made = factory.make(asked, spec.folder)
        generator, path = made.object, made.weights
        recipe = {**made.recipe, **made.content}
        digests = {name: recipe[name] for name in ("weights", "source") if name in recipe}
    if isinstance(generator, torch.nn.Module):
        generator = generator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(asked, FactorySource):
        who, seed = f"{asked.name} ({asked.kind})", spec.sample.seed
        with asking(spec.folder, who):
            check_protocol(generator, who, seed)
            attempt = partial(trial.try_generator, generator, who, seed, device, asked.threads)
            trial.once([recipe, seed, device, asked.threads], attempt)
    recipe["seed"] = spec.sample.seed
    return OpenGenerator(generator, spec.sample.seed, recipe, digests, _step(asked, path))


def _step(asked: WeightsSource | FactorySource, path: Path | None) -> int | None:
    """The training step: what the audit file says, else the card, else the metadata of the weights file."""
    if asked.step is not None or path is None:
        return asked.step
    step = card_step(path)
    return metadata_step(path) if step is None else step


def check_protocol(generator: Any, who: str, seed: int) -> None:
    """Raises RequestError where `generator` lacks a part, or draws a latent that depends on the batch it stands in."""
    for name in ("latents", "run"):
        if not callable(getattr(generator, name, None)):
            raise RequestError(
                f"{who}: a generator has the methods latents(seed, indices) and run(state); this one has no {name}"
            )
    if not isinstance(getattr(generator, "resolution", None), int):
        raise RequestError(f"{who}: a generator has the attribute resolution, the side of its images in pixels")
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
