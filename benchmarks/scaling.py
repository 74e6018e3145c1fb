"""What a large run costs in tasks, bookkeeping, files and bytes, from parts measured here and now.

python -m benchmarks.scaling                                         # 1,000,000 images of 20 sources on 64 GPUs
python -m benchmarks.scaling --images 5_000_000 --gpus 8 --rate 300  # rate: images a second that one GPU parses
python -m benchmarks.scaling --write                                 # renews docs/scaling.md
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks import audit as bench
from benchmarks import findings as bench_findings
from ganaudit.auditing.run import audit
from ganaudit.records.store import BLOCK, Store
from ganaudit.spec import AuditSpec, parse

FEW, MANY = 16, 80
"""Blocks of the two runs whose difference is what a block costs: what a run costs once cancels."""
ROUNDS = 3
"""In which both are timed with Prefect and without; the best of each counts."""

RECORDS = ("images", "class_pixels")
MIB = 2**20


@dataclass(frozen=True)
class Written:
    """What records of one kind of image take: files a block, bytes an image."""

    name: str
    files: float
    bytes: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.bytes.values())


@dataclass(frozen=True)
class Bookkeeping:
    """What one block leaves in Prefect's database, and how long the flow sees to it (on threads)."""

    rows: Mapping[str, float]
    bytes: float
    milliseconds: float
    once_rows: int
    once_bytes: int


def written(name: str, store: Store) -> Written:
    """Files a block and bytes an image of all records of images in a store."""
    shards = {table: [path.stat().st_size for path in store.files(table)] for table in RECORDS}
    blocks = len(shards["images"])
    return Written(
        name, sum(map(len, shards.values())) / blocks, {table: sum(s) / blocks / BLOCK for table, s in shards.items()}
    )


def records(folder: Path) -> list[Written]:
    """The village as it is parsed, and synthetic records of 336 classes, 12 of them in an image."""
    spec = bench.village(folder / "village", 2 * BLOCK)
    audit(spec)
    bench_findings.fill(folder / "many", 16 * BLOCK, 336, 336)
    return [
        written("village, 15 classes", Store(folder / "village")),
        written("336 classes, 12 in an image", Store(folder / "many")),
    ]


def _trivial(folder: Path, name: str, blocks: int) -> AuditSpec:
    return parse({
        "name": name, "store": str(folder / name), "folder": str(folder), "parser": {"kind": "trivial:parser"},
        "real": {"name": "real", "kind": "village", "count": BLOCK, "seed": 9},
        "sample": {"count": (blocks - 1) * BLOCK, "seed": 3}, "decide": {"permutations": 0},
        "generators": [{"name": "a", "kind": "trivial:generator", "resize": 8, "how": "stretch"}],
    })  # fmt: skip


def bookkeeping(folder: Path) -> Bookkeeping:
    """Two runs of trivial blocks through a temporary server whose database is looked at before, between and after."""
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_LOGGING_TO_API_ENABLED": "true"}
    os.environ |= {"PREFECT_LOGGING_LEVEL": "INFO"}  # what a worker's run logs is kept too
    from flows import server, settings

    settings.prepare()
    from flows.audit import run

    (folder / "trivial.py").write_text(bench.TRIVIAL)
    seen = []
    database = folder / "prefect" / "prefect.db"
    with server.connected(print, lambda: None):
        run(_file(folder, _trivial(folder, "first", 2)))  # registration and the like, once and for all
        seen.append(_settled(database))
        for name, blocks in (("few", FEW), ("many", MANY)):
            run(_file(folder, _trivial(folder, name, blocks)))
            seen.append(_settled(database))
        times = {key: float("inf") for key in product(("flow", "plain"), (FEW, MANY))}
        for number in range(ROUNDS):  # taking turns: what else the machine does meets both alike
            for way, blocks in times:
                measured = _flow if way == "flow" else _without_prefect
                times[way, blocks] = min(times[way, blocks], measured(folder, f"{way}-{number}-{blocks}", blocks))
    more = MANY - FEW
    few, many = (_difference(seen[i + 1], seen[i]) for i in (0, 1))
    rows = {table: (many[0][table] - few[0][table]) / more for table in many[0]}
    size = (many[1] - few[1]) / more
    spent = (times["flow", MANY] - times["flow", FEW] - (times["plain", MANY] - times["plain", FEW])) / more
    return Bookkeeping(
        {table: value for table, value in rows.items() if round(value, 1)}, size, 1000 * spent,
        round(sum(few[0].values()) - FEW * sum(rows.values())), round(few[1] - FEW * size),
    )  # fmt: skip


