"""A parser as the audit file names it, opened, with the recipe that enters the content keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ganaudit import kinds, trial
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.foreign_code import asking, guard
from ganaudit.keys import parser_key
from ganaudit.kinds import Opened
from ganaudit.kinds.content import content, misnamed, normal
from ganaudit.options import ParserPart
from ganaudit.parsers.protocol import ClassInfo, Labels, Parser, wrong_classes


@dataclass(frozen=True)
class OpenParser:
    """A parser ready to parse. resolution: (height, width) that it wants, where it says so. reads: whether it reads images; one
    that does not takes the label maps that sources bring."""

    parser: Parser
    recipe: Mapping[str, Any]
    resolution: tuple[int, int] | None
    reads: bool = True
    kind: str = ""
    notes: tuple[str, ...] = ()
    """What a person should know of it, in sentences."""

    def read(self, images: Tensor) -> Labels:
        """A parser is a reading: label maps and confidences."""
        return self.parser.parse(images)

    @property
    def key(self) -> str:
        return parser_key(self.recipe)

    @property
    def heads(self) -> tuple[str, ...]:
        """The parser's outputs, in the order of its classes."""
        return tuple(dict.fromkeys(info.head for info in self.parser.classes))

    @property
    def class_count(self) -> int:
        """One more than the highest class id."""
        return 1 + max(info.id for info in self.parser.classes)


def open_parser(options: ParserPart, context: Context) -> OpenParser:
    """Opens a parser, once a process, and checks its protocol. Raises RequestError."""
    key = content("parsers", options, context)
    parser, opened = context.opened(key, lambda: _opened(options, context), context.anew and ":" in options.kind)
    return replace(parser, notes=(*opened.notes, *misnamed(options, opened.weights, opened.digests)))


def _opened(options: ParserPart, context: Context) -> tuple[OpenParser, Opened]:
    kind, threads = kinds.find("parsers", options.kind), getattr(options, "threads", None)
    opened = normal(kind, options, context)
    parser, recipe = opened.model, dict(opened.recipe)
    if isinstance(parser, torch.nn.Module):
        parser = parser.to(context.device).eval().requires_grad_(False)
    with asking(context.folder, options.kind):
        _check_protocol(parser, options.kind)
        size = _wanted(getattr(parser, "resolution", None), options.kind)
    recipe["classes"] = [[info.id, info.name, info.head] for info in parser.classes]
    recipe["resolution"] = size
    if threads == 1 and ":" not in options.kind:  # a factory's is guarded already
        parser = guard(parser, context.folder, options.kind, threads)
    if not kinds.is_shipped(kind) or ":" in options.kind or "trial" in kind.offers:
        with asking(context.folder, options.kind):
            attempt = partial(trial.try_parser, parser, options.kind, size, context.batch, context.device, threads)
            trial.once([recipe, context.batch, context.device, threads], attempt)
    return OpenParser(parser, recipe, size, "no images" not in kind.offers, options.kind), opened


def _wanted(resolution: Any, kind: str) -> tuple[int, int] | None:
    sides = [resolution] if isinstance(resolution, int) else resolution
    if sides is None or (isinstance(sides, list | tuple) and len(sides) in (1, 2) and all(type(n) is int for n in sides)):
        return None if not sides else (sides[0], sides[-1])
    raise RequestError(f"{kind}: parser.resolution is a side or (height, width) in pixels, or None; not {resolution!r}")


def _check_protocol(parser: Any, kind: str) -> None:
    if not callable(getattr(parser, "parse", None)):
        raise RequestError(f"{kind}: a parser has a method parse(images) and the attribute classes; this one has no parse")
    classes = getattr(parser, "classes", None)
    if not isinstance(classes, Sequence) or not classes or not all(isinstance(info, ClassInfo) for info in classes):
        raise RequestError(f"{kind}: parser.classes is a non-empty tuple of ganaudit.ClassInfo, not {type(classes).__name__}")
    wrong = wrong_classes(classes)
    if wrong is not None:
        raise RequestError(f"{kind}: parser.classes: {wrong}")
