"""What claims on the village look at: scenes that no training saw, what the parser sees in images, and distances of sets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import images
from ganaudit.context import Context
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import Encoding, Generator, size_of
from ganaudit.inversion.perceptual import Perceptual, open_perceptual
from ganaudit.latent_space.fidelity import feature_rows
from ganaudit.named import options_named
from ganaudit.parsers.opening import open_parser
from ganaudit.parsers.protocol import Parser
from ganaudit.statistics import corrected
from ganaudit.statistics.frechet import frechet_from_rows
from ganaudit.statistics.grouping import GROUPS
from ganaudit.statistics.moments import GroupMoments, group_moments
from ganaudit.village.classes import IDS, NAMES
from ganaudit.village.render import render
from ganaudit.village.scene import RESOLUTION, Prevalence

SEED = 3_000_017
"""Of scenes that no training saw."""
BATCH = 64
SAMPLES = 1000
"""Images on either side of a distance."""
LEAST = 12
"""Pixels of a class from which on an image holds it."""


@dataclass(frozen=True)
class Sets:
    """Distances of samples from scenes. fsd: corrected, (percent of pixels)²; fid: of the pyramid's 48 colours."""

    fsd: float
    fid: float


def opened(path: Path | str) -> Generator:
    """A generator of a weights file, or a shipped one by its name."""
    return open_generator(options_named("generators", str(path)), Context()).generator


def pyramid() -> Perceptual:
    """The distance that needs no weights, under which encoders are trained and photos searched for."""
    perceptual = open_perceptual("pyramid")
    assert perceptual is not None
    return perceptual


@lru_cache(maxsize=8)
def scenes(count: int, side: int = RESOLUTION, holding: str | None = None) -> Tensor:
    """(count, 3, side, side) in [-1, 1]: fresh scenes. holding: a class that each of them shows in LEAST pixels or more."""
    pixels, labels = render(Prevalence(), SEED, range(count if holding is None else 8 * count))
    if holding is not None:
        pixels = pixels[np.flatnonzero((labels == IDS[holding]).sum(axis=(1, 2)) >= LEAST)[:count]]
    return resized(images.to_unit(pixels), side)


def resized(shown: Tensor, side: int) -> Tensor:
    """Images (N, 3, h, w) at another side: means where it is smaller, between pixels where it is larger."""
    if shown.shape[-1] == side:
        return shown
    smaller = shown.shape[-1] > side
    return F.interpolate(shown, (side, side), mode="area" if smaller else "bilinear")


@lru_cache(maxsize=1)
def _parser() -> Parser:
    return open_parser(options_named("parsers", "builtin:village"), Context(precision="bfloat16")).parser


@torch.inference_mode()
def label_maps(shown: Tensor) -> NDArray[np.int64]:
    """What the village's parser sees in images (N, 3, h, w), (N, 64, 64); they are rounded to 8 bits like every image."""
    pixels = images.to_bytes(resized(shown, RESOLUTION))
    read = [_parser().parse(images.to_unit(part)).maps for part in torch.split(pixels, BATCH)]
    maps: NDArray[np.int64] = torch.cat(read).numpy().astype(np.int64)
    return maps


def class_pixels(maps: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, 16): pixels of each class id, void first."""
    return np.stack([(maps == number).sum(axis=(1, 2)) for number in range(len(NAMES) + 1)], axis=1)


@torch.inference_mode()
def samples(generator: Generator, count: int, seed: int = 1) -> Tensor:
    """(count, 3, S, S) in [-1, 1]."""
    parts = [torch.arange(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]
    return torch.cat([generator.run(generator.latents(seed, part))["image"].float() for part in parts])


@torch.inference_mode()
def reconstructed(generator: Generator, photos: Tensor) -> Tensor:
    """Photos (N, 3, S, S) as the generator's own encoder brings them back."""
    assert isinstance(generator, Encoding)
    parts = torch.split(photos, BATCH)
    return torch.cat([generator.run({generator.encodes: generator.encode(part)})["image"].float() for part in parts])


def distances(generator: Generator, count: int = SAMPLES) -> Sets:
    """Of samples from as many scenes, at the generator's resolution."""
    made = samples(generator, count)
    groups, features = _real(count, size_of(generator)[0])
    estimate = corrected.distance(groups, _groups(made))
    assert estimate is not None
    return Sets(estimate.value, frechet_from_rows(features, feature_rows(pyramid(), made)).value)


@lru_cache(maxsize=2)
def _real(count: int, side: int) -> tuple[GroupMoments, NDArray[np.float64]]:
    """Class areas and features of scenes, for every generator that is compared with them."""
    real = scenes(count, side)
    return _groups(real), feature_rows(pyramid(), real)


def _groups(shown: Tensor) -> GroupMoments:
    counts = class_pixels(label_maps(shown))
    return group_moments(counts, np.arange(len(counts)) % GROUPS, RESOLUTION**2, GROUPS)
