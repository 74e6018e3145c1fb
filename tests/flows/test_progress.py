"""How far a run is, by a clock of the test's own; what the terminal and a plain file show of it."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from flows import progress
from flows.progress import SoFar, line, source_lines
from flows.terminal import RunProgress
from ganaudit.studies.census.work import BlockDone


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def planned(invert=None):
    sources = [SimpleNamespace(name=name, key=key, count=2048) for name, key in (("photos", "ka"), ("[gan]", "kb"))]
    spec = SimpleNamespace(invert=invert)
    return SimpleNamespace(sources=sources, device="cpu", where="2 at once", spec=spec, run="r1")


def task(key, first):
    return SimpleNamespace(key=key, first=first, last=first + 1023)


def done(key, first):
    return BlockDone("x", key, first, first + 1023, 1024, 0, 0.0, 0.0, 1.0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def so_far(clock):
    return SoFar.of(planned(), [task("ka", 0), task("kb", 0), task("kb", 1024), task("kb", 2048)], clock)


def test_rate_and_time_left_follow_from_what_is_done(so_far, clock):
    assert (so_far.images, so_far.blocks, so_far.rate, so_far.seconds_left, so_far.percent) == (4096, 4, None, None, 0.0)
    clock.now += 32
    so_far.block(done("kb", 0))
    assert (so_far.images_done, so_far.rate, so_far.seconds_left, so_far.percent) == (1024, 32.0, 96.0, 25.0)
    assert line(so_far) == "1,024 of 4,096 images in 1 of 4 blocks, 32 a second, about 2 min left"
    assert source_lines(so_far) == [
        "photos: 0 of 1,024 images, 0 of 1 blocks", "[gan]: 1,024 of 3,072 images, 1 of 3 blocks"
    ]  # fmt: skip
    for key, first in (("ka", 0), ("kb", 1024), ("kb", 2048)):
        so_far.block(done(key, first))
    clock.now += 1000  # what comes after the last block is no parsing
    assert (so_far.seconds, so_far.rate, so_far.seconds_left, so_far.percent) == (32.0, 128.0, 0.0, 100.0)


def test_inversions_are_half_of_a_run_that_has_some(clock):
    so_far = SoFar.of(planned(invert=object()), [task("ka", 0)], clock)
    so_far.block(done("ka", 0))
    assert so_far.percent == 50.0
    so_far.inverts(["a", "b"])
    so_far.inverted("a")
    assert (so_far.percent, so_far.inverting) == (75.0, ("b",))
    assert line(so_far) == "1 of 2 generators inverted; at work: b"
    so_far.inverted("b")
    assert so_far.percent == 100.0


def shown(so_far, clock, terminal, width=100):
    """All that is written while the blocks are made, one in 20 seconds."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, color_system=None, legacy_windows=False)
    with RunProgress(console) as display:
        so_far.listeners.append(display)
        so_far.tell()
        for key, first in (("kb", 0), ("ka", 0), ("kb", 1024), ("kb", 2048)):
            clock.now += 20
            so_far.block(done(key, first))
        so_far.inverts(["[gan]"])
        so_far.inverted("[gan]")
        so_far.publishes()
    return out.getvalue()


def test_where_nobody_looks_there_are_plain_lines_and_none_twice(so_far, clock):
    assert shown(so_far, clock, terminal=False).splitlines() == [
        "Parsing 4,096 images in 4 blocks, on cpu, 2 at once: photos, [gan].",
        "2,048 of 4,096 images in 2 of 4 blocks, 51 a second, about 40 s left",
        "Parsed 4,096 images in 80 s, 51 a second.",
        "Inverting photos in 1 generator: [gan].",
        "1 of 1 generators inverted.",
        "Rolling up the findings and drawing the report …",
    ]


def test_a_terminal_has_a_bar_for_each_source_and_one_for_all(so_far, clock):
    text = shown(so_far, clock, terminal=True)
    bars = text[: text.index("Parsed 4,096")]
    last = bars[bars.rindex("photos ") :]
    for part in ("photos", "[gan]", "3,072 of 3,072 images, 3 of 3 blocks", "all", "51 images a second"):
        assert part in last
    assert text.count("Parsed 4,096 images") == text.count("Rolling up") == 1


def test_nothing_to_parse_is_one_line(clock):
    out = io.StringIO()
    with RunProgress(Console(file=out, force_terminal=False, width=100)) as display:
        so_far = SoFar.of(planned(), [], clock)
        so_far.listeners.append(display)
        so_far.tell()
        so_far.publishes()
    assert out.getvalue().splitlines() == [
        "All 4,096 images are in the store already; nothing to parse.", "Rolling up the findings and drawing the report …"
    ]  # fmt: skip


def test_one_artifact_updated_now_and_then_and_at_the_end(so_far, clock, monkeypatch):
    from uuid import uuid4

    made, updates = [], []
    monkeypatch.setattr(progress, "create_progress_artifact", lambda **what: made.append(what) or uuid4())
    monkeypatch.setattr(progress, "update_progress_artifact", lambda _, **what: updates.append(what))
    so_far.listeners.append(progress.Artifact(so_far))
    for seconds, key, first in ((1, "kb", 0), (1, "ka", 0), (6, "kb", 1024), (1, "kb", 2048)):
        clock.now += seconds
        so_far.block(done(key, first))
    assert len(made) == 1 and made[0]["key"] == "progress" and "run r1" in made[0]["description"].lower()
    assert [round(one["progress"]) for one in updates] == [75, 100]
    assert "- [gan]: 2,048 of 3,072 images, 2 of 3 blocks" in updates[0]["description"]
