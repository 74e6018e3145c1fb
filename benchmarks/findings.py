"""Findings on synthetic records: against the reference's one plain distance, and of millions of images (benchmarks.audit)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import linalg

from ganaudit.records.store import Store
from ganaudit.records.used import sources_of
from ganaudit.studies.census.counts import read_counts
from ganaudit.studies.census.findings import materialise

Row = tuple[str, str, str, str]
BLOCK = 1024
PIXELS = 65_536
ROUNDS = 3


def fill(path: Path, images: int, classes: int, live: int, classes_an_image: int = 12, drawn: int = 512) -> Store:
    """A store of one run: `images` real and as many generated ones of the same distribution, about `held` classes each. After
    `drawn` blocks of a source what images hold is repeated, their digests and hashes are not.
    """
    store = Store(path).open_for_writing()
    rng = np.random.default_rng(0)
    common = rng.gamma(0.3, 1.0, classes) + 1e-3
    common[live:] = 0.0
    names = [{"class_id": i, "name": f"class {i}" if i else "void", "head": "object"} for i in range(classes)]
    store.write_classes("p0", names)
    for key in ("ka", "kb"):
        held = list[pa.Table]()
        for first in range(0, images, BLOCK):
            n = min(BLOCK, images - first)
            if len(held) < drawn:
                held.append(_held(rng, key, n, common / common.sum(), classes_an_image))
            rows = held[first // BLOCK % drawn]
            rows = rows.filter(pc.field("image") < n)
            rows = rows.set_column(1, "image", pc.add(rows["image"], first))
            tables = {"images": _images(rng, key, first, n), "class_pixels": rows}
            store.write_shard("images", key, first, first + n - 1, tables, {})
    started = datetime(2030, 1, 1, tzinfo=UTC)
    row = {"run": "bench", "audit": "bench", "spec": "{}", "started": started, "versions": "{}", "device": "cpu"}
    sources = [("real", "photos", "ka"), ("generated", "gan", "kb")]
    used = [
        {"role": role, "source": name, "key": key, "parser_key": "p0", "first": 0, "count": images}
        for role, name, key in sources
    ]
    store.start_run({**row, "status": "running"}, used)
    store.finish_run({**row, "status": "done", "finished": started + timedelta(minutes=1)})
    return store


def _held(rng: np.random.Generator, key: str, n: int, common: np.ndarray, classes_an_image: int) -> pa.Table:
    size = np.clip(rng.poisson(classes_an_image, n), 2, None)
    owner = np.repeat(np.arange(n), size)
    pairs = np.unique(owner * len(common) + rng.choice(len(common), len(owner), p=common))
    owner, class_id = pairs // len(common), pairs % len(common)
    weight = rng.gamma(0.5, 1.0, len(pairs)) + 1e-6
    share = weight / np.bincount(owner, weight, minlength=n)[owner]
    pixels = np.maximum(1, (share * PIXELS * 0.98).astype(np.int64))
    left = PIXELS - np.bincount(owner, pixels, minlength=n).astype(np.int64)
    pixels[np.unique(owner, return_index=True)[1]] += left  # areas add up to the image
    none = np.zeros(len(pairs), np.int64)
    places = {name: pa.array(none, pa.int32()) for name in ("x_min", "y_min", "x_max", "y_max")}
    return pa.table({
        "key": [key] * len(pairs), "image": owner, "class_id": class_id, "pixels": pixels,
        "confidence": np.full(len(pairs), 0.9), "x_sum": none, "y_sum": none, **places,
        "parts": np.where(pixels >= 4, 1, 0), "largest": pixels,
    })  # fmt: skip


def _images(rng: np.random.Generator, key: str, first: int, n: int) -> pa.Table:
    images, digests = np.arange(first, first + n), rng.bytes(16 * n).hex()
    return pa.table({
        "key": [key] * n, "image": images, "name": [f"{i}.png" for i in images],
        "digest": [digests[start : start + 32] for start in range(0, 32 * n, 32)], "cluster": pa.nulls(n, pa.string()),
        "phash": rng.integers(2**64, size=n, dtype=np.uint64),
        "label": pa.nulls(n, pa.string()), "pixels": np.full(n, PIXELS), "confidence": np.full(n, 0.9),
        "status": ["ok"] * n, "error": pa.nulls(n, pa.string()),
    })  # fmt: skip


def reference(a: np.ndarray, b: np.ndarray) -> float:
    """The plain distance as the published code has it: means, `numpy.cov`, a general matrix square root."""
    apart = a.mean(0) - b.mean(0)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(first @ second)
    return float(apart @ apart + np.trace(first) + np.trace(second) - 2 * np.trace(root).real)


def findings(folder: Path) -> list[Row]:
    """All findings from 10,000 + 10,000 images of 336 classes, beside the reference's plain distance from arrays."""
    store = fill(folder / "findings", 10_000, 336, 200)
    sides = [
        read_counts(store, used, range(336)).of(range(336)).toarray() * (100.0 / PIXELS) for used in sources_of(store, "bench")
    ]
    ours, theirs = [], []
    for _ in range(ROUNDS + 1):
        theirs.append(_seconds(lambda: reference(*sides)))
        shutil.rmtree(store.folder("moments"), ignore_errors=True)
        ours.append(_seconds(lambda: materialise(store, "bench")))
    row = materialise(store, "bench")["fsd"].to_pylist()[0]
    assert abs(row["fsd"] - reference(*sides)) < 1e-6 * row["fsd"]
    return [
        ("all findings of a generator ÷ the reference's one plain distance", "≤ 8", f"{min(ours) / min(theirs):.1f}",
         f"10,000 + 10,000 images from Parquet, 336 classes, {row['live_classes']} of them live, {row['permutations']} "
         f"permutations: {min(ours):.2f} s against {min(theirs):.2f} s from arrays in memory"),
    ]  # fmt: skip


