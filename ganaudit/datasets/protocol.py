"""What an image collection has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Image:
    """One decoded image.

    pixels: (H, W, 3) uint8 RGB. name: text; of more than 1,000 characters the middle is left out. labels: (h, w) integer class
    ids (0 is void) where the collection knows them.
    cluster groups images that are not independent (a burst, a scene); label is the collection's own label of the image.
    """

    pixels: NDArray[np.uint8]
    name: str
    labels: NDArray[np.integer[Any]] | None = None
    cluster: str | None = None
    label: str | None = None


@runtime_checkable
class Dataset(Protocol):
    """An ordered collection of images. The order is part of its content: image `i` is always the same image.

    It may also have `resolution`, the short side of its images in pixels; `name(index)`, for images that cannot be used;
    `reading(indices)`, images as functions without arguments that another process can be sent and call; and `contents`, a
    contents.Contents that says what its folder held.
    """

    def __len__(self) -> int: ...

    def image(self, index: int) -> Image:
        """Image `index`; raises ImageError for an image that cannot be read (the caller sets it aside)."""
        ...

    def recipe(self) -> Mapping[str, Any]:
        """JSON-able content: everything that decides the images, never a name of ours, a path or a time."""
        ...
