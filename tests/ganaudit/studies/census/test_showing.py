"""Which images show what a verdict means: against a loop over all pairs of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ganaudit.records.used import sources_of
from ganaudit.report.data import Interval
from ganaudit.studies.census import showing
from ganaudit.studies.census.findings import materialise
from ganaudit.studies.census.known import classes_of
from ganaudit.studies.census.section.classes import ClassFinding, Verdict

HEAD = (0, 1, 2, 3, 4)
TREE, PERSON, BRICK = 2, 3, 5


def scenes(seed: int, n: int, person: float = 0.4, tree: float = 0.5) -> list[dict[int, int]]:
    """Pictures of 100 pixels of void, sky, tree and person, beside some brick, a class of another head."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(n):
        weights = np.array([0.1, 1.0, rng.random() < tree, rng.random() < person])
        held = rng.multinomial(100, weights / weights.sum())
        made.append({c: int(pixels) for c, pixels in enumerate(held) if pixels} | {BRICK: int(rng.integers(1, 60))})
    return made


def areas_of(pictures: list[dict[int, int]], confidence: float = 0.5) -> showing.Areas:
    rows = [(i, c, p, p, confidence) for i, picture in enumerate(pictures) for c, p in sorted(picture.items())]
    image, class_id, pixels, largest, sure = (np.array(column) for column in zip(*rows, strict=True))
    return showing.Areas(image, class_id, pixels, largest, sure.astype(float))


def rest(pictures: list[dict[int, int]], class_id: int) -> np.ndarray:
    dense = np.array([[picture.get(c, 0) * (c != class_id) for c in HEAD] for picture in pictures], float)
    return dense / dense.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("class_id", [TREE, PERSON])
def test_the_nearest_is_that_of_all_pairs(class_id):
    real, generated = scenes(0, 40), scenes(1, 90)
    apart = np.round(cdist(rest(real, class_id), rest(generated, class_id), "cityblock") / 2, 12)
    found = showing.nearest(areas_of(real), range(40), areas_of(generated), class_id, HEAD)
    assert {image: place for image, (place, _) in found.items()} == dict(enumerate(apart.argmin(axis=1)))
    assert [distance for _, distance in found.values()] == pytest.approx(apart.min(axis=1), abs=1e-9)
    assert apart.min() >= 0 and apart.max() <= 1


def test_of_equals_the_first_and_nothing_for_what_holds_nothing_else():
    real = areas_of([{PERSON: 50, 1: 50}, {PERSON: 100}])
    same = areas_of([{PERSON: 100}, {1: 100}, {1: 20, PERSON: 80}])
    assert showing.nearest(real, [0, 1], same, PERSON, HEAD) == {0: (1, 0.0)}
    assert showing.nearest(real, [0], areas_of([{PERSON: 9}]), PERSON, HEAD) == {}
    assert showing.nearest(real, [0], areas_of([{TREE: 9}]), PERSON, HEAD) == {0: (0, 1.0)}


def test_those_that_hold_most_come_first():
    areas = areas_of([{1: 10}, {1: 30, 2: 5}, {2: 5}, {1: 30}])
    assert showing.holders(areas, 1, 2) == [1, 3] and showing.holders(areas, 1, 9) == [1, 3, 0]
    assert showing.holders(areas, 7, 3) == []


def finding(measure: str, present_from: float) -> ClassFinding:
    return ClassFinding(PERSON, "person", present_from=present_from, verdicts={measure: Verdict("increased", Interval(2.0))})


def test_what_grew_is_shown_by_the_images_that_count_in_its_verdict():
    areas = areas_of([{PERSON: 2, 1: 98}, {PERSON: 6, 1: 94}, {PERSON: 20, 1: 80}, {1: 100}])
    areas.largest[:] = np.where(areas.class_id == PERSON, np.minimum(areas.pixels, 5), areas.pixels)
    for measure, present_from, own_size, expected in (
        ("area", 5.0, True, [0, 1, 2]), ("presence", 5.0, True, [1, 2]), ("presence", 6.0, True, []),
        ("presence", 6.0, False, [1, 2]), ("count", 20.0, False, [2]), ("presence", 0.0, False, [1, 2]),
    ):  # fmt: skip
        counted = showing.counting(areas, finding(measure, present_from), own_size, HEAD)
        assert counted.image.tolist() == expected, (measure, present_from, own_size)


