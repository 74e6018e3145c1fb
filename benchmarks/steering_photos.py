"""Photos of the village, edited and inverted: how the error grows with α says how far a generator follows, without labels.

The two generators of the planted cause, on held-out scenes in which all chapels stand in the middle: shifted, they are scenes
of the wide world, and of the narrow one they are not. Beside it, the inverted photos themselves along a trained walk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ganaudit import images
from ganaudit.context import Context
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import Generator
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.search import Search
from ganaudit.named import options_named
from ganaudit.statistics import resampling
from ganaudit.steering.edits import edit_named
from ganaudit.steering.photos import Reconstructed, photos_along, reconstructed
from ganaudit.training.walks import WalkRecipe, WalkTraining
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence
from ganaudit.village.spread import spreads

EDIT, ALPHAS = "shift-x", (-16.0, -8.0, 0.0, 8.0, 16.0)
PHOTOS, SEED, SHOWN = 24, 3_000_031, 2
"""Scenes of a seed that no training saw."""
SEARCH = Search(120, "adam", 0.05, (70, 95), precision="bfloat16")
WALK = WalkRecipe((EDIT,), "z", reach=0.2)
WALK_STEPS, GAP, HEAD = 100, 2, 14


def photos(out: Path | None = None) -> None:
    """Errors at each α with their growth, and where what came back stands. out: a folder for a picture."""
    scenes = render(Prevalence.of({}), SEED, range(PHOTOS), spreads=spreads({"chapel": {"position": 0.1}}))[0]
    wanted, alphas = images.to_unit(torch.from_numpy(scenes)), torch.tensor(ALPHAS)
    found = {which: _inverted(_generator(which), wanted, alphas) for which in ("narrow", "wide")}
    growth = {which: _growth(one) for which, one in found.items()}
    for which, one in found.items():
        each = zip(ALPHAS, one.errors.mean(dim=1).tolist(), strict=True)
        errors = ", ".join(f"{alpha:g} {value:.3f}" for alpha, value in each)
        share = (one.reached[[0, -1]] / alphas[[0, -1], None]).mean(dim=0).numpy()
        print(f"{which}: masked squares {errors}", flush=True)
        print(f"  at both ends more by {_mean(growth[which])}; what came back stands at {_mean(share)} of the way", flush=True)
    print(f"growth, wide less narrow: {_mean(growth['wide'] - growth['narrow'])}", flush=True)
    if out is not None:
        edited = torch.stack([edit_named(EDIT).apply(wanted, alpha.expand(PHOTOS))[0] for alpha in alphas])
        along = {which: _walked(_generator(which), wanted, alphas) for which in found}
        rows = [
            list(each[:, photo]) for photo in range(SHOWN)
            for each in (edited, *(found[which].images for which in found), *(along[which] for which in found))
        ]  # fmt: skip
        _picture(rows).save(out / "edited-photos.png", optimize=True)


def _generator(which: str) -> Generator:
    return open_generator(options_named("generators", f"builtin:village-{which}-chapel"), Context()).generator


def _task(generator: Generator, wanted: Tensor) -> InversionTask:
    shape, objective = read_shape(generator), Objective("mse")
    return InversionTask(
        generator, shape, choose_layers(shape), objective.targets(wanted), range(len(wanted)), objective, SEARCH
    )


def _inverted(generator: Generator, wanted: Tensor, alphas: Tensor) -> Reconstructed:
    return reconstructed(_task(generator, wanted), "latent", wanted, edit_named(EDIT), alphas)


def _walked(generator: Generator, wanted: Tensor, alphas: Tensor) -> Tensor:
    """Inverted photos along a walk: (A, N, 3, S, S)."""
    training = WalkTraining(generator, WALK, 1, torch.device("cpu"))
    for step in range(WALK_STEPS):
        training.step(step, step / WALK_STEPS)
    z = inverter("latent")(_task(generator, wanted[:SHOWN])).z
    assert z is not None
    return photos_along(training.walk, generator, generator.latents(0, torch.arange(SHOWN)), z, alphas)


def _growth(one: Reconstructed) -> NDArray[np.float64]:
    """(N,) by how much each photo's error is larger at both ends than unmoved, on average."""
    errors: NDArray[np.float64] = one.errors.double().numpy()
    return np.asarray(errors[[0, -1]].mean(axis=0) - errors[ALPHAS.index(0.0)])


def _mean(values: NDArray[np.float64]) -> str:
    ((value, low, high),) = resampling.means(np.asarray(values, np.float64)[:, None], np.ones(len(values)))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _picture(rows: list[list[Tensor]]) -> Image.Image:
    """Images in rows under their α."""
    step = int(rows[0][0].shape[-1]) + GAP
    page = Image.new("RGB", (step * len(ALPHAS), HEAD + step * len(rows)), (254, 254, 254))
    for place, alpha in enumerate(ALPHAS):
        ImageDraw.Draw(page).text((place * step + 2, 1), f"{alpha:g}", fill=(28, 33, 39))
    for down, row in enumerate(rows):
        for across, image in enumerate(row):
            pixels = images.to_bytes(image[None].nan_to_num()).numpy()[0]
            page.paste(Image.fromarray(pixels), (across * step, HEAD + down * step))
    return page
