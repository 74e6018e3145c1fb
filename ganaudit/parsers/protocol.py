"""What a parser (a frozen segmentation network) has to offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

from ganaudit.names import NAME_LENGTH, printable
from ganaudit.paths import shown


@dataclass(frozen=True)
class ClassInfo:
    """One class of a parser. Ids are small and unique over all heads; 0 is void."""

    id: int
    name: str
    head: str = "object"


VOID_NAMES = ("void", "background", "unlabelled", "unlabeled", "ignore", "ignored")
"""What class 0 may be called, in any case: pixels of it belong to no class, and no verdict is about it."""
MAX_CLASS = 32_767
"""class_id is an int16 in the records."""
MAX_CLASSES = 4096
"""Covariances and pairs go by the square of their number: 4,096 are 134 MB and 8 million pairs."""


@dataclass(frozen=True)
class Labels:
    """What a parser saw in N images.

    maps: (N, h, w) integer class ids, or (N, heads, h, w) for a parser with several heads, in the order of its classes' heads.
    confidence: the same shape, float in [0, 1]: the probability that the network gives the class it chose.
    instances: the same shape, integers, of a parser that tells things of one class apart: the number of the thing that a pixel
    belongs to, in its image and head; 0 where it belongs to none, and connected regions are counted.
    """

    maps: Tensor
    confidence: Tensor
    instances: Tensor | None = None


@runtime_checkable
class Parser(Protocol):
    """A frozen segmentation network, in eval mode."""

    classes: tuple[ClassInfo, ...]

    def parse(self, images: Tensor) -> Labels:
        """Images (N, 3, H, W) in [-1, 1] -> label maps and confidences."""
        ...


def wrong_classes(classes: Sequence[ClassInfo]) -> str | None:
    """What is wrong with a parser's classes, in one sentence; None where they are fine."""
    if len(classes) > MAX_CLASSES:
        return f"there are {len(classes):,} classes and no more than {MAX_CLASSES:,} are audited; join rare ones"
    for info in classes:
        if not isinstance(info.id, int) or isinstance(info.id, bool):
            return f"the class id {info.id!r} of {info.name!r} is of type {type(info.id).__name__}; ids are whole numbers (int)"
        if not 0 <= info.id <= MAX_CLASS:
            return f"the class id {info.id} of {info.name!r} is not between 0 (void) and {MAX_CLASS:,}"
        for what, text in (("name", info.name), ("head", info.head)):
            if not isinstance(text, str) or not 0 < len(text) <= NAME_LENGTH:
                return f"the {what} of class {info.id} is {shown(str(text))}; it is a text of 1 to {NAME_LENGTH} characters"
            try:
                printable(text)
            except ValueError as error:
                return f"the {what} of class {info.id}: {error}"
        if info.id == 0 and info.name.strip().casefold() not in VOID_NAMES:
            return (
                f"class 0 is void, whose pixels belong to no class, and here it is {info.name!r}, which would vanish; "
                f"count ids from 1 (or call it one of {', '.join(VOID_NAMES[:4])})"
            )
    ids, names = [info.id for info in classes], [(info.name, info.head) for info in classes]
    if len(set(ids)) < len(ids):
        return f"two classes have the id {next(one for one in ids if ids.count(one) > 1)}; ids are unique over all heads"
    if len(set(names)) < len(names):
        return f"two classes are called {next(one for one in names if names.count(one) > 1)[0]!r}; give each its own name"
    return None if set(ids) - {0} else "there is no class beside void"
