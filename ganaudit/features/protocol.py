"""What is read off images: a parser's label maps, a feature network's vectors. Several readings may look at one batch."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Reading(Protocol):
    """Something that looks at images. The images of a batch are sampled once, and shown to every reading as one tensor."""

    def read(self, images: Tensor) -> Any:
        """Images (N, 3, H, W) in [-1, 1], on the device, at the parser's resolution → what is seen in each, such as label maps
        and confidences, or feature vectors (N, D). N is the same for every batch: rows at the end of the last one are black."""
        ...
