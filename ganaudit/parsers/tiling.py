"""Large images tile by tile: what a network gives for each, blended where tiles overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

STRIDE = 32
"""Tiles are moved by multiples of it where they can be: networks halve an image five times, and see the same there."""
Network = Callable[[Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Tiling:
    """tile: (height, width) in pixels of what is seen at once. overlap: pixels that neighbours share at least.

    A quarter of the overlap from a tile's inner edges nothing counts; from there its weight rises linearly to 1 over half the
    overlap. So a network whose receptive field reaches no farther than that quarter gives what it would give for the whole.
    """

    tile: tuple[int, int]
    overlap: int

    def over(self, x: Tensor, network: Network) -> dict[str, Tensor]:
        """Logits (N, C, h, w) of images (N, 3, H, W), by head: at the network's stride where that divides every tile's place,
        else at the images' size."""
        size = (int(x.shape[2]), int(x.shape[3]))
        tile = (min(self.tile[0], size[0]), min(self.tile[1], size[1]))
        if tile == size:
            return dict(network(x))
        places = [list(self._places(length, side)) for length, side in zip(size, tile, strict=True)]
        total: dict[str, Tensor] = {}
        weight: dict[str, Tensor] = {}
        for top, left in product(*places):
            seen = network(x[:, :, top : top + tile[0], left : left + tile[1]])
            for head, logits in seen.items():
                step = _stride(logits, tile, size, places)
                made = logits.float() if step > 1 or tuple(logits.shape[2:]) == tile else _resized(logits, tile)
                if head not in total:
                    total[head] = made.new_zeros(*made.shape[:2], size[0] // step, size[1] // step)
                    weight[head] = made.new_zeros(size[0] // step, size[1] // step)
                here = slice(top // step, (top + tile[0]) // step), slice(left // step, (left + tile[1]) // step)
                edges = (top > 0, top + tile[0] < size[0]), (left > 0, left + tile[1] < size[1])
                rows, columns = (self._weights(side, inner, step).to(made) for side, inner in zip(tile, edges, strict=True))
                weights = rows[:, None] * columns
                total[head][:, :, *here] += made * weights
                weight[head][here] += weights
        return {head: total[head] / weight[head] for head in total}

    def _places(self, length: int, side: int) -> Iterator[int]:
        """Where tiles begin along one axis; the last one ends where the image does."""
        step = max(side - self.overlap, 1)
        step = step // STRIDE * STRIDE or step
        yield from range(0, length - side, step)
        yield length - side

    def _weights(self, side: int, inner: tuple[bool, bool], step: int) -> Tensor:
        """(side / step,) what each place of a tile counts along one axis. inner: whether tiles lie before it and after it."""
        at = (torch.arange(side // step, dtype=torch.float64) + 0.5) * step
        margin, rise = self.overlap / 4, max(self.overlap / 2, 1e-9)
        weights = torch.ones_like(at)
        for beyond, distance in zip(inner, (at, side - at), strict=True):
            weights = torch.minimum(weights, ((distance - margin) / rise).clamp(0.0, 1.0)) if beyond else weights
        return weights


def _stride(logits: Tensor, tile: tuple[int, int], size: tuple[int, int], places: list[list[int]]) -> int:
    """Pixels to one place of the logits, where that is one whole number for tiles and image and in every place; else 1."""
    step = tile[0] // int(logits.shape[2])
    if step <= 1 or (int(logits.shape[2]) * step, int(logits.shape[3]) * step) != tile:
        return 1
    return step if all(number % step == 0 for axis in places for number in (*axis, *size)) else 1


def _resized(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
