"""Shards open what their plan opened: parsers and sources, once a process, known by their content keys."""

from __future__ import annotations

from ganaudit.context import Context
from ganaudit.keys import canonical
from ganaudit.options import ParserPart
from ganaudit.parsers.opening import OpenParser, open_parser
from ganaudit.sources.opening import OpenSource, open_source
from ganaudit.sources.roles import SourceRole
from ganaudit.spec import AuditSpec


def reopened_parser(asked: ParserPart, parser_key: str, context: Context) -> OpenParser:
    """A parser of a plan, on the context's device."""
    known = canonical(["parser", parser_key, context.device, context.precision])
    return context.opened(known, lambda: open_parser(asked, context))


def reopened_source(spec: AuditSpec, asked: SourceRole, key: str, parser: OpenParser, context: Context) -> OpenSource:
    """A source of a plan, in its role. key: of its records, which `parser` is part of."""
    source = asked.source(spec)
    said = source.model_dump(mode="json", exclude={"name", "count"})
    known = canonical(["source", asked.role, key, context.device, str(spec.folder), said])
    return context.opened(known, lambda: open_source(asked, source, parser, context))
