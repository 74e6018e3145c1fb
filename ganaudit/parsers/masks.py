"""The parser that is no network: it names the classes of label maps that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.parsers.protocol import ClassInfo, Labels

MAX_CLASS = 32_767


class MaskClasses:
    """Classes alone. Every source of such an audit brings its label maps."""

    def __init__(self, classes: Mapping[int, str] | Sequence[str]) -> None:
        named = classes if isinstance(classes, Mapping) else dict(enumerate(classes, start=1))
        for number, name in named.items():
            if not 0 <= number <= MAX_CLASS:
                raise RequestError(f"parser.classes: id {number} of {name!r} is not between 0 (void) and {MAX_CLASS}")
        if not set(named) - {0}:
            raise RequestError("parser.classes: there is no class beside void")
        self.classes = tuple(ClassInfo(number, named[number]) for number in sorted(named) if number)

    def parse(self, images: Tensor) -> Labels:
        raise RequestError("parser kind 'masks' reads no images: give every source the kind 'masks', or name a network")
