"""Chunks of replicates: each a pure function of the pool, the case and its number, and one file of the store.

A finished file means done, so a calibration that was stopped goes on where it was, and more replicates are more files. The
key holds the code that is measured, without its comments and docstrings: other statistics are measured anew.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks import calibration
from benchmarks.calibration.cases import LINES, PERMUTATIONS, Case, OpenedCase
from benchmarks.calibration.pool import Pool, PoolSource, load
from benchmarks.calibration.scenarios import SCENARIOS, cases_of
from ganaudit import keys, statistics
from ganaudit.random import VERSION as DRAWS_VERSION
from ganaudit.records.store import Store
from ganaudit.records.tables import CALIBRATIONS
from ganaudit.version import __version__

CHUNK = 50
"""Replicates of one file: some seconds of work."""
SHARES = {"heavy tails": 0.125, "one dominant": 0.5, "two modes": 0.5}
"""Of the replicates, by world, where all are tried: with hundreds of classes each takes many times as long."""


@dataclass(frozen=True)
class Chunk:
    """One chunk of a case; `key` is the case's."""

    store: Path
    source: PoolSource
    case: Case
    key: str
    number: int

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.case.scenario}: {self.case.label} ({self.number * CHUNK} …)"


def chunks(replicates: int, world: str, alone: bool = False) -> int:
    """How many chunks hold at least so many replicates, or a made-up world's share of them where it is not tried alone."""
    return -(-int(replicates * (1.0 if alone else SHARES.get(world, 1.0))) // CHUNK)


def case_key(pool: Pool, other: Pool, case: Case) -> str:
    """Content key of a case."""
    recipe = {
        "pool": pool.key, "other": other.key, "case": asdict(case), "chunk": CHUNK, "draws": DRAWS_VERSION,
        "code": code_digest(), "lines": asdict(LINES), "permutations": PERMUTATIONS,
    }  # fmt: skip
    return keys.source_key(recipe)


def make_chunk(chunk: Chunk) -> None:
    """Draw, audit and write the replicates of a chunk."""
    store = Store(chunk.store)
    if store.calibration(chunk.key, chunk.number).exists():
        return
    opened = open_case(chunk.store, chunk.source, chunk.case)
    first = chunk.number * CHUNK
    rows = replicates_of(opened, range(first, first + CHUNK))
    table = CALIBRATIONS.from_rows({"key": chunk.key, "pool": opened.pool.key, **row} for row in rows)
    store.write_calibration(chunk.key, chunk.number, table, {"version": __version__})


def make_cases(store: Store, source: PoolSource, only: str | None = None) -> list[tuple[Case, str]]:
    """The cases of a pool, each with its key. Raises RequestError for a scenario that does not exist."""
    pool = load(store.path, source)
    opened = [open_case(store.path, source, case) for case in cases_of(pool, source, only)]
    return [(case.case, case_key(case.pool, case.other, case.case)) for case in opened]


def open_case(store: Path, source: PoolSource, case: Case) -> OpenedCase:
    """A case with its pools."""
    pool = load(store, source)
    return OpenedCase(case, pool, pool if case.source is None else load(store, case.source))


def replicates_of(opened: OpenedCase, replicates: range) -> list[dict[str, object]]:
    """Rows of `calibrations`, without the keys."""
    case = opened.case
    common = {
        "scenario": case.scenario, "case": case.name, "real_images": case.real_images, "generated_images": case.generated_images
    }  # fmt: skip
    scenario = SCENARIOS[case.scenario]
    return [{**common, "replicate": number, **row} for number in replicates for row in scenario.replicate(opened, number)]


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of the syntax trees of the statistics and of this room's drawing and scenarios, without docstrings."""
    rooms = [Path(str(room.__file__)).parent for room in (statistics, calibration)]
    files = [path for room in rooms for path in sorted(room.glob("*.py")) if path.stem not in _NOT_MEASURED]
    return hashlib.sha256("\n".join(f"{path.stem} {_tree(path)}" for path in files).encode()).hexdigest()[:24]


_NOT_MEASURED = {"chunks", "summary", "picture", "page", "pool", "processes", "scenarios", "influence", "parser_error"}
"""Files that decide no replicate, and the pool's, whose key says enough."""


def _tree(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]  # type: ignore[attr-defined]
    return ast.dump(tree)
