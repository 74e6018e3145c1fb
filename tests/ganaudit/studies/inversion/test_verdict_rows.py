"""What a verdict rests on: which photos were searched again, and which own samples are like them in area and contrast."""

from __future__ import annotations

import numpy as np
import pytest
from inverted_by_hand import findings, inverted, setting, write

from ganaudit.records.store import Store

SIDE = 8


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store").open_for_writing()


def scene(person, back, road=0, road_back=0):
    """Label maps: so many pixels of person (2) and, from the other end, of road (3), in sky (1), of which so many come back."""
    before, after = np.ones((2, SIDE * SIDE), dtype=np.int64)
    before[:person], after[:back] = 2, 2
    before[SIDE * SIDE - road :], after[SIDE * SIDE - road_back :] = 3 if road else before[-1:], 3 if road_back else after[-1:]
    return before.reshape(SIDE, SIDE), after.reshape(SIDE, SIDE)


def said(store, done, name):
    (row,) = [row for row in findings(store, {"a": done})["omissions"] if row["class"] == name]
    return row


def test_the_mask_weighted_search_of_a_class_is_that_of_its_own_number_and_method(store):
    """Seven ways to be mask-weighted, each with a recall of its own; a photo of each also holds the other class."""
    lists = {
        ("ka", "latent", None, None): [scene(20, 0, 16, 0)] * 25,
        ("kb", "latent", None, 2): [scene(20, 5, 16, 4)] * 22,
        ("kc", "latent", None, 3): [scene(20, 10, 16, 12)] * 22,
        ("kd", "layerwise", 1.0, None): [scene(20, 0, 16, 0)] * 25,
        ("ke", "layerwise", 1.0, 2): [scene(20, 15, 16, 8)] * 22,
        ("kf", "layerwise", 1.0, 3): [scene(20, 1, 16, 2)] * 22,
        ("ka0", "layerwise", 10.0, None): [scene(20, 0, 16, 0)] * 25,
        ("kb0", "layerwise", 10.0, 2): [scene(20, 2, 16, 8)] * 22,
    }
    done = []
    for (key, method, factor, weighted), maps in lists.items():
        images = [inverted(number, *label_map) for number, label_map in enumerate(maps)]
        done.append(setting(key, "heldout", images, method, factor, weighted))
        write(store, done[-1], images, layer="z" if method == "latent" else "layer4")
    found = {(row["class"], row["penalty_factor"]): row["weighted_recall"] for row in findings(store, {"a": done})["omissions"]}
    assert found == {
        ("person", None): pytest.approx(5 / 20),
        ("road", None): pytest.approx(12 / 16),
        ("person", 1.0): pytest.approx(15 / 20),
        ("road", 1.0): pytest.approx(2 / 16),
        ("person", 10.0): pytest.approx(2 / 20),
        ("road", 10.0): None,
        **{("sky", result): None for result in (None, 1.0, 10.0)},
    }


def test_mask_weighted_recalls_are_weighted_like_the_photos(store):
    images = [inverted(n, *scene(20, 2 * n), weight=1.0 + n) for n in range(6)]
    small = inverted(6, *scene(11, 11), weight=9.0)  # too few pixels to count
    lost = inverted(7, *scene(20, 20), weight=9.0, status="quarantined")
    plain, again = setting("ka", "heldout", images), setting("kb", "heldout", [*images, small, lost], weighted=2)
    write(store, plain, images)
    write(store, again, [*images, small, lost])
    row = said(store, [plain, again], "person")
    expected = np.average([2 * n / 20 for n in range(6)], weights=[1.0 + n for n in range(6)])
    assert row["weighted_recall"] == pytest.approx(expected) == pytest.approx(row["recall"])


def test_a_control_is_like_the_photos_in_contrast_and_in_area(store):
    """Own samples with pale people, tiny people and huge people come back; those like the photos' do not."""
    held = [inverted(n, *scene(20, 0), contrasts={1: 0.01, 2: 0.4 + 0.01 * (n % 5)}) for n in range(25)]
    kinds = {
        "alike": [inverted(n, *scene(24, 6), contrasts={1: 0.01, 2: 0.5}) for n in range(21)],
        "pale": [inverted(n, *scene(20, 20), contrasts={1: 0.4, 2: 0.2}) for n in range(100, 140)],
        "loud": [inverted(n, *scene(20, 20), contrasts={1: 0.4, 2: 0.9}) for n in range(200, 240)],
        "huge": [inverted(n, *scene(50, 50), contrasts={1: 0.4, 2: 0.42}) for n in range(300, 340)],
    }
    own = [result for some in kinds.values() for result in some]
    done = [setting("ka", "heldout", held), setting("kb", "own", own)]
    write(store, done[0], held)
    write(store, done[1], own)
    row = said(store, done, "person")
    assert (row["control"], row["control_images"]) == ("own samples", 21)
    assert row["control_recall"] == pytest.approx(6 / 24)
    without = [result for name, some in kinds.items() if name != "alike" for result in some]
    done[1] = setting("kc", "own", without)
    write(store, done[1], without)
    row = said(store, done, "person")  # the sky of others is as large as a person only where people fill the image
    assert (row["control"], row["control_images"]) == ("other classes", 40)


@pytest.mark.parametrize("seed", [1, 2])
def test_control_cases_are_those_within_a_factor_of_two(store, seed):
    draws = np.random.default_rng(seed)
    people = [(int(draws.integers(12, 50)), float(draws.uniform(0.1, 1.0)), int(draws.integers(0, 13))) for _ in range(30)]
    held = [inverted(0, *scene(20, 0), contrasts={2: 0.4})]
    own = [inverted(n, *scene(size, back), contrasts={1: 9.0, 2: contrast}) for n, (size, contrast, back) in enumerate(people)]
    done = [setting("ka", "heldout", held), setting("kb", "own", own)]
    write(store, done[0], held)
    write(store, done[1], own)
    row = said(store, done, "person")
    alike = [back / size for size, contrast, back in people if 10 <= size <= 40 and 0.2 <= contrast <= 0.8]
    assert row["control_images"] == len(alike)
    assert row["control_recall"] == pytest.approx(np.mean(alike)) and 0 < len(alike) < 25
