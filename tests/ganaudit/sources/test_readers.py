"""Processes that decode ahead: the same rows with any number of them, errors and all, and none that stays."""

from __future__ import annotations

import os
import platform
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganaudit import spec as specs
from ganaudit.auditing.plan import plan
from ganaudit.errors import AuditError
from ganaudit.records.store import Store
from ganaudit.records.tables import IMAGES
from ganaudit.sources import readers
from ganaudit.studies.census import work
from ganaudit.studies.census.blocks import block_of
from ganaudit.studies.census.work import make_block

TESTS = Path(__file__).parents[1]


@pytest.fixture
def asked(tmp_path):
    """Photos of two sizes, some of which cannot be decoded."""
    (tmp_path / "photos").mkdir()
    draw = np.random.default_rng(0)
    for number in range(70):
        side = 8 + 3 * (number % 2)
        pixels = draw.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{number}.png")
    (tmp_path / "photos/3.png").write_bytes(b"no image")
    return lambda count, store: specs.parse({
        "name": "n", "folder": str(TESTS), "store": str(tmp_path / store), "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "photos", "kind": "folder", "path": str(tmp_path / "photos")},
        "generators": [{"name": "same", "kind": "folder", "path": str(tmp_path / "photos"), "seed": 1}],
        "sample": {"batch": 16}, "run": {"workers": 1, "device": "cpu", "readers": count},
    })  # fmt: skip


def rows(spec):
    """Of every image of the first block, and how many processes decoded."""
    planned = plan(spec)
    source = planned.sources[0]
    store = Store(spec.path(spec.store)).open_for_writing()
    with readers.lent():
        make_block(block_of(planned, source, *source.blocks[0]))
        count = sum(len(each.pids) for each in readers._OF_PROCESS.values())
    return store.read_block(IMAGES, source.key, source.blocks[0], IMAGES.arrow.names).to_pylist(), count


def test_rows_are_the_same_with_and_without_processes(asked):
    alone, none = rows(asked(0, "a"))
    assert none == 0 and len(alone) == 70 and sum(row["status"] == "quarantined" for row in alone) == 1
    assert rows(asked(2, "b")) == (alone, 2)
    assert not readers._OF_PROCESS


@pytest.mark.parametrize(("shape", "most"), [((1024, 1024, 3), 10), ((), 8), ((8, 8, 3), 129)])
def test_readers_always_have_work_and_no_more_images_wait_than_memory_is_meant_for(shape, most):
    begun: list[int] = []
    source = SimpleNamespace(shape=shape, begin=lambda indices, asked: begun.append(len(indices)) or (lambda: indices))
    sampled = SimpleNamespace(sample=SimpleNamespace(batch=16))
    with readers.lent():
        batches = work._ahead(SimpleNamespace(spec=sampled, first=0, last=9999, device="cpu"), source, 64)
        assert next(batches) == (0, range(16))
        assert len(begun) == most + 1  # the first is being looked at
        assert list(next(batches)[1]) == list(range(16, 32))
        batches.close()


class Odd(Exception):
    """Pickled, it cannot be made again: its arguments are not those that it was given."""

    def __init__(self, path: str, line: int) -> None:
        super().__init__(f"{path}, line {line}")


def raise_odd() -> None:
    raise Odd("a.tif", 7)


def test_an_error_that_cannot_be_pickled_is_told_in_its_words():
    one = readers.Readers(1)
    with pytest.raises(AuditError, match=r"raised Odd: a\.tif, line 7$"):
        one.submit(raise_odd).result()
    assert len(one.pids) == 1
    one.close()


def faults_of(work) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def of_many_images() -> None:
    for _ in range(2):
        [np.ones(300_000, np.uint8) for _ in range(32)]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that hands memory back")
def test_the_memory_of_one_piece_serves_the_next(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")  # as Dask sets it
    one = readers.Readers(1)
    one.submit(of_many_images).result()
    assert one.submit(partial(faults_of, of_many_images)).result() < 100 < 2 * 32 * 300_000 // 4096
    one.close()


def test_where_no_audit_is_known_they_end_some_time_after_the_last_block():
    for _ in range(2):
        with readers.lent(linger=0.3):
            readers.of_process(1).submit(os.getpid).result()
    pids = readers.of_process(1).pids
    assert len(pids) == 1  # one for both
    assert [thread.name for thread in threading.enumerate()].count("ganaudit-readers-end") == 1
    deadline = time.monotonic() + 30
    while running(pids[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(pids[0]) and not readers._OF_PROCESS


def test_what_a_process_raises_is_raised_here_and_the_process_goes_on():
    two = readers.Readers(1)
    with pytest.raises(FileNotFoundError):
        two.submit(partial(os.stat, "/there/is/none")).result()
    assert two.submit(partial(np.arange, 5)).result().tolist() == [0, 1, 2, 3, 4]
    (child,) = two.pids
    os.kill(child, signal.SIGKILL)
    with pytest.raises(AuditError, match=r"signal 9.*readers"):
        two.submit(partial(np.arange, 5)).result()
    two.close()
    assert not two.pids and not running(child)


def test_no_process_outlives_the_one_that_started_it():
    """Whatever ends that: here it is killed while one of its own is at work."""
    code = (
        "import time; from functools import partial; from ganaudit.sources.readers import Readers\n"
        "two = Readers(2); works = [two.submit(partial(time.sleep, 1)) for _ in range(2)]\n"
        "while len(two.pids) < 2: time.sleep(0.01)\n"
        "print(*two.pids, flush=True); time.sleep(60)"
    )
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    children = [int(pid) for pid in started.stdout.readline().split()]
    assert len(children) == 2 and all(running(pid) for pid in children)
    started.send_signal(signal.SIGKILL)
    started.communicate()
    deadline = time.monotonic() + 30
    while any(running(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(running(pid) for pid in children)


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
