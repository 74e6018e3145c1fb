"""Whether a store is what it says it is: every file by its footer and statistics, and with `deep` by every value.

A problem is a file that is torn, foreign, of another schema, or not what its name says, and a record that a finished run
needs and that is not there. A note is what does no harm: leftovers of killed processes, files that wait for removal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ganaudit.errors import GanauditError
from ganaudit.maintenance import blocks, expected, leftovers, marker
from ganaudit.maintenance.problems import Problem, problem
from ganaudit.maintenance.shapes import footer_problems
from ganaudit.records import schema
from ganaudit.records.locations import pattern
from ganaudit.records.store import Store
from ganaudit.records.tables import IMAGES

TABLES = schema.RECORDS | schema.FINDINGS
READERS = 8
NOTES = ("leftover", "waiting", "older")
"""Kinds that do not make a store unsound."""


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    files: int
    bytes: int
    problems: tuple[Problem, ...]

    @property
    def sound(self) -> bool:
        return all(problem.kind in NOTES for problem in self.problems)


def verify(store: Store, deep: bool = False) -> Verified:
    """Looks at every file of a store; changes nothing. Raises RequestError where there is no store, or a newer one."""
    problems = list(marker.marker_problems(store))
    files = {name: _there(store, name) for name in TABLES}
    jobs = list(_jobs(store, files, deep))
    with ThreadPoolExecutor(READERS, "ganaudit-verify") as pool:
        problems += [problem for part in pool.map(_run, jobs) for problem in part]
    problems += [*expected.missing(store), *leftovers.left(store)]
    sizes = [path.stat().st_size for paths in files.values() for path in paths if path.exists()]
    return Verified(
        len(sizes),
        sum(sizes),
        tuple(sorted(problems, key=lambda problem: (problem.kind in NOTES, problem.path, problem.sentence))),
    )


def _jobs(store: Store, files: Mapping[str, Sequence[Path]], deep: bool) -> Iterator[Callable[[], Iterable[Problem]]]:
    heads = blocks.heads(store)
    for name, table in TABLES.items():
        for path in files[name]:
            yield partial(footer_problems, store, table, path, deep)
    for shards in schema.SHARDS:
        for folder in sorted(store.folder(shards.mark.name).glob("key=k*")):
            key = folder.name.removeprefix("key=")
            try:
                done = sorted(store.finished_blocks(key, shards.mark.name))
            except GanauditError as error:
                yield partial(list, [problem(store, "torn", store.manifest_file(key), str(error))])
                continue
            yield partial(blocks.overlaps, store, shards, key, done)
            for block in done:
                yield partial(blocks.shard_problems, store, shards, key, block, deep)
                if deep and shards.mark.name == IMAGES.name:
                    yield partial(blocks.pixel_problems, store, key, block, heads.get(key))


def _there(store: Store, table: str) -> list[Path]:
    """The files of a table, in order; of a compacted one also its parts."""
    folder = store.folder(table)
    paths = list(folder.glob(pattern(table)))
    return sorted([*paths, *folder.glob("key=k*/part-*.parquet")] if table in schema.SHARDED else paths)


def _run(job: Callable[[], Iterable[Problem]]) -> list[Problem]:
    return list(job())
