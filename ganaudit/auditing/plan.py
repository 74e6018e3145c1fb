"""From an audit file to the blocks that have to be done: which keys, which images, which blocks are there already."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from ganaudit import devices, kinds
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fetching.wanted import refuse_missing
from ganaudit.keys import overlap_key, source_key
from ganaudit.limits import within
from ganaudit.parsers.matching import beyond_first_heads
from ganaudit.parsers.opening import OpenParser, open_parser
from ganaudit.records.store import BLOCK, Store
from ganaudit.sources.opening import OpenSource, open_source
from ganaudit.sources.planned import Plan, PlannedSource, SecondParser, SecondRecords
from ganaudit.sources.roles import GENERATED, HELDOUT, REAL, RESIZED_REAL, RESIZED_REAL_IMAGES, SourceRole, named, resized_real
from ganaudit.spec import AuditSpec, Source
from ganaudit.studies.protocol import asked_for

T = TypeVar("T")

LEAST_BLOCK = 64
"""The smallest block of a store that a first, small audit makes."""


def plan(spec: AuditSpec) -> Plan:
    """Opens every source and the parser once, within the limits of `run`. Raises RequestError for the first thing that cannot
    be done, AuditError for one that is not opened in time."""
    refuse_missing(spec)
    if "overlaps" in kinds.find("parsers", spec.parser.kind).offers:
        raise RequestError(
            f"parser kind {spec.parser.kind!r} finds concepts that overlap, and distances want areas that add up to an image; "
            "name it as second_parser, beside a network that gives every pixel a class"
        )
    device = devices.pick(spec.run.device)
    precision = devices.precision(spec.run.precision, device)
    context = spec.context(device, precision, anew=True)
    parser = _within(spec, f"the opening of the parser ({spec.parser.kind})", lambda: open_parser(spec.parser, context))
    second = _second(spec, context)
    store = Store(spec.path(spec.store))
    studies = asked_for(spec)
    counted = [_counted(spec, asked, parser, context) for asked in named(spec)]
    opened = [(asked, source) for asked, source, *_ in counted]
    for study in studies:
        study.validate(spec, parser, opened)
    counted += [_counted(spec, asked, parser, context) for study in studies for asked in study.roles(spec, opened)]
    named_counts = [first + count for asked, _, first, count in counted if asked.count is None]
    block = store.block or _block(max(named_counts), spec.sample.batch)  # what a study adds makes no block larger
    if block % spec.sample.batch:
        raise RequestError(
            f"the store {store.path} has blocks of {block} images, which sample.batch {spec.sample.batch} does not divide; "
            f"set sample.batch to {block}, {block // 2} or less"
        )
    sources = [_planned(spec, *counted_source, parser, block, second) for counted_source in counted]
    natives = [source.resolution for source in sources if source.role == GENERATED]
    resized = [_counted(spec, asked, parser, context) for asked in resized_real(natives, sources[0].recipe["size"])]
    sources += [_planned(spec, *counted_source, parser, block) for counted_source in resized]
    started = datetime.now(UTC)
    return Plan(
        spec=spec, run=run_name(spec.name, started), started=started, device=device, precision=precision,
        workers=devices.workers(spec.run.workers, device), block=block, parser_key=parser.key, classes=parser.parser.classes,
        sources=tuple(sources),
        second_parser=None if second is None else SecondParser(second.key, second.parser.classes),
        parser_notes=(*parser.notes, *(() if second is None else second.notes)),
    )  # fmt: skip


def _second(spec: AuditSpec, context: Context) -> OpenParser | None:
    """The second parser. Raises RequestError where it or the first reads no images, or both are one."""
    asked = spec.second_parser
    if asked is None:
        return None
    for key, part in (("parser", spec.parser), ("second_parser", asked)):
        if "no images" in kinds.find("parsers", part.kind).offers:
            raise RequestError(f"{key} is of kind {part.kind!r} and reads no images; two parsers are held against each other")
    second = _within(spec, f"the opening of the second parser ({asked.kind})", lambda: open_parser(asked, context))
    if second.key == open_parser(spec.parser, context).key:
        raise RequestError("parser and second_parser are the same network, which agrees with itself; name another one")
    return second


def _within(spec: AuditSpec, who: str, opens: Callable[[], T]) -> T:
    return within(opens, who, spec.run.block_minutes, spec.run.memory)


def _counted(
    spec: AuditSpec, asked: SourceRole, parser: OpenParser, context: Context
) -> tuple[SourceRole, OpenSource, int, int]:
    """A source, opened, and the images of it that are used: (asked, source, first, count)."""
    named = asked.source(spec)
    source = _within(spec, f"the opening of {named.name} ({named.kind})", lambda: open_source(asked, named, parser, context))
    count = asked.count or _count(spec, named, source, generated=asked.role == GENERATED)
    if asked.role == RESIZED_REAL:
        count = min(count, RESIZED_REAL_IMAGES)
    first = 0
    if named.heldout is not None:
        count = _without_held_out(named, count, source.length)
        if asked.role == HELDOUT:
            first, count = count, named.heldout
    return asked, source, first, count


def _planned(
    spec: AuditSpec, asked: SourceRole, source: OpenSource, first: int, count: int, parser: OpenParser, block: int,
    second: OpenParser | None = None,
) -> PlannedSource:  # fmt: skip
    used = tuple(bounds for bounds in blocks(first + count, source.length, block) if bounds[1] >= first)
    named = asked.source(spec)
    recipe = {**source.recipe, "parser": _parser_part(parser, source)}
    key = source_key(recipe)
    return PlannedSource(
        asked=asked, name=asked.name(spec), kind=named.kind, key=key, recipe=recipe,
        second=None if second is None else _second_records(asked, source, key, parser, second, named.name),
        digests=source.digests, resolution=source.resolution, training_step=source.training_step,
        count=count, blocks=used, first=first,
        truncation=source.truncation, noise=source.noise, notes=getattr(source, "notes", ()),
    )  # fmt: skip


def _second_records(
    asked: SourceRole, source: OpenSource, key: str, parser: OpenParser, second: OpenParser, name: str
) -> SecondRecords | None:
    """What the second parser records of a real or generated source: the images that the first one is given, resized where the
    second wants another size. Where it wants the same they are those of an audit of its own."""
    if asked.role not in (REAL, GENERATED):
        return None
    if source.maps:
        raise RequestError(f"second_parser reads images, and the label maps that {name!r} brings are taken as the parser's")
    given = {} if second.resolution in (None, source.recipe["size"]) else {"given": second.resolution}
    recipe = {**source.recipe, **given, "parser": second.recipe}
    second_key = source_key(recipe)
    further = bool(beyond_first_heads(parser.parser.classes, second.parser.classes))
    return SecondRecords(second_key, overlap_key(key, second_key, further), recipe)


def _block(images: int, batch: int) -> int:
    """Images of one block in a store that is made now: a first try of 64 images costs 64 images."""
    return min(BLOCK, max(batch, LEAST_BLOCK, 1 << (images - 1).bit_length()))


def _without_held_out(asked: Source, count: int, length: int | None) -> int:
    """Images of the real side that are audited, before those held out. Raises RequestError where there are too few."""
    if length is None:
        return count
    heldout = asked.heldout or 0
    left = length - heldout if asked.count is None else count
    if left < 2 or left + heldout > length:
        raise RequestError(
            f"source {asked.name!r} has {length:,} images: too few for {left:,} and {heldout:,} held out beside them"
        )
    return left


def _parser_part(parser: OpenParser, source: OpenSource) -> Mapping[str, Any]:
    """What the parser contributes to a key: where label maps are taken as they are, only the classes."""
    if source.maps:
        return {"kind": "masks", "classes": parser.recipe["classes"]}
    return parser.recipe


def _count(spec: AuditSpec, asked: Source, source: OpenSource, generated: bool) -> int:
    wanted = asked.count
    if wanted is None and (source.length is None or (generated and "count" in spec.sample.model_fields_set)):
        wanted = spec.sample.count
    if source.length is None:
        return wanted or spec.sample.count
    if source.length < 2:
        raise RequestError(f"source {asked.name!r} has {source.length} images; an audit compares two or more on each side")
    if wanted is None:
        return source.length
    if wanted > source.length:
        raise RequestError(
            f"source {asked.name!r} has {source.length:,} images and {wanted:,} are asked for; "
            f"set its count to {source.length} or less, or give it more images"
        )
    return wanted


def blocks(count: int, length: int | None, size: int = BLOCK) -> tuple[tuple[int, int], ...]:
    """(first, last) of the whole blocks that hold images 0 … count-1; a collection's last block ends where it ends."""
    last = count - 1
    return tuple(
        (first, first + size - 1 if length is None else min(first + size, length) - 1) for first in range(0, last + 1, size)
    )


def run_name(audit: str, started: datetime) -> str:
    """A run's identifier: plain letters of the audit's name, UTC time, four random digits."""
    plain = unicodedata.normalize("NFKD", audit).encode("ascii", "ignore").decode().lower()
    slug = "-".join("".join(c if c.isalnum() else " " for c in plain).split())[:40] or "audit"
    return f"{slug}-{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
