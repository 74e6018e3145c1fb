"""What O-GAN's paper says (Su, arXiv:1903.01931), put to the test on the village in small trainings.

Published are pictures alone; here each sentence has a number. Trainings are of 32 pixels, the published DCGAN but for its width
and for Adam at a rate that learns something in so few steps; what they say holds at that size and budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.claims.claim import Claim, Criterion, Measurement
from ganaudit.claims.measuring import mean_over_seeds
from ganaudit.claims.scenes import (
    LEAST,
    Sets,
    class_pixels,
    distances,
    label_maps,
    opened,
    reconstructed,
    resized,
    samples,
    scenes,
)
from ganaudit.claims.workshop import NeededTraining, Workshop
from ganaudit.errors import RequestError
from ganaudit.latent_space.probes import auc, fit_probe
from ganaudit.training.builtin import BuiltinModel, make_model
from ganaudit.training.loop import Budget, Progress
from ganaudit.training.ogan import OganRecipe, OganTraining
from ganaudit.village.classes import IDS
from ganaudit.village.scene import RESOLUTION, Prevalence

PAPER = "Su, O-GAN: Extremely Concise Approach for Auto-Encoding GANs, 2019"
SEEDS = (1, 2, 3)
WEIGHTS = (0.0, 0.25, 0.5, 1.0)
STEPS, MORE = 150, 600
QUARTER = math.log(1.25)
"""Of a logarithm of distances: a quarter more."""
NEAR = 0.1
"""(Percent of pixels)²."""
ABSENT = {"person": 0.0, "road": 0.0}
"""What some generators are trained without: people, who are small, and roads, which a short training learns."""
NOTICED = 0.05
"""Share of a kind's pixels that has to come back where it was drawn, for its absence to say anything."""
SIDE = 32


RECIPE = OganRecipe(
    body="dcgan", resolution=SIDE, width=48, optimiser="adam", generator_rate=4e-4, encoder_rate=4e-4, batch=32, images=1000,
    average=0.99,
)  # fmt: skip


def _training(name: str, seed: int, recipe: OganRecipe, steps: int) -> NeededTraining:
    def make(folder: Path, budget: Budget, progress: Progress, device: str) -> Path:
        model = BuiltinModel("ogan", steps, partial(OganTraining, recipe))
        return make_model(model, name, folder, progress, budget, seed, device)

    return NeededTraining(f"{name}-seed-{seed}", Budget(steps=steps), make)


def _of_seeds(name: str, steps: int = STEPS, **changes: Any) -> tuple[NeededTraining, ...]:
    return tuple(_training(name, seed, replace(RECIPE, **changes), steps) for seed in SEEDS)


BY_WEIGHT = {weight: _of_seeds(f"ogan-weight-{weight:g}", latent_weight=weight) for weight in WEIGHTS}
SQUARED = _of_seeds("ogan-squared-error", latent_loss="mse")
LINEAR = _of_seeds("ogan-linear-map", latent_loss="linear")
WITHOUT, WITH = (
    _of_seeds(f"ogan-{name}", MORE, latent_weight=1.0, prevalence=Prevalence.of(absent))
    for name, absent in (("without", ABSENT), ("with", {}))
)


@lru_cache(maxsize=64)
def _sets(path: Path, _changed: float) -> Sets:
    return distances(opened(path))


def _fsd(sets: Sets) -> float:
    """What is nearer than NEAR counts as that: a corrected distance may be below 0."""
    return max(sets.fsd, NEAR)


def _fid(sets: Sets) -> float:
    return sets.fid


def _logs(workshop: Workshop, trainings: tuple[NeededTraining, ...], which: Callable[[Sets], float]) -> list[float]:
    """Logarithms of a distance, a seed each."""
    paths = [workshop.trained(training) for training in trainings]
    return [math.log(which(_sets(path, path.stat().st_mtime))) for path in paths]


def _more(workshop: Workshop, trainings: tuple[NeededTraining, ...], than: tuple[NeededTraining, ...]) -> Measurement:
    """By what the logarithm of the corrected FSD is more than with other trainings, seed by seed; FID beside it."""
    fsd, fid = (
        mean_over_seeds(list(np.subtract(_logs(workshop, trainings, which), _logs(workshop, than, which))))
        for which in (_fsd, _fid)
    )
    return replace(fsd, seen=f"the same logarithm of the FID (4 × 4 colours): {fid.text()}")


def quality(workshop: Workshop) -> Measurement:
    """Mean over the weights above 0, seed by seed."""
    fsd, fid = (
        {weight: np.array(_logs(workshop, trainings, which)) for weight, trainings in BY_WEIGHT.items()}
        for which in (_fsd, _fid)
    )
    more, beside = (
        mean_over_seeds(list(np.mean([logs[weight] for weight in WEIGHTS[1:]], axis=0) - logs[0.0])) for logs in (fsd, fid)
    )
    medians = ", ".join(f"{math.exp(float(np.median(logs))):.3g} at {weight:g}" for weight, logs in fsd.items())
    return replace(more, seen=f"median FSD {medians}; the same logarithm of the FID (4 × 4 colours): {beside.text()}")


def squared_error(workshop: Workshop) -> Measurement:
    """−ρ exchanged for the squared error, at the same weight."""
    return _more(workshop, SQUARED, BY_WEIGHT[0.5])


def linear_map(workshop: Workshop) -> Measurement:
    """The squared error of W · code, W learned with the rest."""
    return _more(workshop, LINEAR, BY_WEIGHT[0.5])


@torch.inference_mode()
def _codes(path: Path, photos: Tensor) -> Tensor:
    """What the critic's last layer says of photos: codes (N, n), not standardised."""
    encoder = getattr(opened(path), "encoder")  # noqa: B009
    return torch.cat([encoder(part).float() for part in torch.split(photos, 64)])


