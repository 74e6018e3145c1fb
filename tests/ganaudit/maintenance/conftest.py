"""A store with findings and inversions: two runs of one audit, and keys that one of them uses alone; and real deaths in it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked import forked

from ganaudit.records import schema
from ganaudit.records.store import Store
from ganaudit.spec import Decide
from ganaudit.studies.census.findings import materialise


def _pictures_of(count: int, step: int) -> list[dict[int, int] | None]:
    """Images of 100 pixels whose share of sky changes; every seventh was set aside."""
    return [None if i % 7 == 6 else {1: 40 + (i * step) % 50, 2: 60 - (i * step) % 50} for i in range(count)]


def _roll_up(store: Store, run: str) -> None:
    materialise(store, run, Decide(permutations=200))


@pytest.fixture
def pictures_of() -> Callable[[int, int], list[dict[int, int] | None]]:
    return _pictures_of


@pytest.fixture
def roll_up() -> Callable[[Store, str], None]:
    return _roll_up


def _inversion(store: Store, key: str, generator: str) -> None:
    """Three inverted images of an audit, in two shards, the second image's search set aside."""
    image = {"sample": "heldout", "method": "latent", "key": key}
    told = {"parser_key": "p0", "weight": 1.0, "layer": "z", "ratio": 0.1, "evidential": True, "start": "random", "restart": 0}
    told |= {"seed": 1, "penalty": 0.0, "perceptual": "none", "steps": 1, "seconds": 0.1, "best_step": 0}
    classes = {"class_id": 1, "target_pixels": 40, "target_confidence": 0.5, "target_sharpness": 1.0}
    classes |= {"target_red": 1.0, "target_green": 2.0, "target_blue": 3.0}
    parts = {
        "inversion_curves": {"step": 0, "loss": 1.0, "pixel": 1.0},
        "inversion_confusion": {"target_class": 1, "reconstruction_class": 2, "pixels": 7},
        "inversion_classes": classes,
        "inversion_latents": {"z": [0.5]},
        "inversions": told | {"generator_key": generator, "status": "ok"},
    }
    for places, images in (((0, 1), (3, 8)), ((2, 2), (5,))):
        rows: dict[str, list[dict[str, object]]] = {
            name: [{**image, **row, "image": i} for i in images] for name, row in parts.items()
        }
        if 8 in images:
            rows["inversions"][1]["status"], rows["inversion_latents"][1]["z"] = "quarantined", None
            rows["inversion_confusion"].pop()
        made = {name: schema.RECORDS[name].from_rows(held) for name, held in rows.items()}
        store.write_shard("inversions", key, *places, made, {"recipe": key})


@pytest.fixture
def inversion() -> Callable[[Store, str, str], None]:
    return _inversion


@pytest.fixture(scope="session")
def filled_once(tmp_path_factory: pytest.TempPathFactory, pictures: Callable[..., None], run: Callable[..., None]) -> Store:
    """The store that each test gets a copy of."""
    store = Store(tmp_path_factory.mktemp("maintenance") / "store").open_for_writing()
    for key, step in (("ka", 3), ("kb", 5), ("kc", 7)):
        pictures(store, key, _pictures_of(18, step))
        store.write_source({"key": key, "kind": "folder", "recipe": "{}", "digests": "{}"})
    run(store, "r1", [("real", "photos", "ka", 0, 18), ("generated", "gan", "kb", 0, 18)])
    run(store, "r2", [("real", "photos", "ka", 0, 18), ("generated", "gan", "kc", 0, 16)], hour=1)
    _roll_up(store, "r1")
    _roll_up(store, "r2")
    for run_name, key, generator in (("r1", "k1", "kb"), ("r2", "k2", "kc")):
        _inversion(store, key, generator)
        used = {"table": "inversions", "source": "gan", "role": "heldout", "key": key, "first": 0, "count": 3, "variant": "{}"}
        store.write_run_keys(run_name, "inversion", "inverting", [used], ["gan has no layers"])
    verdict = {
        "generator": "gan",
        "method": "latent",
        "layer": "z",
        "key": "k2",
        "name": "a photo",
        "class_id": 1,
        "class": "sky",
    }
    verdict |= {"run": "r2", "target_pixels": 40, "verdict": "recovered"}
    rows = [{**verdict, "image": image} for image in (3, 5, 8)]
    store.write_finding("r2", "photo_verdicts", schema.FINDINGS["photo_verdicts"].from_rows(rows))
    return store


@pytest.fixture
def filled(filled_once: Store, tmp_path: Path) -> Store:
    shutil.copytree(filled_once.path, tmp_path / "store")
    return Store(tmp_path / "store")


CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"}
"""Names by which Python tells that the disk is about to be changed; `open` is one, too, where it is to write."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Death:
    """What a disk holds where a process dies before a change of it, and whether that change is a file opened to write."""

    folder: Path
    writes: bool


def _forked(work: Callable[[], object], folder: str, step: Callable[[int, bool], None]) -> int:
    """Does the work in a process of its own, in which `step` is told the number of each change of the disk below the folder
    before it is made, and whether it opens a file to write. What the process ended with: 0, or -N where signal N killed it."""

    seen = 0

    def told(event: str, said: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(said[2], int) and bool(said[2] & WRITES)
        if not (writes or event in CHANGES) or not str(said[0]).startswith(folder) or "clock-" in str(said[0]):
            return  # a clock's file is touched and removed, no more
        seen += 1
        step(seen, writes)

    def run() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.addaudithook(told)
        work()

    child, limit = forked(run), time.monotonic() + 120
    while (left := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > limit:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("nothing happens any more")
        time.sleep(0.002)
    return os.waitstatus_to_exitcode(left[1])


def _deaths(work: Callable[[], object], folder: Path, into: Path) -> list[Death]:
    """Does work, and keeps below `into` what stands below a folder before each of its changes: what a process that is killed
    at that instant leaves."""
    into.mkdir()
    assert _forked(work, str(folder), lambda step, writes: shutil.copytree(folder, into / f"{step:03}-{writes}")) == 0
    return [Death(path, path.name.endswith("True")) for path in sorted(into.iterdir())]


def _cut_off(work: Callable[[], object], folder: Path, step: int, left: int) -> int:
    """Does work in a process that dies, after its `step`-th change, by the first write beyond so many bytes of a file, whoever
    writes: half of it then stands. The signal that it died of, or 0 where no file became as long."""

    def limited(number: int, _: bool) -> None:
        if number == step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (left, left))  # the kernel ends what writes on

    return -_forked(work, str(folder), limited)


@pytest.fixture
def deaths() -> Callable[..., list[Death]]:
    return _deaths


@pytest.fixture
def cut_off() -> Callable[..., int]:
    return _cut_off
