"""A store of a million images, before and after compact, and a run that is killed fifty times.

python -m benchmarks.store             the million images
python -m benchmarks.store kills       fifty SIGKILLs, half of them just after a new block, each followed by the same command
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ganaudit import audit, parse
from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES

IMAGES_IN_ALL = 1_000_000
BLOCK = 1024
CLASSES = 150
HELD = 11
"""Classes in an image: what a parser of scenes finds (shared by 150 with frequencies that fall like 1/rank)."""
PRESENCE = "SELECT source, class, presence FROM class_presence('bench', 0.1)"
QUERIES = {
    "images of each source": "SELECT source, count(*) FROM run_images('bench') GROUP BY source",
    "images that hold a class, by source": (
        "SELECT source, count(*) FROM run_class_pixels('bench') "
        "WHERE class = 'class 12' AND is_present(pixels, label_pixels, 0.1) GROUP BY source"
    ),
    "presence of a class by source": f"{PRESENCE} WHERE class = 'class 12'",
    "presence of every class by source": PRESENCE,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="million", choices=["million", "kills"])
    parser.add_argument("--images", type=int, default=IMAGES_IN_ALL)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=6.0, help="seconds after its start that a run is killed at the latest")
    parser.add_argument("--folder", type=Path, help="where the store is made; a temporary folder by default")
    arguments = parser.parse_args()
    if arguments.what == "kills":
        print(json.dumps(killed(arguments.kills, longest=arguments.longest), indent=2))
        return
    with tempfile.TemporaryDirectory() as elsewhere:
        million((arguments.folder or Path(elsewhere)) / "store", arguments.images)


# a million images


def million(place: Path, images: int) -> None:
    store = Store(place).open_for_writing()
    if not list(store.files("runs")):
        fill(store, images)
    before = answers(store)
    measure(store, "shards")
    started = time.perf_counter()
    compact(store, grace=0.0)
    print(f"compact: {time.perf_counter() - started:.1f} s")
    measure(store, "compacted")
    print("answers are the same:", answers(store) == before)
    for deep in (False, True):
        started = time.perf_counter()
        found = verify(store, deep)
        seconds = time.perf_counter() - started
        wrong = [one for one in found.problems if not one.path.startswith("findings/")]  # the run was never rolled up
        print(f"verify{' --deep' if deep else ''}: {seconds:.1f} s, {found.files} files, problems: {wrong}")


def fill(store: Store, images: int) -> None:
    """Two sources, half of the images each, in blocks of 1,024; counts drawn by seed."""
    draw = np.random.default_rng(1)
    frequency = 1 / np.arange(1, CLASSES + 1)
    frequency /= frequency.sum()
    names = [{"class_id": one, "name": f"class {one}", "head": "object"} for one in range(CLASSES + 1)]
    store.write_classes("p0", names)
    sources = [("real", "photos", "ka"), ("generated", "gan", "kb")]
    used = [
        {"role": role, "source": name, "key": key, "parser_key": "p0", "first": 0, "count": images // 2}
        for role, name, key in sources
    ]
    for _, _, key in sources:
        store.write_source({"key": key, "kind": "folder", "recipe": "{}", "digests": "{}", "resolution": 256})
        for first in range(0, images // 2, BLOCK):
            tables = dict(zip(("images", "class_pixels"), block(draw, key, first, frequency), strict=True))
            store.write_shard("images", key, first, first + BLOCK - 1, tables, {"recipe": key, "device": "cpu"})
    now = datetime.now(UTC)
    row = {"run": "bench", "audit": "bench", "spec": "{}", "started": now, "versions": "{}", "device": "cpu"}
    store.start_run({**row, "status": "running"}, used)
    store.finish_run({**row, "status": "done", "finished": now})


def block(draw: np.random.Generator, key: str, first: int, frequency: np.ndarray) -> tuple[pa.Table, pa.Table]:
    index = np.arange(first, first + BLOCK)
    digests = [draw.bytes(12).hex() for _ in range(BLOCK)]
    nothing = pa.nulls(BLOCK, pa.string())
    images = pa.table({
        "key": [key] * BLOCK, "image": index, "name": [f"{one}.png" for one in index], "digest": digests, "cluster": nothing,
        "label": nothing, "pixels": np.full(BLOCK, 65536), "confidence": draw.random(BLOCK, np.float32),
        "status": ["ok"] * BLOCK, "error": nothing,
    })  # fmt: skip
    seen = np.unique(
        np.stack([np.repeat(index, HELD), draw.choice(np.arange(1, CLASSES + 1), BLOCK * HELD, p=frequency)], axis=1), axis=0
    )
    rows = len(seen)
    pixels = draw.integers(1, 65536 // HELD, rows)
    low, high = draw.integers(0, 128, rows), draw.integers(128, 256, rows)
    classes = pa.table({
        "key": [key] * rows, "image": seen[:, 0], "class_id": seen[:, 1], "pixels": pixels,
        "confidence": draw.random(rows, np.float32), "x_sum": pixels * 100, "y_sum": pixels * 120, "x_min": low, "y_min": low,
        "x_max": high, "y_max": high,
    })  # fmt: skip
    return images, classes


def measure(store: Store, what: str) -> None:
    """Prints the time to make and to open the catalog, and of each query on a connection of its own."""
    files = [path for name in (IMAGES.name, CLASS_PIXELS.name) for path in store.files(name)]
    print(f"{what}: {len(files):,} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB")
    print(f"  make the catalog: {best(lambda: catalog.build(store))}")
    time.sleep(0.05)
    print(f"  open the catalog: {best(lambda: catalog.connect(store).close())}")
    for name, statement in QUERIES.items():
        print(f"  {name}, with opening: {best(partial(catalog.query, store, statement))}")


def answers(store: Store) -> list[list[dict[str, Any]]]:
    return [sorted(catalog.query(store, one).to_pylist(), key=json.dumps) for one in QUERIES.values()]


def best(work: Callable[[], object], rounds: int = 5) -> str:
    """The best of several rounds, wall and CPU seconds: where others are at work, the second is the truer one."""
    times = []
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - started, time.process_time() - used))
    return f"{min(wall for wall, _ in times):.2f} s ({min(cpu for _, cpu in times):.2f} s of CPU)"


# killed again and again

FORKS = multiprocessing.get_context("forkserver")
"""Each run is a process of its own, forked from one that has imported everything: only the run is killed, not the imports."""
DONE, OTHER = 0, 1


def _run(mapping: dict[str, Any], ready: Any) -> None:
    ready.set()
    os._exit(DONE if audit(parse(mapping)).status == "done" else OTHER)


def started(mapping: dict[str, Any]) -> Any:
    ready = FORKS.Event()
    process = FORKS.Process(target=_run, args=(mapping, ready))
    process.start()
    ready.wait(120)
    return process


def asked(store: Path, count: int, pause: float) -> dict[str, Any]:
    """Two generators and a real source that take `pause` seconds a batch, so that a run lasts while it is killed."""
    here = Path(__file__).parents[1] / "tests" / "ganaudit"
    return {
        "name": "killed", "folder": str(here), "store": str(store),
        "parser": {"kind": "tiny_models:Slow", "options": {"pause": pause}},
        "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": count}},
        "generators": [{"name": name, "kind": "tiny_models:Noise", "options": {"light": light}} for name, light in
                       (("a", 0.0), ("b", 0.3))],
        "sample": {"count": count, "batch": 512}, "run": {"workers": 2},
    }  # fmt: skip


def killed(times: int, pause: float = 0.25, longest: float = 6.0, seed: int = 1) -> dict[str, Any]:
    """Kills a run `times` times, starts it again each time, lets it end, and compares its records with
    those of a run that was left alone. A thread asks the store throughout.

    Every other kill comes within half a second of a new block, the others within `longest` seconds of the start."""
    draw, count = random.Random(seed), 2 * times * BLOCK
    FORKS.set_forkserver_preload(["ganaudit.auditing.run", "ganaudit.report", "ganaudit.maintenance.verify"])
    with tempfile.TemporaryDirectory() as folder:
        store, reference = Store(Path(folder) / "killed"), Store(Path(folder) / "reference")
        alone = started(asked(reference.path, count, 0.0))
        alone.join()
        mapping = asked(store.path, count, pause)
        stop, seen = threading.Event(), Seen()
        reader = threading.Thread(target=_read_on, args=(store, stop, seen), daemon=True)
        reader.start()
        blocks, ended, lost = [0], 0, 0
        for number in range(times):
            process = started(mapping)
            if number % 2 == 0:
                while process.is_alive() and len(list(store.files("images"))) <= blocks[-1]:
                    time.sleep(0.01)
            process.join(draw.uniform(0.0, longest if number % 2 else 0.5))
            process.kill()
            process.join()
            ended += process.exitcode != -signal.SIGKILL
            blocks.append(len(list(store.files("images"))))
            lost += blocks[-1] < blocks[-2]
        last = started(mapping)
        last.join()
        stop.set()
        reader.join()
        statement = "SELECT status, count(*) AS runs FROM runs GROUP BY status ORDER BY status"
        twice = "SELECT count(*) - count(DISTINCT (key, image)) AS twice FROM images"
        found = verify(store, deep=True)
        return {
            "kills": times - ended,
            "ended before its kill": ended,
            "kills between two new blocks": sum(a < b < 3 * count // BLOCK for a, b in pairwise(blocks)),
            "blocks done before the last run": f"{blocks[-1]} of {3 * count // BLOCK}",
            "last run": {DONE: "done"}.get(last.exitcode, str(last.exitcode)),
            "runs": {one["status"]: one["runs"] for one in catalog.query(store, statement).to_pylist()},
            "images": _records(store)[0].num_rows,
            "images twice": catalog.query(store, twice).to_pylist()[0]["twice"],
            "finished blocks that went": lost,
            "same rows as a run left alone": alone.exitcode == DONE and _rows(store) == _rows(reference),
            "queries meanwhile": seen.queries,
            "wrong answers": seen.wrong,
            "problems": [one.sentence for one in found.problems if one.kind != "leftover"],
        }


class Seen:
    """What the reader came across."""

    def __init__(self) -> None:
        self.queries = 0
        self.wrong: list[str] = []


def _read_on(store: Store, stop: threading.Event, seen: Seen) -> None:
    """Asks the store until told to stop: no image twice, none of half a block, no file that cannot be read."""
    statement = "SELECT count(*) AS n, count(DISTINCT (key, image)) AS d, count(DISTINCT (key, image // 1024)) AS b FROM images"
    while not stop.is_set():
        if not store.marker.exists():
            time.sleep(0.05)
            continue
        try:
            (row,) = catalog.query(store, statement).to_pylist()
        except Exception as error:
            seen.wrong.append(str(error))
            return
        seen.queries += 1
        if row["n"] != row["d"] or row["n"] != row["b"] * BLOCK:
            seen.wrong.append(str(row))
        time.sleep(0.02)


def _records(store: Store) -> list[pa.Table]:
    """Every record of images and class pixels, in order."""
    return [
        pa.concat_tables([store.read(table, path) for path in sorted(store.files(table.name))]).sort_by(
            [(name, "ascending") for name in ("key", *table.sort)]
        )
        for table in (IMAGES, CLASS_PIXELS)
    ]


def _rows(store: Store) -> list[pa.Table]:
    """The records without the key: a slower parser is another one."""
    keys = catalog.query(store, "SELECT DISTINCT key, source FROM run_sources ORDER BY source").to_pylist()
    names = {one["key"]: one["source"] for one in keys}
    found = []
    for part in _records(store):
        named = part.set_column(0, "key", pa.array([names[key] for key in part["key"].to_pylist()]))
        found.append(
            named.sort_by([(name, "ascending") for name in named.column_names if name in ("key", "image", "class_id")])
        )
    return found


if __name__ == "__main__":
    main()
