"""Three ways to a generator that can be steered: a walk alone, edited training images, both trained together.

Jahanian, Chai and Isola (ICLR 2020) on MNIST: the masked squares of G(z + αw) against edit(G(z), α) fall in this order. Here on
digits that are drawn upright, so that nothing but the edit turns them, and on scenes of the village, which a shift moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont
from torch import Tensor

from ganaudit.datasets.protocol import Image
from ganaudit.datasets.village import VillageDataset
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.generators.protocol import LayeredGenerator
from ganaudit.generators.shapes import generator_digest
from ganaudit.random import uniforms
from ganaudit.steering.edits import edit_named
from ganaudit.steering.files import open_walk, save_walk, walk_key
from ganaudit.steering.losses import masked_square_error
from ganaudit.steering.walks import Walk
from ganaudit.training.adversarial import AdversarialRecipe, AdversarialTraining
from ganaudit.training.checkpoint import write_whole
from ganaudit.training.data import Data
from ganaudit.training.exporting import write_tensors
from ganaudit.training.loop import Budget, Progress, float_weights, train
from ganaudit.training.making_walks import make_walk
from ganaudit.training.steered import SteeredRecipe, SteeredTraining
from ganaudit.training.walks import WalkRecipe, WalkTraining
from ganaudit.weights import load, network

SIDE, IMAGES, LATENT = 32, 4000, 32
SEEN = 256
STEPS, WALK_STEPS = 400, 100
GENERATOR = "generator.safetensors"
ALONE, EDITED, TOGETHER = "walk alone", "edited images, then a walk", "edited images, both together"
WAYS = {ALONE: None, EDITED: {"together": False}, TOGETHER: {"weight": 10.0}}
"""What `SteeredRecipe` is told; None: images are not edited."""


class Digits:
    """White digits on black, 0 to 9, upright, of several sizes and weights, near the middle of 32x32 pixels."""

    def __len__(self) -> int:
        return IMAGES

    def image(self, index: int) -> Image:
        which, size, x, y, weight = uniforms(4, "digit", [index], 5)[0]
        sheet = pillow.new("L", (SIDE, SIDE), 0)
        font = ImageFont.load_default(int(20 + 8 * size))
        place = (SIDE / 2 - 2 + 4 * x, SIDE / 2 - 2 + 4 * y)
        ImageDraw.Draw(sheet).text(place, str(int(10 * which)), 255, font, anchor="mm", stroke_width=int(2 * weight))
        return Image(np.repeat(np.asarray(sheet)[..., None], 3, axis=2), f"digit {index}")

    def recipe(self) -> Mapping[str, Any]:
        return {"kind": "drawn digits", "images": IMAGES, "size": SIDE}


@dataclass(frozen=True)
class World:
    """Images to train on at SIDE pixels, and the edit that is asked for."""

    edit: str
    data: Data


WORLDS: dict[str, Callable[[], World]] = {
    "digits": lambda: World("rotate", Data(Digits(), IMAGES)),
    "village": lambda: World("shift-x", Data(VillageDataset(1_000_002, {}), IMAGES)),
}


def body(seed: int) -> LayeredGenerator:
    torch.manual_seed(seed)
    return dcgan(LATENT, 64, (32, 32, 16))


def started(world: World, way: str, seed: int, device: torch.device) -> AdversarialTraining:
    """The training of a generator in one of the ways, not begun."""
    asked = WAYS[way]
    recipe = AdversarialRecipe(loss="r1", generator_rate=1e-3, discriminator_rate=5e-4, discriminator_widths=(16, 32, 64))
    if asked is None:
        return AdversarialTraining(body(seed), recipe, seed, device, world.data)
    return SteeredTraining(body(seed), recipe, SteeredRecipe(world.edit, **asked), seed, device, world.data)


def make_way(
    world: World, way: str, seed: int, folder: Path, budget: Budget, progress: Progress = lambda *_: None, device: str = "cpu"
) -> Path:  # fmt: skip
    """Trains a generator and its walk in one of the ways, or goes on where `folder` holds a checkpoint: the walk's file, beside
    it the generator's. A walk of its own takes WALK_STEPS."""
    training = started(world, way, seed, torch.device(device))
    train(training, folder, budget, progress)
    generator = training.settled().requires_grad_(False)
    write_tensors(folder / GENERATOR, float_weights(generator), {})
    if isinstance(training, SteeredTraining) and training.steered.together:
        path, digest = folder / "walk.safetensors", generator_digest(generator)
        key = walk_key(digest, training.belongs, budget.given())
        write_whole(path, lambda partial: save_walk(training.walk.shape, training.walk_weights(), digest, key, partial))
        return path
    walking = WalkTraining(generator, WalkRecipe((world.edit,), "z"), seed, torch.device(device))
    return make_walk(walking, "walk", folder / "walk", budget=Budget(steps=WALK_STEPS))


def made(path: Path) -> tuple[LayeredGenerator, Walk]:
    """The generator and the walk that `make_way` wrote."""
    file = next(folder / GENERATOR for folder in path.parents if (folder / GENERATOR).is_file())
    return network(load(str(file)), lambda _: body(0)), open_walk(path).walk.eval()


def strengths(world: World) -> Tensor:
    """(A,) α up to 1.5 of the range that is trained on."""
    return edit_named(world.edit).grid(7, (SIDE, SIDE), reach=0.75)


@torch.no_grad()
def squares(generator: LayeredGenerator, walk: Walk, alphas: Tensor) -> NDArray[np.float64]:
    """(A, 2) masked squares in units of [0, 1] at each α with the walk and without, over own samples that no training saw."""
    (edit,), state, rows = walk.edits, generator.latents(99, torch.arange(SEEN)), []
    still = generator.run(state)["image"]
    for alpha in alphas:
        every = alpha.expand(SEEN)
        target = edit.apply(still, every)
        moved = generator.run(walk.state(generator, state, every))["image"]
        rows.append([float(masked_square_error(image, *target).mean()) / 4.0 for image in (moved, still)])
    return np.array(rows)


def followed(rows: NDArray[np.float64]) -> float:
    """Share of the masked squares that the walk takes away: generators whose images differ in contrast are compared by it."""
    return float(1.0 - rows[:, 0].sum() / rows[:, 1].sum())
