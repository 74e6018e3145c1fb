"""How far a run is, by a clock of the test's own; what the terminal and a plain file show of it."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from flows import progress
from flows.progress import SoFar, group_lines, line
from flows.terminal import RunProgress
from ganaudit.auditing.driver import Progress
from ganaudit.studies.protocol import Stage


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Study:
    """A study of this audit, with its stages' names."""

    def __init__(self, name, *stages):
        self.name, self.stage_names = name, stages


@pytest.fixture(autouse=True)
def studies(monkeypatch):
    asked = [Study("census", "parsing")]
    monkeypatch.setattr(progress, "asked_for", lambda spec: asked)
    return asked


def planned():
    sources = [SimpleNamespace(name=name, key=key, count=2048) for name, key in (("photos", "ka"), ("[gan]", "kb"))]
    return SimpleNamespace(sources=sources, device="cpu", where="2 at once", spec=None, run="r1")


def shard(group, images=1024):
    return SimpleNamespace(group=group, images=images, label=group)


def begun(clock, groups, *, study="census", stage="parsing", so_far=None):
    """A stage that begins: (what is known of the run, the driver's word of a shard that is done)."""
    so_far = so_far or SoFar(planned(), clock)
    at = Progress(planned(), listeners=[so_far.hear])
    at.begin(study, Stage(stage, [shard(group) for group in groups], []))
    return so_far, lambda group: at.add(shard(group), SimpleNamespace(images=1024, quarantined=0))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stage(clock):
    return begun(clock, ["photos", "[gan]", "[gan]", "[gan]"])


def test_rate_and_time_left_follow_from_what_is_done(stage, clock):
    so_far, add = stage
    assert (so_far.images, so_far.shards, so_far.rate, so_far.seconds_left, so_far.percent) == (4096, 4, None, None, 0.0)
    clock.now += 32
    add("[gan]")
    assert (so_far.images_done, so_far.rate, so_far.seconds_left, so_far.percent) == (1024, 32.0, 96.0, 25.0)
    assert line(so_far) == "parsing: 1,024 of 4,096 images in 1 of 4 shards, 32 a second, about 2 min left"
    assert group_lines(so_far) == [
        "photos: 0 of 1,024 images, 0 of 1 shards", "[gan]: 1,024 of 3,072 images, 1 of 3 shards"
    ]  # fmt: skip
    for group in ("photos", "[gan]", "[gan]"):
        add(group)
    clock.now += 1000  # what comes after the last shard is no parsing
    assert (so_far.seconds, so_far.rate, so_far.seconds_left, so_far.percent) == (32.0, 128.0, 0.0, 100.0)


def test_every_stage_of_every_study_is_the_same_share_of_a_run(clock, studies):
    studies.append(Study("other", "first", "second", "third"))
    so_far, add = begun(clock, ["photos"])
    add("photos")
    assert so_far.percent == 25.0
    _, add = begun(clock, ["a", "b"], study="other", stage="second", so_far=so_far)
    add("a")
    assert so_far.percent == 62.5
    begun(clock, [], study="other", stage="third", so_far=so_far)
    assert so_far.percent == 100.0


def shown(stage, clock, terminal, width=100):
    """All that is written while the shards are made, one in 20 seconds, and in a second stage."""
    so_far, add = stage
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, color_system=None, legacy_windows=False)
    with RunProgress(console) as display:
        so_far.listeners.append(display)
        so_far.tell()
        for group in ("[gan]", "photos", "[gan]", "[gan]"):
            clock.now += 20
            add(group)
        _, add = begun(clock, ["[gan]"], stage="inverting", so_far=so_far)
        clock.now += 10
        add("[gan]")
        so_far.publishes()
    return out.getvalue()


def test_where_nobody_looks_there_are_plain_lines_and_none_twice(stage, clock):
    assert shown(stage, clock, terminal=False).splitlines() == [
        "Parsing: 4,096 images in 4 shards, on cpu, 2 at once: photos, [gan].",
        "Parsing: 2,048 of 4,096 images in 2 of 4 shards, 51 a second, about 40 s left.",
        "Parsing done: 4,096 images in 80 s, 51 a second.",
        "Inverting: 1,024 images in 1 shard, on cpu, 2 at once: [gan].",
        "Inverting done: 1,024 images in 10 s, 102 a second.",
        "Rolling up the findings and drawing the report …",
    ]


def test_a_terminal_has_a_bar_for_each_source_and_one_for_all(stage, clock):
    text = shown(stage, clock, terminal=True)
    bars = text[: text.index("Parsing done: 4,096")]
    last = bars[bars.rindex("photos ") :]
    for part in ("photos", "[gan]", "3,072 of 3,072 images, 3 of 3 shards", "all", "51 images a second"):
        assert part in last
    assert text.count("Parsing done: 4,096 images") == text.count("Rolling up") == 1


def test_nothing_to_parse_is_one_line(clock):
    out = io.StringIO()
    with RunProgress(Console(file=out, force_terminal=False, width=100)) as display:
        so_far, _ = begun(clock, [])
        so_far.listeners.append(display)
        so_far.tell()
        so_far.publishes()
    assert out.getvalue().splitlines() == [
        "All 4,096 images are in the store already; nothing to parse.", "Rolling up the findings and drawing the report …"
    ]  # fmt: skip


def test_one_artifact_updated_now_and_then_and_at_the_end(stage, clock, monkeypatch):
    from uuid import uuid4

    made, updates = [], []
    monkeypatch.setattr(progress, "create_progress_artifact", lambda **what: made.append(what) or uuid4())
    monkeypatch.setattr(progress, "update_progress_artifact", lambda _, **what: updates.append(what))
    so_far, add = stage
    so_far.listeners.append(progress.Artifact(so_far))
    so_far.tell()
    for seconds, group in ((1, "[gan]"), (1, "photos"), (6, "[gan]"), (1, "[gan]")):
        clock.now += seconds
        add(group)
    assert len(made) == 1 and made[0]["key"] == "progress" and "run r1" in made[0]["description"].lower()
    assert [round(update["progress"]) for update in updates] == [75, 100]
    assert "- [gan]: 2,048 of 3,072 images, 2 of 3 shards" in updates[0]["description"]