def _file(folder: Path, spec: AuditSpec) -> Path:
    path = folder / f"{spec.name}.json"
    path.write_text(json.dumps(spec.model_dump(mode="json", exclude_none=True)))
    return path


def _flow(folder: Path, name: str, blocks: int) -> float:
    """Seconds from the plan to the last block."""
    from flows.audit import run

    marks: list[float] = []
    run(_file(folder, _trivial(folder, name, blocks)), None, lambda *event: marks.append(time.perf_counter()))
    return marks[-1] - marks[0]


def _without_prefect(folder: Path, name: str, blocks: int) -> float:
    marks = [time.perf_counter()]
    audit(_trivial(folder, name, blocks), lambda *event: marks.append(time.perf_counter()))
    return marks[-1] - marks[0]


@contextlib.contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        yield connection


def _counted(database: Path) -> tuple[dict[str, int], int]:
    """Rows of each table, and the database's bytes, write-ahead log included."""
    with _reading(database) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
        (pages,), (free,), (page,) = (
            connection.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "freelist_count", "page_size")
        )
    return rows, (pages - free) * page


def _settled(database: Path) -> tuple[dict[str, int], int]:
    """The same when nothing has been added for three seconds: the server writes task runs and events later."""
    before = _counted(database)
    for _ in range(40):
        time.sleep(3)
        now = _counted(database)
        if now[0] == before[0]:
            return now
        before = now
    raise RuntimeError("Prefect's database does not come to rest")


def _difference(after: tuple[dict[str, int], int], before: tuple[dict[str, int], int]) -> tuple[dict[str, int], int]:
    return {table: rows - before[0].get(table, 0) for table, rows in after[0].items()}, after[1] - before[1]


def blocks_of(images: int, sources: int) -> int:
    """Blocks of `images` in equal `sources`; each source's last block is done whole."""
    return sources * math.ceil(math.ceil(images / sources) / BLOCK)


def cost(asked: argparse.Namespace, kinds: list[Written], kept: Bookkeeping) -> list[tuple[str, str, str]]:
    """(what, how much, how it is reckoned) of one run."""
    blocks = blocks_of(asked.images, asked.sources)
    rounds = math.ceil(blocks / asked.gpus)
    seconds = BLOCK / asked.rate
    rows = sum(kept.rows.values())
    spent = kept.milliseconds if asked.bookkeeping_ms is None else asked.bookkeeping_ms
    lines = [
        ("blocks = Prefect tasks", f"{blocks:,}",
         f"{asked.sources} sources × ⌈{math.ceil(asked.images / asked.sources):,} ÷ {BLOCK:,}⌉"),
        ("a block on a GPU", f"{seconds:,.1f} s", f"{BLOCK:,} images ÷ {asked.rate:g} images/s (`--rate`)"),
        ("all blocks", f"{rounds * seconds / 60:,.1f} min",
         f"⌈{blocks:,} ÷ {asked.gpus} GPUs⌉ = {rounds} rounds; {100 * blocks / rounds / asked.gpus:.0f} % of it work"),
        ("bookkeeping", f"{blocks * spent / 1000:,.0f} s",
         f"{blocks:,} × {spent:,.0f} ms, beside the GPUs' work; a block is done every {seconds * 1000 / asked.gpus:,.0f} ms"),
        ("rows in Prefect's database", f"{blocks * rows:,.0f}", f"{blocks:,} × {rows:.1f}, and {kept.once_rows:,} a run"),
        ("bytes in Prefect's database", f"{blocks * kept.bytes / MIB:,.0f} MiB",
         f"{blocks:,} × {kept.bytes / 1024:,.1f} KiB, and {kept.once_bytes / 1024:,.0f} KiB a run"),
    ]  # fmt: skip
    for kind in kinds:
        lines.append((f"files of records: {kind.name}", f"{blocks * kind.files:,.0f}", f"{blocks:,} × {kind.files:g}"))
        lines.append((f"bytes of records: {kind.name}", f"{blocks * BLOCK * kind.total / MIB:,.0f} MiB",
                      f"{blocks * BLOCK:,} images × {kind.total:.0f} B"))  # fmt: skip
    return lines


