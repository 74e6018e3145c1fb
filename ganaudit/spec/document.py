"""The YAML of an audit file, read within limits: a file that is too large is refused before anything is built of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ganaudit.errors import RequestError
from ganaudit.paths import plain_file

BYTES = 4_000_000
"""Of an audit file. Names for every class that an int16 holds are 1 MB."""
NODES = 200_000
"""Values and keys of an audit file, each alias counted as all that it stands for."""
DEPTH = 50
"""Lists and mappings inside each other."""
DIGITS = 40
"""Of one number; a longer one is a text that lacks its quotes."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # twenty times as fast where PyYAML was built with libyaml
_TAGS = {"!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))}


class _OnceLoader(_LOADER):  # type: ignore[misc]  # which of two is known when it runs
    """Safe YAML in which a key may stand once in a mapping: of two, one would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if isinstance(key_node, yaml.CollectionNode):
                _refuse(key_node.start_mark, "a list or mapping stands where a key is expected")
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                _refuse(key_node.start_mark, f"the key {key!r} stands here twice")
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _limited(kind: str) -> Callable[[Any, Any], Any]:
    """A constructor of numbers that takes no long ones: digits by the thousand take minutes."""

    def construct(loader: Any, node: Any) -> Any:
        if len(node.value) > DIGITS:
            _refuse(node.start_mark, f"a number of {len(node.value):,} characters; write it in quotes where it is a text")
        return getattr(loader, f"construct_yaml_{kind}")(node)

    return construct


for _kind in ("int", "float"):
    _OnceLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _limited(_kind))


def read(path: Path) -> dict[Any, Any]:
    """The mapping in the YAML file at `path`. Raises RequestError in one sentence where there is none."""
    try:
        with plain_file(path, "audit file").open("rb") as stream:
            content = stream.read(BYTES + 1)
    except OSError as error:
        raise RequestError(f"audit file {path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(content) > BYTES:
        raise RequestError(
            f"audit file {path} has more than {BYTES / 1e6:g} MB, and audit files have a few KB: is it another file?"
        )
    try:
        _check_size(content)
        data = yaml.load(content, Loader=_OnceLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:  # ValueError: a date that no calendar has
        raise RequestError(f"audit file {path} is not YAML: {' '.join(str(error).split())[:500]}") from None
    if not isinstance(data, dict):
        raise RequestError(f"audit file {path} holds no keys; it needs name, parser, real and generators")
    return data


def _check_size(content: bytes) -> None:
    """Raises YAMLError for a document that is too large, too deep or not plain, by its events: nothing is built yet."""
    totals = [0]  # values in each list or mapping that is open, the document outermost
    anchors: list[str | None] = []
    sizes: dict[str, int | None] = {}  # of what each anchor names; None while it is open
    for event in yaml.parse(content, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor or "", 1)
            if size is None:
                _refuse(event.start_mark, f"*{event.anchor} stands inside what it names")
            totals[-1] += size or 0
        elif isinstance(event, yaml.ScalarEvent):
            _check_tag(event)
            totals[-1] += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            _check_tag(event)
            totals.append(1)
            anchors.append(event.anchor)
            if event.anchor is not None:
                sizes[event.anchor] = None
            if len(anchors) > DEPTH:
                _refuse(event.start_mark, f"more than {DEPTH} lists and mappings stand inside each other")
        elif isinstance(event, yaml.CollectionEndEvent):
            size, anchor = totals.pop(), anchors.pop()
            totals[-1] += size
            if anchor is not None:
                sizes[anchor] = size
        if totals[-1] > NODES:
            _refuse(event.start_mark, f"more than {NODES:,} values up to here, each alias counted as what it stands for")


def _check_tag(event: Any) -> None:
    if event.tag is not None and event.tag not in _TAGS:
        _refuse(event.start_mark, f"the tag {event.tag.replace('tag:yaml.org,2002:', '!!')} means nothing here; leave it out")


def _refuse(mark: Any, sentence: str) -> None:
    """Raises YAMLError with the place in people's numbers."""
    raise yaml.YAMLError(f"{sentence} (line {mark.line + 1}, column {mark.column + 1})")
