"""The sliced Wasserstein distance of two sets of images, level by level of a Laplacian pyramid (Karras et al., ICLR 2018).

128 patches of 7 x 7 pixels an image and level are standardised channel by channel, EACH SET BY ITSELF, and compared along 512
random directions. So the distance is blind to what one change of every image's colours or contrast does: a set that is all too
dark is at 0. Never give it without a mean squared error or a Fréchet distance beside it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.random import bits, normals

Floats = NDArray[np.float64]
SIDE, PATCHES, DIRECTIONS = 7, 128, 512
SMALLEST = 16
"""Side of the pyramid's last level in pixels."""
SCALE = 1000.0
"""What the published figures are multiplied by."""
_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0


def pyramid(images: Tensor) -> list[Tensor]:
    """Levels of images (N, C, H, W), finest first; each is what the next, doubled, does not say, and the last is what is left.
    Their `collapsed` sum is the images."""
    levels = []
    while min(images.shape[2:]) > SMALLEST:
        smaller = _smoothed(images)[:, :, ::2, ::2]
        levels.append(images - _doubled(smaller))
        images = smaller
    return [*levels, images]


def collapsed(levels: list[Tensor]) -> Tensor:
    """The images of a pyramid."""
    images = levels[-1]
    for level in reversed(levels[:-1]):
        images = level + _doubled(images)
    return images


def _smoothed(images: Tensor, gain: float = 1.0) -> Tensor:
    """Binomial weights over 5 x 5 pixels, mirrored at the edges."""
    channels = images.shape[1]
    kernel = (gain * torch.outer(_BINOMIAL, _BINOMIAL)).to(images).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)


def _doubled(images: Tensor) -> Tensor:
    n, channels, height, width = images.shape
    spread = images.new_zeros(n, channels, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = images
    return _smoothed(spread, 4.0)


def patches(level: Tensor, seed: int, number: int) -> Floats:
    """(N · PATCHES, C · 49) patches of one level (N, C, h, w); where they lie follows from seed, level number and image."""
    n, channels, height, width = level.shape
    drawn = bits(seed, f"patches of level {number}", range(n), 2 * PATCHES) >> np.uint64(32)
    top, left = drawn[:, :PATCHES] % np.uint64(height - SIDE + 1), drawn[:, PATCHES:] % np.uint64(width - SIDE + 1)
    windows = np.lib.stride_tricks.sliding_window_view(level.double().cpu().numpy(), (SIDE, SIDE), axis=(2, 3))
    # windows: (N, C, h', w', 7, 7); an index for images, tops and lefts together puts the channels behind them
    chosen = windows[np.arange(n)[:, None], :, top.astype(np.int64), left.astype(np.int64)]
    return np.ascontiguousarray(chosen).reshape(n * PATCHES, channels * SIDE * SIDE)


def standardised(rows: Floats, channels: int) -> Floats:
    """Patches with mean 0 and standard deviation 1 in each channel of the set. A channel that never varies is 0."""
    split = rows.reshape(len(rows), channels, -1)
    deviation = split.std(axis=(0, 2), keepdims=True)
    scaled: Floats = (split - split.mean(axis=(0, 2), keepdims=True)) / np.where(deviation > 0, deviation, 1.0)
    return scaled.reshape(rows.shape)


def sliced_wasserstein(a: Floats, b: Floats, seed: int = 0, directions: int = DIRECTIONS) -> float:
    """Mean over random unit directions of the Wasserstein-1 distance of the projections of rows a (N, D) and b (N, D).

    Raises RequestError for sets of different sizes.
    """
    if a.shape != b.shape:
        raise RequestError(f"a sliced Wasserstein distance needs sets of one size, not {a.shape} and {b.shape}")
    axes = normals(seed, "directions", range(directions), a.shape[1]).astype(np.float64)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    total = 0.0
    for some in np.array_split(axes, max(1, directions // 64)):
        total += float(np.abs(np.sort(a @ some.T, axis=0) - np.sort(b @ some.T, axis=0)).mean(axis=0).sum())
    return total / directions


def swd(a: Tensor, b: Tensor, seed: int = 0) -> dict[int, float]:
    """SCALE times the distance of images a (N, C, H, W) from b, as many, by the side of the level; average them for one number.

    Blind to global changes of colour and contrast: see above. Raises RequestError for sets of different sizes.
    """
    if a.shape != b.shape:
        raise RequestError(f"a sliced Wasserstein distance needs as many images on both sides, not {len(a)} and {len(b)}")
    by_level = {}
    for number, levels in enumerate(zip(pyramid(a), pyramid(b), strict=True)):
        rows = [standardised(patches(level, seed, number), level.shape[1]) for level in levels]
        by_level[int(min(levels[0].shape[2:]))] = SCALE * sliced_wasserstein(rows[0], rows[1], seed)
    return by_level
