"""The parser that is no network: it names the classes of label maps that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.parsers.protocol import ClassInfo, Labels, wrong_classes


class MaskClasses:
    """Classes alone. Every source of such an audit brings its label maps."""

    def __init__(self, classes: Mapping[int, str] | Sequence[str]) -> None:
        named = classes if isinstance(classes, Mapping) else dict(enumerate(classes, start=1))
        wrong = wrong_classes([ClassInfo(number, name) for number, name in named.items()])
        if wrong is not None:
            shift = (
                "; offset: 1 of a masks source adds 1 to the values of its label maps" if wrong.startswith("class 0") else ""
            )
            raise RequestError(f"parser.classes: {wrong}{shift}")
        self.classes = tuple(ClassInfo(number, named[number]) for number in sorted(named) if number)

    def parse(self, images: Tensor) -> Labels:
        raise RequestError("parser kind 'masks' reads no images: give every source the kind 'masks', or name a network")
