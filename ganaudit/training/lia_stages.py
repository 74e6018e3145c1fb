"""LIA made by one call: the first stage, its export, the second stage, its export; each goes on where it was stopped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ganaudit import devices, weights
from ganaudit.errors import RequestError
from ganaudit.generators.networks import lia
from ganaudit.generators.networks.lia import LiaGenerator
from ganaudit.training.data import Data
from ganaudit.training.exporting import trained_file, write_tensors
from ganaudit.training.joint import JointRecipe, JointTraining
from ganaudit.training.lia import LiaRecipe, StyleTraining
from ganaudit.training.lia_encoder import EncoderRecipe, EncoderTraining, check_widths
from ganaudit.training.loop import Budget, Progress

FIRST = "stage-1"
"""The folder of the first stage, in that of the second."""
DISCRIMINATOR = "discriminator.safetensors"


@dataclass(frozen=True)
class Lia:
    """Both stages. steps: of each, as the shipped model had them; a budget is shared out alike."""

    first: LiaRecipe = field(default_factory=LiaRecipe)
    second: EncoderRecipe = field(default_factory=EncoderRecipe)
    steps: tuple[int, int] = (12_000, 1900)
    kind = "lia"

    @classmethod
    def published(cls, side: int) -> Lia:
        """As published for images of `side` pixels, a power of two from 32 on. Raises RequestError for another side.

        steps: 25 and 12 million images, as published, at the published batch of one device.
        There, the first stage's generator grows with its training; here it does not. The weight of the perceptual term, which
        there is of other features, stays this project's.
        """
        if side < 32 or side & (side - 1):
            raise RequestError(f"images of {side} pixels a side; a generator of kind lia makes a power of two, from 32 on")
        sides = [8 * 2**place for place in range(side.bit_length() - 3)]
        channels = [min(512, 8192 // each) for each in sides]
        first = LiaRecipe(
            batch=16, generator_rate=1e-3, discriminator_rate=1e-3, penalty=10.0, penalty_every=1, mapping_rate=0.01,
            latent=512, first=512, channels=tuple((width, width) for width in channels),
            discriminator_widths=(*channels[-2::-1], 512),
        )  # fmt: skip
        widths = tuple(min(1024, 64 * 2**place) for place in range(len(sides) + 1))
        second = EncoderRecipe(
            adversarial_share=0.1, batch=16, rate=1e-4, penalty=10.0, penalty_every=1, encoder_widths=widths,
            discriminator_widths=first.discriminator_widths,
        )  # fmt: skip
        return cls(first, second, (1_562_500, 750_000))

    def budget(self, stage: int, budget: Budget | None, alone: bool) -> Budget:
        """That of a stage. alone: what is asked for is meant for this one."""
        if budget is None:
            return Budget(steps=self.steps[stage - 1])
        return budget if alone else budget.part(self.steps[stage - 1] / sum(self.steps))


def make_lia(
    plan: Lia, name: str, folder: Path, progress: Progress, budget: Budget | None = None, seed: int = 1, device: str = "auto",
    data: Data | None = None, command: str = "", stage: int | None = None, generator: Path | None = None,
    keep_every: int | None = None,
) -> Path:  # fmt: skip
    """Trains both stages, or goes on with them, in `folder`; stage: one alone, which the whole budget then is for.

    data: the village by default. generator: what a first stage exported, where it is not in `folder`. keep_every: steps, of
    each stage (`kept_weights`). Returns NAME.safetensors, of the second stage, or of the first in its own folder. Raises
    RequestError where there is no first stage to go on from; see also `loop.train`.
    """
    if stage == 1 and generator is not None:
        raise RequestError(f"stage 1 makes a generator of its own; leave out {generator}, or --stage 1")
    torch.set_num_threads(1)
    place, data = devices.pick(device), data or plan.first.data()
    first, metadata = generator or folder / FIRST / f"{name}.safetensors", {"kind": "lia", "model": name}
    if stage != 2 and generator is None:
        if stage is None:
            check_widths(plan.first.side, plan.second)  # before the first stage is trained
        training: StyleTraining | EncoderTraining = StyleTraining(plan.first, seed, torch.device(place), data)
        given = plan.budget(1, budget, stage == 1)
        trained_file(first, metadata, training, given, progress, command, place, keep_every)
        write_tensors(first.with_name(DISCRIMINATOR), training.judge.network.state_dict(), {})
    if stage == 1:
        return first
    body = _body(first, folder)
    discriminator = first.with_name(DISCRIMINATOR)
    judge = weights.load(str(discriminator)).tensors if discriminator.is_file() else None
    training = EncoderTraining(body, judge, plan.second, seed, torch.device(place), data)
    given, path = plan.budget(2, budget, stage == 2 or generator is not None), folder / f"{name}.safetensors"
    further = {"stage_1": weights.card(first), "perceptual": training.belongs["perceptual"]}
    return trained_file(path, metadata, training, given, progress, command, place, keep_every, further)


def _body(path: Path, folder: Path) -> LiaGenerator:
    """The generator of a first stage's file, without an encoder that it may have."""
    if not path.is_file():
        raise RequestError(f"there is no first stage at {path}; ganaudit train lia --stage 1 --out {folder} makes it")
    file = weights.load(str(path))
    if file.metadata.get("kind") != "lia":
        raise RequestError(f"{path} is no generator of kind lia, which a first stage makes; its encoder cannot be trained")
    tensors = {name: value for name, value in file.tensors.items() if not name.startswith("encoder.")}
    return weights.network(replace(file, tensors=tensors), lia.from_weights)


def make_joint(
    recipe: JointRecipe, plan: Lia, folder: Path, progress: Progress, budget: Budget | None = None, seed: int = 1,
    device: str = "auto", data: Data | None = None, command: str = "", keep_every: int | None = None,
) -> Path:  # fmt: skip
    """Trains what LIA is compared with, in one stage of as many steps as both of the plan's by default; see `make_lia`."""
    torch.set_num_threads(1)
    place = devices.pick(device)
    training = JointTraining(recipe, plan.first, plan.second, seed, torch.device(place), data)
    metadata = {"kind": "lia", "model": recipe.method}
    path, given = folder / f"{recipe.method}.safetensors", budget or Budget(steps=sum(plan.steps))
    further = {"perceptual": training.belongs["perceptual"]}
    return trained_file(path, metadata, training, given, progress, command, place, keep_every, further)