def _separated(path: Path, photos: Tensor, holds: NDArray[np.bool_]) -> float:
    """Mean over classes of the area under a linear probe's curve, on the half of the photos that it was not fitted on."""
    codes, half, areas = _codes(path, photos).double().numpy(), len(photos) // 2, []
    for present in holds.T:
        try:
            probe = fit_probe(codes[:half], present[:half])
        except RequestError:
            continue  # nearly all photos hold the class, or hardly any
        areas.append(auc(probe.side(codes[half:]), present[half:]))
    return float(np.nanmean(areas))


def separable(workshop: Workshop) -> Measurement:
    """Probes on the codes of critics that were trained with the term and without it, on the same photos."""
    photos = scenes(1600, SIDE)
    holds = class_pixels(label_maps(photos))[:, 1:] >= LEAST
    by_weight = {
        weight: [_separated(workshop.trained(training), photos, holds) for training in BY_WEIGHT[weight]]
        for weight in (0.0, 0.5)
    }
    without, with_term = by_weight.values()
    seen = f"mean area under the curve {np.mean(with_term):.3f} with it, {np.mean(without):.3f} without"
    return mean_over_seeds([a - b for a, b in zip(with_term, without, strict=True)], seen)


def left_out(workshop: Workshop, kind: str) -> Measurement:
    """What comes back of a kind's pixels, by generators that were trained without it, by that of generators that were trained
    with it: one that is not yet good enough to bring it back leaves it out as well, and decides nothing."""
    photos, maps = _holding(kind)
    inside = maps == IDS[kind]
    shares = np.empty((len(SEEDS), 2))
    for seed, pair in enumerate(zip(WITHOUT, WITH, strict=True)):
        for side, training in enumerate(pair):
            back = label_maps(_brought_back(workshop.trained(training), kind)) == maps
            shares[seed, side] = (back & inside).sum() / inside.sum()
    never, drawn = shares.mean(axis=0)
    seen = f"of pixels of {kind} {never:.1%} come back, {drawn:.1%} where it was drawn; {len(photos)} photos"
    if shares[:, 1].min() < NOTICED:
        return Measurement.missing(f"{seen}: too few to compare with, which takes longer trainings")
    return mean_over_seeds(list(shares[:, 0] / shares[:, 1]), seen)


def no_blur(workshop: Workshop) -> Measurement:
    """Sharpness where the person stood, by that of the generator's own samples in the same places."""
    photos, maps = _holding("person")
    inside = maps == IDS["person"]
    mine, real = [], []
    for path in map(workshop.trained, WITHOUT):
        own = samples(opened(path), len(photos))
        shown = (_brought_back(path, "person"), own, photos)
        here, there, original = (float(_sharpness(each, inside).sum()) for each in shown)
        mine.append(here / there)
        real.append(original / there)
    return mean_over_seeds(mine, f"in the photos themselves {np.mean(real):.2f}")


@lru_cache(maxsize=2)
def _holding(kind: str) -> tuple[Tensor, NDArray[np.int64]]:
    """Photos with a kind that the parser sees there, and what it sees."""
    photos = scenes(200, SIDE, kind)
    maps = label_maps(photos)
    seen = (maps == IDS[kind]).sum(axis=(1, 2)) >= LEAST
    return photos[torch.from_numpy(seen)], maps[seen]


def _brought_back(path: Path, kind: str) -> Tensor:
    """Those photos as a generator brings them back."""
    return reconstructed(opened(path), _holding(kind)[0])


def _sharpness(shown: Tensor, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,): mean absolute Laplacian of the luminance inside masks (N, 64, 64)."""
    grey = resized(shown.mean(dim=1, keepdim=True), RESOLUTION)[:, 0].double().numpy()
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    return np.array((np.abs(around - 4 * grey) * inside).sum(axis=(1, 2)) / inside.sum(axis=(1, 2)), np.float64)


RATIO = "ln of corrected FSD, less that"
CLAIMS = (
    Claim(
        "quality", "The correlation term does not cost the samples' quality.", PAPER,
        f"{RATIO} without the term, mean of weights .25, .5, 1", Criterion("below", QUARTER), quality,
        tuple(training for trainings in BY_WEIGHT.values() for training in trainings),
    ),
    Claim(
        "squared-error", "The squared error of z in place of the correlation fails.", PAPER,
        f"{RATIO} with the correlation", Criterion("above", math.log(2.0)), squared_error, (*SQUARED, *BY_WEIGHT[0.5]),
    ),
    Claim(
        "linear-map", "The squared error works where a learned linear map stands between.", PAPER,
        f"{RATIO} with the correlation", Criterion("below", QUARTER), linear_map, (*LINEAR, *BY_WEIGHT[0.5]),
    ),
    Claim(
        "separable", "The encoder's features are closer to linearly separable than a plain critic's.", PAPER,
        "area under linear probes' curves, less that without the term", Criterion("above", 0.0), separable,
        (*BY_WEIGHT[0.0], *BY_WEIGHT[0.5]),
    ),
    *(
        Claim(
            name, f"What the generator never drew, its reconstruction leaves out: the village's {named}.", PAPER,
            f"share of {named}'s pixels that come back, by that where they were drawn", Criterion("below", 0.25),
            partial(left_out, kind=kind), (*WITHOUT, *WITH),
        )
        for name, kind, named in (("left-out", "person", "people"), ("left-out-roads", "road", "roads"))
    ),
    Claim(
        "no-blur", "Where it leaves something out, it does so without blur.", PAPER,
        "sharpness there, by that of its own samples", Criterion("above", 0.8), no_blur, WITHOUT,
    ),
)  # fmt: skip
