"""A parser as the audit file names it, opened, with the recipe that enters the content keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ganaudit import factory, trial, weights
from ganaudit.errors import RequestError
from ganaudit.foreign_code import asking
from ganaudit.keys import parser_key
from ganaudit.parsers.protocol import ClassInfo, Parser, wrong_classes
from ganaudit.registry import opener
from ganaudit.spec import AnyParser, AuditSpec, FactoryParser, MasksParser


@dataclass(frozen=True)
class OpenParser:
    """A parser ready to parse. resolution: (height, width) that it wants, where it says so."""

    parser: Parser
    recipe: Mapping[str, Any]
    resolution: tuple[int, int] | None

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


def open_parser(spec: AuditSpec, device: str, precision: str) -> OpenParser:
    """Opens `spec.parser` and checks its protocol. Raises RequestError."""
    asked: AnyParser = spec.parser
    if isinstance(asked, MasksParser):
        parser: Any = opener("parsers", "masks")(asked.classes)
        recipe: dict[str, Any] = {"kind": "masks"}
    elif isinstance(asked, FactoryParser):
        made = factory.make(asked, spec.folder)
        parser, recipe = made.object, {**made.recipe, **made.content}
        if isinstance(parser, torch.nn.Module):
            parser = parser.to(device)
        with asking(spec.folder, asked.kind):
            _check_protocol(parser, asked.kind)
            getattr(parser, "resolution", None)  # a property may raise
    else:
        found = weights.load(asked.weights, spec.folder, asked.sha256)
        parser = opener("parsers", asked.kind)(found, device, precision)
        recipe = {"kind": asked.kind, "weights": found.sha256, "precision": precision}
    recipe["classes"] = [[info.id, info.name, info.head] for info in parser.classes]
    resolution = getattr(parser, "resolution", None)
    size = (resolution, resolution) if isinstance(resolution, int) else tuple(resolution) if resolution else None
    recipe["resolution"] = size
    if isinstance(asked, FactoryParser):
        batch = spec.sample.batch
        with asking(spec.folder, asked.kind):
            attempt = partial(trial.try_parser, parser, asked.kind, size, batch, device, asked.threads)
            trial.once([recipe, batch, device, asked.threads], attempt)
    return OpenParser(parser, recipe, size)


def _check_protocol(parser: Any, kind: str) -> None:
    if not callable(getattr(parser, "parse", None)):
        raise RequestError(f"{kind}: a parser has a method parse(images) and the attribute classes; this one has no parse")
    classes = getattr(parser, "classes", None)
    if not isinstance(classes, Sequence) or not classes or not all(isinstance(info, ClassInfo) for info in classes):
        raise RequestError(f"{kind}: parser.classes is a non-empty tuple of ganaudit.ClassInfo, not {type(classes).__name__}")
    wrong = wrong_classes(classes)
    if wrong is not None:
        raise RequestError(f"{kind}: parser.classes: {wrong}")
