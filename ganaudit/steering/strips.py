"""What a walk looks like: images along α, each above what the edit itself would make of them, as a picture and as a film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganaudit import images
from ganaudit.generators.protocol import Generator
from ganaudit.steering.edits import edited
from ganaudit.steering.walks import Walk, images_along

GAP, HEAD = 4, 16
"""Pixels between images, and of the line of α above them."""
PAPER, INK = (254, 254, 254), (28, 33, 39)
SIDE = 96
"""Smaller images are enlarged, with hard pixels, until a side has as many pixels."""


def draw_strip(walk: Walk, generator: Generator, seed: int, indices: Sequence[int], count: int, slider: int = 0) -> Image.Image:
    """Own samples `indices` at `count` α of one of the walk's sliders: two rows each, the walk and the edit. What the edit says
    nothing of is grey."""
    alphas = walk.edits[slider].grid(count, walk.shape.size)
    walked, wanted = _along(walk, generator, seed, indices, alphas, slider)
    rows = torch.stack([walked, wanted], dim=2).permute(1, 2, 0, 3, 4, 5).flatten(0, 1)
    return _page([list(row) for row in rows], [f"{value:g}" for value in _rounded(alphas)], walk)


def write_film(
    path: Path, walk: Walk, generator: Generator, seed: int, indices: Sequence[int], count: int = 21, slider: int = 0
) -> None:
    """A GIF of own samples side by side, from the least α to the greatest and back: above the walk, below the edit."""
    alphas = walk.edits[slider].grid(count, walk.shape.size)
    walked, wanted = _along(walk, generator, seed, indices, alphas, slider)
    heads = [f"{walk.shape.edits[slider]} {value:g}" for value in _rounded(alphas)]
    frames = [_page([list(above), list(below)], [head], walk) for above, below, head in zip(walked, wanted, heads, strict=True)]
    there_and_back = [*frames, *frames[-2:0:-1]]
    there_and_back[0].save(path, "GIF", save_all=True, append_images=there_and_back[1:], duration=80, loop=0)


@torch.no_grad()
def _along(
    walk: Walk, generator: Generator, seed: int, indices: Sequence[int], alphas: Tensor, slider: int
) -> tuple[Tensor, Tensor]:
    """(A, N, 3, H, W): walked, and edited."""
    state = generator.latents(seed, torch.tensor(list(indices), dtype=torch.int64))
    columns = torch.stack(
        [alphas if place == slider else torch.full_like(alphas, edit.identity) for place, edit in enumerate(walk.edits)], dim=1
    )
    walked = images_along(walk, generator, state, columns)
    still = generator.run(state)["image"].float()
    wanted = torch.stack(
        [torch.where(mask > 0, target, 0.0) for target, mask in
         (edited(walk.edits, still, column.to(still.device).expand(len(still), -1)) for column in columns)]
    )  # fmt: skip
    return walked, wanted


def _rounded(alphas: Tensor) -> list[float]:
    return [round(value, 2) for value in alphas.tolist()]


def _page(rows: list[list[Tensor]], heads: list[str], walk: Walk) -> Image.Image:
    """Images in rows under a line of α."""
    height, width = walk.shape.size
    enlarged = max(1, -(-SIDE // min(height, width)))
    high, wide = height * enlarged + GAP, width * enlarged + GAP
    page = Image.new("RGB", (wide * max(map(len, rows)) + GAP, HEAD + high * len(rows) + GAP), PAPER)
    pen = ImageDraw.Draw(page)
    for place, head in enumerate(heads):
        pen.text((GAP + place * wide, 3), head, fill=INK)
    for down, row in enumerate(rows):
        for across, image in enumerate(row):
            pixels = Image.fromarray(images.to_bytes(image[None]).cpu().numpy()[0])
            large = pixels.resize((width * enlarged, height * enlarged), Image.Resampling.NEAREST)
            page.paste(large, (GAP + across * wide, HEAD + GAP + down * high))
    return page
