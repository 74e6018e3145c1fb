"""Options that parsers of several families have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ganaudit.fields import Name, Size, Whole
from ganaudit.options import Origin, ParserPart, in_pixels

ClassNames = Literal["ade20k", "voc"] | Annotated[dict[Whole, Name] | list[Name], Field(min_length=1, max_length=4096)]
"""Public names (`parsers.class_names`), names in the order of the channels, or {channel: name}, other channels being void."""


class ScaledParser(Origin, ParserPart):
    """What sees an image at one size or several."""

    size: Size = 256
    """Side, or [height, width], in pixels, of images and label maps."""
    scales: Annotated[tuple[Size, ...], Field(min_length=1, max_length=16)] | None = None
    """Sizes at which the network sees each image, their probabilities averaged; default: `size` alone."""
    filter: Literal["area", "bilinear", "bicubic"] = "bilinear"
    """How an image gets another size of `scales`: area is the mean over equal bins, the others are antialiased."""

    @property
    def resolution(self) -> tuple[int, int]:
        """(height, width) of images and label maps."""
        return in_pixels(self.size) or (0, 0)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each scale."""
        return tuple(in_pixels(scale) or (0, 0) for scale in self.scales or (self.size,))
