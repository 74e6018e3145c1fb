"""A store of a million images, before and after compact: `python -m benchmarks.store`."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES

IMAGES_IN_ALL = 1_000_000
BLOCK = 1024
CLASSES = 150
CLASSES_AN_IMAGE = 11
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
    parser.add_argument("--images", type=int, default=IMAGES_IN_ALL)
    parser.add_argument("--folder", type=Path, help="where the store is made; a temporary folder by default")
    arguments = parser.parse_args()
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
        checked = verify(store, deep)
        seconds = time.perf_counter() - started
        wrong = [
            problem for problem in checked.problems if not problem.path.startswith("findings/")
        ]  # the run was never rolled up
        print(f"verify{' --deep' if deep else ''}: {seconds:.1f} s, {checked.files} files, problems: {wrong}")


def fill(store: Store, images: int) -> None:
    """Two sources, half of the images each, in blocks of 1,024; counts drawn by seed."""
    draw = np.random.default_rng(1)
    frequency = 1 / np.arange(1, CLASSES + 1)
    frequency /= frequency.sum()
    names = [{"class_id": class_id, "name": f"class {class_id}", "head": "object"} for class_id in range(CLASSES + 1)]
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
    images = pa.table(
        {
            "key": [key] * BLOCK,
            "image": index,
            "name": [f"{index_of}.png" for index_of in index],
            "digest": digests,
            "phash": pa.nulls(len(digests), pa.uint64()),
            "cluster": nothing,
            "label": nothing,
            "pixels": np.full(BLOCK, 65536),
            "confidence": draw.random(BLOCK, np.float32),
            "status": ["ok"] * BLOCK,
            "error": nothing,
        }
    )
    seen = np.unique(
        np.stack(
            [np.repeat(index, CLASSES_AN_IMAGE), draw.choice(np.arange(1, CLASSES + 1), BLOCK * CLASSES_AN_IMAGE, p=frequency)],
            axis=1,
        ),
        axis=0,
    )
    rows = len(seen)
    pixels = draw.integers(1, 65536 // CLASSES_AN_IMAGE, rows)
    low, high = draw.integers(0, 128, rows), draw.integers(128, 256, rows)
    classes = pa.table({
        "key": [key] * rows, "image": seen[:, 0], "class_id": seen[:, 1], "pixels": pixels,
        "confidence": draw.random(rows, np.float32), "x_sum": pixels * 100, "y_sum": pixels * 120, "x_min": low, "y_min": low,
        "x_max": high, "y_max": high, "parts": np.ones(rows, np.int64), "largest": pixels,
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
    return [sorted(catalog.query(store, query).to_pylist(), key=json.dumps) for query in QUERIES.values()]


def best(work: Callable[[], object], rounds: int = 5) -> str:
    """The best of several rounds, wall and CPU seconds: where others are at work, the second is the truer one."""
    times = []
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - started, time.process_time() - used))
    return f"{min(wall for wall, _ in times):.2f} s ({min(cpu for _, cpu in times):.2f} s of CPU)"


if __name__ == "__main__":
    main()
