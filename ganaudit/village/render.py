"""Scenes of the village as pixels and exact label maps: image `i` of seed `s` is the same alone and in any batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ganaudit.random import bits, uniforms
from ganaudit.village.painter import paint
from ganaudit.village.scene import CELLS, DRAWS, RESOLUTION, Canvas, Prevalence, parts
from ganaudit.village.spread import Spread
from ganaudit.village.style import PLAIN, Style

VERSION = 1
"""Enters the content keys: raised whenever a pixel of any scene changes."""

_ROWS = np.repeat(np.arange(RESOLUTION, dtype=np.int32), CELLS)[:, None]


def render(
    prevalence: Prevalence, seed: int, indices: Sequence[int] | NDArray[np.int64], style: Style = PLAIN,
    spreads: Mapping[str, Spread] = MappingProxyType({}),
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:  # fmt: skip
    """Scenes `indices` of `seed`: (N, 64, 64, 3) uint8 RGB and (N, 64, 64) uint8 class ids. spreads: of the plain village.

    Arithmetic is on integers once the shapes are drawn, so labels and colours do not depend on the machine.
    """
    images = np.empty((len(indices), RESOLUTION, RESOLUTION, 3), dtype=np.uint8)
    labels = np.empty((len(indices), RESOLUTION, RESOLUTION), dtype=np.uint8)
    for place, index in enumerate(indices):
        canvas = paint(parts(uniforms(seed, "village scene", [int(index)], DRAWS)[0], spreads), prevalence, style)
        grain = bits(seed, "village grain", [int(index)], RESOLUTION * RESOLUTION // 8)
        images[place], labels[place] = _develop(canvas, grain.view(np.uint8).reshape(RESOLUTION, RESOLUTION))
    return images, labels


def label_maps(prevalence: Prevalence, seed: int, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
    """The (N, 64, 64) class ids of the same scenes alone: about four times as fast, for who needs no colours."""
    maps = np.empty((len(indices), RESOLUTION, RESOLUTION), dtype=np.uint8)
    for place, index in enumerate(indices):
        maps[place] = _classes(paint(parts(uniforms(seed, "village scene", [int(index)], DRAWS)[0]), prevalence))
    return maps


def _classes(canvas: Canvas) -> NDArray[np.uint8]:
    middle = canvas.array()[CELLS // 2 :: CELLS, CELLS // 2 :: CELLS]
    classes: NDArray[np.uint8] = np.array([thing.class_id for thing in canvas.instances], dtype=np.uint8)[middle]
    return classes


def _develop(canvas: Canvas, grain: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    numbers = canvas.array()
    things = canvas.instances
    top = np.array([thing.top for thing in things])[:, None, :]
    bottom = np.array([thing.bottom for thing in things])[:, None, :]
    height = (np.arange(RESOLUTION) / (RESOLUTION - 1))[None, :, None]
    colours = np.floor(top + (bottom - top) * height + 0.5).astype(np.int16).reshape(-1, 3)
    painted = colours[numbers.astype(np.int32) * RESOLUTION + _ROWS]
    rows = painted[0::CELLS] + painted[1::CELLS] + painted[2::CELLS]
    cells = (rows[:, 0::CELLS] + rows[:, 1::CELLS] + rows[:, 2::CELLS]).astype(np.int32)
    middle = numbers[CELLS // 2 :: CELLS, CELLS // 2 :: CELLS]
    texture = np.array([int(4 * thing.texture) for thing in things], dtype=np.int32)[middle]
    # Nine canvas pixels a cell; grain is centred and scaled to +-texture/2 grey levels.
    speckle = (texture * (2 * grain.astype(np.int32) - 255) * CELLS * CELLS) // (4 * 2 * 255)
    pixels = (cells + speckle[..., None] + (CELLS * CELLS) // 2) // (CELLS * CELLS)
    return np.clip(pixels, 0, 255).astype(np.uint8), _classes(canvas)
