"""The parser that is no network: it names the classes of label maps that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fields import Name, Whole
from ganaudit.kinds import Kind, Opened
from ganaudit.options import ParserPart
from ganaudit.parsers.protocol import ClassInfo, Labels, wrong_classes

if TYPE_CHECKING:
    from torch import Tensor


class MasksParser(ParserPart):
    """No network: every source is of kind `masks`, and this names the classes of its label maps."""

    classes: Annotated[dict[Whole, Name] | list[Name], Field(max_length=4096)]
    """{id: name}, or names whose ids are 1, 2, 3 …; 0 is void."""


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


def open_masks(options: MasksParser, context: Context) -> Opened:
    """The classes alone."""
    return Opened(MaskClasses(options.classes), {"kind": options.kind})


KIND = Kind(
    "masks", MasksParser, open_masks, "no network: every source brings its label maps", offers=frozenset({"no images"})
)  # fmt: skip
