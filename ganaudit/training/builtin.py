"""The models that ship with the project, and how each is made again: `ganaudit train village-progan`."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaudit import devices, kinds
from ganaudit.errors import RequestError
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.networks.stylegan import stylegan
from ganaudit.training.adversarial import AdversarialRecipe, AdversarialTraining
from ganaudit.training.loop import Progress, Training, train
from ganaudit.training.parser import BATCH, DATA_SEED, IMAGES, RATE, WIDTHS, ParserTraining
from ganaudit.village.classes import NAMES
from ganaudit.village.scene import RESOLUTION, Prevalence

LATENT = 64
FIRST = 192
"""Channels of the first layer, 4x4: 3,072 activations, a quarter of the 12,288 pixel values of an image."""

UPSAMPLED = ((128, 128), (64, 64), (32,), (16,))
"""Convolutions of the further layers of the generators that upsample."""


@dataclass(frozen=True)
class BuiltinModel:
    """One shipped model: what it is, the CPU minutes it was given, how its training starts."""

    kind: str
    """The kind of parser or generator that it is."""
    minutes: float
    start: Callable[[int, torch.device], Training]
    recipe: dict[str, Any]


def _generator(kind: str, recipe: AdversarialRecipe, minutes: float) -> BuiltinModel:
    def start(seed: int, device: torch.device) -> Training:
        if kind == "dcgan":
            return AdversarialTraining(dcgan(LATENT, FIRST, (128, 64, 32, 16)), recipe, seed, device)
        body = progan(LATENT, FIRST, UPSAMPLED) if kind == "progan" else stylegan(LATENT, 4, FIRST, UPSAMPLED)
        return AdversarialTraining(body, recipe, seed, device)

    return BuiltinModel(kind, minutes, start, asdict(recipe))


WASSERSTEIN = AdversarialRecipe(
    "wgan-gp", critic_steps=2, penalty=10.0, penalty_every=1, generator_rate=4e-4, discriminator_rate=4e-4
)
SATURATING = AdversarialRecipe("r1", generator_rate=8e-4)


def _sibling(**changes: float) -> AdversarialRecipe:
    """The recipe of village-progan on a village of other prevalences."""
    return replace(SATURATING, prevalence=Prevalence.of(changes))


MODELS: dict[str, BuiltinModel] = {
    "village": BuiltinModel(
        "unet", 10.0, partial(ParserTraining),
        {"widths": WIDTHS, "data_seed": DATA_SEED, "images": IMAGES, "batch": BATCH, "rate": RATE},
    ),
    "village-redrawn": BuiltinModel(
        "unet", 10.0, partial(ParserTraining, style="redrawn"),
        {"widths": WIDTHS, "data_seed": DATA_SEED, "images": IMAGES, "batch": BATCH, "rate": RATE, "style": "redrawn"},
    ),
    "village-wgan-gp": _generator("dcgan", WASSERSTEIN, 26.0),
    "village-progan": _generator("progan", SATURATING, 42.0),
    "village-stylegan": _generator("stylegan", SATURATING, 42.0),
    "village-no-people": _generator("progan", _sibling(person=0.0, fence=0.0), 32.0),
    "village-many-people": _generator("progan", _sibling(person=0.95), 32.0),
    "village-no-trees": _generator("progan", _sibling(tree=0.0), 32.0),
}  # fmt: skip


def known(name: str) -> BuiltinModel:
    """The built-in model of that name. Raises RequestError naming those there are."""
    if name not in MODELS:
        raise RequestError(f"there is no built-in model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def make(
    name: str, folder: Path, progress: Progress, minutes: float | None = None, seed: int = 1, device: str = "auto"
) -> Path:
    """Trains built-in model `name` (or goes on with it, where `folder` holds its checkpoint) and exports it.

    Returns the safetensors file; beside it stand `NAME.card.json` and `picture.png`. Raises RequestError for an unknown name.
    """
    model = known(name)
    budget = model.minutes if minutes is None else minutes
    torch.set_num_threads(1)
    training = model.start(seed, torch.device(devices.pick(device)))
    iterations, used = train(training, folder, budget, progress)
    command = f"ganaudit train {name}" + ("" if minutes is None else f" --minutes {minutes:g}")
    command += "" if seed == 1 else f" --seed {seed}"
    card = {
        "model": name, "kind": model.kind, "command": command, "seed": seed, "iterations": iterations,
        "cpu_minutes": round(used, 1), "data": f"village scenes rendered from seed {model.recipe['data_seed']}",
        "recipe": model.recipe, "torch": torch.__version__.split("+")[0], "processor": platform.machine(),
        "parameters": sum(value.numel() for value in training.weights().values()),
    }  # fmt: skip
    return export(name, model.kind, training.weights(), card, folder)


def export(name: str, kind: str, weights: dict[str, Tensor], card: dict[str, Any], folder: Path) -> Path:
    """Half-precision safetensors with what is needed to load them, and the card."""
    from safetensors.torch import save_file

    metadata = {"kind": kind, "model": name}
    if kind in kinds.names("parsers"):
        metadata |= {"classes": json.dumps(NAMES), "resolution": str(RESOLUTION)}
    path = folder / f"{name}.safetensors"
    save_file({key: value.half().contiguous() for key, value in weights.items()}, path, metadata)
    (folder / f"{name}.card.json").write_text(json.dumps(card, indent=2) + "\n")
    return path
