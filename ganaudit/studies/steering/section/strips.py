"""Strips of images along a walk, from the pictures that the records keep."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaudit.encoded import pixels_of
from ganaudit.records.store import Store
from ganaudit.records.tables import RUN_KEYS
from ganaudit.sources.roles import GENERATED
from ganaudit.studies.steering.reading import Walked
from ganaudit.studies.steering.record_tables import STEERING_IMAGES

ROWS, SIDE, MOST = 3, 80, 11
"""Images of a strip; pixels of each side, and strengths, at most."""


@dataclass(frozen=True)
class Strip:
    """Images along a walk, one a row. url: a WebP. alphas: of its columns."""

    walk: Walked
    alphas: Sequence[float]
    url: str
    size: tuple[int, int]


def strips(store: Store, run: str) -> list[Strip]:
    """One for each walk of a run whose pictures are there."""
    used = [row for row in store.of_run(RUN_KEYS, run) if row["table"] == STEERING_IMAGES.name and row["role"] == GENERATED]
    return [strip for row in used if (strip := _strip(store, Walked.of(row))) is not None]


def _strip(store: Store, walk: Walked) -> Strip | None:
    blocks = sorted(store.finished_blocks(walk.key, STEERING_IMAGES.name))
    if not blocks:
        return None
    rows = store.read_block(STEERING_IMAGES, walk.key, blocks[0], ("image", "alpha", "picture")).to_pylist()
    pictures = {(row["image"], row["alpha"]): pixels_of(row["picture"]) for row in rows if row["picture"] is not None}
    places = np.unique(np.linspace(0, len(walk.alphas) - 1, min(MOST, len(walk.alphas))).round().astype(int))
    alphas = [walk.alphas[place] for place in places]
    images = sorted({image for image, _ in pictures})[:ROWS]
    if not images:
        return None
    sheet = np.concatenate([np.concatenate([_shown(pictures, image, alpha) for alpha in alphas], 1) for image in images])
    content = io.BytesIO()
    Image.fromarray(sheet).save(content, "WEBP", quality=82, method=4)
    url = "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
    return Strip(walk, alphas, url, (sheet.shape[0], sheet.shape[1]))


def _shown(pictures: Mapping[tuple[int, float], NDArray[np.uint8]], image: int, alpha: float) -> NDArray[np.uint8]:
    """One picture, made smaller where it is large; grey where it was set aside."""
    some = next(iter(pictures.values()))
    pixels = pictures.get((image, alpha), np.full_like(some, 127))
    if max(pixels.shape[:2]) <= SIDE:
        return pixels
    scale = SIDE / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