@pytest.fixture
def filled(store, pictures, run):
    """Real images 3 to 82 with people, two generators of 80 without; one makes half as many trees, one more."""
    made = {"ka": scenes(0, 90), "kb": scenes(1, 80, person=0.02, tree=0.1), "kc": scenes(2, 80, person=0.0, tree=1.0)}
    made["ka"][5] = None
    for key, scene in made.items():
        pictures(store, key, scene, block=8)
    run(store, "r1", [("real", "photos", "ka", 3, 80), ("generated", "b", "kb", 0, 80), ("generated", "c", "kc", 0, 80)])
    return store, made


def test_a_run_shows_its_lost_classes_beside_every_generator_that_loses_them(filled):
    store, made = filled
    found = materialise(store, "r1")
    chosen = showing.chosen(store, "r1", "photos", found, ["b", "c"])
    lost = {
        (row["class"], row["generator"])
        for row in found["dropped_classes"].to_pylist()
        if row["verdict"] in ("dropped", "reduced")
    }
    assert ("person", "b") in lost and ("person", "c") in lost and ("tree", "b") in lost and ("tree", "c") not in lost
    assert {name for beside in chosen.lost[PERSON].values() for name in beside} == {"b", "c"}
    assert {name for beside in chosen.lost[TREE].values() for name in beside} == {"b"}
    held = {i: picture.get(PERSON, 0) for i, picture in enumerate(made["ka"]) if picture and 3 <= i < 83}
    assert list(chosen.lost[PERSON]) == sorted(held, key=lambda i: (-held[i], i))[: showing.MOST]
    assert chosen.of_real == {i for beside in chosen.lost.values() for i in beside}
    (grown,) = [each for each in chosen.grown if (each.generator, each.class_id) == ("c", TREE)]
    trees = {i: picture[TREE] for i, picture in enumerate(made["kc"]) if TREE in picture}
    assert list(grown.largest) == sorted(trees, key=lambda i: (-trees[i], i))[: showing.MOST]
    assert set(grown.sure.values()) == {0.5 + TREE / 16} and set(grown.largest) | set(grown.unsure) <= chosen.of_generator("c")
    assert not chosen.of_generator("nobody")


def test_only_the_first_images_are_looked_through_and_all_for_a_class_too_rare_there(filled, monkeypatch):
    store, made = filled
    monkeypatch.setattr(showing, "IMAGES", 10)
    found = materialise(store, "r1")
    chosen = showing.chosen(store, "r1", "photos", found, ["b", "c"])
    assert max(beside["c"][0] for beside in chosen.lost[PERSON].values()) < 10
    first = [i for i in range(3, 13) if made["ka"][i] and PERSON in made["ka"][i]]
    assert len(first) < showing.MOST  # so all of them are looked through
    held = {i: picture.get(PERSON, 0) for i, picture in enumerate(made["ka"]) if picture and 3 <= i < 83}
    assert sorted(held[i] for i in chosen.lost[PERSON])[::-1] == sorted(held.values())[::-1][: showing.MOST]
    monkeypatch.setattr(showing, "MOST", 2)
    few = showing.chosen(store, "r1", "photos", found, ["b", "c"]).lost[PERSON]
    assert list(few) == sorted(first, key=lambda i: (-held[i], i))[:2]


def test_records_of_an_older_ganaudit_have_no_regions_and_need_no_confidence(filled):
    store, _ = filled
    areas = showing.first_of(store, sources_of(store, "r1")[0])
    assert (areas.largest == areas.pixels).all() and areas.image.min() == 3 and areas.image.max() == 82 and 5 not in areas.image
    for confidence in (np.nan, 1.0):  # or one that says nothing
        blank = replace(areas, confidence=np.full(len(areas.image), confidence))
        made = showing._grown("g", blank.where(blank.class_id == PERSON), PERSON, 6)
        assert len(made.largest) == 6 and made.unsure == [] and made.sure == {}
    assert classes_of(store, "p0").first_head == HEAD
