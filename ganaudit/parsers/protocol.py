"""What a parser (a frozen segmentation network) has to offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ClassInfo:
    """One class of a parser. Ids are small and unique over all heads; 0 is void."""

    id: int
    name: str
    head: str = "object"


@dataclass(frozen=True)
class Labels:
    """What a parser saw in N images.

    maps: (N, h, w) integer class ids, or (N, heads, h, w) for a parser with several heads, in the order of its classes' heads.
    confidence: the same shape, float in [0, 1]: the probability that the network gives the class it chose.
    """

    maps: Tensor
    confidence: Tensor


@runtime_checkable
class Parser(Protocol):
    """A frozen segmentation network, in eval mode."""

    classes: tuple[ClassInfo, ...]

    def parse(self, images: Tensor) -> Labels:
        """Images (N, 3, H, W) in [-1, 1] -> label maps and confidences."""
        ...
