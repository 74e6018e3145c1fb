"""What a planned audit could find: from records or from a pilot, before anything is generated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganaudit import spec as specs
from ganaudit.auditing.plan import plan
from ganaudit.errors import RequestError
from ganaudit.records.store import Store
from ganaudit.statistics.class_counts import Held, count_classes, threshold
from ganaudit.statistics.power import detectable
from ganaudit.statistics.verdicts import Lines, decide
from ganaudit.studies.census import power as module
from ganaudit.studies.census import work as blocks
from ganaudit.studies.census.blocks import missing
from ganaudit.studies.census.power import planned_power

HERE = Path(__file__).parents[2]


def counted(rows):
    held = Held.of_pixels(rows)
    return count_classes(held, threshold(held, 100, 0.1))


@pytest.fixture(autouse=True)
def opened_anew():
    blocks.forget()


def asked(store, **changes):
    data = {"name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
            "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 300, "unreadable": 2}},
            "generators": [{"name": name, "kind": "tiny_models:Noise", "count": n} for name, n in (("g", 1500), ("few", 700))],
            "sample": {"count": 1500}}  # fmt: skip
    return specs.parse(data | changes)


def test_a_pilot_and_the_records_say_the_same_of_the_same_images(tmp_path):
    spec = asked(tmp_path / "store")
    planned, store = plan(spec), Store(tmp_path / "store")
    pilot = planned_power(planned, store, ratio=0.5)
    assert (pilot.basis, pilot.basis_images, pilot.real_images, pilot.generated_images) == ("pilot", 298, 300, 700)
    assert not (tmp_path / "store").exists()
    for task in missing(planned, store.open_for_writing()):
        if task.key == planned.sources[0].key:
            blocks.make_block(task)
    recorded = planned_power(planned, store, ratio=0.5)
    assert recorded.basis == "records"
    assert replace(recorded, basis="pilot") == pilot
    assert {result.name for result in pilot.classes} | set(pilot.unseen) == {"dark", "middle", "bright"}


def test_a_pilot_is_bounded(tmp_path, monkeypatch):
    spec = asked(tmp_path, sample={"count": 1500, "batch": 32})
    monkeypatch.setattr(module, "PILOT_IMAGES", 100)
    assert planned_power(plan(spec), Store(tmp_path)).basis_images == 98
    monkeypatch.setattr(module, "PILOT_SECONDS", 0.0)
    assert planned_power(plan(spec), Store(tmp_path)).basis_images == 30  # one batch of 32, two of them unreadable


def test_no_readable_real_image_is_no_reach(tmp_path):
    real = {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 3, "unreadable": 3}}
    assert planned_power(plan(asked(tmp_path, real=real)), Store(tmp_path)) is None


def test_detectable_is_what_the_verdict_would_find():
    """A generator at the ratio that would be found, drawn 200 times, is found reduced in about nine of ten audits."""
    rng = np.random.default_rng(0)
    images, shares = 1500, np.array([0.3, 0.1])

    def drawn(n, p):
        return counted((rng.random((n, 2)) < p) * rng.integers(5, 25, (n, 2)))

    result = module._power("pilot", drawn(100_000, shares), (images, images), [(1, "person"), (2, "car")], specs.Decide(), None)
    assert result.classes[0].name == "person"
    truth, hits = shares * [result.classes[0].detectable_presence, 1], 0
    for _ in range(100):
        said = decide(drawn(images, shares), drawn(images, truth), Lines())["presence"].verdict[0]
        hits += str(said) in ("reduced", "dropped")
    assert 0.8 <= hits / 100 <= 0.98


def test_more_images_find_smaller_falls_and_what_is_needed_is_enough():
    rng = np.random.default_rng(1)
    seen = counted((rng.random((500, 2)) < [0.3, 0.05]) * rng.integers(5, 25, (500, 2)))
    named = [(1, "person"), (2, "lamp")]
    small, large = (module._power("pilot", seen, (n, n), named, specs.Decide(), 0.5) for n in (1000, 10_000))
    for few, many in zip(small.classes, large.classes, strict=True):
        assert few.detectable_presence is None or few.detectable_presence < many.detectable_presence
        assert few.images_presence == many.images_presence
    for result in large.classes:
        planned = seen.scaled(result.images_presence)
        place = [name for _, name in named].index(result.name)
        assert detectable(planned, result.images_presence, Lines(), 0.05 / 8)["presence"][place] == pytest.approx(0.5, abs=0.02)
        assert result.images_presence <= result.images_area
    assert [result.name for result in large.classes] == ["person", "lamp"]


def test_a_class_too_rare_is_not_testable_and_one_never_seen_is_named():
    counts = np.zeros((500, 3), int)
    counts[:, 0], counts[0, 1] = 50, 9
    named = [(1, "sky"), (2, "comet"), (3, "ufo")]
    found = module._power("pilot", counted(counts), (2000, 2000), named, specs.Decide(), 0.5)
    comet = next(result for result in found.classes if result.name == "comet")
    assert (comet.detectable_presence, comet.detectable_area) == (None, None) and comet.images_presence > 2000
    assert found.unseen == ("ufo",)


@pytest.mark.parametrize("ratio", [0.0, -1.0, 0.8, 1.2])
def test_only_a_reduction_can_be_found(tmp_path, ratio):
    with pytest.raises(RequestError, match=rf"--detect {ratio:g} is not between 0 and decide.reduced \(0.8\)"):
        planned_power(plan(asked(tmp_path)), Store(tmp_path), ratio)
