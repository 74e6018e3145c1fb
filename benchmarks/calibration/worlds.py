"""Made-up populations that are harder than the village: their images are drawn once, by chance, and are then the population.

heavy tails: 336 classes whose prevalence falls as one over their rank, in a dozen kinds of scenes that favour different ones;
log-normal sizes, common to an image in part; several regions a class. one dominant: a class that fills nearly all of nearly
every image, so that one image in 200 makes most of the variance, over 40 small heavy-tailed ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit.statistics.class_counts import Held

SIDE = 256
PIXELS = SIDE**2
IMAGES = 65_536


def heavy_tails(images: int = IMAGES, classes: int = 336, scenes: int = 12, seed: int = 7) -> Held:
    """What images of the heavy-tailed world hold."""
    rng = np.random.default_rng(seed)
    prevalence = 0.9 / np.arange(1, classes + 1)
    favour, frequency = np.exp(rng.normal(0, 1.2, (scenes, classes))), rng.dirichlet(np.full(scenes, 3.0))
    chance = np.minimum(0.97, prevalence * favour / (frequency @ favour))
    median = 0.02 * PIXELS * np.exp(rng.normal(0, 1.0, classes))
    scene = rng.choice(scenes, images, p=frequency)
    image, column = np.nonzero(rng.random((images, classes)) < chance[scene])
    in_common = rng.normal(0, 0.3, images)
    size = median[column] * np.exp(rng.normal(size=len(image)) + in_common[image])
    return _held((images, classes), image, column, size, rng)


def one_dominant(images: int = IMAGES, classes: int = 40, seed: int = 9) -> Held:
    """What images of the world with one dominant class hold, which is the first."""
    small = heavy_tails(images, classes, 6, seed)
    rng = np.random.default_rng(seed + 1)
    pixels = small.pixels // 20
    kept = pixels > 0
    rest = PIXELS - np.bincount(small.image, pixels, minlength=images).astype(np.int64)
    everywhere = np.flatnonzero(rng.random(images) < 0.995)
    image = np.concatenate([everywhere, small.image[kept]])
    column = np.concatenate([np.zeros(len(everywhere), np.int64), small.column[kept] + 1])
    size = np.concatenate([rest[everywhere], pixels[kept]])
    order = np.lexsort((column, image))
    return _held((images, classes + 1), image[order], column[order], size[order], rng)


def two_modes(images: int = IMAGES, seed: int = 11) -> Held:
    """What images of the world whose sizes have two modes hold: nine pairs of classes, one class of nearly no variation in
    nearly all images, and one in all of them."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.3, 0.2])
    kind, holds = rng.random((images, len(shares))), np.zeros((images, 2 * len(shares) + 2), bool)
    holds[:, 0:18:2], holds[:, 1:18:2] = kind < shares, (kind >= shares) & (kind < 1.8 * shares)
    holds[:, 18], holds[:, 19] = rng.random(images) < 0.999, True
    image, column = np.nonzero(holds)
    large = rng.random(len(image)) < 0.05
    size = np.where(large, rng.normal(9000, 500, len(image)), rng.normal(225, 10, len(image)))
    size = np.where(column == 18, rng.integers(6000, 6003, len(image)), size)
    size = np.where(column == 19, rng.normal(8000, 800, len(image)), size)
    return _held(holds.shape, image, column, size.astype(np.int64), rng)


WORLDS: dict[str, Callable[[], Held]] = {"heavy tails": heavy_tails, "one dominant": one_dominant, "two modes": two_modes}


def _held(
    shape: tuple[int, int], image: NDArray[Any], column: NDArray[Any], size: NDArray[Any], rng: np.random.Generator
) -> Held:
    """Classes of these sizes, made smaller where an image is full, in one region or more: some classes come in crowds."""
    full = np.bincount(image, size, minlength=shape[0])
    pixels = np.floor(size * (PIXELS / np.maximum(full, PIXELS))[image]).astype(np.int64)
    kept = pixels > 0
    image, column, pixels = image[kept], column[kept], pixels[kept]
    crowd = rng.gamma(1.0, 2.0, shape[1])
    parts = 1 + rng.poisson(crowd[column])
    largest = np.maximum(1, np.floor(pixels * rng.beta(2.0, parts, len(parts))).astype(np.int64))
    largest = np.where(parts == 1, pixels, largest)
    return Held(shape, image, column, pixels, largest, np.where(largest >= 4, parts, 0))
