"""Which images of which keys a run is about."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ganaudit.errors import AuditError, RequestError
from ganaudit.records.store import Store
from ganaudit.records.tables import OLDER_ROLES, RUN_SOURCES

Block = tuple[int, int]


@dataclass(frozen=True)
class UsedSource:
    """A source of a run: which images of which key it uses, and the blocks of them that are recorded."""

    role: str
    name: str
    key: str
    parser_key: str
    first: int
    count: int
    blocks: tuple[Block, ...]


def sources_of(store: Store, run: str) -> list[UsedSource]:
    """The sources of a run in the order of its audit file. Raises RequestError where they were not parsed by one parser.

    Raises AuditError where two blocks hold the same images.
    """
    path = store.run_sources(run)
    if not path.is_file():
        raise RequestError(f"there is no run {run!r} in {store.path}")
    sources = []
    for row in store.read(RUN_SOURCES, path).to_pylist():
        used = used_blocks(store, row["key"], row["first"], row["count"])
        for before, after in pairwise(used):
            if after[0] <= before[1]:
                paths = " and ".join(map(str, store.files_of("images", row["key"], [before, after])))
                raise AuditError(f"{paths} hold the same images; `ganaudit verify` says which of them is wrong")
        role = OLDER_ROLES.get(row["role"], row["role"])
        sources.append(UsedSource(role, row["source"], row["key"], row["parser_key"], row["first"], row["count"], used))
    if len({source.parser_key for source in sources}) > 1:
        names = " and ".join(repr(source.name) for source in sources)
        raise RequestError(f"the sources {names} were not all parsed by the same parser and cannot be compared")
    return sources


def used_blocks(store: Store, key: str, first: int, count: int) -> tuple[Block, ...]:
    """The blocks of a key that are recorded and hold images `first` to `first` + `count` - 1."""
    blocks = sorted(store.finished_blocks(key))
    return tuple(block for block in blocks if block[0] < first + count and block[1] >= first)
