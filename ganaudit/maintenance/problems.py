"""One thing that is wrong with a store, as one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganaudit.records.store import Store


@dataclass(frozen=True)
class Problem:
    """kind: one of torn, foreign, schema, misplaced, digest, unsorted, range, inconsistent, missing; or a note: leftover,
    waiting, older. path: within the store."""

    kind: str
    path: str
    sentence: str


def problem(store: Store, kind: str, path: Path, sentence: str) -> Problem:
    """A problem with a file of a store."""
    inside = path.is_relative_to(store.path)
    return Problem(kind, str(path.relative_to(store.path)) if inside else str(path), sentence)
