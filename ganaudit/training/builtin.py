"""The models that ship with the project, and how each is made again: `ganaudit train village-progan`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from ganaudit import devices, kinds
from ganaudit.errors import RequestError
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.networks.stylegan import stylegan
from ganaudit.training.adversarial import AdversarialRecipe, AdversarialTraining
from ganaudit.training.data import Data
from ganaudit.training.exporting import trained_file
from ganaudit.training.lia_stages import Lia, make_lia
from ganaudit.training.loop import Budget, Progress, Training
from ganaudit.training.ogan import OganRecipe, OganTraining
from ganaudit.training.parser import ParserRecipe, ParserTraining
from ganaudit.village.classes import NAMES
from ganaudit.village.scene import RESOLUTION, Prevalence

LATENT = 64
FIRST = 192
"""Channels of the first layer, 4x4: 3,072 activations, a quarter of the 12,288 pixel values of an image."""

UPSAMPLED = ((128, 128), (64, 64), (32,), (16,))
"""Convolutions of the further layers of the generators that upsample."""
NARROW = ((64, 64), (32, 32), (16,), (8,))
"""The same of the generators that teach what a world's variety does: half as many channels, of the first layer too."""


@dataclass(frozen=True)
class BuiltinModel:
    """One shipped model: what it is (`unet`, or a generator family), how many steps it was given, how its training starts."""

    kind: str
    """The kind of parser or generator that it is."""
    steps: int
    start: Callable[[int, torch.device, Data | None], Training]


def _generator(
    kind: str, recipe: AdversarialRecipe, steps: int, first: int = FIRST, upsampled: Sequence[Sequence[int]] = UPSAMPLED
) -> BuiltinModel:
    def start(seed: int, device: torch.device, data: Data | None) -> Training:
        torch.manual_seed(seed)  # the biases that the body is born with
        if kind == "dcgan":
            body = dcgan(LATENT, FIRST, (128, 64, 32, 16))
        else:
            body = progan(LATENT, first, upsampled) if kind == "progan" else stylegan(LATENT, 4, FIRST, UPSAMPLED)
        return AdversarialTraining(body, recipe, seed, device, data)

    return BuiltinModel(kind, steps, start)


WASSERSTEIN = AdversarialRecipe(
    loss="wgan-gp", critic_steps=2, penalty=10.0, penalty_every=1, generator_rate=4e-4, discriminator_rate=4e-4
)
SATURATING = AdversarialRecipe(loss="r1", generator_rate=8e-4)

OGAN = OganRecipe(
    body="growing", width=128, score_loss="logistic", latent_weight=2.0, warm_up=150, optimiser="adam", generator_rate=8e-4,
    encoder_rate=4e-4, penalty=0.2, decay_from=0.6, batch=32, precision="bfloat16",
)  # fmt: skip
"""Not the published recipe: that of village-progan, with the correlation as one more term."""


def _sibling(**changes: float) -> AdversarialRecipe:
    """The recipe of village-progan on a village of other prevalences."""
    return replace(SATURATING, prevalence=Prevalence.of(changes))


def _chapels(apart: float) -> BuiltinModel:
    """village-progan with half the channels, in half the batches, where chapels stand `apart` times as far apart."""
    recipe = replace(SATURATING, spread={"chapel": {"position": apart}}, batch=16)
    return _generator("progan", recipe, 7000, FIRST // 2, NARROW)


MODELS: dict[str, BuiltinModel | Lia] = {
    "village": BuiltinModel("unet", 2149, partial(ParserTraining, ParserRecipe())),
    "village-redrawn": BuiltinModel("unet", 2435, partial(ParserTraining, ParserRecipe(style="redrawn"))),
    "village-wgan-gp": _generator("dcgan", WASSERSTEIN, 7922),
    "village-progan": _generator("progan", SATURATING, 9301),
    "village-stylegan": _generator("stylegan", SATURATING, 10_866),
    "village-lia": Lia(),
    "village-no-people": _generator("progan", _sibling(person=0.0, fence=0.0), 7007),
    "village-many-people": _generator("progan", _sibling(person=0.95), 8658),
    "village-no-trees": _generator("progan", _sibling(tree=0.0), 8646),
    "village-narrow-chapel": _chapels(0.1),
    "village-wide-chapel": _chapels(3.0),
    "village-ogan": BuiltinModel("ogan", 13_000, partial(OganTraining, OGAN)),
}
"""The steps are those on the cards of the models that ship, which a budget of processor time came to on one machine."""


def known(name: str) -> BuiltinModel | Lia:
    """The built-in model of that name. Raises RequestError naming those there are."""
    if name not in MODELS:
        raise RequestError(f"there is no built-in model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def make(
    name: str, folder: Path, progress: Progress, budget: Budget | None = None, seed: int = 1, device: str = "auto",
    data: Data | None = None, command: str = "", keep_every: int | None = None,
) -> Path:  # fmt: skip
    """Trains built-in model `name` with `make_model`, or `make_lia`: with the shipped model's steps by default.

    Raises RequestError for an unknown name.
    """
    model = known(name)
    if isinstance(model, Lia):
        return make_lia(model, name, folder, progress, budget, seed, device, data, command, keep_every=keep_every)
    budget = budget or Budget(steps=model.steps)
    return make_model(model, name, folder, progress, budget, seed, device, data, command, keep_every)


def make_model(
    model: BuiltinModel, name: str, folder: Path, progress: Progress, budget: Budget, seed: int = 1, device: str = "auto",
    data: Data | None = None, command: str = "", keep_every: int | None = None,
) -> Path:  # fmt: skip
    """Trains a model (or goes on with it, where `folder` holds its checkpoint) and exports it as `name`.

    data: the village by default. keep_every: steps (`kept_weights`). Returns the safetensors file in half precision;
    beside it stand `NAME.card.json`, curves and picture, and what else the training has kept. Raises what `loop.train` raises.
    """
    place = devices.pick(device)
    torch.set_num_threads(1)
    training = model.start(seed, torch.device(place), data)
    metadata = {"kind": model.kind, "model": name}
    if model.kind in kinds.names("parsers"):
        metadata |= {"classes": json.dumps(data.names if data else NAMES), "resolution": str(RESOLUTION)}
    return trained_file(folder / f"{name}.safetensors", metadata, training, budget, progress, command, place, keep_every)