SCALE = """
import resource, time
from pathlib import Path
from benchmarks import memory
from ganaudit.records.store import Store
from ganaudit.studies.census.findings import materialise
store = Store(Path({path!r}))
started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
materialise(store, "bench")
took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
print(took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, memory.peak() / 2**10)
"""


def scale(folder: Path) -> list[Row]:
    """All findings at 100,000 and at 1,000,000 images of 150 classes, each in a process of its own."""
    (small, _, _), (large, cpu, peak) = (_at(folder / f"scale-{images}", images) for images in (100_000, 1_000_000))
    return [
        ("all findings from 1,000,000 images × 150 classes", "≤ 15 s, ≤ 2 GB", f"{large:.1f} s, {peak:.1f} GiB",
         f"500,000 real and as many generated ones, no moments kept before; {cpu:.0f} s of CPU"),
        ("the same, 1,000,000 ÷ 100,000 images", "≤ 11", f"{large / small:.1f}", f"{large:.1f} s against {small:.1f} s"),
    ]  # fmt: skip


def millions(folder: Path) -> list[Row]:
    """All findings at 10,000,000 images of 150 classes: what they hold is that of 131,072 of them, again and again."""
    taken, cpu, peak = _at(folder / "millions", 10_000_000, drawn=64)
    return [
        ("all findings from 10,000,000 images × 150 classes", "≤ 120 s, ≤ 3 GB", f"{taken:.0f} s, {peak:.1f} GiB",
         f"5,000,000 real and as many generated ones, no moments kept before; {cpu:.0f} s of CPU: `python -m benchmarks.audit "
         "millions`"),
    ]  # fmt: skip


def _at(path: Path, images: int, **filled: int) -> list[float]:
    """Seconds, CPU seconds and peak memory in GiB of all findings."""
    fill(path, images // 2, 150, 150, **filled)
    done = subprocess.run([sys.executable, "-c", SCALE.format(path=str(path))], capture_output=True, text=True, check=True)
    return [float(value) for value in done.stdout.split()]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
