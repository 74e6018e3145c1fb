"""Hand-made records: a store whose every number can be counted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from written import write_block

from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES

Picture = Mapping[int, int] | None
"""Pixels of each class in an image; None for an image that was set aside."""

PARSER = "p0"
CLASSES = [
    {"class_id": 0, "name": "void", "head": "object"},
    {"class_id": 1, "name": "sky", "head": "object"},
    {"class_id": 2, "name": "tree", "head": "object"},
    {"class_id": 3, "name": "person", "head": "object"},
    {"class_id": 4, "name": "ghost", "head": "object"},
    {"class_id": 5, "name": "brick", "head": "material"},
]


def write_pictures(store: Store, key: str, pictures: Sequence[Picture], size: int = 100, block: int = 4) -> None:
    """Write pictures as the records of a key, in blocks; confidence is .5 + class_id / 16 wherever there is one."""
    for first in range(0, len(pictures), block):
        images, class_pixels = tables(key, pictures[first : first + block], first, size)
        write_block(store, key, first, first + images.num_rows - 1, images, class_pixels, {"device": "cpu"})


def tables(key: str, pictures: Sequence[Picture], first: int = 0, size: int = 100) -> tuple[Any, Any]:
    """The tables `images` and `class_pixels` of pictures whose first has the index `first`."""
    images, rows = [], []
    for image, picture in enumerate(pictures, first):
        base = {"key": key, "image": image, "name": f"{image}.png"}
        if picture is None:
            images.append({**base, "status": "quarantined", "error": "not an image"})
            continue
        images.append({**base, "digest": f"d{image}", "pixels": size, "confidence": 0.75, "status": "ok"})
        places = dict.fromkeys(("x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max"), 0)
        for class_id, pixels in picture.items():
            counted = {"class_id": class_id, "pixels": pixels, "confidence": 0.5 + class_id / 16}
            rows.append({"key": key, "image": image, **counted, **places})
    return IMAGES.from_rows(images), CLASS_PIXELS.from_rows(rows)


def write_run(
    store: Store,
    run: str,
    sources: Sequence[tuple[str, str, str, int, int]],
    *,
    audit: str = "audit",
    hour: int = 0,
    status: str = "done",
    finished: bool = True,
    spec: Mapping[str, Any] | None = None,
    parser: str = PARSER,
) -> None:
    """Write a run with sources (role, name, key, first, count) that starts at an hour and takes ten minutes."""
    started = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    row = {"run": run, "audit": audit, "spec": json.dumps(spec or {}), "started": started, "versions": "{}", "device": "cpu"}
    names = ("role", "source", "key", "first", "count")
    used = [{"parser_key": parser, **dict(zip(names, source, strict=True))} for source in sources]
    store.write_classes(parser, CLASSES)
    store.start_run({**row, "status": "running"}, used)
    if finished:
        store.finish_run({**row, "finished": started + timedelta(minutes=10), "status": status})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store").open_for_writing()


@pytest.fixture(scope="session")
def pictures() -> Callable[..., None]:
    return write_pictures


@pytest.fixture(scope="session")
def run() -> Callable[..., None]:
    return write_run


@pytest.fixture(scope="session")
def block_tables() -> Callable[..., tuple[Any, Any]]:
    return tables
