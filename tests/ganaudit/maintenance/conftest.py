"""A store with findings and inversions: two runs of one audit, and keys that one of them uses alone; and real deaths in it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

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
NO_WRITE = 77
"""A process ends with it where a file was to be cut off, and the step opens none to write."""


def _process(work: Callable[[], object], folder: str, step: int, left: int | None) -> None:
    """Never returns: does the work, and dies at its `step`-th change below the folder."""
    seen = 0

    def told(event: str, said: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(said[2], int) and said[2] & WRITES
        if not (writes or event in CHANGES) or not str(said[0]).startswith(folder) or "clock-" in str(said[0]):
            return  # a clock's file is touched and removed, no more
        seen += 1
        if seen != step:
            return
        if left is not None and not writes:
            os._exit(NO_WRITE)  # what is cut off after it is what is cut off after the next step that writes
        if left is None:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (left, left))  # the kernel ends what writes on

    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(told)
    with suppress(BaseException):
        work()
        os._exit(0)
    os._exit(1)


def _dying(work: Callable[[], object], folder: object, step: int, left: int | None = None) -> int | None:
    """Does work in a process that dies before its `step`-th change of the disk below a folder: by SIGKILL, or, with `left`,
    by the first write after that beyond so many bytes of a file, whoever writes, half of which then stands. The signal that
    it died of; 0 where a file was to be cut off and that step opens none; None where the work came to its end."""
    child = os.fork()
    if child == 0:
        _process(work, str(folder), step, left)
    limit = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > limit:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"nothing happens after step {step}")
        time.sleep(0.002)
    if os.WIFSIGNALED(ended[1]):
        return os.WTERMSIG(ended[1])
    code = os.WEXITSTATUS(ended[1])
    assert code in (0, NO_WRITE), f"an error, not a death, at step {step}"
    return 0 if code == NO_WRITE else None


@pytest.fixture
def dying() -> Callable[..., int | None]:
    return _dying
