"""Options that parsers of several families have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ganaudit.fields import Arguments, Decimal, Name, PathText, Side, Size, Whole
from ganaudit.options import Origin, ParserPart, in_pixels

ClassNames = Literal["ade20k", "voc"] | Annotated[dict[Whole, Name] | list[Name], Field(min_length=1, max_length=4096)]
"""Public names (`parsers.class_names`), names in the order of the channels, or {channel: name}, other channels being void."""


class SeenParser(Origin, ParserPart):
    """What sees an image at one size or several, as a whole or tile by tile."""

    scales: Annotated[tuple[Size, ...], Field(min_length=1, max_length=16)] | None = None
    """Sizes at which the network sees each image, their probabilities averaged; default: `size` alone."""
    filter: Literal["area", "bilinear", "bicubic"] = "bilinear"
    """How an image gets another size of `scales`: area is the mean over equal bins, the others are antialiased."""
    tile: Size | None = None
    """Side, or [height, width], in pixels, of what the network sees at once of a larger image; default: all of it."""
    overlap: Side | None = None
    """Pixels that two tiles share, where their logits pass over into each other; default: a quarter of a tile's short side."""

    @model_validator(mode="after")
    def _overlaps(self) -> SeenParser:
        if self.overlap is not None and self.tile is None:
            raise ValueError("overlap is of tiles, and there are none; say tile, or leave overlap out")
        if self.tiling is not None and self.tiling[1] > min(self.tiling[0]) // 2:
            raise ValueError(f"overlap {self.tiling[1]} is more than half of the tile's short side, {min(self.tiling[0])}")
        return self

    @property
    def tiling(self) -> tuple[tuple[int, int], int] | None:
        """(height, width) of a tile, and pixels that two share."""
        tile = in_pixels(self.tile)
        return None if tile is None else (tile, min(tile) // 4 if self.overlap is None else self.overlap)

    def seen_at(self, size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """(height, width) of each scale, where images have `size`."""
        return (size,) if self.scales is None else tuple(in_pixels(scale) or size for scale in self.scales)


class ScaledParser(SeenParser):
    """What reads images of a size that the audit file says."""

    size: Size = 256
    """Side, or [height, width], in pixels, of images and label maps."""

    @property
    def resolution(self) -> tuple[int, int]:
        """(height, width) of images and label maps."""
        return in_pixels(self.size) or (0, 0)


Three = tuple[Decimal, Decimal, Decimal]


class ExportedParser(SeenParser):
    """A network of anybody's that was exported as one function from images to logits, or to a label map."""

    weights: PathText
    """A file."""
    size: Size | None = None
    """Side, or [height, width], in pixels, of images and label maps; default: what the file says."""
    classes: ClassNames | None = None
    """Names in the order of the channels or label values, {channel: name}, ade20k or voc; default: what the file says under
    `classes`, as JSON."""
    gives: Literal["logits", "probabilities"] = "logits"
    """What its channels are; a label map of whole numbers is known by its type. One channel is a class against none."""
    output: Name | None = None
    """The name of the output that is read, where there are several; default: the first."""
    ignore: Annotated[Whole, Field(ge=-1, le=65_535)] | None = None
    """A label value that stands for none."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Of the channels of an image."""
    white: Annotated[Decimal, Field(gt=0.0)] = 1.0
    """What the brightest pixel is before mean and std, black being 0: 1 or 255."""
    mean: Three = (0.485, 0.456, 0.406)
    """Of the channels, in their order and range; default: ImageNet's."""
    std: tuple[Annotated[Decimal, Field(gt=0.0)], Annotated[Decimal, Field(gt=0.0)], Annotated[Decimal, Field(gt=0.0)]] = (
        0.229, 0.224, 0.225,
    )  # fmt: skip
    """The same."""
    arguments: Arguments = Field(default={})
    """Values of further inputs, by their names."""
    threads: Literal[1] | None = None
    """1: it is called by one thread at a time; default: by several at once."""
