"""What a batch takes of a stored image: its pixels at the parser's size, its digest and its thumbnail, or why it is set aside.

It needs no torch, so that a process that decodes is small (`readers`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit import images
from ganaudit.datasets.label_maps import fitted
from ganaudit.datasets.protocol import Image
from ganaudit.errors import ImageError
from ganaudit.phash import thumbnail

Looked = tuple[Image, str, NDArray[np.uint8]] | str
"""An image with its digest and its thumbnail; or a reason: not the error, which would keep what was decoded in memory."""


@dataclass(frozen=True)
class Look:
    """How a stored image is looked at.

    size: (height, width), None where it stays as it is. maps: its label map is taken as the parser's, and one pixel of it is
    left. truth: its label map measures the parser. classes: of the parser. resized_through: short side in pixels of a
    resolution that it goes through. void_is_free: whether a label value may still be said to be void.
    """

    size: tuple[int, int] | None
    how: images.Fit
    maps: bool
    truth: bool
    classes: frozenset[int]
    resized_through: int | None
    void_is_free: bool

    def at(self, read: Callable[[], Image]) -> Looked:
        """What a batch takes of the image that `read` gives."""
        try:
            image = read()
            if (self.maps or self.truth) and image.labels is not None:
                self._check_labels(image.name, image.labels)
            if self.maps:
                seen = images.digest(image.pixels), thumbnail(image.pixels)
                return replace(image, pixels=np.zeros((1, 1, 3), np.uint8)), *seen
            if self.size is not None:
                pixels = images.resize(image.pixels, self.size, self.how)
                labels = None
                if self.truth and image.labels is not None:
                    labels = fitted(image.labels, image.pixels.shape[:2], self.size, self.how)
                image = Image(pixels, image.name, labels, image.cluster, image.label)
            if self.resized_through is not None:
                image = replace(image, pixels=resize_through(image.pixels, self.resized_through))
        except ImageError as error:
            return str(error)
        return image, images.digest(image.pixels), thumbnail(image.pixels)

    def each(self, reads: Sequence[Callable[[], Image]]) -> list[Looked]:
        """The same of several."""
        return [self.at(read) for read in reads]

    def _check_labels(self, name: str, labels: NDArray[np.integer[Any]]) -> None:
        unknown = sorted(set(np.unique(labels).tolist()) - self.classes)
        if unknown:
            void = self.void_is_free and unknown in ([255], [65_535])
            advice = f"; if it means that there is no label, set void: {unknown[0]}" if void else ""
            raise ImageError(f"{name}: its label map holds {unknown[:5]}, no class ids of the parser{advice}")


def resize_through(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """An image (H, W, 3) sent through the resolution whose short side is `side` pixels, and back."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    small = images.resize(pixels, (max(1, height * side // short), max(1, width * side // short)), "stretch")
    return images.resize(small, (height, width), "stretch")