def page(asked: argparse.Namespace, here: str, kinds: list[Written], kept: Bookkeeping) -> str:
    """docs/scaling.md."""
    parts = [
        (f"bytes an image, {kind.name}", f"{kind.total:.0f}",
         ", ".join(f"{table} {size:.0f}" for table, size in kind.bytes.items()) + f"; {kind.files:g} files a block")
        for kind in kinds
    ] + [
        ("rows in Prefect's database, a block", f"{sum(kept.rows.values()):.1f}",
         ", ".join(f"{table} {value:.1f}" for table, value in sorted(kept.rows.items(), key=lambda row: -row[1]))),
        ("bytes in Prefect's database, a block", f"{kept.bytes / 1024:.1f} KiB", "SQLite, with indices and logs"),
        ("bookkeeping, a block", f"{kept.milliseconds:.0f} ms", "threads of the flow's process, one server beside it"),
    ]  # fmt: skip
    options = f"--images {asked.images} --sources {asked.sources} --gpus {asked.gpus} --rate {asked.rate:g}"
    lines = [
        "# What a large run costs", "", f"Printed by `python -m benchmarks.scaling {options} --write`. Machine: {here}.", "",
        f"Measured: what {MANY} trivial blocks leave beyond what {FEW} do, and the records of real audits.", "",
        *_table(("a part", "measured", "of it"), parts), "",
        f"Reckoned from that: one run of {asked.images:,} images on {asked.gpus} GPUs.", "",
        *_table(("what", "how much", "how"), cost(asked, kinds, kept)), "",
        FOOT,
    ]  # fmt: skip
    return "\n".join(lines)


FOOT = """The rate is the one figure that is yours: `ganaudit check AUDIT.yaml` measures it on your machine and model.
Bookkeeping on a Dask cluster costs more a block than on threads, but on the workers, side by side ([dask.md](dask.md);
`--bookkeeping-ms` puts that figure in). How long all findings of 1,000,000 images take is in [benchmarks.md](benchmarks.md).
"""


def _table(head: tuple[str, ...], rows: list[tuple[str, str, str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=1_000_000)
    options.add_argument("--sources", type=int, default=20, help="that the images are spread over evenly")
    options.add_argument("--gpus", type=int, default=64)
    options.add_argument("--rate", type=float, default=100.0, help="images a second on one GPU, sampled and parsed")
    options.add_argument("--bookkeeping-ms", type=float, help="of a block; default: as measured here, on threads")
    options.add_argument("--write", action="store_true", help="renew docs/scaling.md")
    asked = options.parse_args()
    here = bench.machine()
    with tempfile.TemporaryDirectory() as folder:
        text = page(asked, here, records(Path(folder)), bookkeeping(Path(folder)))
    print(text)
    if asked.write:
        (Path(__file__).parent.parent / "docs" / "scaling.md").write_text(text)


if __name__ == "__main__":
    main()
