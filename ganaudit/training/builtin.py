"""The models that ship with the project, and how each is made again: `ganaudit train village-progan`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.generators.dcgan import dcgan
from ganaudit.generators.progan import progan
from ganaudit.generators.stylegan import stylegan
from ganaudit.training.adversarial import AdversarialRecipe, AdversarialTraining
from ganaudit.training.card import write_card
from ganaudit.training.checkpoint import write_whole
from ganaudit.training.data import Data
from ganaudit.training.loop import Budget, Progress, Training, train
from ganaudit.training.parser import ParserRecipe, ParserTraining
from ganaudit.village.classes import NAMES
from ganaudit.village.scene import RESOLUTION, Prevalence

LATENT = 64
FIRST = 192
"""Channels of the first layer, 4x4: 3,072 activations, a quarter of the 12,288 pixel values of an image."""

UPSAMPLED = ((128, 128), (64, 64), (32,), (16,))
"""Convolutions of the further layers of the generators that upsample."""


@dataclass(frozen=True)
class BuiltinModel:
    """One shipped model: what it is (`unet`, or a generator family), how many steps it was given, how its training starts."""

    kind: str
    steps: int
    start: Callable[[int, torch.device, Data | None], Training]


def _generator(kind: str, recipe: AdversarialRecipe, steps: int) -> BuiltinModel:
    def start(seed: int, device: torch.device, data: Data | None) -> Training:
        torch.manual_seed(seed)  # the biases that the body is born with
        if kind == "dcgan":
            body = dcgan(LATENT, FIRST, (128, 64, 32, 16))
        else:
            body = progan(LATENT, FIRST, UPSAMPLED) if kind == "progan" else stylegan(LATENT, 4, FIRST, UPSAMPLED)
        return AdversarialTraining(body, recipe, seed, device, data)

    return BuiltinModel(kind, steps, start)


WASSERSTEIN = AdversarialRecipe(
    "wgan-gp", critic_steps=2, penalty=10.0, penalty_every=1, generator_rate=4e-4, discriminator_rate=4e-4
)
SATURATING = AdversarialRecipe("r1", generator_rate=8e-4)


def _sibling(**changes: float) -> AdversarialRecipe:
    """The recipe of village-progan on a village of other prevalences."""
    return replace(SATURATING, prevalence=Prevalence.of(changes))


MODELS: dict[str, BuiltinModel] = {
    "village": BuiltinModel("unet", 2149, partial(ParserTraining, ParserRecipe())),
    "village-redrawn": BuiltinModel("unet", 2435, partial(ParserTraining, ParserRecipe(style="redrawn"))),
    "village-wgan-gp": _generator("dcgan", WASSERSTEIN, 7922),
    "village-progan": _generator("progan", SATURATING, 9301),
    "village-stylegan": _generator("stylegan", SATURATING, 10_866),
    "village-no-people": _generator("progan", _sibling(person=0.0, fence=0.0), 7007),
    "village-many-people": _generator("progan", _sibling(person=0.95), 8658),
    "village-no-trees": _generator("progan", _sibling(tree=0.0), 8646),
}
"""The steps are those on the cards of the models that ship, which a budget of processor time came to on one machine."""


def known(name: str) -> BuiltinModel:
    """The built-in model of that name. Raises RequestError naming those there are."""
    if name not in MODELS:
        raise RequestError(f"there is no built-in model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def make(
    name: str, folder: Path, progress: Progress, budget: Budget | None = None, seed: int = 1, device: str = "auto",
    data: Data | None = None, command: str = "",
) -> Path:  # fmt: skip
    """Trains built-in model `name` (or goes on with it, where `folder` holds its checkpoint) and exports it.

    budget: the shipped model's steps by default. data: the village by default. Returns the safetensors file in half precision;
    beside it stand `NAME.card.json`, curves and picture. Raises RequestError for an unknown name; see also `loop.train`.
    """
    from safetensors.torch import save_file

    model, place = known(name), devices.pick(device)
    torch.set_num_threads(1)
    training = model.start(seed, torch.device(place), data)
    trained = train(training, folder, budget or Budget(steps=model.steps), progress)
    weights = training.weights()
    metadata = {"kind": model.kind, "model": name}
    if model.kind == "unet":
        metadata |= {"classes": json.dumps(data.names if data else NAMES), "resolution": str(RESOLUTION)}
    path = folder / f"{name}.safetensors"
    tensors = {key: value.half().contiguous() for key, value in weights.items()}
    write_whole(path, lambda partial: save_file(tensors, partial, metadata))
    write_card(path, {"model": name, "kind": model.kind}, command, training, trained, weights, place)
    return path
