"""The perceptual hash of an image: 64 bits that hardly change when it is compressed, resized or brightened.

pHash (Zauner, 2010) as imagehash.phash has it: of the grey image at 32 x 32 pixels, the 8 x 8 lowest frequencies of the cosine
transform; a bit says whether a coefficient is above their median. But the 32 x 32 pixels are means of areas: a Lanczos filter,
which imagehash has, takes twice as long and finds no more. Two hashes are compared by the bits in which they differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from scipy.fft import dct

SIDE, LOW = 32, 8
_COSINES = dct(np.eye(SIDE), axis=0)[:LOW]
FLAT = 2.0
"""Standard deviation of 32 x 32 grey pixels, in levels of 0 to 255, below which an image shows nothing to know it by."""


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 => (32, 32) uint8 grey."""
    grey = pillow.fromarray(np.ascontiguousarray(pixels)).convert("L")
    (across, beside), (down, below) = divmod(grey.width, SIDE), divmod(grey.height, SIDE)
    whole = across and down and not beside and not below
    return np.asarray(grey.reduce((across, down)) if whole else grey.resize((SIDE, SIDE), pillow.Resampling.BOX))


def phashes(thumbnails: Sequence[NDArray[np.uint8] | None]) -> list[int | None]:
    """The hash of each thumbnail, below 2**64; None for none, and for one that is flat."""
    hashes: list[int | None] = [None] * len(thumbnails)
    given = {place: each for place, each in enumerate(thumbnails) if each is not None}
    if given:
        grey = np.stack(list(given.values())).astype(np.float64)
        low = (_COSINES @ grey @ _COSINES.T).reshape(len(grey), -1).round(6)  # of symmetric images many are 0, not nearly so
        bits = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1).view(">u8")[:, 0]
        told = grey.std(axis=(1, 2)) >= FLAT
        for place, value, is_told in zip(given, bits.tolist(), told.tolist(), strict=True):
            hashes[place] = value if is_told else None
    return hashes
